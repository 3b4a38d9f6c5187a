import hashlib
from pathlib import Path

import numpy as np
import pytest

from molgen.chemistry import valence_tables
from molgen.chemistry.valence_tables import geom_drugs_table, legacy_table, sulfoxide_table
from molgen.elements import NUMBERS
from molgen.structure import AROMATIC, Structure

FOLDER = Path(valence_tables.__file__).parent


def test_tables_are_frozen():
    """Another table is another version: these files may only change together with the names of their tables."""
    names = ("geom_drugs_valences.csv", "legacy_valences.csv", "sulfoxide_valences.csv")
    digests = [hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:16] for name in names]
    assert digests == DIGESTS


DIGESTS = ["266164adf56f5349", "490372eae330644d", "c3f9e07c63d9f52b"]


def states(table, symbol, charge):
    return table.states(NUMBERS[symbol], charge)


@pytest.mark.parametrize(
    ("symbol", "charge", "expected"),
    [
        ("C", 0, {(0, 4), (2, 1), (2, 2), (3, 0)}),
        ("N", 1, {(0, 4), (2, 0), (2, 1), (2, 2), (3, 0)}),
        ("S", 0, {(0, 2), (0, 3), (0, 6), (2, 0)}),
        ("O", -1, {(0, 1)}),
        ("O", -2, set()),
        ("Na", 0, set()),
    ],
)
def test_corrected_table(symbol, charge, expected):
    assert states(geom_drugs_table(), symbol, charge) == expected


def test_sulfoxide_differs_by_neutral_sulfur_with_four_bonds_alone():
    plain, amended = geom_drugs_table().allowed, sulfoxide_table().allowed
    differing = {key for key in plain.keys() | amended.keys() if plain.get(key) != amended.get(key)}
    assert differing == {(16, 0)}
    assert amended[16, 0] - plain[16, 0] == {(0, 4)}


@pytest.mark.parametrize(
    ("symbol", "charge", "valences"),
    [
        ("C", 0, {3, 4}),
        ("C", 2, {3, 4}),  # unlisted charge: as charge 0
        ("B", 0, {3}),
        ("B", -1, {3}),  # one row for every charge
        ("Br", 1, {2}),
        ("S", -1, {3}),
        ("H", 1, {0}),
        ("Na", 0, set()),
    ],
)
def test_legacy_table(symbol, charge, valences):
    assert states(legacy_table(), symbol, charge) == {(0, valence) for valence in valences}


def test_how_aromatic_bonds_are_counted():
    """The centre of three aromatic bonds and a double bond."""
    star = Structure(
        numbers=[6, 6, 6, 6, 8],
        positions=np.zeros((5, 3)),
        bonds=[[0, 1, AROMATIC], [0, 2, AROMATIC], [0, 3, AROMATIC], [0, 4, 2]],
    )
    assert geom_drugs_table()._atom_states(star) == [(3, 2), (1, 0), (1, 0), (1, 0), (0, 2)]
    assert legacy_table()._atom_states(star) == [(0, 5), (0, 1), (0, 1), (0, 1), (0, 2)]


def test_sentence_names_atoms_and_what_is_allowed():
    lone = Structure(
        numbers=[8, 11, 6, 6, 6], positions=np.zeros((5, 3)), charges=[-1, 0, 0, 0, 0], bonds=np.zeros((0, 3))
    )
    table = geom_drugs_table()
    assert table.describe_unstable(lone, table.stable(lone)) == (
        "atom 0 O(-1) has valence 0, allowed valence 1, atom 1 Na has valence 0, allowed nothing, "
        "atom 2 C has valence 0, allowed valence 4 or 2 aromatic + 1 or 2 aromatic + 2 or 3 aromatic + 0, "
        "and 2 more unstable atoms"
    )


def test_structure_without_bonds_cannot_be_judged():
    with pytest.raises(ValueError, match="no bonds"):
        geom_drugs_table().stable(Structure(numbers=[1], positions=[[0, 0, 0]]))
