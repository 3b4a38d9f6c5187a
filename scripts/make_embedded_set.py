"""Makes data/embedded: every small molecule of C, N, O, F, H that the rules below allow, with force-field geometries.

    python scripts/make_embedded_set.py --heavy 5 --out data/embedded

Molecular graphs are grown atom by atom and bond by bond; every rule is inherited by subgraphs, so that growing only
allowed graphs reaches all of them. data/README.md states the rules and the counts.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from rdkit import Chem, RDLogger, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from molgen.convert import from_rdkit
from molgen.datasets.packing import PackWriter
from molgen.datasets.prepare import random_split
from molgen.structure import Structure

VALENCES = {6: 4, 7: 3, 8: 2, 9: 1}
MAX_RINGS = 2
MAX_ITERATIONS = 2000
DECIMALS = 4

Graph = tuple[tuple[int, ...], frozenset[tuple[int, int, int]]]
"""Atomic numbers of the heavy atoms, and bonds (i, j, order) with i < j."""


def orders_of(graph: Graph) -> np.ndarray:
    """Symmetric bond orders, shape (k, k)."""
    orders = np.zeros((len(graph[0]),) * 2, dtype=int)
    for i, j, order in graph[1]:
        orders[i, j] = orders[j, i] = order
    return orders


def ring_bonds(orders: np.ndarray) -> np.ndarray:
    """True for bonds in a ring: their ends stay connected when the bond is cut; shape (k, k)."""
    result = np.zeros(orders.shape, dtype=bool)
    for i, j in zip(*np.nonzero(np.triu(orders)), strict=True):
        cut = (orders > 0).astype(int)
        cut[i, j] = cut[j, i] = 0
        result[i, j] = result[j, i] = np.linalg.matrix_power(cut + np.eye(len(cut), dtype=int), len(cut))[i, j] > 0
    return result


def is_allowed(graph: Graph) -> bool:
    """The rules of data/README.md, on a connected graph."""
    numbers, orders = np.array(graph[0]), orders_of(graph)
    bonded = orders > 0
    if any(total > VALENCES[z] for z, total in zip(graph[0], orders.sum(1), strict=True)):
        return False
    hetero = bonded & (numbers != 6) & (numbers != 6)[:, None]
    oxygen, fluorine = numbers == 8, numbers == 9
    if (hetero & fluorine).any() or (hetero & oxygen & oxygen[:, None]).any() or (hetero.sum(1) > 1).any():
        return False
    double = orders == 2
    cumulated = double.sum(1) == 2
    if (double & cumulated & cumulated[:, None]).any():
        return False
    return _rings_allowed(orders, bonded, double)


def _rings_allowed(orders: np.ndarray, bonded: np.ndarray, double: np.ndarray) -> bool:
    k = len(orders)
    if bonded.sum() // 2 - (k - 1) > MAX_RINGS:
        return False
    in_ring = ring_bonds(orders)
    ring_atom, shared = in_ring.any(1), in_ring.sum(1) > 2
    if (ring_atom & (double.sum(1) > 1)).any() or (ring_atom & (orders == 3).any(1)).any():
        return False
    if (shared & double.any(1)).any():
        return False
    triangles = np.where(bonded, bonded.astype(int) @ bonded.astype(int), 0)
    return not (triangles > 1).any() and not ((triangles > 0) & double).any()


def to_mol(graph: Graph) -> Chem.Mol:
    mol = Chem.RWMol()
    for z in graph[0]:
        mol.AddAtom(Chem.Atom(z))
    kinds = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}
    for i, j, order in sorted(graph[1]):
        mol.AddBond(i, j, kinds[order])
    Chem.SanitizeMol(mol)
    return mol.GetMol()


def with_more_bonds(graph: Graph) -> Iterator[Graph]:
    """Graphs with one bond order raised by one, or one ring closed."""
    orders = orders_of(graph)
    free = np.array([VALENCES[z] for z in graph[0]]) - orders.sum(1)
    for i, j in combinations(range(len(graph[0])), 2):
        if free[i] and free[j] and orders[i, j] < 3:
            rest = {bond for bond in graph[1] if bond[:2] != (i, j)}
            yield graph[0], frozenset(rest | {(i, j, int(orders[i, j]) + 1)})


def with_more_atoms(graph: Graph) -> Iterator[Graph]:
    """Graphs with one more heavy atom on a single bond."""
    free = np.array([VALENCES[z] for z in graph[0]]) - orders_of(graph).sum(1)
    for i in np.flatnonzero(free):
        for z in VALENCES:
            yield (*graph[0], z), graph[1] | {(int(i), len(graph[0]), 1)}


def enumerate_smiles(heavy: int) -> dict[str, int]:
    """Canonical SMILES of all allowed graphs with at most ``heavy`` atoms, with their number of heavy atoms."""
    found: dict[str, int] = {}
    level: dict[str, Graph] = {Chem.MolToSmiles(to_mol(g)): g for g in (((z,), frozenset()) for z in VALENCES)}
    for size in range(1, heavy + 1):
        waiting = list(level.values())
        while waiting:
            for graph in with_more_bonds(waiting.pop()):
                if is_allowed(graph) and (smiles := Chem.MolToSmiles(to_mol(graph))) not in level:
                    level[smiles] = graph
                    waiting.append(graph)
        found |= dict.fromkeys(level, size)
        grown = (child for graph in level.values() for child in with_more_atoms(graph) if is_allowed(child))
        level = {Chem.MolToSmiles(to_mol(graph)): graph for graph in grown} if size < heavy else {}
    return {smiles: size for smiles, size in found.items() if "C" in smiles.upper()}


def embed(smiles: str) -> Structure | str:
    """Geometry by ETKDGv3 and MMFF94s with a seed from the SMILES, or the reason why there is none."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    settings = rdDistGeom.ETKDGv3()
    settings.randomSeed = int.from_bytes(hashlib.sha256(smiles.encode()).digest()[:4], "little") % (2**31 - 1)
    if rdDistGeom.EmbedMolecule(mol, settings) < 0:
        return "ETKDGv3 found no geometry"
    if not rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        return "MMFF94s has no parameters"
    if rdForceFieldHelpers.MMFFOptimizeMolecule(mol, mmffVariant="MMFF94s", maxIters=MAX_ITERATIONS) != 0:
        return f"MMFF94s did not converge in {MAX_ITERATIONS} steps"
    Chem.Kekulize(mol, clearAromaticFlags=True)
    structure = from_rdkit(mol)
    centred = structure.positions - structure.positions.mean(axis=0)
    return structure.replace(positions=centred.round(DECIMALS), name=smiles, properties={})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heavy", type=int, default=5, help="largest number of heavy atoms")
    parser.add_argument("--out", type=Path, default=Path("data/embedded"))
    parser.add_argument("--overwrite", action="store_true")
    arguments = parser.parse_args()
    RDLogger.DisableLog("rdApp.*")
    smiles = enumerate_smiles(arguments.heavy)
    print(f"{len(smiles)} graphs: {dict(sorted(Counter(smiles.values()).items()))} by heavy atoms")
    failures: Counter[str] = Counter()
    kept: Counter[int] = Counter()
    with PackWriter(arguments.out, name=arguments.out.name, overwrite=arguments.overwrite) as writer:
        for text in sorted(smiles, key=lambda key: (smiles[key], key)):
            result = embed(text)
            if isinstance(result, str):
                failures[result] += 1
                print(f"left out {text}: {result}")
                continue
            writer.add(result)
            kept[smiles[text]] += 1
        meta = {
            "about": {
                "title": f"all C, N, O, F, H molecules of up to {arguments.heavy} heavy atoms by stated rules",
                "level": "ETKDGv3 + MMFF94s, one conformer and one stereoisomer each; not quantum chemistry",
                "licence": "MIT, as this repository",
                "split": "random, 0.8/0.1/0.1, seed 0",
            },
            "source": f"scripts/make_embedded_set.py --heavy {arguments.heavy}, RDKit {rdBase.rdkitVersion}",
            "hydrogens": True,
            "by_heavy_atoms": dict(sorted(kept.items())),
            "skipped": {"total": failures.total(), "reasons": dict(failures), "examples": []},
        }
        fingerprint = writer.finish(random_split(len(writer), (0.8, 0.1, 0.1), seed=0), meta)
    print(f"{kept.total()} molecules {dict(kept)}, left out {dict(failures)}, fingerprint {fingerprint}")


if __name__ == "__main__":
    main()
