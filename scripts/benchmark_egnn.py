"""Time our EGNN against the reference implementation of EDM, with the same weights, in one process.

    git clone https://github.com/ehoogeboom/e3_diffusion_for_molecules /tmp/reference
    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python scripts/benchmark_egnn.py --reference /tmp/reference

Both run in turn, repetition by repetition, on the same batch; the figures are processor seconds of this process, which
other programs on the machine disturb less than wall time. The reference is padded to the batch's largest molecule, as
its own training does. Exit code 1 when outputs or gradients differ by more than the tolerance.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from molgen.benchmark.molecules import QM9
from molgen.benchmark.timing import time_in_turn
from molgen.denoiser import NoiseDenoiser, project
from molgen.host_cpu import keep_freed_memory
from molgen.networks.egnn import EGNN
from molgen.processes.gaussian import GaussianProcess
from molgen.processes.schedule import PolynomialSchedule

FEATURES = 6  # one-hot of H, C, N, O, F and the atomic number
TOLERANCE = 1e-4

Outputs = Callable[[], Tensor]


@dataclass
class Batch:
    """Noisy latents of molecules of mixed sizes: ``z`` (B, N, 9), ``t`` (B,), ``mask`` (B, N)."""

    z: Tensor
    t: Tensor
    mask: Tensor


def make_batch(size: int, seed: int, pad_to: int) -> Batch:
    """Latents half way through the noise process, sizes drawn from QM9's histogram."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.tensor(QM9.size_histogram, dtype=torch.float64)
    sizes = torch.multinomial(weights, size, replacement=True, generator=generator)
    atoms = max(int(sizes.max()), pad_to)
    mask = torch.arange(atoms) < sizes[:, None]
    scale = torch.tensor([1.5] * 3 + [1.0] * FEATURES)  # QM9 is about 1.5 angstrom wide in each direction
    z = project(torch.randn(size, atoms, 3 + FEATURES, generator=generator) * scale, mask)
    return Batch(z, torch.rand(size, generator=generator), mask)


def load_reference(folder: Path, hidden: int, layers: int) -> nn.Module:
    """The reference's network with the settings of its published QM9 command."""
    sys.path.insert(0, str(folder))
    try:
        from egnn.models import EGNN_dynamics_QM9
    except ImportError as error:
        raise SystemExit(f"{folder} is not a checkout of the EDM reference: {error}") from error
    network: nn.Module = EGNN_dynamics_QM9(
        in_node_nf=FEATURES + 1, context_node_nf=0, n_dims=3, hidden_nf=hidden, n_layers=layers, attention=True,
        tanh=True, norm_constant=1, inv_sublayers=1, normalization_factor=1, aggregation_method="sum",
    )  # fmt: skip
    for name, parameter in network.named_parameters():
        if name.endswith("coord_mlp.4.weight"):  # at their initial size coordinates hardly move and prove nothing
            nn.init.xavier_uniform_(parameter, gain=0.02)
    return network


