"""Bonds for QM9's form, on molecules of the embedded set, whose names are their SMILES."""

import numpy as np
import pytest
from rdkit import Chem

from molgen.chemistry.agreement import OTHER_FORM, OTHER_NEIGHBOURS, UNREADABLE
from molgen.chemistry.sanitised import graph_smiles
from molgen.convert import to_rdkit
from molgen.datasets import find
from molgen.datasets.packed import PackedDataset
from molgen.datasets.qm9 import EXCLUDED
from molgen.datasets.qm9_bonds import BONDS, NO_SMILES, with_smiles
from molgen.datasets.qm9_prepare import codes_for, prepare_qm9
from molgen.datasets.source import open_source
from molgen.errors import InputError
from tests.datasets.conftest import qm9_text
from tests.scoring.golden import golden

WRONG = {"C=C=O": "CC#N", "CC=O": "C=CO", "CC": "not a SMILES", "CCO": ""}
"""SMILES that the set states in place of the true ones."""


@pytest.fixture(scope="module")
def molecules():
    """Every 40th embedded molecule, those of ``WRONG``, and a nitro group.

    Without four-membered rings: their atoms are so close in force-field geometries that RDKit may bond them crosswise.
    """
    data = PackedDataset.open(find.REPOSITORY_DATA / "embedded")
    chosen = [s for k, s in enumerate(data.structures()) if k % 40 == 0 or s.name in WRONG]
    chosen = [s for s in chosen if 4 not in map(len, Chem.GetSymmSSSR(Chem.MolFromSmiles(s.name)))]
    return [*chosen, golden("nitromethane").replace(name="C[N+](=O)[O-]", properties={})]


@pytest.fixture
def arrays(tmp_path, molecules):
    """Path of the molecules as flat arrays with splits 0, 1, 2, 0, ... and the SMILES, four of them wrong."""
    texts = [WRONG.get(m.name, m.name) for m in molecules]
    np.savez(
        tmp_path / "qm9.npz",
        gdb_index=np.arange(1, len(molecules) + 1),
        edm_split=np.arange(len(molecules)) % 3,
        n_atoms=[len(m) for m in molecules],
        z=np.concatenate([m.numbers for m in molecules]),
        pos=np.concatenate([m.positions for m in molecules]),
        smiles_gdb=np.array(texts),
        gap=np.arange(len(molecules)) + 0.5,
    )
    return tmp_path / "qm9.npz"


def prepare(source, folder, excluded=None, **options):
    structures, arrays = open_source(source)
    codes = codes_for(source, excluded, arrays)
    return prepare_qm9(
        with_smiles(structures, arrays, source), folder, codes=codes, source=str(source), bonds=True, **options
    )


def test_bonds_charges_and_order_of_those_that_agree(arrays, molecules, tmp_path):
    data = PackedDataset.open(prepare(arrays, tmp_path / "qm9-bonds").folder)
    kept = [(k, m) for k, m in enumerate(molecules) if m.name not in WRONG]
    assert len(data) == len(kept) == len(molecules) - 4
    assert data.meta["bonds"] == BONDS
    assert set(np.unique(data.arrays["bonds"][:, 2])) == {1, 2, 3}
    for structure, (k, molecule) in zip(data.structures(), kept, strict=True):
        assert structure.name == f"gdb_{k + 1}"
        assert structure.properties == {"gdb_index": k + 1, "gap": k + 0.5}
        assert structure.numbers.tolist() == molecule.numbers.tolist()
        np.testing.assert_array_equal(structure.positions.astype(np.float32), molecule.positions.astype(np.float32))
        assert smiles(structure) == graph_smiles(Chem.MolFromSmiles(molecule.name))
    assert data.arrays["split"].tolist() == [k % 3 for k, _ in kept]
    assert sorted(data.structure(-1).charges.tolist()) == [-1, 0, 0, 0, 0, 0, 1]
    assert data.meta["not_kept"] == {}


def smiles(structure):
    mol = Chem.RWMol(to_rdkit(structure))
    Chem.SanitizeMol(mol)
    return graph_smiles(mol)


