"""Fragments: what is refused, what a batch is given, and where the molecules end up."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from molgen.errors import ConfigError
from molgen.sampling.fragment import Fragment
from molgen.structure import Structure
from tests.sampling.conftest import BONDED

PIECE = Structure(
    numbers=[6, 8, 1],
    positions=[[50.123456, -3.0, 7.25], [51.3, -3.0, 7.4], [49.6, -2.2, 6.7]],
    charges=[1, -1, 0],
    bonds=[[0, 1, 2], [0, 2, 1]],
    name="piece",
    properties={"x": 1},
)


def test_the_rest_of_the_users_molecule_is_left_out():
    own = Fragment.of(PIECE, BONDED).structure
    assert (own.name, own.properties) == ("", {})
    assert np.array_equal(own.positions, PIECE.positions)
    assert Fragment.of(PIECE.replace(charges=None), BONDED).structure.charges.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bonds": None}, "states no bonds"),
        ({"bonds": []}, "states no bonds"),
        ({"lattice": np.eye(3)}, "is a crystal"),
        ({"positions": np.zeros((3, 3))}, "lie on each other"),
        ({"numbers": [6, 17, 1]}, "the elements Cl; the model knows H, C, N, O"),
        ({"charges": [3, 0, 0]}, "the formal charges 3; the model knows -1, 0, 1"),
        ({"bonds": [[0, 1, 4], [0, 2, 1]]}, "aromatic bonds"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        Fragment.of(PIECE.replace(**changes), BONDED)


def chain(n):
    positions = np.zeros((n, 3))
    positions[:, 0] = 1.4 * np.arange(n)
    return Structure(numbers=[6] * n, positions=positions, bonds=[[i, i + 1, 1] for i in range(n - 1)])


def test_sizes():
    assert Fragment.of(chain(6), BONDED).histogram(BONDED) == [0] * 7 + [3, 0, 4]
    assert Fragment.of(chain(1), BONDED).histogram(BONDED) == list(BONDED.size_histogram)
    for n in (9, 12):
        with pytest.raises(ConfigError, match=f"{n} atoms; the largest molecule that the model was trained on has 9"):
            Fragment.of(chain(n), BONDED)
    with pytest.raises(ConfigError, match="the fragment alone has 6 atoms") as caught:
        Fragment.of(chain(6), BONDED, atoms=(6, 8))
    assert "7 atoms or more" in caught.value.hint
    Fragment.of(chain(6), BONDED, atoms=(7, 8))


def test_an_order_that_the_model_does_not_know():
    with pytest.raises(ConfigError, match="bonds of the orders 2; the model knows 0, 1"):
        Fragment.of(PIECE, replace(BONDED, bond_orders=(0, 1), bond_counts=(5, 5)))


def test_aromatic_bonds_are_kept_for_a_model_that_knows_them():
    data = replace(BONDED, bond_orders=(0, 1, 2, 4), bond_counts=(5, 5, 5, 5))
    fragment = Fragment.of(PIECE.replace(bonds=[[0, 1, 4], [0, 2, 1]]), data)
    assert fragment.structure.bonds[0].tolist() == [0, 1, 4]


def test_what_is_given_is_one_setting_whatever_its_name_and_the_order_of_its_bonds():
    setting = Fragment.of(PIECE, BONDED).settings
    same = PIECE.replace(name="other", bonds=[[0, 2, 1], [0, 1, 2]], properties={})
    assert Fragment.of(same, BONDED).settings == setting
    moved = PIECE.replace(positions=PIECE.positions + 1e-4)
    others = [moved, PIECE.replace(charges=[0, 0, 0]), PIECE.replace(bonds=[[0, 1, 1], [0, 2, 1]]), chain(3)]
    hashes = {Fragment.of(one, BONDED).settings["fragment_sha256"] for one in others}
    assert len(hashes | {setting["fragment_sha256"]}) == 5


def test_given(bondflow):
    mask = torch.arange(6) < torch.tensor([6, 4, 5])[:, None]
    graph, known = Fragment.of(PIECE, BONDED).given(bondflow.vocabulary, mask, torch.float32)
    assert torch.equal(known.atoms, (torch.arange(6) < 3).expand(3, 6))
    assert torch.equal(known.elements, known.atoms)
    assert float(graph.positions[:, :3].mean(1).abs().max()) < 1e-6
    decoded = bondflow.vocabulary.decode(graph)
    for row in range(3):
        assert decoded.elements[row, :3].tolist() == [6, 8, 1]
        assert decoded.charges[row, :3].tolist() == [1, -1, 0]
        assert decoded.bonds[row, :3, :3].tolist() == [[0, 2, 1], [2, 0, 0], [1, 0, 0]]
    lines = (graph.positions[0, :3] - graph.positions[0, :1]).double() * bondflow.vocabulary.scale
    np.testing.assert_allclose(lines.numpy(), PIECE.positions - PIECE.positions[0], atol=2e-6)


def grown(structure, shift):
    """A molecule as the model returns it: somewhere else, rounded to float32, two atoms longer."""
    positions = np.concatenate([structure.positions + shift, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])
    return Structure(
        numbers=[*structure.numbers, 1, 7],
        positions=positions.astype(np.float32),
        charges=[*structure.charges, 0, 0],
        bonds=[*structure.bonds, [0, 3, 1]],
    )


def test_restored_to_the_users_frame_and_kept():
    fragment, shift = Fragment.of(PIECE, BONDED), np.array([-50.0, 3.0, -7.0])
    made = fragment.restored(grown(fragment.structure, shift))
    assert np.array_equal(made.positions[:3], PIECE.positions)
    np.testing.assert_allclose(made.positions[3], np.array([1.0, 2.0, 3.0]) - shift, atol=1e-5)
    assert fragment.problem(made) == ""
    for change in (
        {"numbers": [7, *made.numbers[1:]]},
        {"charges": [0, *made.charges[1:]]},
        {"bonds": made.bonds[1:]},
        {"bonds": [*made.bonds, [1, 2, 1]]},
        {"positions": made.positions + 1e-9},
        {"bonds": None},
        {"charges": None},
    ):
        assert fragment.problem(made.replace(**change)).startswith("other fragment: its"), change
    assert fragment.problem(made.replace(bonds=[*made.bonds, [2, 4, 1]])) == ""


def test_notes():
    assert Fragment.of(PIECE.replace(charges=None), BONDED).notes(BONDED) == []
    methane = Structure(
        numbers=[6, 1, 1, 1, 1],
        positions=[[0, 0, 0], [0.6, 0.6, 0.6], [-0.6, -0.6, 0.6], [-0.6, 0.6, -0.6], [0.6, -0.6, -0.6]],
        bonds=[[0, k, 1] for k in range(1, 5)],
    )
    assert "no atom of the fragment has a free valence" in Fragment.of(methane, BONDED).notes(BONDED)[0]
    assert Fragment.of(methane.take(np.arange(4)), BONDED).notes(BONDED) == []
    assert "2D drawing" in Fragment.of(chain(5), BONDED).notes(BONDED)[0]
