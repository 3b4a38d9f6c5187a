"""Lists of SMILES as data sets."""

import json
import os
import signal
import time

import numpy as np
import pytest
from rdkit import Chem

from molgen.chemistry.embedding import ENERGY, Embedded, embed
from molgen.convert import to_rdkit
from molgen.datasets import smiles_plan, smiles_prepare
from molgen.datasets.packed import PackedDataset
from molgen.datasets.smiles_list import SmilesList
from molgen.datasets.smiles_plan import Plan
from molgen.datasets.smiles_prepare import EmbedChunk, prepare_smiles, store_of
from molgen.datasets.smiles_store import SmilesStore
from molgen.errors import InputError, OutputError
from tests.datasets.conftest import same

GOOD = ["C", "CO", "CC(=O)[O-]", "c1ccoc1", "C[N+](=O)[O-]", "CC#N", "C[C@H](O)N", "CCS"]
BAD = {"X": "not a valid SMILES", "OB(O)O": "no parameters", "C.C": "more than one fragment"}


@pytest.fixture
def path(tmp_path):
    """Eight molecules, three bad ones, one repeated as it is and one in another spelling; chunks of four lines."""
    (tmp_path / "list.csv").write_text("smiles\n" + "\n".join([*GOOD, *BAD, "CO", "OC"]) + "\n")
    return tmp_path / "list.csv"


@pytest.fixture(autouse=True)
def chunks_of_four(monkeypatch):
    monkeypatch.setattr(smiles_plan, "CHUNK", 4)


@pytest.fixture
def here(monkeypatch):
    """Work in this process, without a child."""

    class Direct:
        def __init__(self, factory, timeout):
            self.map = lambda items: map(factory(), items)

    monkeypatch.setattr(smiles_prepare, "thread_guard", Direct)


def test_structures_names_properties_and_meta(path, tmp_path, here):
    made = prepare_smiles(path, tmp_path / "drugs")
    data = PackedDataset.open(made.folder)
    assert [s.name for s in data.structures()] == [Chem.MolToSmiles(Chem.MolFromSmiles(s)) for s in GOOD]
    for k, (structure, smiles) in enumerate(zip(data.structures(), GOOD, strict=True)):
        expected = embed(smiles).structures[0]
        properties = {"molecule": k, "conformer": 0, ENERGY: expected.properties[ENERGY]}
        same(structure, expected.replace(properties=properties))
        Chem.SanitizeMol(to_rdkit(structure))
    assert set(np.unique(data.arrays["bonds"][:, 2])) == {1, 2, 3}
    assert data.meta["about"]["geometry"].startswith("ETKDGv3 + MMFF94s, not DFT")
    assert data.meta["about"]["split"] == "by molecule, random, 0.8/0.1/0.1, seed 0"
    assert data.meta["units"] == {ENERGY: "eV"}
    assert data.meta["bonds"] == "those of the SMILES, kekulised"
    assert dict(made.skipped.counts) == dict.fromkeys(BAD.values(), 1)
    assert made.skipped.examples["no parameters"].startswith("record 10: no parameters: list.csv, line 11, OB(O)O: ")
    repeated = {"total": 2, "examples": ["CO in list.csv, line 13", "OC in list.csv, line 14"]}
    assert data.meta["repeated"] == {**repeated, "in_another_split": data.meta["repeated"]["in_another_split"]}
    assert not store_of(made.folder).folder.exists()


def test_workers_and_order_change_no_geometry(path, tmp_path):
    one, two = (PackedDataset.open(prepare_smiles(path, tmp_path / f"w{w}", workers=w).folder) for w in (1, 2))
    assert one.fingerprint == two.fingerprint
    (tmp_path / "turned.smi").write_text("\n".join(reversed(GOOD)))
    turned = PackedDataset.open(prepare_smiles(tmp_path / "turned.smi", tmp_path / "turned").folder)
    for structure in one.structures():
        other = next(s for s in turned.structures() if s.name == structure.name)
        np.testing.assert_array_equal(structure.positions, other.positions)


