"""Rows come back typed, from CSV and Parquet alike; a damaged file is named with its row and column."""

import pytest

from molgen.errors import InputError
from molgen.report.rows import read_rows
from tests.report.scored import rows, summary, write_rows, write_scored


def test_cells_are_typed(tmp_path):
    table = list(read_rows(write_scored(tmp_path), summary()))
    assert [row["index"] for row in table] == list(range(8))
    assert table[2]["edm.valid"] is True
    assert table[2]["edm.molecule_stable"] is False
    assert table[5]["mmff94s.relaxed"] is None
    assert table[3]["mmff94s.energy_gain"] == 12.0
    assert table[1]["edm.smiles"] == "c1ccccc1"
    assert table[7]["problem"].startswith("unreadable")


def test_parquet_holds_the_same(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    from molgen.report.rows import kinds_of

    expected = list(read_rows(write_scored(tmp_path), summary()))
    types = {"int": pa.int64(), "float": pa.float64(), "str": pa.string(), "bool": pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in kinds_of(summary()).items()])
    parquet.write_table(pa.Table.from_pylist(expected, schema), tmp_path / "rows.parquet")
    assert list(read_rows(tmp_path / "rows.parquet", summary())) == expected
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match=r"cannot read .*rows.parquet"):
        list(read_rows(tmp_path / "rows.parquet", summary()))
    wrong = schema.set(0, pa.field("index", pa.string()))
    table = pa.Table.from_pylist([row | {"index": str(row["index"])} for row in expected], wrong)
    parquet.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(InputError, match="column 'index' holds string, not int"):
        list(read_rows(tmp_path / "rows.parquet", summary()))


@pytest.mark.parametrize(
    ("row", "column", "cell", "message"),
    [
        (3, "edm.valid", "yes", r"row 3: column edm.valid is not a bool: 'yes'"),
        (3, "mmff94s.energy_gain", "1,5", r"row 3: column mmff94s.energy_gain is not a float"),
        (3, "n_atoms", "1.5", r"row 3: column n_atoms is not a int"),
        (3, "index", "7", "row 4 has index 7, not 3"),
    ],
)
def test_a_bad_cell_is_named(tmp_path, row, column, cell, message):
    table = rows()
    table[row][column] = cell
    path = write_rows(tmp_path / "rows.csv", summary(), table)
    with pytest.raises(InputError, match=message) as caught:
        list(read_rows(path, summary()))
    assert "rows.csv" in str(caught.value)


def test_missing_columns_and_rows_are_named(tmp_path):
    table = [{key: value for key, value in row.items() if not key.startswith("mmff94s")} for row in rows()]
    path = write_rows(tmp_path / "rows.csv", summary(), table)
    with pytest.raises(InputError, match=r"no column 'mmff94s.relaxed' and 2 others") as caught:
        list(read_rows(path, summary()))
    assert ".json" in caught.value.hint
    path = write_rows(tmp_path / "rows.csv", summary(), rows()[:5])
    with pytest.raises(InputError, match="has 5 rows, but its summary speaks of 8"):
        list(read_rows(path, summary()))


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b'index,"source\n1,2', b"index\x00,b\n"])
def test_garbage_is_refused(tmp_path, data):
    path = write_scored(tmp_path)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"rows.csv"):
        list(read_rows(path, summary()))
