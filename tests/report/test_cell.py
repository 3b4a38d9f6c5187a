"""Drawings of crystals."""

import re

import numpy as np

from molgen.report.cell import SIZE, draw_cell
from molgen.report.depict import Sketch, draw
from tests.scoring.crystals import lone_iron, perovskite, rock_salt


def test_atoms_on_faces_are_repeated_and_all_is_inside():
    svg = draw_cell(perovskite(), "a <cell>")
    assert svg.count("<line") == 12
    assert svg.count("<circle") == 8 + 1 + 6  # corners, centre, faces
    assert 'aria-label="a &lt;cell&gt;"' in svg
    for x, y in re.findall(r"cx='([\d.-]+)' cy='([\d.-]+)'", svg):
        assert 0 < float(x) < SIZE[0]
        assert 0 < float(y) < SIZE[1]


def test_what_cannot_be_drawn_is_left_out():
    assert draw_cell(rock_salt().replace(lattice=np.zeros((3, 3))), "") == ""
    assert draw_cell(rock_salt().replace(lattice=None), "") == ""
    many = rock_salt().replace(numbers=np.full(400, 6), positions=np.random.default_rng(0).uniform(size=(400, 3)))
    assert draw_cell(many, "") == ""


def test_a_crystal_is_sketched_as_its_cell():
    drawn = draw(Sketch(lone_iron(2.8), "auto", "", "iron"))
    assert drawn.svg.count("<circle") == 8
    assert drawn.structure.bonds is None
