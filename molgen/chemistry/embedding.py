"""Geometries from SMILES: ETKDGv3 (Wang et al. 2020, doi:10.1021/acs.jcim.0c00025), then an MMFF94s minimum.

The result depends on the molecule and the seed alone: it is embedded from its canonical SMILES with a seed drawn from
that text, so the order and the spelling of a list and the processes that work on it play no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdMolAlign

from molgen.chemistry.mmff94s import ELEMENTS, Mmff94sPotential
from molgen.chemistry.potentials import PotentialError, Settings
from molgen.chemistry.rebuild import num_fragments
from molgen.convert import from_rdkit
from molgen.errors import InputError
from molgen.structure import Structure

ENERGY = "mmff94s_energy"
"""Property of each conformer: its energy in eV; only differences within one molecule mean something."""
LARGEST = 300
"""Atoms with hydrogens; beyond, ETKDG alone takes minutes and then fails."""
RELAXATION = Settings(max_steps=5000)
TRIES = 50
"""Attempts of ETKDG for a conformer, from distance geometry and then once more from random coordinates."""
EMBEDDINGS = 3
"""Embeddings of a molecule, with other random numbers, until a conformer reaches a minimum."""
SAME_ENERGY, SAME_GEOMETRY = 1e-3, 0.1
"""A conformer repeats another one within this energy in eV and heavy-atom RMSD in angstrom, equal atoms permuted."""
MATCHES = 1000
"""Permutations of equal atoms that the RMSD tries; cubane has 48, a tert-butyl group 6."""
_LONGEST_SMILES = 20 * LARGEST


@dataclass(frozen=True)
class Embedded:
    """What became of one SMILES.

    Attributes:
        smiles: Canonical, with the stereochemistry that was given; empty where it cannot be read.
        structures: Conformers with all hydrogens, kekulised bonds and formal charges, by rising energy, named by
            ``smiles``.
        reason: ``"kind: detail"`` why there are none; empty otherwise.
    """

    smiles: str
    structures: tuple[Structure, ...] = ()
    reason: str = ""


class _RefusalError(Exception):
    """The molecule gets no geometry; the message is ``"kind: detail"``."""


def embed(smiles: str, conformers: int = 1, seed: int = 0) -> Embedded:
    """Conformers of one molecule. A failure is a ``reason``, not an exception.

    A molecule without MMFF94s parameters gets none, instead of a worse geometry. Stereocentres that the SMILES leaves
    open come out either way.

    Args:
        smiles: The molecule: one fragment, no radical, up to ``LARGEST`` atoms with its hydrogens.
        conformers: How many to embed; those that relax to the same geometry count once.
        seed: Another one gives other conformers.
    """
    canonical = ""
    with rdBase.BlockLogs():
        try:
            canonical = _canonical(smiles)
            mol = _checked(canonical)
            return Embedded(canonical, _conformers(mol, conformers, seed, canonical))
        except (_RefusalError, PotentialError) as refusal:
            reason = str(refusal)
        except (InputError, RuntimeError, ValueError) as error:  # the last two are RDKit's, from its C++ side
            reason = f"no geometry found: {' '.join(str(error).split())}"
    return Embedded(canonical, reason=reason)


def _canonical(smiles: str) -> str:
    mol = Chem.MolFromSmiles(smiles) if len(smiles) <= _LONGEST_SMILES else None
    if mol is None or not mol.GetNumAtoms():
        raise _RefusalError(f"not a valid SMILES: {smiles[:80]}")
    text: str = Chem.MolToSmiles(mol)
    return text


def _checked(canonical: str) -> Chem.Mol:
    """The molecule with its hydrogens; refuses what no geometry is made for."""
    mol = Chem.MolFromSmiles(canonical)
    if mol is None:
        raise _RefusalError(f"not a valid SMILES: {canonical}, which RDKit itself made")
    if (pieces := num_fragments(mol)) > 1:
        raise _RefusalError(f"more than one fragment: {pieces}")
    if unpaired := sum(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()):
        raise _RefusalError(f"radical: {unpaired} unpaired electrons")
    if unknown := {atom.GetSymbol() for atom in mol.GetAtoms() if atom.GetAtomicNum() not in ELEMENTS}:
        raise _RefusalError(f"no parameters: MMFF94s has none for {', '.join(sorted(unknown))}")
    mol = Chem.AddHs(mol)
    if mol.GetNumAtoms() > LARGEST:
        raise _RefusalError(f"molecule too large: {mol.GetNumAtoms()} atoms, up to {LARGEST} are embedded")
    return mol


def _embedded(mol: Chem.Mol, conformers: int, random: int) -> Chem.Mol:
    settings: Any = rdDistGeom.ETKDGv3()
    settings.randomSeed, settings.maxIterations = random, TRIES
    if not rdDistGeom.EmbedMultipleConfs(mol, conformers, settings):
        settings.useRandomCoords = True
        if not rdDistGeom.EmbedMultipleConfs(mol, conformers, settings):
            raise _RefusalError(f"no geometry found: ETKDGv3 failed {2 * TRIES} times")
    return mol


def _conformers(mol: Chem.Mol, count: int, seed: int, name: str) -> tuple[Structure, ...]:
    """Conformers at their minima, by rising energy, each once.

    From some geometries RDKit's optimiser cannot take one step (a torsion about a straight angle has no gradient), so
    where no conformer reaches a minimum all are embedded once more.
    """
    random = int.from_bytes(blake2b(f"{seed} {name}".encode(), digest_size=4).digest(), "little") >> 2
    for attempt in range(EMBEDDINGS):
        embedded = _embedded(mol, count, random + attempt)
        if found := _minima(embedded):
            break
    else:
        raise _RefusalError(f"not converged: MMFF94s finds no minimum from {EMBEDDINGS} embeddings")
    distinct = _distinct(embedded, sorted(found))
    Chem.Kekulize(embedded, clearAromaticFlags=True)
    return tuple(_structure(embedded, index, energy, name) for energy, index in distinct)


def _minima(mol: Chem.Mol) -> list[tuple[float, int]]:
    """Relax every conformer in place; energies and indices of those that converged."""
    potential, found = Mmff94sPotential(), []
    for conformer in mol.GetConformers():
        minimum = potential.minimise(Chem.Mol(mol, confId=conformer.GetId()), RELAXATION)
        conformer.SetPositions(minimum.positions)
        if minimum.max_force <= RELAXATION.force_tolerance:
            found.append((minimum.energy_after, conformer.GetId()))
    return found


def _distinct(mol: Chem.Mol, conformers: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """Each geometry once: the energies and indices of conformers, ascending, without repetitions."""
    heavy, kept = Chem.RemoveHs(mol), [conformers[0]]
    for energy, index in conformers[1:]:
        near = [other for level, other in kept if energy - level < SAME_ENERGY]
        if all(rdMolAlign.GetBestRMS(heavy, heavy, index, o, maxMatches=MATCHES) >= SAME_GEOMETRY for o in near):
            kept.append((energy, index))
    return kept


def _structure(mol: Chem.Mol, conformer: int, energy: float, name: str) -> Structure:
    made = from_rdkit(Chem.Mol(mol, confId=conformer))
    centred = made.positions - made.positions.mean(axis=0)
    return made.replace(positions=centred, name=name, properties={ENERGY: energy})
