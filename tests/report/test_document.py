"""Summaries: a good one passes, a spoilt one is named with its file and field."""

import json

import pytest

from molgen.errors import InputError
from molgen.report.document import load_summary
from tests.report.scored import summary, write_scored


def spoil(document, path, value):
    *parents, last = path.split("/")
    for key in parents:
        document = document[key]
    if value is KeyError:
        del document[last]
    else:
        document[last] = value


def test_a_summary_is_read(tmp_path):
    rows = write_scored(tmp_path)
    assert load_summary(rows) == summary(str(tmp_path / "a.sdf"))


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("n", "8", "n is not a whole number"),
        ("n", True, "n is not a whole number"),
        ("n", KeyError, "n is not a whole number"),
        ("protocols", [], "protocols is not an object"),
        ("protocols/edm/version", 1, "protocols.edm.version is not a text"),
        ("protocols/edm/notes", "x", "protocols.edm.notes is not a list"),
        ("protocols/edm/notes", ["x", 1], r"protocols.edm.notes\[1\] is not a text"),
        ("protocols/edm/failures/unstable", 1.5, "protocols.edm.failures.unstable is not a whole number"),
        ("protocols/edm/columns/valid/kind", "boolean", "protocols.edm.columns.valid.kind is not one of bool"),
        ("protocols/edm/metrics/validity/low", "x", "protocols.edm.metrics.validity.low is not a number or null"),
        ("protocols/edm/metrics/validity/kind", "share", "metrics.validity.kind is not rate, quantity or distance"),
        ("protocols/mmff94s/metrics/energy_gain/unit", None, "energy_gain.unit is not a text"),
        ("distributions/metrics/element/control", [], "metrics.element.control is not an object"),
        ("distributions/histograms/bond_length/C-C/sample", [0.5], "bond_length.C-C is not k values"),
        ("distributions/histograms/bond_length/C-C/edges", [1.0, None, 1.2, 1.3], "bond_length.C-C is not k values"),
        ("distributions/histograms/element/all/categories", ["C"], "element.all is not k values"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, path, value, field):
    document = summary()
    spoil(document, path, value)
    rows = write_scored(tmp_path, document)
    with pytest.raises(InputError, match=field) as caught:
        load_summary(rows)
    assert "rows.csv.json" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00", '{"n": NaN}', "[" * 100_000, '{"n": 1e999}'])
def test_what_is_no_summary_is_refused(tmp_path, text):
    rows = write_scored(tmp_path)
    (tmp_path / "rows.csv.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"rows\.csv\.json"):
        load_summary(rows)


def test_numbers_beyond_floats_are_refused(tmp_path):
    rows = write_scored(tmp_path)
    path = tmp_path / "rows.csv.json"
    path.write_text(path.read_text().replace("0.3057", "1e999"), encoding="utf-8")
    with pytest.raises(InputError, match=r"validity\.low is not a number"):
        load_summary(rows)


def test_missing_files_come_with_a_cure(tmp_path):
    with pytest.raises(InputError, match="there is no file") as caught:
        load_summary(tmp_path / "rows.csv")
    assert "molgen score" in caught.value.hint
    rows = write_scored(tmp_path)
    (tmp_path / "rows.csv.json").unlink()
    with pytest.raises(InputError, match=r"rows.csv.json is missing") as caught:
        load_summary(rows)
    assert "--out" in caught.value.hint


def test_an_unfinished_scoring_is_named(tmp_path):
    rows = write_scored(tmp_path)
    (tmp_path / "rows.csv.part").write_bytes(b"")
    with pytest.raises(InputError, match="is not finished") as caught:
        load_summary(rows)
    assert "again" in caught.value.hint


def test_no_distributions_is_fine(tmp_path):
    rows = write_scored(tmp_path, summary() | {"distributions": None})
    assert json.loads(json.dumps(load_summary(rows)))["distributions"] is None
