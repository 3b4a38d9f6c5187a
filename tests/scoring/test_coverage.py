"""Coverage against the definition, floor and controls of a data set, and what is kept beside it."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from molgen import io
from molgen.datasets.packing import PackWriter
from molgen.errors import ConfigError
from molgen.scoring import coverage, fingerprints, score
from molgen.scoring.controls import shuffled_elements, uniform_coordinates
from molgen.scoring.coverage import WIDE, Nearest, cut_offs
from molgen.scoring.fingerprints import ALL, STRUCTURE, FingerprintStore, from_text, to_text
from molgen.scoring.records import Record
from molgen.scoring.session import Session
from tests.scoring.crystals import caesium_chloride, lone_iron, perovskite, rock_salt

SALTS = ("Na Cl", "K Br", "Li F", "Mg O")


def random_fingerprints(count, seed):
    scales = np.concatenate([np.full(STRUCTURE, 0.035), np.full(ALL - STRUCTURE, 0.6)])
    return (np.random.default_rng(seed).normal(size=(count, ALL)) * scales).astype(np.float32)


def definition(samples, known, cut):
    """``compute_cov`` of CDVAE, on everything at once."""
    structure, composition = (
        cdist(samples[:, part], known[:, part]) for part in (slice(STRUCTURE), slice(STRUCTURE, ALL))
    )
    recall = (structure.min(0) <= cut.structure) & (composition.min(0) <= cut.composition)
    precision = (structure.min(1) <= cut.structure) & (composition.min(1) <= cut.composition)
    return recall.sum(), precision


def test_is_the_definition_whatever_the_chunks():
    samples, known = random_fingerprints(40, 0), random_fingerprints(30, 1)
    samples[:25, :STRUCTURE] *= 3
    known[20:] += 1
    recall, precision = definition(samples, known, WIDE)
    assert 0 < recall < 30
    assert 0 < precision.sum() < 40
    for size in (1, 7, 40):
        nearest, found = Nearest(known), []
        for start in range(0, 40, size):
            structure, composition = nearest.add(samples[start : start + size])
            found += ((structure <= WIDE.structure) & (composition <= WIDE.composition)).tolist()
        assert (nearest.recall(WIDE).numerator, found) == (recall, precision.tolist())


def test_a_known_crystal_without_fingerprint_is_never_covered():
    known = random_fingerprints(3, 0)
    known[1] = np.nan
    nearest = Nearest(known)
    nearest.add(known[[0, 2]])
    assert (nearest.recall(WIDE).numerator, nearest.recall(WIDE).denominator) == (2, 3)


def test_text_keeps_every_number():
    values = random_fingerprints(1, 5)[0]
    assert np.array_equal(from_text(to_text(values)), values)
    for broken in ("", "abc", "not base64!", to_text(values)[:-8]):
        with pytest.raises(ValueError, match=r"base64|numbers"):
            from_text(broken)


def test_cut_offs_go_by_the_name():
    assert cut_offs("mp20:test") == cut_offs("mine.cif") == WIDE
    assert cut_offs("perov5:test") == cut_offs("carbon24:train") == coverage.TIGHT


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    """A data set of salts, the same four in each split with other cell edges."""
    monkeypatch.setenv("MOLGEN_DATA", str(tmp_path))
    with PackWriter(tmp_path / "salts", name="salts") as writer:
        for edge in (5.0, 5.3, 5.6):
            for symbols in SALTS:
                writer.add(rock_salt(edge, symbols, f"{symbols} {edge}"))
        writer.finish(np.repeat([0, 1, 2], 4), {})
    return tmp_path / "salts"


def test_data_set_as_its_own_samples(dataset, monkeypatch):
    scores = score("salts:test", "coverage", "salts")
    metrics = scores.summary["protocols"]["coverage"]["metrics"]
    for name in ("recall", "precision", "fingerprint", "recall_of_few"):
        assert metrics[name]["value"] == 1.0, name
    assert metrics["recall"]["denominator"] == 4
    assert metrics["precision_uniform_coordinates"]["denominator"] == 4
    assert metrics["recall_floor"]["value"] >= 0.5 > metrics["recall_uniform_coordinates"]["value"]
    assert scores.summary["reference"]["sets"][0]["name"] == "salts:test"
    kept = sorted(path.name for path in dataset.glob("fingerprints_*"))
    names = ("test_known", "valid_floor", "valid_shuffled_elements", "valid_uniform_coordinates")
    assert kept == [f"fingerprints_{name}.npz" for name in names]
    monkeypatch.setattr(fingerprints._Fingerprints, "__call__", None)  # a second run makes none
    again = coverage.CoverageReference("salts")
    assert len(again.fingerprints) == 4


def test_rows_go_on(tmp_path):
    io.write(tmp_path / "known.extxyz", [rock_salt(), caesium_chloride()])
    records = [Record(crystal) for crystal in (rock_salt(5.5), perovskite(), lone_iron(2.8), caesium_chloride())]
    whole = Session(["coverage"], str(tmp_path / "known.extxyz"))
    rows = list(whole.rows(iter(records)))
    assert [row["coverage.covered"] for row in rows][3] is True
    later = Session(["coverage"], str(tmp_path / "known.extxyz"))
    later.restore(rows[:2], {})
    assert list(later.rows(iter(records))) == rows[2:]
    assert later.summary().to_dict()["protocols"] == whole.summary().to_dict()["protocols"]


def test_needs_a_reference():
    with pytest.raises(ConfigError, match="needs a reference"):
        score(rock_salt(), "coverage")


def test_store_goes_on_where_it_was(tmp_path, monkeypatch):
    asked = []

    def read(start, stop):
        asked.append((start, stop))
        return list(range(start, stop))

    monkeypatch.setattr(
        fingerprints._Fingerprints, "__call__", lambda self, part: np.array([[k] * ALL for k in part], np.float32)
    )
    path = tmp_path / "kept.npz"
    assert FingerprintStore(path, "a", 1.0).first(read, 30)[:, 0].tolist() == list(range(30))
    assert FingerprintStore(path, "a", 1.0).first(read, 60)[:, 0].tolist() == list(range(60))
    assert FingerprintStore(path, "a", 1.0).first(read, 10)[:, 0].tolist() == list(range(10))
    assert asked == [(0, 30), (30, 60)]
    path.write_bytes(b"torn")
    assert len(FingerprintStore(path, "a", 1.0).first(read, 5)) == 5
    assert asked[-1] == (0, 5)
    FingerprintStore(path, "b", 1.0).first(read, 5)
    assert asked[-1] == (0, 5)
    assert len(asked) == 4


def test_controls_change_what_they_say():
    crystals = [perovskite(), rock_salt(), caesium_chloride()]
    loose, mixed = uniform_coordinates(crystals), shuffled_elements(crystals)
    for before, moved, renamed in zip(crystals, loose, mixed, strict=True):
        assert np.array_equal(before.numbers, moved.numbers)
        assert not np.allclose(before.positions, moved.positions)
        fractional = moved.positions @ np.linalg.inv(moved.lattice)
        assert ((fractional >= 0) & (fractional < 1)).all()
        assert np.array_equal(before.positions, renamed.positions)
    every = [np.sort(np.concatenate([c.numbers for c in part])) for part in (crystals, mixed)]
    assert np.array_equal(*every)
    assert np.array_equal(uniform_coordinates(crystals[1:], 1)[0].positions, loose[1].positions)