def to_our_names(reference: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """Parameters (or their gradients) of the reference under the names of ``NoiseDenoiser(EGNN)``."""
    parts = {
        "gcl_0.edge_mlp.0": "message.first", "gcl_0.edge_mlp.2": "message.second", "gcl_0.att_mlp.0": "gate",
        "gcl_0.node_mlp.0": "update.0", "gcl_0.node_mlp.2": "update.2", "gcl_equiv.coord_mlp.0": "coordinate.first",
        "gcl_equiv.coord_mlp.2": "coordinate.second", "gcl_equiv.coord_mlp.4": "weight",
    }  # fmt: skip
    modules = {"egnn.embedding": "embed", "egnn.embedding_out": "readout"}
    for i in range(layers):
        modules |= {f"egnn.e_block_{i}.{theirs}": f"blocks.{i}.{ours}" for theirs, ours in parts.items()}
    split = ((name.rpartition("."), value) for name, value in reference.items())
    return {f"network.{modules[module]}.{kind}": value for (module, _, kind), value in split}


def run_reference(network: Any, batch: Batch) -> Tensor:
    node_mask = batch.mask.unsqueeze(-1).float()
    edges = batch.mask.unsqueeze(1) & batch.mask.unsqueeze(2) & ~torch.eye(batch.mask.shape[1], dtype=torch.bool)
    output: Tensor = network._forward(batch.t.unsqueeze(1), batch.z, node_mask, edges.float().reshape(-1, 1), None)
    return output


def run_ours(network: nn.Module, batch: Batch, bf16: bool = False) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        output: Tensor = network(batch.z, batch.t, batch.mask)
    return output


def gradients(network: nn.Module, outputs: Outputs) -> dict[str, Tensor]:
    """Gradients of the mean squared output with respect to every parameter."""
    network.zero_grad(set_to_none=True)
    outputs().square().mean().backward()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


def without_gradient(outputs: Outputs) -> Tensor:
    with torch.no_grad():
        return outputs()


def cpu_seconds(functions: dict[str, Callable[[], Any]], repeats: int) -> dict[str, tuple[float, ...]]:
    """Processor seconds of each repetition of each function, after one that does not count."""
    for function in functions.values():
        function()
    return {name: one.cpu for name, one in zip(functions, time_in_turn([*functions.values()], repeats), strict=True)}


def check(reference: nn.Module, theirs: Outputs, ours_network: nn.Module, ours: Outputs, layers: int) -> bool:
    """Print how far apart outputs and gradients are; whether both are within the tolerance."""
    expected, actual = without_gradient(theirs), without_gradient(ours)
    difference = float((expected - actual).abs().max())
    print(f"outputs: largest difference {difference:.2e}, largest value {float(expected.abs().max()):.3g}")
    wanted = to_our_names(gradients(reference, theirs), layers)
    given = gradients(ours_network, ours)
    relative = max(float((wanted[k] - given[k]).norm() / wanted[k].norm().clamp(min=1e-12)) for k in wanted)
    print(f"gradients: {len(wanted)} parameters, largest relative difference {relative:.2e}")
    return difference <= TOLERANCE and relative <= 10 * TOLERANCE and wanted.keys() == given.keys()


def report(variants: dict[str, tuple[nn.Module, Outputs]], repeats: int) -> None:
    """Time every variant forward and forward + backward and print a table; the first is what the others divide."""
    forward = {name: partial(without_gradient, outputs) for name, (_, outputs) in variants.items()}
    both = {name: partial(gradients, *variant) for name, variant in variants.items()}
    times = [cpu_seconds(functions, repeats) for functions in (forward, both)]
    first = next(iter(variants))
    median, expected = statistics.median, without_gradient(variants[first][1])
    print(
        "\n| | forward, CPU-s: median (min) | ratio | forward + backward | ratio | error |\n|---|---|---|---|---|---|"
    )
    for name, (_, outputs) in variants.items():
        cells = [
            f"{median(t[name]):.3f} ({min(t[name]):.3f}) | {median(t[first]) / median(t[name]):.2f} x" for t in times
        ]
        error = (without_gradient(outputs) - expected).norm() / expected.norm()
        print(f"| {name} | {' | '.join(cells)} | {float(error):.1e} |")
    print("\nratio: medians, first row over this one; error: relative to the first row's output, root mean square")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True, help="checkout of e3_diffusion_for_molecules")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64, help="molecules")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=9)
    parser.add_argument(
        "--pad-to", type=int, default=0, help="pad to so many atoms (29: the reference when it samples)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--system-allocator", action="store_true", help="as programs find it: freed memory is given back"
    )
    parser.add_argument("--compile", action="store_true", help="torch.compile too (needs a C++ compiler; minutes)")
    arguments = parser.parse_args()
    if not arguments.system_allocator:
        keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    batch = make_batch(arguments.batch, arguments.seed, arguments.pad_to)
    sizes = batch.mask.sum(1)
    pairs = int((sizes * (sizes - 1)).sum())
    print(
        f"{arguments.layers} x {arguments.hidden}, {len(sizes)} molecules of {float(sizes.float().mean()):.1f} atoms,"
    )
    print(f"{pairs:,} pairs of {len(sizes) * batch.mask.shape[1] ** 2:,} with padding, {arguments.threads} thread(s),")
    print(f"torch {torch.__version__}, float32 unless said otherwise")
    reference = load_reference(arguments.reference, arguments.hidden, arguments.layers)
    network = EGNN(FEATURES + 1, arguments.hidden, arguments.layers)
    ours = NoiseDenoiser(network, GaussianProcess(PolynomialSchedule()))
    ours.load_state_dict(to_our_names(reference.state_dict(), arguments.layers))
    variants: dict[str, tuple[nn.Module, Outputs]] = {
        "reference": (reference, partial(run_reference, reference, batch)),
        "molgen": (ours, partial(run_ours, ours, batch)),
        "molgen, bf16": (ours, partial(run_ours, ours, batch, bf16=True)),
    }
    if not check(*variants["reference"], *variants["molgen"], arguments.layers):
        raise SystemExit(f"outputs or gradients differ by more than {TOLERANCE}")
    if arguments.compile:
        compiled = torch.compile(ours, dynamic=False)
        variants["molgen, compiled"] = (ours, partial(run_ours, compiled, batch))
        variants["molgen, compiled, bf16"] = (ours, partial(run_ours, compiled, batch, bf16=True))
    report(variants, arguments.repeats)


if __name__ == "__main__":
    main()
