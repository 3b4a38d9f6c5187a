import numpy as np
import pytest
from rdkit import Chem

from molgen import io
from molgen.errors import InputError
from molgen.structure import Structure
from tests.io.molecules import ammonium, assert_same, benzene, methyl, water

METHANOL = """methanol
  other             3D

  2  1  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0  0  0  0  0  0  0  0  0  0  0
    1.4000    0.0000    0.0000 O   0  5  0  0  0  0  0  0  0  0  0  0
  1  2  1  0
M  END
> 25 <code>
007

> <text>
first line
second line

$$$$
"""


def hydrocarbon_chain(carbons):
    positions = np.stack([1.3 * np.arange(carbons), np.arange(carbons) % 2, np.zeros(carbons)], axis=1)
    charges = np.zeros(carbons)
    charges[-1] = -1
    bonds = [[k, k + 1, 1] for k in range(carbons - 1)]
    return Structure(numbers=[6] * carbons, positions=positions, charges=charges, bonds=bonds, name="chain")


@pytest.mark.parametrize("make", [water, ammonium, methyl, benzene])
@pytest.mark.parametrize("name", ["a.sdf", "a.sdf.gz", "a.mol"])
def test_round_trip(tmp_path, make, name):
    structure = make()
    io.write(tmp_path / name, structure)
    (back,) = io.read(tmp_path / name)
    assert_same(structure.replace(properties={}) if name == "a.mol" else structure, back)


def test_rdkit_reads_the_same_molecules(tmp_path):
    structures = [water(), ammonium(), benzene(), hydrocarbon_chain(1200)]
    io.write(tmp_path / "a.sdf", structures)
    mols = list(Chem.SDMolSupplier(str(tmp_path / "a.sdf"), sanitize=False, removeHs=False))
    assert len(mols) == len(structures)
    orders = {1.0: 1, 2.0: 2, 3.0: 3, 1.5: 4}
    for structure, mol in zip(structures, mols, strict=True):
        assert mol.GetProp("_Name") == structure.name
        assert [a.GetAtomicNum() for a in mol.GetAtoms()] == structure.numbers.tolist()
        assert [a.GetFormalCharge() for a in mol.GetAtoms()] == structure.charges.tolist()
        np.testing.assert_allclose(mol.GetConformer().GetPositions(), structure.positions, atol=1e-4)
        bonds = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx(), orders[b.GetBondTypeAsDouble()]) for b in mol.GetBonds()]
        assert sorted(bonds) == sorted(map(tuple, structure.bonds.tolist()))
    assert mols[0].GetPropsAsDict(autoConvertStrings=True) == {"energy": -76.4, "rank": 3, "note": "a b"}


@pytest.mark.parametrize(
    ("make", "smiles"), [(methyl, "[CH3]"), (ammonium, "[NH4+]"), (water, "O"), (benzene, "c1ccccc1")]
)
def test_rdkit_adds_no_hydrogens_when_it_sanitises(tmp_path, make, smiles):
    io.write(tmp_path / "a.sdf", make())
    (mol,) = Chem.SDMolSupplier(str(tmp_path / "a.sdf"))
    assert Chem.MolToSmiles(mol) == smiles


def test_unbound_atom_beside_hydrogens_stays_bare(tmp_path):
    structure = Structure(numbers=[6, 1, 1], positions=[[5, 0, 0], [0, 0, 0], [0.74, 0, 0]], bonds=[[1, 2, 1]])
    io.write(tmp_path / "a.sdf", structure)
    (mol,) = Chem.SDMolSupplier(str(tmp_path / "a.sdf"), removeHs=False)
    assert mol.GetAtomWithIdx(0).GetTotalNumHs() == 0


def test_reads_what_rdkit_writes(tmp_path):
    mol = Chem.AddHs(Chem.MolFromSmiles("C[N+](C)(C)CC(=O)[O-]"))
    from rdkit.Chem import rdDistGeom

    rdDistGeom.EmbedMolecule(mol, randomSeed=1)
    mol.SetProp("_Name", "betaine")
    mol.SetProp("origin", "rdkit")
    for force_v3000 in (False, True):
        writer = Chem.SDWriter(str(tmp_path / "a.sdf"))
        writer.SetForceV3000(force_v3000)
        writer.write(mol)
        writer.close()
        (structure,) = io.read(tmp_path / "a.sdf")
        assert structure.name == "betaine"
        assert structure.properties == {"origin": "rdkit"}
        assert structure.charges.tolist() == [a.GetFormalCharge() for a in mol.GetAtoms()]
        assert {tuple(row) for row in structure.bonds.tolist()} == {
            (*sorted((b.GetBeginAtomIdx(), b.GetEndAtomIdx())), int(b.GetBondTypeAsDouble())) for b in mol.GetBonds()
        }
        np.testing.assert_allclose(structure.positions, mol.GetConformer().GetPositions(), atol=1e-4)


