"""The structures of a gallery are those that were scored, or it says why not."""

import numpy as np

from molgen import io
from molgen.report.picks import Pick
from molgen.report.structures import find_structures
from molgen.scoring.records import Record
from tests.scoring.molecules import AMMONIA, METHANE, beside, ring

BENZENE = ring(1.39)


def pick(index, source, record, formula, n_atoms):
    row = {"index": index, "source": source, "name": "", "formula": formula, "n_atoms": n_atoms, "bonds": ""}
    return Pick(row, record, 1, 0, 0, None)


def files(folder):
    io.write(folder / "a.sdf", [METHANE, AMMONIA])
    io.write(folder / "b.xyz", [BENZENE, METHANE])
    return str(folder / "a.sdf"), str(folder / "b.xyz")


def test_records_come_from_their_sources(tmp_path):
    a, b = files(tmp_path)
    found, remarks = find_structures([pick(3, b, 1, "CH4", 5), pick(1, a, 1, "H3N", 4)])
    assert remarks == []
    assert {index: s.numbers.tolist() for index, s in found.items()} == {3: [6, 1, 1, 1, 1], 1: [7, 1, 1, 1]}
    assert np.allclose(found[1].positions, AMMONIA.positions, atol=1e-4)


def test_other_files_stand_in_for_the_sources(tmp_path):
    a, b = files(tmp_path)
    found, remarks = find_structures([pick(2, "gone.sdf", 0, "C6H6", 12)], [a, b])
    assert remarks == []
    assert len(found[2]) == 12


def test_a_changed_source_is_noticed(tmp_path):
    a, _ = files(tmp_path)
    found, remarks = find_structures([pick(0, a, 0, "CH4", 5), pick(1, a, 1, "CHN2", 4)])
    assert list(found) == [0]
    assert "record 1 is not the structure that was scored" in remarks[0]
    found, remarks = find_structures([pick(0, a, 0, "CH4", 6), pick(9, a, 9, "CH4", 5)])
    assert found == {}
    assert "ends before 1 of the structures" in remarks[1]


def test_a_missing_source_is_noticed(tmp_path):
    a, _ = files(tmp_path)
    gone = str(tmp_path / "gone.sdf")
    found, remarks = find_structures([pick(0, a, 0, "CH4", 5), pick(2, gone, 0, "CH4", 5), pick(3, "", 0, "", 5)])
    assert list(found) == [0]
    assert len(remarks) == 2
    assert "gone.sdf" in remarks[0]
    assert "in memory" in remarks[1]


def test_reading_stops_at_the_last_molecule_needed(monkeypatch):
    read = []

    def records(specs):
        for k in range(1000):
            read.append(k)
            yield Record(beside(METHANE, AMMONIA), specs[0])

    monkeypatch.setattr("molgen.scoring.records.read_records", records)
    found, remarks = find_structures([pick(4, "a", 4, "CH7N", 9), pick(2, "a", 2, "CH7N", 9)])
    assert (sorted(found), remarks, read) == ([2, 4], [], [0, 1, 2, 3, 4])
