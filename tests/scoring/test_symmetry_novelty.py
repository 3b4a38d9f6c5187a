"""Genes of crystals in protocol symmetry: known by gene and matcher, templates, copies, the space group asked for."""

import numpy as np
import pytest

from molgen import io
from molgen.chemistry.genes import gene_of
from molgen.datasets.packing import PackWriter
from molgen.scoring import score
from molgen.scoring.records import Record
from molgen.scoring.session import Session
from tests.scoring.checked import checked
from tests.scoring.crystals import caesium_chloride, crystal, doubled, perovskite, quartz, rewritten, rock_salt
from tests.scoring.test_genes import counted, write


def without_symmetry(seed=0):
    """Four atoms of three elements anywhere in a cell of no shape: space group 1."""
    places = np.random.default_rng(seed).uniform(size=(4, 3)) * 0.3 + [
        [0, 0, 0],
        [0.5, 0, 0],
        [0, 0.5, 0.5],
        [0.5, 0.5, 0],
    ]
    return crystal([[6.1, 0, 0], [0.7, 6.8, 0], [0.4, 0.9, 7.7]], "Na Cl Cl Br", places, f"anywhere {seed}")


def rutile(u, edge=4.6, name="TiO2"):
    """Space group 136 with one free coordinate: the gene is the same at any u, the crystal is not."""
    places = [[0, 0, 0], [0.5, 0.5, 0.5], [u, u, 0], [-u, -u, 0], [0.5 + u, 0.5 - u, 0.5], [0.5 - u, 0.5 + u, 0.5]]
    return crystal(np.diag([edge, edge, 2.96]), "Ti Ti O O O O", places, name)


def test_values_of_the_gene():
    for structure in (rock_salt(), doubled(rock_salt()), rewritten(rock_salt())):
        row = checked("symmetry", structure)
        assert (row["gene_found"], row["fingerprint"], row["template"]) == (True, "225 Na.a Cl.b", "225 a b")
        assert (row["orbits"], row["freedom"], row["n_elements"]) == (2, 0, 2)
        assert (row["asked"], row["as_asked"], row["novel"]) == (False, None, None)
    assert checked("symmetry", rutile(0.3))["freedom"] == 1


def test_known_by_gene_and_by_matcher(tmp_path):
    io.write(tmp_path / "known.extxyz", [rock_salt(), rutile(0.305)])
    samples = [
        rewritten(rock_salt()),
        rutile(0.31),  # the same crystal
        rutile(0.15),  # the same gene, another crystal
        rock_salt(6.5, "K Br", "KBr"),  # another gene of a known template
        caesium_chloride(3.6, "Na Cl", "pressed"),  # a known composition, another gene
        without_symmetry(),
    ]
    scores = score(samples, "symmetry", str(tmp_path / "known.extxyz"))
    assert [row["symmetry.novel"] for row in scores.rows] == [False, False, True, True, True, True]
    assert [row["symmetry.known_as"] for row in scores.rows[:3]] == ["NaCl", "TiO2", None]
    assert [row["symmetry.new_template"] for row in scores.rows] == [False, False, False, False, True, True]
    found = counted(scores, "symmetry")
    assert found["novelty"] == (4, 6)
    assert found["p1"] == (1, 6)
    assert found["p1_of_novel"] == found["p1_of_novel_of_few"] == (1, 4)
    assert found["new_templates"] == (2, 6)
    assert found["gene_found"] == (6, 6)


def test_known_genes_without_structures_decide_alone(tmp_path):
    known = write(tmp_path / "known.jsonl", [gene_of(rutile(0.305))])
    rows = score([rutile(0.15), rock_salt()], "symmetry", str(known)).rows
    assert [row["symmetry.novel"] for row in rows] == [False, True]


def test_copies_share_gene_and_structure():
    samples = [rutile(0.305), rewritten(rutile(0.31)), rutile(0.15), rock_salt(), caesium_chloride(3.6, "Na Cl")]
    rows = score(samples, "symmetry").rows
    assert [row["symmetry.unique"] for row in rows] == [True, False, True, True, True]
    assert [row["symmetry.copy_of"] for row in rows] == [None, 0, None, None, None]


def test_a_continued_run_knows_the_crystals_before(tmp_path):
    io.write(tmp_path / "known.extxyz", [perovskite()])
    samples = [rutile(0.305), rock_salt(), rewritten(rutile(0.31)), rock_salt(), without_symmetry()]
    records = [Record(sample) for sample in samples]
    whole, later = (Session(["symmetry", "novelty"], str(tmp_path / "known.extxyz")) for _ in range(2))
    rows = list(whole.rows(iter(records)))
    assert [row["symmetry.unique"] for row in rows] == [True, True, False, False, True]
    later.restore(rows[:2], {})
    assert list(later.rows(iter(records))) == rows[2:]
    assert later.summary().to_dict() == whole.summary().to_dict()


def test_the_asked_space_group_for(tmp_path):
    asked = [(rock_salt(), 225), (caesium_chloride(), 225), (quartz(), None), (without_symmetry(), 1)]
    made = [one if number is None else one.replace(properties={"asked_space_group": number}) for one, number in asked]
    path = tmp_path / "made.extxyz"
    io.write(path, made)  # the property travels in files
    scores = score(str(path), "symmetry")
    assert [row["symmetry.as_asked"] for row in scores.rows] == [True, False, None, True]
    assert counted(scores, "symmetry")["as_asked"] == (2, 3)
    flat = rock_salt().replace(lattice=[[1, 0, 0], [0, 1, 0], [1, 1, 0]], properties={"asked_space_group": 225})
    assert checked("symmetry", flat)["as_asked"] is False  # it was asked for, and is in the denominator


def test_distances_from_a_data_set(tmp_path):
    with PackWriter(tmp_path / "packed", name="packed") as writer:
        for made in (rock_salt(), perovskite(), quartz(), caesium_chloride(), rock_salt(6.5, "K Br", "KBr")):
            writer.add(made)
        writer.finish(np.array([0, 0, 1, 2, 2]), {})
    scores = score([rock_salt(), quartz()], "symmetry", str(tmp_path / "packed"))
    assert [row["symmetry.novel"] for row in scores.rows] == [False, False]
    metrics = scores.summary["protocols"]["symmetry"]["metrics"]
    assert metrics["space_group_chi2"]["value"] == pytest.approx(1.0)  # all in 225; the test part: half 225, half 221
    assert (metrics["freedom_emd"]["value"], metrics["freedom_emd"]["count"]) == (2.0, 2)  # quartz has 4
    assert metrics["elements_emd"]["floor"] == 0.0
