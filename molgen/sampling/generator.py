"""A trained model ready to sample from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from molgen.batch import AtomBatch
from molgen.checkpoint import Checkpoint, find
from molgen.errors import ConfigError, MissingError
from molgen.sampling.conditions import Condition, make_condition
from molgen.sampling.runner import run
from molgen.sampling.settings import Settings
from molgen.sampling.sizes import CHUNK, Plan, make_plan
from molgen.structure import Structure

CUDA_BATCH = 4 * CHUNK


@dataclass(frozen=True)
class Generator:
    """A model with its weights. Use :func:`load`.

    Attributes:
        path: The weights file.
        checkpoint: What the file says of itself.
        model: The model on its device, in evaluation mode.
        device: ``cpu`` or ``cuda``, perhaps with a number.
    """

    path: Path
    checkpoint: Checkpoint
    model: Any = field(repr=False)
    device: str

    @property
    def default_batch(self) -> int:
        """Structures at once that suit the device."""
        return default_batch(self.device)

    def sha256(self) -> str:
        """Of the model; see :meth:`molgen.checkpoint.Checkpoint.sha256`."""
        return self.checkpoint.sha256()

    def plan(
        self, n: int, seed: int = 0, atoms: tuple[int, int] | None = None, condition: Condition | None = None
    ) -> Plan:
        """Atom counts for ``n`` structures, and what they are given; see :func:`molgen.sampling.sizes.make_plan`."""
        data = self.checkpoint.data
        histogram = data.size_histogram if condition is None else condition.histogram(data)
        return replace(make_plan(histogram, n, seed, atoms), condition=condition)

    def sample(
        self,
        n: int,
        seed: int = 0,
        steps: int | None = None,
        solver: str | None = None,
        *,
        atoms: tuple[int, int] | None = None,
        formula: str | None = None,
        fragment: Structure | None = None,
        options: Mapping[str, Any] | None = None,
        precision: str = "32",
        spacing: float | None = None,
        batch_size: int | None = None,
        progress: Callable[[int, int | None], None] = lambda done, total: None,
    ) -> list[Structure]:
        """Make molecules; the same ones as ``molgen sample`` with the same settings.

        Args:
            n: How many.
            seed: Of everything random.
            steps: Solver steps; the model's own number if None.
            solver: One of the model's (EDM: ``ancestral``, ``ddim``, ``dpm``, ``dpm_sde``); its default if None.
            atoms: Smallest and largest number of atoms; the training set's distribution if None.
            formula: Composition of every molecule, hydrogens included, such as ``C7H10O2``.
            fragment: Atoms, with bonds, that every molecule begins with and keeps where they are; the rest is grown.
                ``molgen.read_fragment`` reads one from a file.
            options: The model's further settings of sampling, such as ``{"temperature": 0.9}``.
            precision: ``32`` or ``bf16``.
            spacing: Exponent of the times; above 1, more steps near t = 0; the model's own if None.
            batch_size: Structures at once; plays no part in the result.
            progress: Called with (done, all).

        Returns:
            Structures in angstrom, with bonds where the model makes them (else ``molgen.perceive_bonds`` finds them),
            centred, or in the frame of the fragment. One whose coordinates came out not finite stays in its place;
            ``numpy.isfinite(s.positions).all()`` tells.

        Raises:
            ConfigError: A setting is wrong, no training structure has such a number of atoms, or the model cannot be
                given a formula or a fragment, or not this one.
        """
        settings = Settings.of(
            self.model, steps=steps, solver=solver, spacing=spacing, precision=precision, options=options
        )
        plan = self.plan(n, seed, atoms, make_condition(self.model, formula=formula, fragment=fragment, atoms=atoms))
        made = run(self.model, plan, settings, batch_size=batch_size or self.default_batch, progress=progress)
        return [
            structure.replace(name=str(plan.starts[chunk] + row))
            for chunk, parts in made
            for row, structure in enumerate(structures_of(parts, plan.condition))
        ]


def load(path: str | Path, device: str = "cpu") -> Generator:
    """Load a trained model.

    Args:
        path: Checkpoint folder or file, run folder, or name under ``checkpoints/``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        MissingError: There is no such checkpoint or device.
        InputError: The file is damaged or no checkpoint of molgen.
    """
    device = choose_device(device)
    file = find(path)
    checkpoint = Checkpoint.load(file)
    return Generator(file, checkpoint, checkpoint.build(device), device)


def default_batch(device: str) -> int:
    """Structures at once that suit a device."""
    return CHUNK if device == "cpu" else CUDA_BATCH


def choose_device(device: str) -> str:
    """``auto`` becomes ``cuda`` where there is one, else ``cpu``; other names are checked.

    Raises:
        ConfigError: An unknown name.
        MissingError: No such device here.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (number and not (kind == "cuda" and number.isdecimal())):
        raise ConfigError(f"unknown device {device!r}", hint="one of auto, cpu, cuda, cuda:1")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise MissingError(f"there is no device {device} here", hint="--device cpu, or a torch built for this GPU")
    return device


def structures_of(parts: Sequence[AtomBatch], condition: Condition | None = None) -> Iterator[Structure]:
    """The structures of consecutive batches, one by one, in the frame of what was given."""
    for part in parts:
        for structure in part.to_structures():
            yield structure if condition is None else condition.restored(structure)
