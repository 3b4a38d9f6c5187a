"""What genes may hold, against brute force."""

import itertools
from collections import Counter

import pytest

from molgen.sampling.wanted_genes import can_hold, openings
from molgen.symmetry.groups import space_group


def brute(number, counts, used=()):
    """By trying every orbit for the first element that is not done."""
    group = space_group(number)
    rest = [c for c in counts if c]
    if not rest:
        return True
    for k, (position, size) in enumerate(zip(group.positions, group.multiplicities.tolist(), strict=True)):
        if size <= rest[0] and not (position.freedom == 0 and k in used):
            taken = (*used, k) if position.freedom == 0 else used
            if brute(number, [rest[0] - size, *rest[1:]], taken):
                return True
    return False


@pytest.mark.parametrize("number", [1, 2, 19, 62, 123, 148, 194, 216, 221, 225, 227, 229])
def test_whether_a_composition_can_be_placed(number):
    for counts in itertools.product(range(9), repeat=2):
        assert can_hold(number, counts) == brute(number, counts), counts


def test_known_compounds():
    assert can_hold(225, (1, 1))  # rock salt
    assert can_hold(221, (1, 1, 3))  # perovskite
    assert not can_hold(225, (1, 1, 4))  # LiFeO4: after two points on 4a and 4b no room for four, but 8c holds 2
    assert can_hold(62, (4, 4, 16, 4))  # olivine


@pytest.mark.parametrize("number", [2, 123, 225])
def test_openings_leave_a_rest_that_can_be_placed(number):
    group = space_group(number)
    for counts in [(1, 1), (1, 2), (2, 4), (1, 3, 1)]:
        for used in [(), (0,), (0, 1)]:
            for which in range(len(counts)):
                expected = []
                for k, (position, size) in enumerate(zip(group.positions, group.multiplicities.tolist(), strict=True)):
                    fixed = position.freedom == 0
                    rest = [c - size * (i == which) for i, c in enumerate(counts)]
                    taken = (*used, k) if fixed else used
                    if min(rest) >= 0 and not (fixed and k in used) and brute(number, rest, taken):
                        expected.append(k)
                assert list(openings(number, used, counts, which)) == expected


def test_fixed_points_are_counted_once():
    sizes = Counter(space_group(2).multiplicities.tolist()[:8])
    assert sizes == {1: 8}
    assert can_hold(2, (1,) * 8)
    assert not can_hold(2, (1,) * 9)
    assert can_hold(2, (1,) * 8 + (2,))