def test_more_than_999_atoms_and_wide_coordinates_go_out_as_v3000(tmp_path):
    for structure in (hydrocarbon_chain(1200), water().replace(positions=[[123456.5, 0, 0], [0, 0, 0], [1, 1, 1]])):
        io.write(tmp_path / "a.sdf", structure)
        assert "V3000" in (tmp_path / "a.sdf").read_text()
        (back,) = io.read(tmp_path / "a.sdf")
        assert_same(structure, back)


def test_radical_keeps_its_valence_in_v3000(tmp_path):
    structure = methyl().replace(positions=methyl().positions + 20000.0)
    io.write(tmp_path / "a.sdf", structure)
    (mol,) = Chem.SDMolSupplier(str(tmp_path / "a.sdf"), removeHs=False)
    assert mol.GetAtomWithIdx(0).GetTotalNumHs(includeNeighbors=True) == 3


def test_foreign_record(tmp_path):
    (tmp_path / "a.sdf").write_text(METHANOL)
    (structure,) = io.read(tmp_path / "a.sdf")
    assert structure.charges.tolist() == [0, -1]  # from the atom block
    assert structure.properties == {"code": "007", "text": "first line\nsecond line"}


def test_unknown_bonds_differ_from_no_bonds(tmp_path):
    bare = water().replace(bonds=None)
    io.write(tmp_path / "a.sdf", [bare, bare.replace(bonds=np.empty((0, 3)))])
    first, second = io.read(tmp_path / "a.sdf")
    assert first.bonds is None
    assert second.bonds.shape == (0, 3)


def test_awkward_texts_do_not_break_records(tmp_path):
    awkward = water().replace(name="$$$$ two\nlines", properties={"a<b>": "x\n\n$$$$\ny", "empty": "", "big": 2**40})
    io.write(tmp_path / "a.sdf", [awkward, ammonium()])
    first, second = io.read(tmp_path / "a.sdf")
    assert first.name == "$$$$ two lines"
    assert first.properties == {"a(b)": "x\n $$$$\ny", "empty": "", "big": 2**40}
    assert_same(second, ammonium())


@pytest.mark.parametrize(
    ("change", "kind", "detail"),
    [
        (lambda t: t.replace(" C  ", " Cx "), "unknown element", "line 5: 'Cx' is not an element"),
        (lambda t: t.replace("    1.4000", "       nan"), "coordinates are not finite", "line 6"),
        (lambda t: t.replace("    1.4000", "     hello"), "coordinates are not numbers", "hello"),
        (lambda t: t.replace("  2  1  0", "  2  9  0"), "truncated record", "2 atoms and 9 bonds announced"),
        (lambda t: t.replace("M  END\n", ""), "truncated record", "no M  END"),
        (
            lambda t: t.replace("  1  2  1  0\n", "  1  3  1  0\n"),
            "impossible bond",
            "line 7: between atoms 1 and 3 of 2",
        ),
        (lambda t: t.replace("  1  2  1  0\n", "  1  2  8  0\n"), "unknown bond type", "line 7: 8"),
        (lambda t: t.replace("M  END", "M  CHG  1   9   1\nM  END"), "not an SDF record", "line 8"),
        (lambda t: "\n$$$$\n", "truncated record", "header"),
        (
            lambda t: "a\nb\n\nwhat is this\nM  END\n$$$$\n",
            "not an SDF record",
            "line 4: 'wha' is not a count of atoms",
        ),
        (lambda t: t.replace("  2  1  0", "  0  0  0"), "counts do not match", "line 5"),
    ],
)
def test_bad_record_is_reported_and_the_next_one_is_read(tmp_path, change, kind, detail):
    good = METHANOL
    (tmp_path / "a.sdf").write_text(change(METHANOL) + good)
    seen = []
    structures = list(io.read(tmp_path / "a.sdf", on_error=lambda index, reason: seen.append((index, reason))))
    assert [s.name for s in structures] == ["methanol"]
    ((index, reason),) = seen
    assert index == 0
    assert reason.startswith(kind + ": ")
    assert detail in reason
    with pytest.raises(InputError, match=r"a\.sdf, record 1: " + kind):
        list(io.read(tmp_path / "a.sdf"))


def test_bad_v3000_records(tmp_path):
    io.write(tmp_path / "a.sdf", hydrocarbon_chain(1000))
    text = (tmp_path / "a.sdf").read_text()
    for old, new, kind in (
        ("COUNTS 1000", "COUNTS 1001", "truncated record"),
        ("M  V30 7 C ", "M  V30 7 Q ", "unknown element"),
        ("M  V30 7 1 7 8", "M  V30 7 1 7 8888", "impossible bond"),
        ("M  V30 7 1 7 8", "M  V30 7 1", "truncated record"),
        (" CHG=-1", " CHG=x", "not an SDF record"),
    ):
        assert old in text
        (tmp_path / "b.sdf").write_text(text.replace(old, new))
        seen = []
        assert list(io.read(tmp_path / "b.sdf", on_error=lambda index, reason, seen=seen: seen.append(reason))) == []
        assert [reason.partition(":")[0] for reason in seen] == [kind]
