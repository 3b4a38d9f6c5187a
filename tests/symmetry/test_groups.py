"""The tables of space groups, checked by brute force."""

import numpy as np
import pytest

from molgen.errors import InputError
from molgen.symmetry.groups import GROUPS, group_number, site_symmetries, space_group

RNG = np.random.default_rng(5)


def images(group, point):
    """All images of a point in the conventional cell, those that agree once."""
    moved = np.einsum("gij,j->gi", group.rotations, point) + group.translations
    every = (moved[:, None] + group.centrings).reshape(-1, 3)
    distinct = []
    for one in every:
        delta = [np.abs((one - other) - np.round(one - other)).max() for other in distinct]
        if not delta or min(delta) > 1e-6:
            distinct.append(one)
    return np.array(distinct)


@pytest.mark.parametrize("number", [*range(1, 231, 7), 47, 225, 227])
def test_every_position_has_its_multiplicity_and_freedom(number):
    group = space_group(number)
    for position in group.positions:
        point = position.matrix @ RNG.uniform(0.05, 0.95, 3) + position.vector
        assert len(images(group, point)) == position.multiplicity, position.letter
        assert np.linalg.matrix_rank(position.matrix) == position.freedom
    assert group.positions[-1].freedom == 3
    assert group.positions[-1].multiplicity == len(group.rotations) * len(group.centrings)


@pytest.mark.parametrize("number", range(1, 231, 11))
def test_operations_are_a_group(number):
    group = space_group(number)
    known = {tuple(w.ravel()): v for w, v in zip(group.rotations, group.translations, strict=True)}
    for w, v in zip(group.rotations, group.translations, strict=True):
        for other, shift in known.items():
            w2 = np.reshape(other, (3, 3))
            product, rest = tuple((w @ w2).ravel()), w @ shift + v
            delta = rest - known[product] - group.centrings
            assert np.abs(delta - np.round(delta)).max(1).min() < 1e-9


@pytest.mark.parametrize("number", GROUPS)
def test_relabellings_keep_what_a_position_is(number):
    group = space_group(number)
    kinds = [(one.multiplicity, one.freedom) for one in group.positions]
    assert group.relabellings[0].tolist() == list(range(len(kinds)))
    for places in group.relabellings.tolist():
        assert sorted(places) == list(range(len(kinds)))
        assert [kinds[k] for k in places] == kinds
    assert 1 <= group.shifts <= len(group.relabellings)
    assert len(np.unique(group.relabellings, axis=0)) == len(group.relabellings)


def test_relabellings_by_a_shift_move_points_there():
    """Pnma: the origin at 0, 0, 1/2 makes 4b of 4a."""
    group = space_group(62)
    a, b = group.positions[0], group.positions[1]
    assert any(row[:2].tolist() == [1, 0] for row in group.relabellings[: group.shifts])
    shifted = images(group, a.vector) + np.array([0, 0, 0.5])
    assert any(np.abs(one - b.vector - np.round(one - b.vector)).max() < 1e-9 for one in shifted)


def test_free_parameters_of_the_cell():
    freedom = [space_group(n).lattice_freedom for n in (1, 2, 5, 15, 62, 139, 166, 194, 225)]
    assert freedom == [6, 6, 4, 4, 3, 2, 2, 2, 1]


def test_enumerations_count_positions_of_one_site_symmetry():
    for number in GROUPS:
        pairs = [(one.site_symmetry, one.enumeration) for one in space_group(number).positions]
        assert len(set(pairs)) == len(pairs)
    assert len(site_symmetries()) == 78


def test_groups_by_number_and_symbol():
    assert group_number("225") == group_number("Fm-3m") == group_number(" F m -3 m") == 225
    for wrong in ("0", "231", "Fm-3q", ""):
        with pytest.raises(InputError, match="space group"):
            group_number(wrong)