def test_those_that_do_not_are_counted_by_reason_and_split(arrays, molecules, tmp_path):
    made = prepare(arrays, tmp_path / "qm9-bonds")
    meta = PackedDataset.open(made.folder).meta
    place = {WRONG[m.name]: k for k, m in enumerate(molecules) if m.name in WRONG}
    split = {text: ("train", "valid", "test")[k % 3] for text, k in place.items()}
    left_out = meta["left_out"]
    assert left_out["total"] == 4
    assert left_out["reasons"] == {
        OTHER_NEIGHBOURS: {
            key: [split["CC#N"], split["C=CO"]].count(key) for key in sorted({split["CC#N"], split["C=CO"]})
        },
        UNREADABLE: {split["not a SMILES"]: 1},
        NO_SMILES: {split[""]: 1},
    }
    assert f"gdb_{place['C=CO'] + 1}: perceived CC=O, the SMILES is C=CO" in left_out["examples"][OTHER_NEIGHBOURS]
    assert made.skipped.total == 0
    counts = np.bincount(np.arange(len(molecules)) % 3)
    lacking = [meta["expected"][key] - count for key, count in zip(meta["expected"], counts, strict=True)]
    assert list(meta["missing"].values()) == lacking


def test_another_resonance_structure_is_left_out(tmp_path):
    zwitterion = golden("glycine zwitterion")
    for index, text in ((1, "[NH3+]CC([O-])=O"), (2, "[O-]C(=O)C[NH3+]"), (3, "[NH3+]C[C+]([O-])[O-]")):
        (tmp_path / f"dsgdb9nsd_{index:06d}.xyz").write_text(qm9_text(index, zwitterion, smiles=text))
    data = PackedDataset.open(prepare(tmp_path, tmp_path / "made" / "qm9-bonds", listed(tmp_path)).folder)
    assert data.properties["gdb_index"].tolist() == [1, 2]
    assert list(data.meta["left_out"]["reasons"]) == [OTHER_FORM]


def listed(folder):
    path = folder / "uncharacterized.txt"
    path.write_text("".join(f"{5000 + k} C C\n" for k in range(EXCLUDED)))
    return path


def test_original_files_give_the_bonds_of_the_flat_arrays(arrays, molecules, tmp_path):
    folder = tmp_path / "xyz"
    folder.mkdir()
    for k, molecule in enumerate(molecules):
        text = WRONG.get(molecule.name, molecule.name) or "?"
        (folder / f"dsgdb9nsd_{k + 1:06d}.xyz").write_text(qm9_text(k + 1, molecule, smiles=text.replace(" ", "_")))
    flat = PackedDataset.open(prepare(arrays, tmp_path / "flat").folder)
    data = PackedDataset.open(prepare(folder, tmp_path / "original", listed(tmp_path)).folder)
    for key in ("numbers", "charges", "bonds", "bond_offsets", "names"):
        np.testing.assert_array_equal(data.arrays[key], flat.arrays[key])
    edm = codes_for(folder, tmp_path / "uncharacterized.txt", None)
    np.testing.assert_array_equal(data.arrays["split"], edm[data.properties["gdb_index"].astype(int)])


def test_workers_change_nothing(arrays, tmp_path):
    one, two = (prepare(arrays, tmp_path / f"w{workers}", workers=workers) for workers in (1, 2))
    assert one.fingerprint == two.fingerprint


def test_without_hydrogens_the_bonds_are_those_found_with_them(arrays, molecules, tmp_path):
    data = PackedDataset.open(prepare(arrays, tmp_path / "noh", hydrogens=False).folder)
    assert not data.has_hydrogens
    names = [m.name for m in molecules if m.name not in WRONG]
    assert [smiles(s) for s in data.structures()] == [graph_smiles(Chem.MolFromSmiles(name)) for name in names]


def test_a_source_without_smiles(arrays, tmp_path):
    content = dict(np.load(arrays))
    for broken, sentence in (
        ({}, "lacks the array smiles_gdb"),
        ({"smiles_gdb": content["gap"]}, "holds float64"),
        ({"smiles_gdb": content["smiles_gdb"][1:]}, "smiles_gdb"),
    ):
        np.savez(arrays, **{key: value for key, value in content.items() if key != "smiles_gdb"} | broken)
        with pytest.raises(InputError, match=sentence):
            prepare(arrays, tmp_path / "bonds")
    (tmp_path / "plain.xyz").write_text("3\ngdb_3\nO 0 0 0.119\nH 0 0.763 -0.477\nH 0 -0.763 -0.477\n")
    with pytest.raises(InputError, match=r"left out     1 molecules; .*1 x no SMILES to check against") as caught:
        prepare(tmp_path / "plain.xyz", tmp_path / "bonds", listed(tmp_path))
    assert "GDB-17 SMILES" in caught.value.hint
    assert not list(tmp_path.glob("*bonds*"))
