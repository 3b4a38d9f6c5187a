"""What the tests of data sets share: a few molecules, the shared data, QM9's form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from molgen.elements import SYMBOLS
from molgen.structure import Structure

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_qm9() -> Path:
    """../shared/data/qm9 beside the repository; the test is skipped without it."""
    if not (SHARED / "qm9" / "qm9_compact.npz").exists():
        pytest.skip("no ../shared/data/qm9")
    return SHARED / "qm9"


@pytest.fixture
def water() -> Structure:
    return Structure(
        numbers=[8, 1, 1],
        positions=[[0.0, 0.0, 0.119], [0.0, 0.763, -0.477], [0.0, -0.763, -0.477]],
        charges=[0, 0, 0],
        bonds=[[0, 1, 1], [0, 2, 1]],
        name="water",
        properties={"energy": -76.4},
    )


@pytest.fixture
def carbon_monoxide() -> Structure:
    return Structure(
        numbers=[6, 8],
        positions=[[0.0, 0.0, 0.0], [1.128, 0.0, 0.0]],
        charges=[-1, 1],
        bonds=[[0, 1, 3]],
        name="CO",
        properties={"dipole": 0.11},
    )


@pytest.fixture
def ammonium() -> Structure:
    return Structure(
        numbers=[7, 1, 1, 1, 1],
        positions=[[0, 0, 0], [0.6, 0.6, 0.6], [-0.6, -0.6, 0.6], [-0.6, 0.6, -0.6], [0.6, -0.6, -0.6]],
        charges=[1, 0, 0, 0, 0],
        bonds=[[0, 1, 1], [0, 2, 1], [0, 3, 1], [0, 4, 1]],
    )


def qm9_text(index: int, structure: Structure, exponent: bool = False, smiles: str = "C") -> str:
    """A file in QM9's original form; ``exponent`` writes the first x coordinate as ``...*^-6``."""
    values = "\t".join(f"{k + 0.5}" for k in range(15))
    rows = [
        f"{SYMBOLS[z]}\t{x:.10f}\t{y:.10f}\t{q:.10f}\t-0.1"
        for z, (x, y, q) in zip(structure.numbers, structure.positions, strict=True)
    ]
    if exponent:
        words = rows[0].split("\t")
        rows[0] = "\t".join([words[0], "-4.9*^-6", *words[2:]])
    return "\n".join(
        [str(len(structure)), f"gdb {index}\t{values}\t", *rows, "1341.307\t1341.3284", f"{smiles}\tC\t", "I\tI", ""]
    )


def same(a: Structure, b: Structure) -> None:
    """Assert that two structures hold the same, positions to float32."""
    assert a.numbers.tolist() == b.numbers.tolist()
    np.testing.assert_array_equal(a.positions.astype(np.float32), b.positions.astype(np.float32))
    assert a.name == b.name
    assert a.properties == b.properties
    for mine, other in ((a.charges, b.charges), (a.bonds, b.bonds), (a.lattice, b.lattice)):
        assert (mine is None) == (other is None)
        assert mine is None or mine.tolist() == other.tolist()
