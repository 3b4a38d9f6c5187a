"""Rows that are kept: recorded now and then, and whatever ends the run."""

import numpy as np
import pytest

from molgen.errors import OutputError
from molgen.scoring import rows_file
from molgen.scoring.rows_file import RowsFile

KINDS = {"index": "int", "name": "str"}


def write(table, count):
    for _ in range(count):
        table.write({"index": table.rows, "name": f"m{table.rows}"})


def state(value):
    return lambda: {"sum": np.array([value])}


def stopped(path, fill, error):
    """The file after an error behind what ``fill`` did to it."""

    def fill_in_vain(table):
        fill(table)
        raise error

    with pytest.raises(type(error)), RowsFile(path, KINDS, {}) as table:
        fill_in_vain(table)
    return table


def kept(path):
    """What a run that continues finds: rows, and the state that covers them."""
    with RowsFile(path, KINDS, {}) as table:
        assert [row["name"] for row in table.earlier()] == [f"m{k}" for k in range(table.rows)]
        return table.rows, table.state["sum"].tolist() if table.state else None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError(), OutputError("full"), SystemExit(1)])
def test_any_exception_keeps_the_rows_up_to_the_last_boundary(tmp_path, error):
    def fill(table):
        write(table, 2)
        table.boundary(state(20))
        write(table, 3)
        table.boundary(state(50))
        write(table, 4)

    assert stopped(tmp_path / "a.csv", fill, error).rows == 5
    assert kept(tmp_path / "a.csv") == (5, [50])


def test_boundaries_are_recorded_now_and_then_for_a_run_that_is_killed(tmp_path, monkeypatch):
    with RowsFile(tmp_path / "a.csv", KINDS, {}) as table:
        write(table, 2)
        table.boundary(state(20))
        assert kept_by_a_killed_run(tmp_path) == (0, None)
        monkeypatch.setattr(rows_file, "COMMIT_SECONDS", 0.0)
        write(table, 3)
        table.boundary(state(50))
        write(table, 4)
        assert kept_by_a_killed_run(tmp_path) == (5, [50])


def kept_by_a_killed_run(folder):
    copy = folder / "copy"
    copy.mkdir(exist_ok=True)
    for name in ("a.csv", "a.csv.part"):
        (copy / name).write_bytes((folder / name).read_bytes())
    return kept(copy / "a.csv")


def test_state_is_made_only_where_it_is_recorded(tmp_path):
    made = []
    with RowsFile(tmp_path / "a.csv", KINDS, {}) as table:
        for _ in range(5):
            write(table, 1)
            table.boundary(lambda: made.append(table.rows) or {})
        table.finish({})
    assert made == []


def test_rows_that_cannot_be_recorded_do_not_count_as_kept(tmp_path, monkeypatch):
    def full():
        raise OSError(28, "No space left on device")

    def fill(table):
        write(table, 2)
        table.boundary(full)

    assert stopped(tmp_path / "a.csv", fill, RuntimeError()).rows == 0
    assert kept(tmp_path / "a.csv") == (0, None)


def test_a_finished_file_is_not_continued(tmp_path):
    def fill(table):
        write(table, 2)
        table.boundary(dict)
        table.finish({"n": 2})

    stopped(tmp_path / "a.csv", fill, KeyboardInterrupt())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.csv.json"]
