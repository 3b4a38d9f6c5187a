"""The networks that benchmark_sampling.py measures beside ours: classes of the peers' own checkouts, unmodified.

They run in a process of their own, so that what molgen sets for its process (memory, denormal numbers) does not touch
them unless it is asked to.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from peer_process import AnswerProcess

from molgen.batch import AtomBatch
from molgen.benchmark.molecules import QM9, RandomMolecules, random_batch
from molgen.host_cpu import prepare_cpu

BATCH = 64

EDM_STEPS, EDM_CALLS, EDM_STABLE, EDM_LARGEST = 1000, 1001, 0.820, 29
"""Hoogeboom et al. 2022, table 1: share of stable molecules; the size that its sampler pads to."""
SEMLA_STEPS, SEMLA_STABLE = 100, 0.997
"""Irwin et al. 2024, table for QM9: bonds are the model's own."""


def import_from(folder: Path, what: str, name: str) -> Any:
    """A module of a peer's checkout."""
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(what)
    except ImportError as error:
        raise SystemExit(f"{folder} is not a checkout of {name}: {error}") from error


class ReferenceEDM:
    """The reference's diffusion model, made by the settings of its QM9 command, and a batch of random molecules."""

    def __init__(self, folder: Path, batch: AtomBatch) -> None:
        from torch.nn.functional import one_hot, pad

        dynamics = import_from(folder, "egnn.models", "EDM").EGNN_dynamics_QM9(
            in_node_nf=7, context_node_nf=0, n_dims=3, hidden_nf=256, n_layers=9, attention=True, tanh=True,
            norm_constant=1, inv_sublayers=1, normalization_factor=1, aggregation_method="sum",
        )  # fmt: skip
        self.model = import_from(folder, "equivariant_diffusion.en_diffusion", "EDM").EnVariationalDiffusion(
            dynamics, in_node_nf=6, n_dims=3, timesteps=EDM_STEPS, noise_schedule="polynomial_2",
            noise_precision=1e-5, loss_type="l2", norm_values=[1, 4, 10],
        )  # fmt: skip
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, amsgrad=True, weight_decay=1e-12)
        self.mask = self.masks(batch.mask)
        classes = torch.bucketize(batch.elements, torch.tensor([1, 6, 7, 8, 9]))
        kinds = one_hot(classes, 5).float() * self.mask[0]
        self.features = {"categorical": kinds, "integer": batch.elements.unsqueeze(-1).float()}
        mean = batch.positions.sum(1, keepdim=True) / batch.num_atoms.view(-1, 1, 1)
        self.positions = (batch.positions - mean) * self.mask[0]
        wide = pad(batch.mask, (0, EDM_LARGEST - batch.mask.shape[1]))
        self.sampling_mask = self.masks(wide)
        self.z = self.model.sample_combined_position_feature_noise(len(wide), EDM_LARGEST, self.sampling_mask[0])

    @staticmethod
    def masks(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of nodes ``(B, N, 1)`` and of edges ``(B, N * N)``, as the reference wants them."""
        edges = mask.unsqueeze(1) & mask.unsqueeze(2) & ~torch.eye(mask.shape[1], dtype=torch.bool)
        return mask.unsqueeze(-1).float(), edges.float().flatten(1)

    def train(self) -> None:
        self.model.train()
        self.optimizer.zero_grad()
        self.model(self.positions, self.features, *self.mask, None).mean(0).backward()
        self.optimizer.step()

    def step(self) -> None:
        self.model.eval()
        t = torch.full((len(self.z), 1), 0.5)
        with torch.no_grad():
            self.model.sample_p_zs_given_zt(t - 1 / EDM_STEPS, t, self.z, *self.sampling_mask, None)


class ReferenceSemla:
    """SemlaFlow's network with the default settings of its train.py and self-conditioning."""

    kinds, orders = 18, 5

    def __init__(self, folder: Path, batch: AtomBatch) -> None:
        semla = import_from(folder, "semlaflow.models.semla", "SemlaFlow")
        dynamics = semla.EquiInvDynamics(
            384, 128, 64, 12, n_attn_heads=32, d_message_hidden=128, d_edge=128, bond_refine=True, self_cond=True,
            coord_norm="length",
        )  # fmt: skip
        self.model = semla.SemlaGenerator(
            384, dynamics, self.kinds, self.kinds + 1, d_edge=128, n_edge_types=self.orders, self_cond=True,
            size_emb=64, max_atoms=256,
        ).eval()  # fmt: skip
        shape = (*batch.mask.shape, self.kinds)
        pairs = (*batch.mask.shape, batch.mask.shape[1], self.orders)
        x = batch.positions / batch.positions.std()
        atoms, bonds = torch.randn(shape).softmax(-1), torch.randn(pairs).softmax(-1)
        features = torch.cat([torch.full((*shape[:2], 1), 0.5), atoms], dim=-1)
        self.inputs = (x, features, bonds, x, atoms, bonds, batch.mask.long())

    def step(self) -> None:
        with torch.no_grad():
            coordinates, *logits = self.model(*self.inputs)
            assert coordinates.isfinite().all()
            for values in logits:
                values.softmax(-1)


def peer_functions(folders: dict[str, Path], seed: int) -> dict[str, Callable[[], None]]:
    """What of the peers is timed, on one batch of random molecules of QM9's sizes."""
    sizes = torch.from_numpy(RandomMolecules(QM9, BATCH, seed).sizes)
    batch = random_batch(QM9, sizes, torch.Generator().manual_seed(seed))
    print(f"peers: {BATCH} molecules of {sizes.float().mean():.2f} atoms, at most {sizes.max()}", file=sys.stderr)
    functions: dict[str, Callable[[], None]] = {}
    if "edm" in folders:
        edm = ReferenceEDM(folders["edm"], batch)
        functions |= {"EDM, training": edm.train, "EDM, sampling step": edm.step}
    if "semla" in folders:
        functions["SemlaFlow, network call"] = ReferenceSemla(folders["semla"], batch).step
    return functions


def serve(pipe: Connection, folders: dict[str, Path], seed: int, threads: int, prepared: bool) -> None:
    """Send the names of the functions, then run each that is asked for until nothing is."""
    if prepared:
        prepare_cpu()
    torch.set_num_threads(threads)
    with redirect_stdout(sys.stderr):  # the reference prints its schedule
        functions = peer_functions(folders, seed)
        pipe.send(list(functions))
        while name := pipe.recv():
            functions[name]()
            pipe.send(name)


class PeerProcess(AnswerProcess):
    """The other process.

    Args:
        folders: Checkouts of ``edm`` and ``semla``; those absent are left out.
        seed: Of the molecules.
        threads: As in this process.
        prepared: Give it molgen's settings of memory and denormal numbers.
    """

    def __init__(self, folders: dict[str, Path], seed: int, threads: int, prepared: bool) -> None:
        super().__init__(serve, folders, seed, threads, prepared)

    def functions(self) -> dict[str, Callable[[], Any]]:
        """What it can do, by name; each returns when it is done."""
        return {name: partial(self.ask, name) for name in self.first_answer}
