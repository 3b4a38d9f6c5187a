"""`molgen score` as a user runs it: table, JSON, rows, exit codes, garbage."""

import csv
import errno
import gzip
import json
from itertools import islice

import numpy as np
import pytest
from typer.testing import CliRunner

from molgen import io
from molgen.cli.app import app
from molgen.datasets.find import open_structures
from molgen.errors import InputError
from molgen.scoring import records, rows_file, work
from molgen.scoring.rows_file import RowsFile
from tests.scoring.molecules import ACETYLENE, AMMONIA, AMMONIUM, CARBON_DIOXIDE, METHANE

METRICS = ["atom_stability", "molecule_stability", "validity", "uniqueness", "novelty"]


@pytest.fixture
def sample(tmp_path):
    path = tmp_path / "out.sdf"
    io.write(path, [METHANE, METHANE, AMMONIUM, CARBON_DIOXIDE])
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["score", *map(str, arguments)])


def run_until(monkeypatch, index, error, *arguments):
    """Run, with an error where row ``index`` is to be written."""
    write = RowsFile.write

    def stopping(table, row):
        if row["index"] == index:
            raise error
        write(table, row)

    with monkeypatch.context() as patch:
        patch.setattr(RowsFile, "write", stopping)
        return run(*arguments)


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_json_document(sample, tmp_path):
    io.write(tmp_path / "known.xyz", [METHANE])
    done = run(sample, "--protocol", "edm", "--reference", tmp_path / "known.xyz", "--json")
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["n"], document["protocols"]["edm"]["version"]) == (4, "edm-lookup-1")
    metrics = document["protocols"]["edm"]["metrics"]
    for metric in METRICS:
        assert set(metrics[metric]) == {"kind", "value", "numerator", "denominator", "low", "high", "meaning"}
        assert 0 <= metrics[metric]["low"] <= metrics[metric]["value"] <= metrics[metric]["high"] <= 1
    counts = {m: (metrics[m]["numerator"], metrics[m]["denominator"]) for m in METRICS}
    assert counts == {
        "atom_stability": (17, 18),
        "molecule_stability": (3, 4),
        "validity": (3, 4),
        "uniqueness": (2, 3),
        "novelty": (1, 2),
    }
    assert document["reference"]["spec"] == str(tmp_path / "known.xyz")
    assert document["reference"]["sets"][0]["name"] == "known.xyz"
    assert document["sources"] == {str(sample): 4}
    assert document["unreadable"] == {"count": 0, "first": []}


def test_table_shows_counts_and_intervals(sample):
    done = run(sample)
    assert done.exit_code == 0
    line = next(line for line in done.stdout.splitlines() if line.startswith("molecule stability"))
    assert line.split() == ["molecule", "stability", "75.00", "%", "3", "/", "4", "30.06", "to", "95.44", "%"]
    assert "no reference given" in done.stdout


def test_novelty_is_null_without_reference(sample):
    document = json.loads(run(sample, "--json").stdout)
    assert document["protocols"]["edm"]["metrics"]["novelty"] is None
    assert any("novelty" in note for note in document["notes"])


def test_rows(sample, tmp_path):
    out = tmp_path / "rows.csv"
    assert run(sample, "--out", out).exit_code == 0
    rows = rows_of(out)
    assert list(rows[0])[:7] == ["index", "source", "name", "formula", "n_atoms", "bonds", "problem"]
    assert [row["index"] for row in rows] == list("0123")
    assert [row["formula"] for row in rows] == ["CH4", "CH4", "H4N", "CO2"]
    assert [row["edm.valid"] for row in rows] == ["true", "true", "false", "true"]
    assert [row["edm.unique"] for row in rows] == ["true", "false", "", "true"]
    assert rows[2]["edm.reason"].startswith("unstable: atom 0 N has valence 4, allowed 3; sanitisation:")
    assert rows[3]["edm.smiles"] == "O=C=O"
    assert rows[0]["source"] == str(sample)
    assert json.loads((tmp_path / "rows.csv.json").read_text()) == json.loads(run(sample, "--json").stdout)
    assert not (tmp_path / "rows.csv.part").exists()
    again = run(sample, "--out", out)
    assert again.exit_code == 6
    assert "--overwrite" in again.stderr
    assert run(sample, "--out", out, "--overwrite").exit_code == 0
    assert rows_of(out) == rows


