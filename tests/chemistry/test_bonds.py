"""The vectorised lookup against plain nested loops, thresholds, batching, and what the tables say."""

import csv
import hashlib
import math
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import molgen.chemistry
from molgen.chemistry import bonds as bonds_module
from molgen.chemistry.bonds import edm_bond_orders, find_bonds, perceive_bonds
from molgen.chemistry.tables import edm_tables
from molgen.elements import SYMBOLS
from molgen.structure import Structure

FOLDER = Path(molgen.chemistry.__file__).parent
TABLE_ELEMENTS = [1, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 33, 35, 53, 80, 83]


def table_rows(name):
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


LENGTHS = {
    (frozenset((r["element_a"], r["element_b"])), int(r["order"])): float(r["length_pm"])
    for r in table_rows("edm_bond_lengths.csv")
}


def order_by_the_book(symbol_a, symbol_b, a, b):
    distance = 100 * math.sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2)
    pair, found = frozenset((symbol_a, symbol_b)), 0
    for order, margin in ((1, 10), (2, 5), (3, 3)):
        if (pair, order) not in LENGTHS or not distance < LENGTHS[pair, order] + margin:
            break
        found = order
    return found


def orders_by_the_book(numbers, positions):
    orders = np.zeros((len(numbers), len(numbers)), np.int64)
    for i, j in combinations(range(len(numbers)), 2):
        a, b = positions[i].tolist(), positions[j].tolist()
        orders[i, j] = orders[j, i] = order_by_the_book(SYMBOLS[numbers[i]], SYMBOLS[numbers[j]], a, b)
    return orders


def random_molecule(rng, size, *, elements=TABLE_ELEMENTS, spacing=1.1):
    """Atoms on a jittered lattice: distances spread around every threshold, as in a crowded molecule."""
    side = math.ceil(size ** (1 / 3))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3), axis=-1).reshape(-1, 3)[:size]
    return rng.choice(elements, size), spacing * grid + rng.normal(0, 0.15, (size, 3))


def ragged(molecules):
    sizes = np.array([len(numbers) for numbers, _ in molecules])
    return np.concatenate([n for n, _ in molecules]), np.concatenate([x for _, x in molecules]), sizes


def dense(found, sizes):
    total = np.zeros((sizes.sum(), sizes.sum()), np.int64)
    total[found.first, found.second] = total[found.second, found.first] = found.order
    starts = np.cumsum(sizes) - sizes
    blocks = [total[s : s + n, s : s + n] for s, n in zip(starts, sizes, strict=True)]
    assert sum(block.sum() for block in blocks) == total.sum(), "a bond joins two molecules"
    return blocks


@pytest.mark.parametrize("spacing", [0.9, 1.2, 1.5, 2.1])
def test_equals_nested_loops(spacing):
    rng = np.random.default_rng(int(10 * spacing))
    orders_seen = set()
    for size in (2, 9, 29):
        numbers, positions = random_molecule(rng, size, spacing=spacing)
        expected = orders_by_the_book(numbers, positions)
        np.testing.assert_array_equal(edm_bond_orders(numbers, positions), expected)
        orders_seen |= set(expected.ravel().tolist())
    assert len(orders_seen) > 1


def test_every_pair_at_its_own_thresholds():
    """One ulp to either side of the threshold, and exactly on it, for every tabulated length."""
    for (pair, order), length in LENGTHS.items():
        symbols = sorted(pair) * (3 - len(pair)) if len(pair) == 1 else sorted(pair)
        numbers = np.array([SYMBOLS.index(s) for s in symbols])
        threshold = (length + (10, 5, 3)[order - 1]) / 100
        for distance in (np.nextafter(threshold, 0), threshold, np.nextafter(threshold, 9), threshold - 1e-4):
            positions = np.array([[0.0, 0, 0], [0, 0, distance]])
            expected = order_by_the_book(*symbols, *positions.tolist())
            assert edm_bond_orders(numbers, positions)[0, 1] == expected, (symbols, order, distance)


@pytest.mark.parametrize(("distance", "order"), [(1.229, 3), (1.23, 2), (1.3899, 2), (1.39, 1), (1.6399, 1), (1.64, 0)])
def test_carbon_carbon_thresholds(distance, order):
    assert edm_bond_orders(np.array([6, 6]), np.array([[0.0, 0, 0], [distance, 0, 0]]))[0, 1] == order


