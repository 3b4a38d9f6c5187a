"""Maps in the notation of the International Tables."""

import numpy as np
import pytest

from molgen.symmetry.affine import parse_affine


def test_parts_signs_and_fractions():
    matrix, vector = parse_affine("-x+1/2,y,x-y+3/4")
    assert matrix.tolist() == [[-1, 0, 0], [0, 1, 0], [1, -1, 0]]
    assert vector.tolist() == [0.5, 0.0, 0.75]


def test_constants_and_factors():
    matrix, vector = parse_affine("0,2x,1/3")
    assert matrix.tolist() == [[0, 0, 0], [2, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(vector, [0, 0, 1 / 3])


@pytest.mark.parametrize("text", ["x,y", "x,y,q", "x,,z", "x,y,z,x", "", "x y,z,x"])
def test_something_else_is_refused(text):
    with pytest.raises(ValueError, match="is not a map"):
        parse_affine(text)