def test_many_files_and_formats_are_one_set(sample, tmp_path):
    io.write(tmp_path / "b.xyz.gz", [ACETYLENE, AMMONIA])
    done = run(sample, tmp_path / "b.xyz.gz", "--json", "--workers", "2")
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["n"] == 6
    assert list(document["sources"].values()) == [4, 2]


def test_bad_records_count_as_failures_and_give_exit_code_5(sample, tmp_path):
    text = sample.read_text()
    first, rest = text.split("$$$$\n", 1)
    broken = first.replace(first.splitlines()[4][:10], "       nan", 1)
    (tmp_path / "bad.sdf").write_text(f"{broken}$$$$\n{first.replace(' C  ', ' Qq ', 1)}$$$$\n{rest}")
    out = tmp_path / "rows.csv"
    done = run(tmp_path / "bad.sdf", "--json", "--out", out)
    assert done.exit_code == 5
    document = json.loads(done.stdout)
    assert document["n"] == document["protocols"]["edm"]["metrics"]["validity"]["denominator"] == 5
    assert document["unreadable"]["count"] == 2
    reasons = [record["reason"] for record in document["unreadable"]["first"]]
    assert "record 1" in reasons[0]
    assert "not finite" in reasons[0]
    assert "record 2" in reasons[1]
    assert "Qq" in reasons[1]
    assert "2 of 5 records" in done.stderr
    assert [row["problem"].startswith("unreadable") for row in rows_of(out)] == [True, True, False, False, False]


def test_truncated_gzip_keeps_what_could_be_read(tmp_path):
    path = tmp_path / "out.xyz.gz"
    rng = np.random.default_rng(0)
    io.write(path, [METHANE.replace(positions=METHANE.positions + rng.normal(0, 0.01, (5, 3))) for _ in range(400)])
    plain = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(plain)[:-2000])
    done = run(path, "--json")
    assert done.exit_code == 5
    document = json.loads(done.stdout)
    assert 100 < document["protocols"]["edm"]["metrics"]["validity"]["numerator"] < 400
    assert "truncated" in document["unreadable"]["first"][-1]["reason"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{sample}", "--protocol", "emd"], 3, ["unknown scoring protocol 'emd'", "'edm'"]),
        (["{folder}/empty.sdf"], 3, ["empty.sdf is empty"]),
        (["{folder}/nothing.sdf"], 4, ["nothing.sdf"]),
        (["{sample}", "--reference", "{folder}/nothing"], 4, ["nothing"]),
        (["{sample}", "--reference", "{folder}"], 4, ["training_hashes.npy"]),
        (["{sample}", "--out", "{folder}/no/rows.csv"], 6, ["rows.csv"]),
        (["{sample}", "--out", "{sample}"], 3, ["one of the files that are read"]),
        (["{sample}", "--out", "{folder}/rows.txt"], 3, [".csv or a .parquet"]),
        (["{sample}", "--protocol", "edm,edm"], 3, ["different protocols"]),
        (["{sample}", "--bonds", "guess"], 3, ["unknown bond source 'guess'"]),
        (["{sample}", "--distributions"], 3, ["need a reference"]),
        (["{sample}", "--dask", "tcp://127.0.0.1:9"], 3, ["no dask scheduler answers"]),
        (["{folder}/notes.docx"], 3, ["notes.docx"]),
        (["{sample}", "--workers", "0"], 2, ["--workers"]),
        ([], 2, ["FILES"]),
    ],
)
def test_errors_are_sentences_with_their_exit_code(sample, tmp_path, arguments, code, words):
    (tmp_path / "empty.sdf").touch()
    (tmp_path / "notes.docx").write_bytes(b"PK\x03\x04")
    before = sample.read_bytes()
    done = run(*[text.format(sample=sample, folder=tmp_path) for text in arguments])
    assert done.exit_code == code, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert done.stdout == ""
    assert sample.read_bytes() == before


