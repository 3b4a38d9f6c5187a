import numpy as np
import pytest

from molgen.elements import COVALENT_RADII, NUMBERS, SYMBOLS, VALENCES, atomic_number, symbol
from molgen.structure import Structure
from tests.io.molecules import methyl, water


def test_lists_become_typed_arrays():
    structure = water()
    assert structure.numbers.dtype == np.int64
    assert structure.positions.dtype == np.float64
    assert structure.bonds.shape == (2, 3)
    assert len(structure) == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"numbers": [8, 1], "positions": [[0, 0, 0]]},
        {"numbers": [8], "positions": [[0, 0]]},
        {"numbers": [[8]], "positions": [[0, 0, 0]]},
        {"numbers": [8], "positions": [[0, 0, 0]], "charges": [0, 0]},
        {"numbers": [8], "positions": [[0, 0, 0]], "bonds": [0, 1]},
        {"numbers": [8], "positions": [[0, 0, 0]], "lattice": [[1, 0, 0]]},
    ],
)
def test_shapes_that_disagree_are_refused(fields):
    with pytest.raises(ValueError):  # noqa: PT011 - numpy words some of these
        Structure(**fields)


def test_take_reorders_atoms_and_keeps_bonds_between_them():
    taken = water().replace(charges=[-1, 0, 1]).take(np.array([2, 0]))
    assert taken.numbers.tolist() == [1, 8]
    assert taken.charges.tolist() == [1, -1]
    assert taken.bonds.tolist() == [[0, 1, 1]]
    np.testing.assert_array_equal(taken.positions, water().positions[[2, 0]])


def test_without_hydrogens():
    heavy = methyl().without_hydrogens()
    assert heavy.numbers.tolist() == [6]
    assert heavy.bonds.shape == (0, 3)


def test_periodic_table_agrees_with_ase_and_rdkit():
    import ase.data
    from rdkit import Chem

    table = Chem.GetPeriodicTable()
    assert len(NUMBERS) == 118
    assert list(SYMBOLS[1:]) == ase.data.chemical_symbols[1:119]
    for number in range(1, 119):
        assert atomic_number(symbol(number)) == number
        assert VALENCES.get(number, ()) == tuple(v for v in table.GetValenceList(number) if v >= 0)
    for number in range(1, 97):
        assert COVALENT_RADII[number] == pytest.approx(ase.data.covalent_radii[number])
    assert 97 not in COVALENT_RADII


@pytest.mark.parametrize(("text", "near"), [("CL", "Cl"), ("c", "C"), ("Oo", "O")])
def test_unknown_symbol_names_the_nearest(text, near):
    with pytest.raises(ValueError, match=rf"'{text}' is not an element \(did you mean {near}"):
        atomic_number(text)


@pytest.mark.parametrize("number", [0, -1, 119])
def test_unknown_number(number):
    with pytest.raises(ValueError, match="not an atomic number"):
        symbol(number)
