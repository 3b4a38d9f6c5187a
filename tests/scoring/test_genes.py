"""Protocol genes: files of genes scored as they are, what is wrong with a line, novelty, templates, resuming."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from molgen import io
from molgen.cli.app import app
from molgen.datasets.packing import PackWriter
from molgen.errors import ConfigError, InputError
from molgen.report.document import load_summary
from molgen.report.sections import rates
from molgen.scoring import score
from molgen.scoring.gene_columns import fingerprint_text, template_text
from molgen.scoring.known_genes import known_genes
from molgen.scoring.records import Record
from molgen.scoring.session import Session
from molgen.symmetry.gene import Gene
from molgen.symmetry.lines import line_of
from tests.scoring.crystals import caesium_chloride, perovskite, quartz, rock_salt

NA, CL, K, BR = 11, 17, 19, 35
SALT, SHIFTED = Gene(225, ((NA, 0), (CL, 1)), "salt"), Gene(225, ((NA, 1), (CL, 0)), "salt from chlorine")
BROMIDE = Gene(225, ((K, 0), (BR, 1)), "bromide")
PLAIN = Gene(1, ((NA, 0), (CL, 0)), "no symmetry")
BAD = {
    '{"space_group": 225, "orbits": [["Na", "a"], ["Cl", "a"]]}': "impossible gene",
    '{"space_group": 225, "orbits": [["Na", "z"]]}': "unknown position",
    '{"space_group": 225, "orbits": [["Nq", "a"]]}': "unknown element",
    '{"space_group": 225, "orbits": []}': "impossible gene",
}
UNREADABLE = ("{", '{"space_group": 231, "orbits": []}', "[1, 2]", "\\x00", '{"space_group": 225, "orbits": [["Na"]]}')


def run(*arguments):
    return CliRunner().invoke(app, ["score", *map(str, arguments)])


def write(path, lines):
    path.write_text("".join(f"{line if isinstance(line, str) else line_of(line)}\n" for line in lines), "utf-8")
    return path


def counted(scores, protocol="genes"):
    metrics = scores.summary["protocols"][protocol]["metrics"]
    return {k: (m["numerator"], m["denominator"]) for k, m in metrics.items() if m is not None and m["kind"] == "rate"}


@pytest.fixture
def known(tmp_path):
    """Rock salt and a gene without symmetry."""
    return write(tmp_path / "known.jsonl", [Gene(225, ((NA, 1), (CL, 0))), Gene(1, ((6, 0), (7, 0), (8, 0)))])


def test_values_of_a_gene():
    (row,) = score([BROMIDE], "genes").rows
    shown = {key.removeprefix("genes."): value for key, value in row.items()}
    assert {k: shown[k] for k in ("name", "formula", "n_atoms", "problem")} == {
        "name": "bromide",
        "formula": "BrK",
        "n_atoms": 2,
        "problem": "",
    }
    assert (shown["valid"], shown["composition_valid"], shown["unique"], shown["p1"]) == (True, True, True, False)
    assert (shown["space_group"], shown["crystal_system"], shown["orbits"], shown["freedom"]) == (225, "cubic", 2, 0)
    assert shown.get("novel") is None  # nothing to be new against
    assert score([Gene(225, ((2, 0), (8, 1)))]).rows[0]["genes.composition_valid"] is False  # helium has no states


def test_rock_salt_and_its_shifted_twin_are_one():
    scores = score([SALT, SHIFTED, BROMIDE], "genes")
    assert [row["genes.unique"] for row in scores.rows] == [True, False, True]
    assert len({row["genes.fingerprint"] for row in scores.rows}) == 2
    assert len({row["genes.template"] for row in scores.rows}) == 1
    assert counted(scores)["uniqueness"] == (2, 3)


def test_texts_are_the_fingerprint_and_the_template():
    genes = [SALT, SHIFTED, BROMIDE, PLAIN, Gene(225, ((NA, 0), (CL, 2))), Gene(225, ((NA, 1), (CL, 2)))]
    for one in genes:
        for other in genes:
            assert (fingerprint_text(one) == fingerprint_text(other)) == (one.fingerprint == other.fingerprint)
            assert (template_text(one) == template_text(other)) == (one.template == other.template)


def test_novelty_templates_and_p1_among_novel(known):
    samples = [SALT, BROMIDE, BROMIDE, PLAIN, Gene(1, ((6, 0), (7, 0), (8, 0))), Gene(221, ((NA, 0), (CL, 1)))]
    scores = score(samples, "genes", str(known))
    assert [row["genes.novel"] for row in scores.rows] == [False, True, True, True, False, True]
    assert [row["genes.new_template"] for row in scores.rows] == [False, False, False, True, False, True]
    found = counted(scores)
    assert found["novelty"] == (3, 5)
    assert found["unique_novel"] == (3, 6)
    assert found["p1"] == (2, 6)
    assert found["p1_of_novel"] == found["p1_of_novel_of_few"] == (1, 3)
    assert found["new_template"] == (2, 3)
    assert found["new_templates"] == found["new_templates_of_few"] == (2, 6)
    assert scores.summary["protocols"]["genes"]["metrics"]["space_group_chi2"] is None  # a file has no test part
    with pytest.raises(InputError, match="holds no gene"):
        known_genes(str(write(known.with_name("bad.jsonl"), UNREADABLE)))


def test_a_new_template_counts_once(known):
    new = [Gene(221, ((z, 0), (CL, 1))) for z in (NA, K, 37)]
    assert counted(score(new, "genes", str(known)))["new_templates"] == (1, 3)


def test_bad_lines_are_counted_with_reasons(tmp_path):
    path = write(tmp_path / "genes.jsonl", [SALT, *BAD, "", *UNREADABLE, PLAIN])
    done = run(path, "--json", "--out", tmp_path / "rows.csv")
    assert done.exit_code == 5, done.output
    document = json.loads(done.stdout)
    part = document["protocols"]["genes"]
    assert (document["n"], document["unreadable"]["count"]) == (11, len(UNREADABLE))
    assert (part["metrics"]["formal_validity"]["numerator"], part["metrics"]["formal_validity"]["denominator"]) == (
        2,
        11,
    )
    assert part["failures"]["impossible gene"] == 2
    assert {kind: part["failures"][kind] for kind in BAD.values()}
    assert document["unreadable"]["first"][0]["reason"].startswith("unreadable: line 7: malformed gene: not JSON")
    assert len((tmp_path / "rows.csv").read_text("utf-8").splitlines()) == 12
    assert run(write(tmp_path / "impossible.jsonl", BAD)).exit_code == 0  # they are genes that fail, and are scored


def test_files_that_hold_nothing_or_something_else(tmp_path):
    empty = run(write(tmp_path / "empty.jsonl", []), "--protocol", "genes")
    assert (empty.exit_code, "holds no gene" in empty.stderr) == (3, True)
    assert run(tmp_path / "missing.jsonl", "--protocol", "genes").exit_code == 4
    torn = tmp_path / "torn.jsonl.gz"
    torn.write_bytes(b"\x1f\x8b\x08\x00broken")
    assert run(torn).exit_code == 3
    genes = write(tmp_path / "genes.jsonl", [SALT])
    io.write(tmp_path / "salt.cif", [rock_salt()])
    wrong = run(genes, "--protocol", "symmetry")
    assert (wrong.exit_code, "protocol symmetry scores crystals" in wrong.stderr) == (3, True)
    assert "--protocol genes" in wrong.stderr
    assert run(tmp_path / "salt.cif", "--protocol", "genes").exit_code == 3
    assert run(genes, tmp_path / "salt.cif").exit_code == 3
    with pytest.raises(ConfigError, match="no coordinates"):
        score(str(genes), reference="embedded-crystals", distributions=True)


@pytest.fixture
def crystals(tmp_path):
    """A packed set: rock salt and a perovskite to train on, caesium chloride to validate, quartz and salts to test."""
    folder = tmp_path / "packed"
    with PackWriter(folder, name="packed") as writer:
        for crystal in (rock_salt(), perovskite(), caesium_chloride(), quartz(), rock_salt(6.5, "K Br", "KBr")):
            writer.add(crystal)
        writer.finish(np.array([0, 0, 1, 2, 2]), {})
    return folder


def test_a_data_set_is_known_but_for_its_test_part(crystals):
    known = known_genes(str(crystals))
    assert (len(known), known.name) == (3, "packed:train+valid")
    assert len(known_genes(f"{crystals}:train")) == 2
    assert known.has_fingerprint(fingerprint_text(SALT))
    assert known.has_fingerprint(fingerprint_text(SHIFTED))
    assert not known.has_fingerprint(fingerprint_text(BROMIDE))
    assert known.has_template(template_text(BROMIDE))
    scores = score([BROMIDE, SALT, PLAIN], "genes", str(crystals))
    metric = scores.summary["protocols"]["genes"]["metrics"]["elements_emd"]
    assert (metric["value"], metric["floor"], metric["floor_count"]) == (0.0, 0.0, 1)
    assert scores.summary["reference"]["sets"][0]["use"] == "genes"
    assert "noise floor" in scores.text


def test_a_report_shows_distances_beside_their_floors(crystals, tmp_path):
    genes = write(tmp_path / "genes.jsonl", [BROMIDE, PLAIN])
    assert run(genes, "--reference", crystals, "--out", tmp_path / "rows.csv").exit_code == 0
    page = str(rates(load_summary(tmp_path / "rows.csv")))
    assert "Distances of genes from real structures" in page
    assert "orbits emd" in page


def test_known_crystals_of_a_file_have_genes(tmp_path):
    io.write(tmp_path / "some.extxyz", [rock_salt(), quartz()])
    known = known_genes(str(tmp_path / "some.extxyz"), workers=1)
    assert (len(known), known.real) == (2, None)
    assert known.has_fingerprint(fingerprint_text(SHIFTED))


def test_an_interrupted_run_ends_as_a_whole_one(known):
    samples = [SALT, BROMIDE, SHIFTED, PLAIN, BROMIDE, Gene(221, ((NA, 0), (CL, 1))), Gene(221, ((NA, 1), (CL, 0)))]
    records = [Record(sample) for sample in samples]
    whole, later = Session(["genes"], str(known)), Session(["genes"], str(known))
    rows = list(whole.rows(iter(records)))
    later.restore(rows[:3], {})
    assert list(later.rows(iter(records))) == rows[3:]
    assert [row["genes.unique"] for row in rows] == [True, True, False, True, False, True, False]
    assert later.summary().to_dict() == whole.summary().to_dict()


def test_uniqueness_goes_beyond_one_chunk(tmp_path):
    rng = np.random.default_rng(0)
    lines = [Gene(225, ((int(z), 0), (CL, 1))) for z in rng.integers(1, 90, 2500)]
    scores = score(str(write(tmp_path / "genes.jsonl", lines)))
    different = len({gene.fingerprint for gene in lines})
    assert counted(scores)["uniqueness"] == (different, 2500)