def test_garbage_is_never_a_traceback(tmp_path):
    rng = np.random.default_rng(3)
    for suffix in ("sdf", "xyz", "extxyz", "sdf.gz"):
        path = tmp_path / f"garbage.{suffix}"
        path.write_bytes(rng.integers(0, 256, 5000, dtype=np.uint8).tobytes())
        done = run(path)
        assert done.exit_code in (3, 5), (suffix, done.stderr)
        assert str(path.name) in done.stderr


def test_full_disk_is_exit_code_6_and_the_run_continues_when_there_is_room(sample, tmp_path, monkeypatch):
    out = tmp_path / "rows.csv"
    append = RowsFile._append

    def limited(table, cells):
        if cells[0] == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(table, cells)

    with monkeypatch.context() as patch:
        patch.setattr(RowsFile, "_append", limited)
        done = run(sample, "--out", out)
    assert done.exit_code == 6
    assert "no space left" in done.stderr
    assert len(rows_of(out)) == 2
    assert run(sample, "--out", out).exit_code == 0
    assert len(rows_of(out)) == 4


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (InputError("no"), 3), (RuntimeError(), 1)])
def test_an_interrupted_run_continues_to_the_same_bytes(sample, tmp_path, monkeypatch, error, code):
    monkeypatch.setattr(records, "CHUNK_STRUCTURES", 1)
    whole, out = tmp_path / "whole.csv", tmp_path / "rows.csv"
    reference = ["--reference", tmp_path / "known.xyz"]
    io.write(tmp_path / "known.xyz", [METHANE])
    assert run(sample, "--out", whole, *reference).exit_code == 0
    stopped = run_until(monkeypatch, 3, error, sample, "--out", out, *reference)
    assert stopped.exit_code == code
    assert "3 rows are kept" in stopped.stderr
    assert len(rows_of(out)) == 3
    assert run(sample, "--out", out).exit_code == 3, "without the reference it is another run"
    continued = run(sample, "--out", out, *reference)
    assert continued.exit_code == 0
    assert "continuing" in continued.stderr
    assert out.read_bytes() == whole.read_bytes()
    assert (tmp_path / "rows.csv.json").read_bytes() == (tmp_path / "whole.csv.json").read_bytes()


def test_distributions_continue_too(tmp_path, monkeypatch):
    """The sums of features are not in the rows: they come back from the .part file."""
    monkeypatch.setattr(rows_file, "COMMIT_SECONDS", 0.0)
    monkeypatch.setattr(work, "SLOW_CHUNK", 40)
    sample = tmp_path / "sample.sdf"
    io.write(sample, islice(open_structures("embedded:test"), 100))
    arguments = [sample, "--protocol", "edm,explicit", "--reference", "embedded", "--distributions"]
    assert run(*arguments, "--out", tmp_path / "whole.csv").exit_code == 0
    stopped = run_until(monkeypatch, 95, KeyboardInterrupt(), *arguments, "--out", tmp_path / "rows.csv")
    assert stopped.exit_code == 130
    continued = run(*arguments, "--out", tmp_path / "rows.csv")
    assert continued.exit_code == 0, continued.stderr
    assert "continuing" in continued.stderr
    assert (tmp_path / "rows.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    document = json.loads((tmp_path / "rows.csv.json").read_text())
    assert document == json.loads((tmp_path / "whole.csv.json").read_text())
    lengths = document["distributions"]["metrics"]["bond_length"]
    assert document["distributions"]["n"] == 100
    assert lengths["wasserstein"] < 3 * lengths["floor"]["wasserstein"] < lengths["control"]["wasserstein"]


def test_parquet_has_the_types_of_the_columns(sample, tmp_path):
    pytest.importorskip("pyarrow")
    import pandas as pd

    out = tmp_path / "rows.parquet"
    assert run(sample, "--out", out).exit_code == 0
    table = pd.read_parquet(out)
    assert table["edm.stable_atoms"].tolist() == [5, 5, 4, 3]
    assert table["edm.valid"].tolist() == [True, True, False, True]
    assert table["edm.smiles"].isna().tolist() == [False, False, True, False]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.sdf", "rows.parquet", "rows.parquet.json"]
