import gzip
import random

import numpy as np
import pytest

from molgen.datasets.geom_split import MOLECULES, is_published, midi_codes, read_split_files
from molgen.errors import InputError, MissingError
from tests.datasets.conftest import SHARED


@pytest.fixture(scope="module")
def published():
    """MiDi's lists, in the order of the files."""
    folder = SHARED / "geom_drugs"
    if not (folder / "train_smiles.txt.gz").exists():
        pytest.skip("no ../shared/data/geom_drugs")
    return read_split_files(folder)


def test_the_rule_gives_the_published_split(published):
    smiles = list(published)
    random.Random(0).shuffle(smiles)
    assert is_published(smiles)
    assert midi_codes(smiles).tolist() == [published[text] for text in smiles]
    assert np.bincount(midi_codes(smiles)).tolist() == [243_480, 30_434, 30_434]


def test_other_molecules_are_not_the_published_set(published):
    smiles = list(published)
    assert not is_published(smiles[1:])
    assert not is_published([*smiles[1:], "C" * 300])
    assert not is_published([])


def test_codes_belong_to_molecules_whatever_the_order():
    smiles = [f"{'C' * (k % 40 + 1)}{'N' * (k // 40)}" for k in range(1000)]
    codes = dict(zip(smiles, midi_codes(smiles).tolist(), strict=True))
    backwards = smiles[::-1]
    assert dict(zip(backwards, midi_codes(backwards).tolist(), strict=True)) == codes
    assert np.bincount(list(codes.values())).tolist() == [800, 100, 100]


def test_codes_by_hand():
    """Ten molecules: one test, one valid; their places are those of labels 0 and 1 in the permutation."""
    smiles = ["".join(sorted(text)) for text in "abcdefghij"]
    order = np.random.RandomState(0).permutation(10).tolist()
    expected = [{0: 2, 1: 1}.get(place, 0) for place in order]
    assert midi_codes(smiles).tolist() == expected


@pytest.mark.parametrize("n", [0, 1, 9])
def test_few_molecules_all_train(n):
    assert midi_codes([str(k) for k in range(n)]).tolist() == [0] * n


def write(folder, **lists):
    folder.mkdir(exist_ok=True)
    for name, lines in lists.items():
        (folder / f"{name}_smiles.txt").write_text("\n".join(lines))
    return folder


def test_split_files_plain_and_compressed(tmp_path):
    write(tmp_path, train=["C", "CC name", "", "O"], valid=["N"])
    with gzip.open(tmp_path / "test_smiles.txt.gz", "wt") as file:
        file.write("F\n")
    assert read_split_files(tmp_path) == {"C": 0, "CC": 0, "O": 0, "N": 1, "F": 2}


def test_split_files_that_are_missing_damaged_or_contradict(tmp_path):
    folder = write(tmp_path / "a", train=["C"], val=["N"])
    with pytest.raises(MissingError, match="test split") as caught:
        read_split_files(folder)
    assert "test_smiles.txt" in caught.value.hint
    with pytest.raises(InputError, match="1 SMILES are listed a second time"):
        read_split_files(write(tmp_path / "a", test=["F", "C"]))
    with pytest.raises(InputError, match="empty"):
        read_split_files(write(tmp_path / "a", test=[]))
    (tmp_path / "a" / "test_smiles.txt").unlink()
    (tmp_path / "a" / "test_smiles.txt.gz").write_bytes(gzip.compress(b"F\n" * 1000)[:-9])
    with pytest.raises(InputError, match="truncated"):
        read_split_files(tmp_path / "a")


def test_number_of_molecules():
    assert MOLECULES == 243_480 + 30_434 + 30_434
