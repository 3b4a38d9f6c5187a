import gzip

import pytest

from molgen.datasets.smiles_list import SmilesList
from molgen.errors import InputError, MissingError


def listed(path):
    return [(line.smiles, line.split) for line in SmilesList(path)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "C\nCC\nN\n"),
        ("a.smi", "smiles name\nC methane\n\nCC ethane\nN\tammonia\n"),
        ("a.txt", "SMILES,id\nC,1\nCC,2\nN,3\n"),
        ("a.csv", 'id,Smiles,note\n1,C,"a, b"\n2,CC,\n3,N,x\n'),
        ("a.tsv", "C\tx\nCC\ty\nN\tz\n"),
        ("a.csv", "C,x\r\nCC,y\r\nN,z"),
    ],
)
def test_one_smiles_per_line(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text.encode())
    assert listed(path) == [("C", None), ("CC", None), ("N", None)]
    assert not SmilesList(path).has_splits
    zipped = tmp_path / f"{name}.gz"
    zipped.write_bytes(gzip.compress(text.encode()))
    assert listed(zipped) == listed(path)


def test_places_are_file_and_line(tmp_path):
    (tmp_path / "a.csv").write_text("smiles\n\nC\nCC\n")
    assert [line.place for line in SmilesList(tmp_path / "a.csv")] == ["a.csv, line 3", "a.csv, line 4"]


def test_column_split(tmp_path):
    (tmp_path / "a.csv").write_text("split,smiles\ntrain,C\nVal,CC\nvalid,N\ntest,O\n")
    assert SmilesList(tmp_path / "a.csv").has_splits
    assert listed(tmp_path / "a.csv") == [("C", 0), ("CC", 1), ("N", 1), ("O", 2)]
    (tmp_path / "a.csv").write_text("split,smiles\ntrain,C\nholdout,CC\n")
    with pytest.raises(InputError, match="line 3: 'holdout' in the column split"):
        listed(tmp_path / "a.csv")


def test_folder_with_a_list_for_each_split(tmp_path):
    (tmp_path / "test_smiles.txt").write_text("O\n")
    (tmp_path / "train.csv").write_text("smiles,id\nC,1\n")
    (tmp_path / "train_n_atoms_hist.json").write_text("{}")
    (tmp_path / "README.md").write_text("train")
    with pytest.raises(MissingError, match="no SMILES of the valid split"):
        SmilesList(tmp_path)
    (tmp_path / "val-smiles.txt.gz").write_bytes(gzip.compress(b"N\nNN\n"))
    assert listed(tmp_path) == [("C", 0), ("N", 1), ("NN", 1), ("O", 2)]
    (tmp_path / "train.csv").write_text("smiles,split\nC,test\n")
    with pytest.raises(InputError, match="the split test in the file of the train split"):
        listed(tmp_path)
    (tmp_path / "valid.smi").write_text("N\n")
    with pytest.raises(InputError, match=r"several lists of the valid split: val-smiles.txt.gz, valid.smi"):
        SmilesList(tmp_path)


def test_files_that_cannot_be_lists(tmp_path):
    with pytest.raises(MissingError, match="there is no"):
        SmilesList(tmp_path / "absent.txt")
    (tmp_path / "a.sdf").write_text("C\n")
    with pytest.raises(InputError, match="no list of SMILES by its name"):
        SmilesList(tmp_path / "a.sdf")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(InputError, match="is empty"):
        SmilesList(tmp_path / "a.txt")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"C\n" * 10000)[:40])
    with pytest.raises(InputError, match=r"a\.txt\.gz"):
        listed(tmp_path / "a.txt.gz")
