import base64
import json
import os
import pickle
import zlib
from collections import Counter

import numpy as np
import pytest

from molgen.datasets import geom_prepare
from molgen.datasets.geom_cleaning import LENGTH, UNREADABLE
from molgen.datasets.geom_pickles import RawConformer, RawMolecule
from molgen.datasets.geom_prepare import CleanChunk, prepare_geom
from molgen.datasets.geom_source import Record
from molgen.datasets.geom_split import midi_codes
from molgen.datasets.packed import PackedDataset
from molgen.datasets.pickle_instructions import ForbiddenPickleError
from molgen.errors import InputError
from tests.datasets import geom
from tests.datasets.geom import embedded, molecule, moved, rdkit_folder, split_pickles

CRASHING = zlib.decompress(
    base64.b64decode(
        "eNqlkLsNAkEMRMf78f4MHB+JdMMrA1GNy6AhWiCmimuBnIi9W0iQiBhp9KQnawI/btcJLUOrQ8/h3Qsx6uwZY4N1sdOETsun7n/xc//t"
        "afGgf1lAIDMastW6WryKZxUOKiHWkFRSVslOBQUQYAW7ht+AB8Qt0g55jzO1JXaeQ8rH57wK3Gl5wwtY6xAB"
    )
)
"""Paracetamol with a changed byte and cut off; RDKit 2026.09.1 ends with a segmentation fault when it reads this."""


@pytest.fixture(scope="module")
def molecules():
    """Twenty molecules of seven conformers each."""
    return [molecule(smiles, 7) for smiles in [*geom.SMILES, *("C" * k + "N" for k in range(2, 12))]]


@pytest.fixture(scope="module")
def archive(tmp_path_factory, molecules):
    return rdkit_folder(tmp_path_factory.mktemp("geom") / "rdkit_folder.tar.gz", molecules)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, archive):
    return prepare_geom(archive, tmp_path_factory.mktemp("made") / "geom-drugs")


