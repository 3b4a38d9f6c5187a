"""A trained model ready to sample from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from molgen.batch import AtomBatch
from molgen.checkpoint import Checkpoint, find
from molgen.errors import ConfigError, MissingError
from molgen.sampling.conditions import Condition, Request, make_condition, number_of, plan_for
from molgen.sampling.rounds import rounds
from molgen.sampling.runner import run
from molgen.sampling.settings import Settings
from molgen.sampling.sizes import CHUNK, Plan
from molgen.structure import Structure
from molgen.symmetry.gene import Gene

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
        """Atom counts for ``n`` structures, and what they are given."""
        return plan_for(self.checkpoint.data, n, seed, atoms, condition)

    def sample(
        self,
        n: int,
        seed: int = 0,
        steps: int | None = None,
        solver: str | None = None,
        *,
        atoms: tuple[int, int] | None = None,
        formula: str | None = None,
        formula_units: tuple[int, int] | None = None,
        chemical_system: str | None = None,
        targets: Sequence[Structure] | None = None,
        templates: Sequence[Structure] | None = None,
        fragment: Structure | None = None,
        genes: Sequence[Gene] | None = None,
        options: Mapping[str, Any] | None = None,
        precision: str = "32",
        spacing: float | None = None,
        batch_size: int | None = None,
        progress: Callable[[int, int | None], None] = lambda done, total: None,
    ) -> list[Structure]:
        """Make structures; the same ones as ``molgen sample`` with the same settings.

        Args:
            n: How many; with ``targets`` or ``genes``, for each of them.
            seed: Of everything random.
            steps: Solver steps; the model's own number if None.
            solver: One of the model's (EDM: ``ancestral``, ``ddim``, ``dpm``, ``dpm_sde``); its default if None.
            atoms: Smallest and largest number of atoms; the training set's distribution if None.
            formula: Composition of every structure, such as ``C7H10O2`` (hydrogens included) or ``LiFePO4``.
            formula_units: Smallest and largest number of formula units in a crystal's cell; one if None. The structures
                are shared out among the numbers that fit the model; property ``formula_units`` says which one has.
            chemical_system: Elements of every crystal, such as ``Li-Mn-O``.
            targets: Structures whose compositions are to be predicted; property ``target`` says which one it is
                (:func:`molgen.datasets.labels.distinct_labels`).
            templates: Known crystals. The k-th crystal of a formula or target begins as the k-th best of them with its
                elements exchanged (:class:`molgen.sampling.prototypes.Prototypes`) and is refined. It begins as noise
                where there are not so many; property ``template`` says which it was.
            fragment: Atoms, with bonds, that every molecule begins with and keeps where they are; the rest is grown.
                ``molgen.read_fragment`` reads one from a file.
            genes: Space groups and orbits that crystals are to have; only free parameters are the model's, and the cell
                where properties ``a`` to ``gamma`` of a gene state none. Properties ``target`` (the gene's name) and
                ``asked_space_group`` say which it was. ``molgen.read_genes`` reads them from a file.
            options: The model's further settings of sampling, such as ``{"temperature": 0.9}``.
            precision: ``32`` or ``bf16``.
            spacing: Exponent of the times; above 1, more steps near t = 0; the model's own if None.
            batch_size: Structures at once; plays no part in the result.
            progress: Called with (done, all).

        Returns:
            Structures in angstrom, with bonds where the model makes them (else ``molgen.perceive_bonds`` finds them),
            centred, or in the frame of the fragment; crystals in the cell that the model made
            (``molgen.canonical_cell`` reduces it). One whose coordinates came out not finite stays in its place;
            ``numpy.isfinite(s.positions).all()`` tells. One that is not what was asked for is left out and another is
            made for it, up to ten times ``n`` in all.

        Raises:
            ConfigError: A setting is wrong, no training structure has such a number of atoms, or the model cannot be
                given what is asked for, or not this one.
        """
        if n < 0 or seed < 0:
            raise ConfigError(f"{n} structures from seed {seed}; neither may be negative")
        settings = Settings.of(
            self.model, steps=steps, solver=solver, spacing=spacing, precision=precision, options=options
        )
        request = Request(
            formula=formula,
            formula_units=formula_units,
            chemical_system=chemical_system,
            targets=targets,
            per_target=n,
            templates=templates,
            fragment=fragment,
            genes=genes,
            atoms=atoms,
        )
        condition = make_condition(self.model, request)
        again = lambda number, seed: self.plan(number, seed, atoms, condition)  # noqa: E731
        first = self.plan(number_of(request, condition, n), seed, atoms, condition)
        kept: list[Structure] = []
        rejected: list[int] = []
        made = 0
        for plan in rounds(first, again, lambda number: rejected[number]):
            before, at = len(kept), made
            chunks = run(
                self.model,
                plan,
                settings,
                batch_size=batch_size or self.default_batch,
                progress=lambda done, total, at=at: progress(at + done, at + (total or 0)),  # type: ignore[misc]
            )
            for chunk, parts in chunks:
                for structure, problem in checked(parts, plan, chunk):
                    kept += [] if problem else [structure.replace(name=str(made))]
                    made += 1
            rejected.append(made - at - (len(kept) - before))
        return kept


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


def structures_of(parts: Sequence[AtomBatch]) -> Iterator[Structure]:
    """The structures of consecutive batches, one by one, as the model made them."""
    for part in parts:
        yield from part.to_structures()


def checked(parts: Sequence[AtomBatch], plan: Plan, chunk: int) -> Iterator[tuple[Structure, str]]:
    """The structures of a chunk as the user gets them, and why each is not what was asked for (empty if it is).

    Args:
        parts: What :func:`molgen.sampling.runner.run` made of the chunk.
        plan: What was made.
        chunk: Which of its chunks.
    """
    condition = plan.condition
    wanted = zip(plan.chunks[chunk].tolist(), plan.items_of(chunk).tolist(), strict=True)
    for structure, (size, item) in zip(structures_of(parts), wanted, strict=True):
        if len(structure) != size:
            yield structure, f"other number of atoms: {len(structure)} for {size}"
        elif condition is None:
            yield structure, ""
        else:
            restored = condition.restored(structure, item)
            yield restored, condition.problem(restored, item)