def test_all_conformers_of_a_molecule_are_in_one_split(tmp_path, here):
    (tmp_path / "list.txt").write_text("CCCC\nCCCO\nC\nOCCO\nCCN\nCCCF\n")
    data = PackedDataset.open(
        prepare_smiles(tmp_path / "list.txt", tmp_path / "c", conformers=4, fractions=(0.4, 0.3, 0.3)).folder
    )
    molecules, splits = data.properties["molecule"], np.asarray(data.arrays["split"])
    counts = np.bincount(molecules.astype(int))
    assert len(counts) == 6
    assert counts[2] == 1
    assert counts.max() > 1
    assert all(len(set(splits[molecules == m])) == 1 for m in range(6))
    assert data.meta["molecules"] == {"train": 2, "valid": 2, "test": 2}
    assert data.properties["conformer"].tolist() == [rank for count in counts for rank in range(count)]


def test_the_split_of_the_list_is_kept(tmp_path, here):
    (tmp_path / "list.csv").write_text("smiles,split\nC,test\nCO,train\nOC,train\nCC,valid\nC,train\n[CH4],valid\n")
    data = PackedDataset.open(prepare_smiles(tmp_path / "list.csv", tmp_path / "s").folder)
    assert [s.name for s in data.structures()] == ["C", "CO", "CC"]
    assert data.arrays["split"].tolist() == [2, 0, 1]
    assert data.meta["about"]["split"] == "by molecule, as in the list"
    assert data.meta["repeated"]["total"] == 3
    assert data.meta["repeated"]["in_another_split"] == 2
    with pytest.raises(InputError, match="has its own split"):
        prepare_smiles(tmp_path / "list.csv", tmp_path / "t", fractions=(0.8, 0.1, 0.1))


def test_limit_takes_molecules_at_random_without_repetition(tmp_path):
    names = ["C" * (k + 1) for k in range(50)]
    (tmp_path / "list.smi").write_text("\n".join(names * 2))
    taken = [[line.smiles for line in Plan(SmilesList(tmp_path / "list.smi"), None, seed, 10)] for seed in (0, 0, 1)]
    assert taken[0] == taken[1] != taken[2]
    assert len(set(taken[0])) == 10
    assert taken[0] == sorted(taken[0], key=names.index)
    assert taken[0] != names[:10]
    assert len(Plan(SmilesList(tmp_path / "list.smi"), None, 0, 500)) == 50