def test_lowest_conformers_with_bonds_charges_and_energies(prepared, molecules):
    data = PackedDataset.open(prepared.folder)
    data.verify()
    assert len(data) == 20 * 5
    assert prepared.skipped.total == 0
    assert data.meta["left_out"]["total"] == 0
    assert data.meta["conformers"] == {"examined": 140, "dropped": {}}
    for k, structure in enumerate(data.structures()):
        source = molecules[k // 5]
        conformer = source["conformers"][6 - k % 5]  # the last is the lowest
        assert structure.name == source["smiles"]
        np.testing.assert_allclose(structure.positions, conformer["rd_mol"].GetConformer().GetPositions(), atol=1e-5)
        assert structure.properties == {
            "molecule": k // 5,
            "conformer": k % 5,
            "total_energy": conformer["totalenergy"],
            "relative_energy": conformer["relativeenergy"],
            "boltzmann_weight": conformer["boltzmannweight"],
        }
        assert len(structure.bonds) == conformer["rd_mol"].GetNumBonds()
        assert set(structure.bonds[:, 2].tolist()) <= {1, 2, 3}
        assert structure.charges.sum() == (1 if "+" in structure.name else 0)


def test_split_is_by_molecule_and_stated(prepared, molecules):
    data = PackedDataset.open(prepared.folder)
    codes = midi_codes([entry["smiles"] for entry in molecules])
    assert data.arrays["split"].tolist() == np.repeat(codes, 5).tolist()
    assert data.meta["splits"] == {"train": 80, "valid": 10, "test": 10}
    assert data.meta["molecules"] == {"train": 16, "valid": 2, "test": 2}
    assert "it is NOT the published split" in data.meta["about"]["split"]
    assert data.meta["units"] == {"total_energy": "Ha", "relative_energy": "kcal/mol"}


def test_published_molecules_are_recognised(archive, tmp_path, monkeypatch, molecules):
    ascending = sorted(entry["smiles"] for entry in molecules)
    monkeypatch.setattr(geom_prepare, "is_published", lambda smiles: sorted(smiles) == ascending)
    made = prepare_geom(archive, tmp_path / "geom-drugs")
    rule = PackedDataset.open(made.folder).meta["about"]["split"]
    assert rule == "by molecule, the MiDi family's published split (its rule, and its very molecules)"


def test_number_of_conformers(archive, tmp_path):
    data = PackedDataset.open(prepare_geom(archive, tmp_path / "one", conformers=1).folder)
    assert len(data) == 20
    assert set(data.properties["conformer"].tolist()) == {0}
    data = PackedDataset.open(prepare_geom(archive, tmp_path / "all", conformers=50, hydrogens=False).folder)
    assert len(data) == 140
    assert not data.has_hydrogens
    assert data.structure(0).numbers.tolist() == [6, 6, 8]


def test_split_files(archive, tmp_path, molecules):
    smiles = [entry["smiles"] for entry in molecules]
    lists = {"train": [*smiles[:10], "absent"], "val": smiles[10:14], "test": smiles[14:18]}
    for name, lines in lists.items():
        (tmp_path / f"{name}_smiles.txt").write_text("\n".join(lines))
    data = PackedDataset.open(prepare_geom(archive, tmp_path / "made", split_files=tmp_path).folder)
    assert data.meta["molecules"] == {"train": 10, "valid": 4, "test": 4}
    assert {s.name for s in data.structures("valid")} == set(smiles[10:14])
    assert (
        "19 SMILES, 1 of which the source lacks; 2 molecules of the source are in no list"
        in (data.meta["about"]["split"])
    )


def test_pickles_of_the_splits(tmp_path, molecules):
    entries = [(m["smiles"], [c["rd_mol"] for c in m["conformers"][::-1]]) for m in molecules]
    folder = split_pickles(tmp_path / "midi", {"train": entries[:12], "val": entries[12:15], "test": entries[15:]})
    data = PackedDataset.open(prepare_geom(folder, tmp_path / "made").folder)
    assert data.meta["splits"] == {"train": 60, "valid": 15, "test": 25}
    assert {s.name for s in data.structures("test")} == {smiles for smiles, _ in entries[15:]}
    assert data.meta["property_names"] == ["molecule", "conformer"]
    archive = PackedDataset.open(prepare_geom(rdkit_folder(tmp_path / "a.tar", molecules, "w"), tmp_path / "b").folder)
    np.testing.assert_array_equal(data.arrays["positions"], archive.arrays["positions"])
    with pytest.raises(InputError, match="has its own split"):
        prepare_geom(folder, tmp_path / "other", split_files=tmp_path)


def stretched(smiles):
    """A molecule whose highest conformer has a broken bond."""
    base = embedded(smiles)
    mols = [moved(base, 0.01, k) for k in range(6)]
    x = mols[0].GetConformer().GetPositions()
    x[-1] *= 3
    mols[0].GetConformer().SetPositions(x)
    return molecule(smiles, mols=mols)


def test_what_is_left_out_and_what_is_damaged(tmp_path, molecules):
    """Cleaning is counted by reason and split; damage by reason, molecule by molecule; the others are packed."""
    data = pickle.dumps(molecule("CCCl", 2), 3)
    more = [
        ("drugs/cut.pickle", data[: len(data) // 2]),
        ("drugs/other.pickle", pickle.dumps({"smiles": "CF"})),
        ("drugs/again.pickle", pickle.dumps(molecules[0], 3)),
    ]
    crashing = molecule("CC(=O)Nc1ccc(O)cc1", 2)
    content = pickle.dumps(crashing, 3)
    for conformer in crashing["conformers"]:
        binary = conformer["rd_mol"].ToBinary()
        assert content.count(binary) == 1
        content = content.replace(binary, CRASHING + binary[len(CRASHING) :])
    more.append(("drugs/crashing.pickle", content))
    archive = rdkit_folder(tmp_path / "a.tar.gz", [*molecules[:9], stretched("CCCO"), molecules[9]], more=more)
    made = prepare_geom(archive, tmp_path / "made")
    meta = json.loads((made.folder / "meta.json").read_text())
    assert meta["structures"] == 50
    assert meta["left_out"]["total"] == 1
    assert list(meta["left_out"]["reasons"]) == [LENGTH]
    assert meta["left_out"]["examples"][LENGTH][0].startswith("CCCO: ")
    assert made.skipped.counts == {"damaged pickle": 2, "repeated molecule": 1, UNREADABLE: 1}
    assert "record 12: damaged pickle: drugs/cut.pickle: the pickle ends" in made.skipped.examples["damaged pickle"]


def test_a_chunk_survives_a_crash_of_rdkit():
    good = RawConformer(embedded("CCO").ToBinary())
    chunk = [
        Record("a", RawMolecule("CCO", (good,))),
        Record("b", RawMolecule("CC(=O)Nc1ccc(O)cc1", (RawConformer(CRASHING),)), 2),
        Record("c", RawMolecule("OCC", (good,))),
    ]
    (_, first), (record, second), (_, third) = CleanChunk(5)(chunk)
    assert [len(cleaned.structures) for cleaned in (first, second, third)] == [1, 0, 1]
    assert second.reason.startswith(UNREADABLE)
    assert (record.name, record.split, second.smiles) == ("b", 2, "CC(=O)Nc1ccc(O)cc1")


class Attack:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_attack_ends_the_preparation_and_does_nothing(tmp_path, molecules, workers):
    entry = {"smiles": "C", "conformers": [Attack(tmp_path / "taken")]}
    archive = rdkit_folder(tmp_path / "a.tar.gz", [*molecules[:2], entry])
    with pytest.raises(ForbiddenPickleError, match=r"drugs/C\.pickle: the pickle asks for 'posix\.system'") as caught:
        prepare_geom(archive, tmp_path / "home" / "made", workers=workers)
    assert caught.value.exit_code == 3
    assert not (tmp_path / "taken").exists()
    assert list((tmp_path / "home").iterdir()) == []


def test_workers_do_not_change_the_result(prepared, archive, tmp_path, monkeypatch):
    monkeypatch.setattr(geom_prepare, "CHUNK", 3)
    assert prepare_geom(archive, tmp_path / "two", workers=2).fingerprint == prepared.fingerprint


def test_interruption_leaves_nothing(archive, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_geom(archive, tmp_path / "home" / "made", progress=stop)
    assert list((tmp_path / "home").iterdir()) == []


def test_progress_estimates_the_total(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(geom_prepare, "CHUNK", 4)
    seen = []
    prepare_geom(archive, tmp_path / "made", progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == [1, 5, 9, 13, 17]
    assert all(total >= done for done, total in seen)


def test_nothing_clean(tmp_path):
    archive = rdkit_folder(tmp_path / "a.tar.gz", [stretched("CCCO"), stretched("CCCCO")])
    with pytest.raises(InputError, match=f"no molecule of .* is clean: 2 x {LENGTH}"):
        prepare_geom(archive, tmp_path / "made")


def test_all_conformers_of_a_molecule_share_a_split(prepared):
    data = PackedDataset.open(prepared.folder)
    splits = Counter(zip(data.properties["molecule"].tolist(), data.arrays["split"].tolist(), strict=True))
    assert set(splits.values()) == {5}
    assert len(splits) == 20
