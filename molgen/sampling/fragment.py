"""Molecules grown from a fragment: its atoms keep place, element, charge and bonds, the rest is the model's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from molgen.batch import AtomBatch
from molgen.elements import SYMBOLS, VALENCES
from molgen.errors import ConfigError
from molgen.models.data_summary import DataSummary
from molgen.models.graph import Graph, GraphVocabulary
from molgen.models.known import Known
from molgen.sampling.sizes import Plan, make_plan
from molgen.structure import AROMATIC, Structure

_NEAREST = 0.1
"""Two atoms closer than this, in angstrom, are a file without coordinates."""


@dataclass(frozen=True, eq=False)
class Fragment:
    """The first atoms of every molecule of a run; make it with :meth:`of`.

    Attributes:
        structure: Given atoms with charges and bonds, in the user's frame.
    """

    structure: Structure
    kind: ClassVar[str] = "fragment"
    by_chance: ClassVar[bool] = False

    @classmethod
    def of(cls, structure: Structure, data: DataSummary, atoms: tuple[int, int] | None = None) -> Fragment:
        """Check a fragment against what the model knows.

        Args:
            structure: With bonds; charges are zero if they are not stated.
            data: Of the model.
            atoms: Smallest and largest total number of atoms wanted, if that was restricted.

        Raises:
            ConfigError: It lacks bonds or coordinates, is too large, or holds what the model does not know.
        """
        n = len(structure)
        if structure.lattice is not None:
            raise ConfigError("the fragment is a crystal; a molecule is needed")
        if structure.bonds is None or (n > 1 and not len(structure.bonds)):
            raise ConfigError(
                "the fragment states no bonds",
                hint="give an SDF or MOL file with bonds; molgen convert --bonds xyz2mol perceives them",
            )
        if n >= data.max_atoms:
            raise ConfigError(
                f"the fragment has {n} atoms; the largest molecule that the model was trained on has {data.max_atoms}",
                hint=f"keep at most {data.max_atoms - 1} atoms: --fragment-atoms",
            )
        if atoms is not None and atoms[0] <= n:
            raise ConfigError(
                f"the fragment alone has {n} atoms, and the number of atoms, {atoms[0]} or more, counts them",
                hint=f"ask for {n + 1} atoms or more",
            )
        apart = np.linalg.norm(structure.positions[:, None] - structure.positions[None], axis=-1)
        if n > 1 and apart[np.triu_indices(n, 1)].min() < _NEAREST:
            raise ConfigError("atoms of the fragment lie on each other", hint="does its file hold 3D coordinates?")
        charges = np.zeros(n, np.int64) if structure.charges is None else structure.charges
        bare = Structure(
            numbers=structure.numbers, positions=structure.positions, charges=charges, bonds=structure.bonds
        )
        fragment = cls(bare)
        fragment._check_vocabulary(data)
        return fragment

    def _check_vocabulary(self, data: DataSummary) -> None:
        structure = self.structure
        assert structure.charges is not None
        assert structure.bonds is not None
        if AROMATIC in structure.bonds[:, 2] and AROMATIC not in data.bond_orders:
            raise ConfigError(
                "the fragment has aromatic bonds; the model knows single, double and triple ones",
                hint="molgen.read_fragment(path) turns them into single and double bonds",
            )
        for what, values, known in (
            ("the elements", [SYMBOLS[z] for z in structure.numbers], [SYMBOLS[z] for z in data.elements]),
            ("the formal charges", structure.charges.tolist(), data.charges),
            ("bonds of the orders", structure.bonds[:, 2].tolist(), data.bond_orders),
        ):
            if unknown := sorted(set(values) - set(known)):
                raise ConfigError(f"the fragment has {what} {_listed(unknown)}; the model knows {_listed(known)}")

    def histogram(self, data: DataSummary) -> Sequence[int]:
        """Numbers of atoms to draw from: the training set's, above the fragment's own."""
        return [count if n > len(self.structure) else 0 for n, count in enumerate(data.size_histogram)]

    def plan(self, data: DataSummary, n: int, seed: int, atoms: tuple[int, int] | None = None) -> Plan:
        """``n`` numbers of atoms drawn from :meth:`histogram`; see :func:`molgen.sampling.sizes.make_plan`."""
        return make_plan(self.histogram(data), n, seed, atoms).given(self)

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the result, for the sidecar: a hash of everything given."""
        structure = self.structure
        assert structure.charges is not None
        assert structure.bonds is not None
        digest = hashlib.sha256()
        for values in (structure.numbers, structure.charges, structure.bonds[np.lexsort(structure.bonds.T)]):
            digest.update(np.ascontiguousarray(values, dtype="<i8").tobytes())
        digest.update(np.ascontiguousarray(structure.positions, dtype="<f8").tobytes())
        return {"fragment_sha256": digest.hexdigest()}

    def notes(self, data: DataSummary) -> list[str]:
        """What the user may not have meant, one sentence each."""
        structure, notes = self.structure, []
        if not any(_open(structure)):
            notes.append(
                "no atom of the fragment has a free valence, so that nothing can be bonded to it; "
                "leave hydrogens out with --fragment-atoms"
            )
        if len(structure) > 4 and not structure.positions[:, 2].any():
            notes.append("all z coordinates of the fragment are 0; a 2D drawing's would be kept as they are")
        return notes

    def given(
        self,
        vocabulary: GraphVocabulary,
        mask: Tensor,
        dtype: torch.dtype,
        items: NDArray[np.int64] | None = None,
    ) -> tuple[Graph, Known]:
        """The given values of a batch and which they are, for ``model.start``.

        Args:
            vocabulary: The model's.
            mask: True for real atoms, shape ``(B, N)``.
            dtype: Of the positions.
            items: Plays no part: the fragment is the same for all.
        """
        centred = self.structure.replace(positions=self.structure.positions - self.structure.positions.mean(0))
        alone = vocabulary.encode(AtomBatch.from_structures([centred], dtype=dtype).to(mask.device))
        more, batch = mask.shape[1] - len(self.structure), len(mask)
        graph = Graph(
            mask=mask,
            positions=pad(alone.positions, (0, 0, 0, more)).expand(batch, -1, -1),
            elements=pad(alone.elements, (0, more)).expand(batch, -1),
            charges=pad(alone.charges, (0, more)).expand(batch, -1),
            bonds=pad(alone.bonds, (0, more, 0, more)).expand(batch, -1, -1),
        )
        atoms = (torch.arange(mask.shape[1], device=mask.device) < len(self.structure)) & mask
        return graph, Known(atoms=atoms, elements=atoms)

    def restored(self, structure: Structure, item: int = 0) -> Structure:
        """A molecule of the model, which is centred, moved to where its first atoms are exactly those given."""
        n, own = len(self.structure), self.structure.positions
        positions = structure.positions + (own.mean(0) - structure.positions[:n].mean(0))
        positions[:n] = own
        return structure.replace(positions=positions)

    def problem(self, structure: Structure, item: int = 0) -> str:
        """Why the first atoms of a molecule, their charges, places and bonds are not those given; empty if they are."""
        first, own = structure.take(np.arange(len(self.structure))), self.structure
        for what in ("numbers", "charges", "positions"):
            has, wanted = getattr(first, what), getattr(own, what)
            if has is None or not np.array_equal(has, wanted):
                return f"other fragment: its {what} differ"
        if first.bonds is None or _rows(first) != _rows(own):
            return "other fragment: its bonds differ"
        return ""


def _rows(structure: Structure) -> set[tuple[int, ...]]:
    assert structure.bonds is not None
    return {tuple(row) for row in structure.bonds.tolist()}


def _open(structure: Structure) -> list[bool]:
    """Whether each atom could take one more bond."""
    assert structure.charges is not None
    assert structure.bonds is not None
    totals = np.zeros(len(structure), np.int64)
    for end in (0, 1):
        np.add.at(totals, structure.bonds[:, end], structure.bonds[:, 2])
    allowed = [VALENCES.get(int(z - q)) for z, q in zip(structure.numbers, structure.charges, strict=True)]
    return [valences is None or total < valences[-1] for valences, total in zip(allowed, totals.tolist(), strict=True)]


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))
