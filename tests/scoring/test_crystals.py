"""Protocols of single crystals: golden ones, bad ones, parity with the definition called on pymatgen directly."""

import numpy as np
import pytest

from molgen.convert import to_pymatgen
from molgen.structure import Structure
from tests.chemistry.test_periodic_distances import random_crystal
from tests.scoring.checked import checked
from tests.scoring.crystals import (
    caesium_chloride,
    crystal,
    cubic,
    doubled,
    lone_iron,
    mirrored,
    perovskite,
    quartz,
    rewritten,
    rock_salt,
)

GOOD = (rock_salt, caesium_chloride, perovskite, quartz)
NUMBERED = {"space_group", "tight_space_group", "fingerprint", "template"}
"""Columns with the number of the space group; a chiral group's twin has its own."""
MOLECULE = Structure(numbers=[8, 1, 1], positions=[[0, 0, 0], [1, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize("make", GOOD)
@pytest.mark.parametrize("name", ["cdvae-2021", "strict"])
def test_real_crystals_are_valid_in_any_cell(name, make):
    for structure in (make(), rewritten(make()), mirrored(make()), doubled(make())):
        row = checked(name, structure)
        assert row["valid"] is True
        assert row["reason"] == ""


def test_twins_get_the_same_values():
    for name in ("cdvae-2021", "strict", "symmetry"):
        right, left = (checked(name, structure) for structure in (quartz(), mirrored(quartz())))
        for key in right.keys() - NUMBERED:
            assert right[key] == pytest.approx(left[key]), (name, key)


@pytest.mark.parametrize("seed", range(8))
def test_structural_validity_is_that_of_the_definition(seed):
    structure = random_crystal(seed, atoms=6)
    structure = structure.replace(positions=structure.positions * 0.45, lattice=structure.lattice * 0.45)
    cell = to_pymatgen(structure)
    matrix = cell.distance_matrix + 10.5 * np.eye(len(structure))
    expected = bool(matrix.min() >= 0.5 and cell.volume >= 0.1)
    assert checked("cdvae-2021", structure)["structure_valid"] is expected


def test_iron_on_its_own_image():
    """Valid by CDVAE's rule, which does not look at images; not by the strict one."""
    assert checked("cdvae-2021", lone_iron(0.6))["valid"] is True
    row = checked("strict", lone_iron(0.6))
    assert (row["valid"], row["separated"]) == (False, False)
    assert row["reason"].startswith("atoms too close: atom 0 and its own image")
    assert checked("strict", lone_iron(2.87))["valid"] is True


def test_each_rule_can_fail():
    near = cubic(5.0, "Na Cl", [[0, 0, 0], [0.08, 0, 0]])
    assert checked("cdvae-2021", near)["reason"] == "atoms too close: 0.400 angstrom"
    assert checked("strict", near)["separated"] is False
    tiny = cubic(0.4, "H", [[0, 0, 0]])
    assert checked("cdvae-2021", tiny)["reason"].startswith("cell too small: ")
    unbalanced = checked("cdvae-2021", rock_salt(5.0, "Na O"))
    assert (unbalanced["structure_valid"], unbalanced["composition_valid"], unbalanced["valid"]) == (True, True, True)
    odd = checked("cdvae-2021", rock_salt(5.0, "Cs O"))
    assert odd["composition_valid"] is True
    fluorine = checked("cdvae-2021", cubic(5.0, "Na F F", [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0]]))
    assert fluorine["composition_valid"] is False
    assert fluorine["reason"].startswith("charges not balanced: ")
    thin = checked("strict", cubic(60.0, "Na Cl", [[0, 0, 0], [0.5, 0, 0]]))
    assert (thin["separated"], thin["dense"]) == (True, False)
    needle = checked("strict", crystal(np.diag([3.0, 3.0, 400.0]), "Na Cl", [[0, 0, 0], [0, 0, 0.5]]))
    assert needle["compact"] is False
    assert "cell shape: " in needle["reason"]


@pytest.mark.parametrize(
    ("make", "number", "system"),
    [
        (rock_salt, 225, "cubic"),
        (caesium_chloride, 221, "cubic"),
        (perovskite, 221, "cubic"),
        (quartz, 154, "trigonal"),
        (lambda: mirrored(quartz()), 152, "trigonal"),
    ],
)
def test_space_groups(make, number, system):
    for structure in (make(), doubled(make())):
        row = checked("symmetry", structure)
        assert row["space_group"] == number
        assert (row["crystal_system"], row["p1"], row["symmetric"], row["same_at_both"]) == (system, False, True, True)


def test_share_of_p1_depends_on_the_tolerance():
    off_centre = perovskite().positions + np.array([0, 1, 0, 0, 0])[:, None] * [0.01, 0.022, 0.034]
    row = checked("symmetry", perovskite().replace(positions=off_centre))
    assert (row["space_group"], row["tight_space_group"]) == (221, 1)
    assert (row["p1"], row["tight_p1"], row["same_at_both"]) == (False, True, False)


@pytest.mark.parametrize("name", ["cdvae-2021", "strict", "symmetry"])
def test_what_has_no_cell_fails_with_a_reason(name):
    flat = rock_salt().replace(lattice=[[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    for structure, reason in ((MOLECULE, "no lattice: "), (flat, "zero volume: ")):
        row = checked(name, structure)
        assert row["reason"].startswith(reason)
        assert row.get("valid", row.get("symmetric")) is False