def test_carbon_sulphur_double_bond_holds_in_both_directions():
    positions = np.array([[0.0, 0, 0], [1.6, 0, 0]])
    assert edm_bond_orders(np.array([6, 16]), positions)[0, 1] == 2
    assert edm_bond_orders(np.array([16, 6]), positions)[0, 1] == 2


def test_pairs_without_a_length_never_bond():
    positions = np.array([[0.0, 0, 0], [0.5, 0, 0]])
    for a, b in ((5, 6), (5, 7), (5, 8), (13, 1), (80, 17), (34, 1), (0, 6), (-3, 6), (500, 6)):
        assert not edm_bond_orders(np.array([a, b]), positions).any()


def test_padded_batch_equals_single_molecules():
    rng = np.random.default_rng(5)
    molecules = [random_molecule(rng, size) for size in (1, 4, 11, 20)]
    numbers, positions = np.zeros((4, 20), np.int64), np.zeros((4, 20, 3))
    for row, (z, x) in enumerate(molecules):
        numbers[row, : len(z)], positions[row, : len(z)] = z, x
    orders = edm_bond_orders(numbers, positions)
    for row, (z, x) in enumerate(molecules):
        n = len(z)
        np.testing.assert_array_equal(orders[row, :n, :n], orders_by_the_book(z, x))
        assert not orders[row, n:].any()
        assert not orders[row, :, n:].any()


@pytest.mark.parametrize("pairs_at_once", [1, 37, 1_000_000])
def test_ragged_batch_equals_single_molecules(monkeypatch, pairs_at_once):
    monkeypatch.setattr(bonds_module, "PAIRS_AT_ONCE", pairs_at_once)
    rng = np.random.default_rng(6)
    molecules = [random_molecule(rng, size) for size in (5, 1, 12, 5, 5, 23, 12, 2)]
    numbers, positions, sizes = ragged(molecules)
    found = find_bonds(numbers, positions, sizes)
    for block, (z, x) in zip(dense(found, sizes), molecules, strict=True):
        np.testing.assert_array_equal(block, orders_by_the_book(z, x))
    assert (found.first < found.second).all()
    keys = list(zip(found.second.tolist(), found.first.tolist(), strict=True))
    assert keys == sorted(keys)
    np.testing.assert_array_equal(
        found.valences(len(numbers)), np.concatenate([orders_by_the_book(z, x).sum(1) for z, x in molecules])
    )


def test_empty_and_single_atoms():
    found = find_bonds(np.zeros(0, int), np.zeros((0, 3)), np.zeros(0, int))
    assert len(found.first) == len(found.order) == 0
    assert find_bonds(np.array([6, 6]), np.zeros((2, 3)), np.array([1, 1])).order.size == 0


def test_perceive_bonds_replaces_the_bonds():
    water = Structure(
        numbers=[8, 1, 1], positions=[[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]], bonds=[[1, 2, 3]], name="w"
    )
    seen = perceive_bonds(water)
    assert seen.bonds.tolist() == [[0, 1, 1], [0, 2, 1]]
    assert seen.name == "w"
    assert perceive_bonds(water.replace(positions=np.full((3, 3), np.nan))).bonds.shape == (0, 3)


def test_tables_are_frozen():
    """Another table is another protocol: these files may only change together with TABLE."""
    digests = {p.name: hashlib.sha256(p.read_bytes()).hexdigest()[:16] for p in FOLDER.glob("edm_*.csv")}
    assert digests == {"edm_bond_lengths.csv": "08676864761b3660", "edm_valences.csv": "9541f2724a6fe15d"}


def test_tables_hold_what_the_reference_lists():
    tables = edm_tables()
    assert np.flatnonzero(tables.known).tolist() == TABLE_ELEMENTS
    assert np.isfinite(tables.thresholds[:, :, :]).sum() == 2 * 77 - sum(len(pair) == 1 for pair, _ in LENGTHS)
    np.testing.assert_array_equal(tables.thresholds, tables.thresholds.transpose(0, 2, 1))
    assert [tables.valences(z) for z in (1, 6, 7, 8, 15, 16, 80, 34)] == [[1], [4], [3], [2], [3, 5], [4], [1, 2], []]


def test_bond_perception_needs_no_chemistry_library():
    heavy = ("rdkit", "ase", "pymatgen", "torch")
    code = f"import sys, molgen.chemistry.bonds; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
