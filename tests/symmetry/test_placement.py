"""Genes placed in reduced primitive cells: operations, orbits, and the way back by spglib."""

import numpy as np
import pytest

from molgen.chemistry.genes import gene_of
from molgen.errors import InputError
from molgen.structure import Structure
from molgen.symmetry.cell import allowed, conventional_cell, plausible_cell
from molgen.symmetry.gene import CELL, Gene
from molgen.symmetry.groups import GROUPS, space_group
from molgen.symmetry.niggli import niggli_change
from molgen.symmetry.placement import place
from tests.scoring.crystals import caesium_chloride, perovskite, quartz, rock_salt

SOME = (1, 2, 5, 9, 15, 22, 43, 62, 70, 88, 98, 109, 122, 139, 141, 146, 148, 154, 161, 166, 167, 180, 194, 205, 217)
SOME += (220, 225, 227, 230)


def skewed(number, seed=0):
    """Some conventional cell of a space group."""
    vectors = np.diag([5.0, 6.0, 9.0]) + np.random.default_rng((seed, number)).normal(size=(3, 3))
    return allowed(space_group(number), vectors @ vectors.T)


def off(difference):
    """Largest distance from a whole number."""
    return np.abs(difference - np.rint(difference)).max(initial=0.0)


@pytest.mark.parametrize("number", GROUPS)
def test_orbits_and_operations_of_every_position(number):
    rng, group = np.random.default_rng(number), space_group(number)
    placed = place(Gene(number, tuple((6, k) for k in range(len(group.positions)))), skewed(number))
    assert np.bincount(placed.orbits).tolist() == group.multiplicities.tolist()
    f = placed.fractional(rng.random((len(group.positions), 3)))
    apart = np.abs((f[:, None] - f) - np.rint(f[:, None] - f)).max(-1) + np.eye(len(f))
    assert apart.min() > 1e-6
    images = np.einsum("gij,gnj->gni", placed.rotations, f[placed.sources]) + placed.translations[:, None]
    assert off(images - f) < 1e-9
    assert (placed.orbits[placed.sources] == placed.orbits).all()
    metric = placed.lattice @ placed.lattice.T
    turned = np.einsum("gki,kl,glj->gij", placed.rotations, metric, placed.rotations)
    np.testing.assert_allclose(turned, np.broadcast_to(metric, turned.shape), atol=1e-9)
    assert np.linalg.det(placed.lattice) > 0
    assert (niggli_change(placed.lattice) == np.eye(3)).all()


@pytest.mark.parametrize("number", SOME)
def test_operations_form_a_group(number):
    placed = place(Gene(number, ((6, 0),)), skewed(number))
    seen = {turn.tobytes(): shift for turn, shift in zip(placed.rotations, placed.translations, strict=True)}
    assert (placed.rotations[0] == np.eye(3)).all()
    assert len(seen) == len(placed.rotations)
    for turn, shift in zip(placed.rotations, placed.translations, strict=True):
        for other, further in zip(placed.rotations, placed.translations, strict=True):
            product = turn @ other
            assert off(seen[product.tobytes()] - (turn @ further + shift)) < 1e-9


@pytest.mark.parametrize("number", SOME)
def test_spglib_finds_the_gene_again(number):
    """With atoms of three elements on the last positions, of which one is general: nothing is more symmetric."""
    rng, group = np.random.default_rng(number), space_group(number)
    last = len(group.positions) - 1
    gene = Gene(number, ((6, last), (8, last), (26, max(0, last - 1))), name="x")
    if gene.problem():
        gene = Gene(number, ((6, last), (8, last)), name="x")
    placed = place(gene, skewed(number))
    f = placed.fractional(rng.random((len(gene), 3)))
    crystal = Structure(numbers=np.array(gene.numbers), positions=f @ placed.lattice, lattice=placed.lattice)
    found = gene_of(crystal, 1e-4)
    assert found.fingerprint == gene.fingerprint
    assert found.formula == gene.formula


@pytest.mark.parametrize("crystal", [rock_salt(), caesium_chloride(), perovskite(), quartz()], ids=lambda s: s.name)
def test_a_stated_cell_is_the_crystals_own(crystal):
    placed = place(gene_of(crystal))
    wanted = niggli_change(crystal.lattice) @ crystal.lattice
    np.testing.assert_allclose(placed.lattice @ placed.lattice.T, wanted @ wanted.T, atol=1e-4)


def test_cells_that_the_group_does_not_allow_are_projected():
    stated = dict(zip(CELL, (4.0, 4.2, 4.1, 89.0, 91.0, 90.0), strict=True))
    cell = conventional_cell(Gene(225, ((11, 0), (17, 1)), properties=stated))
    np.testing.assert_allclose(cell, np.eye(3) * cell[0, 0])
    assert np.linalg.det(cell) == pytest.approx(4.0 * 4.2 * 4.1, rel=1e-3)
    again = allowed(space_group(225), cell @ cell.T)
    np.testing.assert_allclose(again, cell, atol=1e-9)


def test_plausible_cells():
    salt = plausible_cell(Gene(225, ((11, 0), (17, 1))))
    assert 4.5 < salt[0, 0] < 7.0
    assert salt[0, 0] == pytest.approx(salt[2, 2])
    hexagonal = plausible_cell(Gene(194, ((12, 2),)))
    np.testing.assert_allclose(hexagonal[0] @ hexagonal[1], -(hexagonal[0] @ hexagonal[0]) / 2)


@pytest.mark.parametrize(
    "stated",
    [{"a": 4.0}, {**dict.fromkeys(CELL, 4.0), "alpha": "wide"}, dict.fromkeys(CELL, -1.0), dict.fromkeys(CELL, np.nan),
     {"a": 4.0, "b": 4.0, "c": 4.0, "alpha": 150.0, "beta": 30.0, "gamma": 30.0}],
)  # fmt: skip
def test_no_cell(stated):
    with pytest.raises(InputError, match=r"^malformed cell: "):
        place(Gene(1, ((6, 0),), properties=stated))
