import pytest

from molgen.chemistry.agreement import OTHER_FORM, OTHER_NEIGHBOURS, UNREADABLE, disagreement
from molgen.chemistry.perception import Perceived, perceive
from tests.scoring.golden import SMILES, golden, kekulised


def kind(name, smiles):
    return disagreement(perceive(kekulised(golden(name)), "file"), smiles).partition(": ")[0]


@pytest.mark.parametrize("name", SMILES)
def test_kekulised_molecules_are_those_of_their_smiles_and_of_no_other(name):
    assert kind(name, SMILES[name]) == ""
    others = {other: kind(name, smiles) for other, smiles in SMILES.items() if other != name}
    assert set(others.values()) <= {OTHER_FORM, OTHER_NEIGHBOURS}
    alike = {other for other, word in others.items() if word == OTHER_FORM}
    assert alike == ({"DMSO", "DMSO, charges apart"} - {name} if "DMSO" in name else set())


@pytest.mark.parametrize(
    ("name", "smiles"),
    [
        ("benzene", "C1=CC=CC=C1"),
        ("benzene", "[H]c1ccccc1"),
        ("pyrrole", "N1C=CC=C1"),
        ("nitromethane", "O=[N+](C)[O-]"),
        ("phenylazide", "[N-]=[N+]=NC1=CC=CC=C1"),
        ("isopropyl radical", "[CH](C)C"),
    ],
)
def test_another_spelling_of_the_same_graph_agrees(name, smiles):
    assert kind(name, smiles) == ""


@pytest.mark.parametrize(
    ("name", "smiles", "expected"),
    [
        ("phenylazide", "c1ccccc1[N-][N+]#N", OTHER_FORM),
        ("glycine zwitterion", "NCC(=O)O", OTHER_NEIGHBOURS),
        ("nitromethane", "CON=O", OTHER_NEIGHBOURS),
        ("pyrrole", "C1=CCN=C1", OTHER_NEIGHBOURS),
        ("isopropyl radical", "CCC", OTHER_NEIGHBOURS),
        ("benzene", "c1cccc1", UNREADABLE),
    ],
)
def test_resonance_structures_and_tautomers_are_told_apart(name, smiles, expected):
    assert kind(name, smiles) == expected


def test_stereochemistry_plays_no_part():
    made = perceive(golden("DMSO"), "file")
    assert disagreement(made, "CS(=O)C") == ""
    assert disagreement(made, "C[S@](=O)C") == ""


def test_reasons_of_the_perception_and_of_the_sanitisation_are_passed_on():
    methane = golden("methane")
    assert disagreement(Perceived(methane, "xyz2mol", "too many neighbours: atom 0 C"), "C").startswith("too many")
    crowded = methane.replace(bonds=[*methane.bonds.tolist()[:3], (0, 4, 2)])
    assert disagreement(perceive(crowded, "file"), "C").startswith("sanitisation: ")
