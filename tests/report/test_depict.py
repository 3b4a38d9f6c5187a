"""Flat drawings: of good, broken and hopeless molecules."""

import re
import time

import numpy as np
import pytest

from molgen.chemistry.bonds import perceive_bonds
from molgen.report import depict
from molgen.report.depict import Drawn, Sketch, draw, draw_all
from molgen.structure import Structure
from tests.scoring.molecules import ACETYLENE, METHANE, METHYL, beside, ring

BENZENE = ring(1.39)


def sketch(structure, **more):
    return Sketch(structure, more.pop("bonds", "auto"), more.pop("smiles", ""), "a <label>", **more)


def test_a_drawing_follows_the_page_and_says_what_it_is():
    carbonyl = Structure(numbers=[8, 6, 1, 1], positions=[[1.21, 0, 0], [0, 0, 0], [-0.6, 0.94, 0], [-0.6, -0.94, 0]])
    drawn = draw(sketch(carbonyl))
    assert drawn.svg.startswith('<svg viewBox="0 0 260 200" role="img" aria-label="a &lt;label&gt;"')
    assert drawn.svg.endswith("</svg>")
    assert {"stroke-ink", "stroke-o", "fill-o"} <= set(re.findall(r"class='([\w-]+)'", drawn.svg))
    assert not re.search(r"#[0-9A-Fa-f]{6}|style=|http|xmlns|<\?", drawn.svg)


def test_bonds_are_those_of_the_source():
    stated = perceive_bonds(ACETYLENE).replace(bonds=[[0, 1, 1], [1, 2, 1], [2, 3, 1]])
    assert draw(sketch(stated)).structure.bonds[:, 2].tolist() == [1, 1, 1]
    assert draw(sketch(stated, bonds="file")).structure.bonds[:, 2].tolist() == [1, 1, 1]
    assert sorted(draw(sketch(stated, bonds="lookup")).structure.bonds[:, 2].tolist()) == [1, 1, 3]
    unknown = draw(sketch(stated, bonds="a source of another version"))
    assert unknown.structure.bonds[:, 2].tolist() == [1, 1, 1]


def test_hydrogens_are_left_out_and_atoms_of_reasons_numbered():
    plain, noted = draw(sketch(BENZENE)), draw(sketch(BENZENE, noted=(3, 99)))
    assert plain.svg.count("<path") < noted.svg.count("<path")  # the glyph of the 3
    assert "text" not in plain.svg


@pytest.mark.parametrize(
    "structure",
    [
        METHYL,
        beside(METHANE, BENZENE),
        Structure(numbers=[6] * 8, positions=np.zeros((8, 3))),
        Structure(numbers=[1], positions=[[0, 0, 0]]),
        Structure(numbers=[6, 6, 6], positions=np.eye(3), bonds=[[0, 1, 4], [1, 2, 4]]),
        Structure(numbers=[6] + [1] * 6, positions=np.arange(21).reshape(7, 3), bonds=[[0, k, 2] for k in range(1, 7)]),
        Structure(numbers=[11, 17], positions=np.eye(3)[:2], charges=[1, -1], bonds=[], lattice=np.eye(3) * 5),
    ],
)
def test_whatever_breaks_the_rules_is_drawn(structure):
    drawn = draw(sketch(structure))
    assert ("<path" if structure.lattice is None else "<circle") in drawn.svg
    assert len(drawn.structure) == len(structure)


def test_smiles_stand_in_for_a_missing_structure():
    assert "<path" in draw(sketch(None, smiles="[H]C([H])([H])O[H]")).svg
    assert draw(sketch(None, smiles="C1CC")) == Drawn(None, "")
    assert draw(sketch(None)) == Drawn(None, "")
    far = np.arange(301)[:, None] * [9.0, 0, 0]
    assert draw(sketch(Structure(numbers=[6] * 301, positions=far))).svg == ""


def stuck(item):
    if item.smiles == "stuck":
        time.sleep(600)
    return draw(item)


def stuck_drawer():
    return stuck


def test_a_molecule_that_hangs_costs_one_drawing(monkeypatch):
    monkeypatch.setattr(depict, "SECONDS", 4.0)
    monkeypatch.setattr(depict, "_drawer", stuck_drawer)
    drawn = draw_all([sketch(METHANE), sketch(METHANE, smiles="stuck"), sketch(None, smiles="CC")])
    assert [bool(one.svg) for one in drawn] == [True, False, True]
    assert drawn[0].structure.bonds.shape == (4, 3)
    assert np.array_equal(drawn[1].structure.positions, METHANE.positions)
    assert draw_all([]) == []