def test_interrupted_it_goes_on(path, tmp_path, here, monkeypatch):
    whole = prepare_smiles(path, tmp_path / "whole").fingerprint
    write, written = SmilesStore.write, []

    def interrupted(store, number, molecules):
        if number == 2 and not written.count(2):
            written.append(2)
            raise KeyboardInterrupt
        written.append(number)
        write(store, number, molecules)

    monkeypatch.setattr(SmilesStore, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_smiles(path, tmp_path / "drugs")
    assert not (tmp_path / "drugs").exists()
    assert store_of(tmp_path / "drugs").molecules() == 8
    progress = []
    made = prepare_smiles(path, tmp_path / "drugs", progress=lambda *done: progress.append(done))
    assert written == [0, 1, 2, 2]
    assert progress == [(12, 12)]
    assert made.fingerprint == whole
    assert not store_of(tmp_path / "drugs").folder.exists()


@pytest.mark.parametrize("change", [{"seed": 1}, {"conformers": 2}, {"limit": 5}, "list"])
def test_what_was_begun_with_other_settings_is_not_mixed_in(change, path, tmp_path, here, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(smiles_prepare, "prepare", interrupt)
        with pytest.raises(KeyboardInterrupt):
            prepare_smiles(path, tmp_path / "drugs")
    if change == "list":
        path.write_text(path.read_text().replace("CCS", "CCC"))
    options = {} if change == "list" else change
    with pytest.raises(InputError, match="holds the beginning of a data set") as caught:
        prepare_smiles(path, tmp_path / "drugs", **options)
    assert "--overwrite" in caught.value.hint
    fresh = prepare_smiles(path, tmp_path / "fresh", **options).fingerprint
    assert prepare_smiles(path, tmp_path / "drugs", overwrite=True, **options).fingerprint == fresh


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_a_damaged_chunk_says_what_to_do(path, tmp_path, here, monkeypatch):
    monkeypatch.setattr(smiles_prepare, "prepare", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare_smiles(path, tmp_path / "drugs")
    monkeypatch.undo()
    monkeypatch.setattr(smiles_plan, "CHUNK", 4)
    chunk = store_of(tmp_path / "drugs").folder / "000001.npz"
    chunk.write_bytes(chunk.read_bytes()[:100])
    with pytest.raises(InputError, match=r"000001\.npz is damaged") as caught:
        prepare_smiles(path, tmp_path / "drugs")
    assert "delete this file" in caught.value.hint
    chunk.unlink()
    assert prepare_smiles(path, tmp_path / "drugs").structures == len(GOOD)


def stall(smiles, conformers, seed):
    """Hangs on ethane and dies of methane."""
    if smiles == "CC":
        end = time.monotonic() + 60
        while time.monotonic() < end:
            pass
    if smiles == "C":
        os.kill(os.getpid(), signal.SIGSEGV)
    if smiles == "N":
        raise MemoryError("too much")
    return Embedded(smiles)


class Stalling:
    def __call__(self):
        from functools import partial

        return partial(stall, conformers=1, seed=0)


def test_molecules_that_hang_or_crash_are_lost_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(smiles_prepare, "_Embedder", lambda conformers, seed: Stalling())
    store = SmilesStore(tmp_path / "store")
    store.begin({})
    assert EmbedChunk(store, 1, 0, seconds=0.5)((0, ["O", "CC", "C", "N", "S"])) == 5
    kinds = [molecule.reason.partition(":")[0] for molecule in store.read(0)]
    assert kinds == ["", "timeout", "crash", "the molecule cannot be used", ""]


def test_the_store_returns_what_it_got(tmp_path):
    store = SmilesStore(tmp_path / "store")
    store.begin({"a": 1})
    molecules = [embed("CCCO", conformers=3), embed("X"), Embedded("", reason="timeout: x"), embed("[NH4+]")]
    store.write(7, molecules)
    store.write(8, [Embedded("", reason="nothing: at all")])
    assert store.has(7)
    assert not store.has(6)
    for mine, other in zip(store.read(7), molecules, strict=True):
        assert (mine.smiles, mine.reason) == (other.smiles, other.reason)
        for a, b in zip(mine.structures, other.structures, strict=True):
            same(a, b)
    assert [m.reason for m in store.read(8)] == ["nothing: at all"]
    assert json.loads((store.folder / "settings.json").read_text()) == {"a": 1}


def test_nothing_usable(tmp_path, here):
    (tmp_path / "bad.txt").write_text("X\nOB(O)O\n")
    with pytest.raises(InputError, match="all 2 records were skipped: 1 x not a valid SMILES"):
        prepare_smiles(tmp_path / "bad.txt", tmp_path / "bad")
    assert not (tmp_path / "bad").exists()
    (tmp_path / "head.txt").write_text("smiles\n")
    with pytest.raises(InputError, match="lists no SMILES"):
        prepare_smiles(tmp_path / "head.txt", tmp_path / "bad")
    (tmp_path / "taken").mkdir()
    (tmp_path / "good.txt").write_text("C\n")
    with pytest.raises(OutputError, match="already exists"):
        prepare_smiles(tmp_path / "good.txt", tmp_path / "taken")
    assert sorted(p.name for p in tmp_path.glob(".*")) == [".bad.embedding"]


def test_without_hydrogens(path, tmp_path, here):
    data = PackedDataset.open(prepare_smiles(path, tmp_path / "noh", hydrogens=False).folder)
    assert not data.has_hydrogens
    assert [s.name for s in data.structures()][1] == "CO"
    assert data.sizes[1] == 2
