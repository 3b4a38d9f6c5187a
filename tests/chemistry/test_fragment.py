"""Fragments read from users' files: the first molecule, chosen atoms, aromatic bonds written out."""

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

import molgen
from molgen import io
from molgen.chemistry.fragment import parse_indices, read_fragment
from molgen.errors import InputError, MissingError
from tests.scoring.molecules import METHANE


def aromatic_file(path, smiles, hydrogens=True):
    """As most programs write it: ring bonds of order 4."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    if not hydrogens:
        mol = Chem.RemoveHs(mol)
    path.write_text(Chem.MolToMolBlock(mol, kekulize=False) + ("$$$$\n" if path.suffix == ".sdf" else ""))
    return path, mol


@pytest.mark.parametrize("hydrogens", [True, False])
@pytest.mark.parametrize("name", ["a.mol", "a.sdf"])
def test_aromatic_bonds_are_written_out_and_nothing_else_changes(tmp_path, name, hydrogens):
    path, mol = aromatic_file(tmp_path / name, "c1ccc2[nH]ccc2c1", hydrogens)
    if not hydrogens:
        path, mol = aromatic_file(tmp_path / name, "c1ccc2occc2c1", hydrogens)
    fragment = read_fragment(path)
    assert fragment.numbers.tolist() == [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    np.testing.assert_allclose(fragment.positions, mol.GetConformer().GetPositions(), atol=1e-4)
    assert set(fragment.bonds[:, 2].tolist()) == {1, 2}
    assert sum(order == 2 for order in fragment.bonds[:, 2]) == 4
    again = Chem.RWMol(molgen.to_rdkit(fragment))
    Chem.SanitizeMol(again)
    assert Chem.MolToSmiles(Chem.RemoveHs(again)) == Chem.MolToSmiles(Chem.RemoveHs(mol))


def test_chosen_atoms_in_the_order_chosen(tmp_path):
    path, _ = aromatic_file(tmp_path / "a.mol", "c1ccccc1O")
    whole, part = read_fragment(path), read_fragment(path, [6, 5, 0])
    assert part.numbers.tolist() == [8, 6, 6]
    assert np.array_equal(part.positions, whole.positions[[6, 5, 0]])
    assert part.bonds[:, :2].tolist() == [[1, 2], [0, 1]] or part.bonds[:, :2].tolist() == [[0, 1], [1, 2]]


def test_the_first_molecule_of_several(tmp_path):
    io.write(tmp_path / "two.sdf", [METHANE.replace(name="first"), METHANE.take(np.arange(3))])
    assert molgen.read_fragment(tmp_path / "two.sdf").name == "first"


@pytest.mark.parametrize(
    ("atoms", "message"),
    [([0, 9], "there is no atom 9"), ([1, 1], "named twice"), ([], "no atom is named"), ([-1], "there is no atom -1")],
)
def test_atoms_that_are_not_there(tmp_path, atoms, message):
    io.write(tmp_path / "a.sdf", METHANE)
    with pytest.raises(InputError, match=message) as caught:
        read_fragment(tmp_path / "a.sdf", atoms)
    assert "atoms 0 to 4" in caught.value.hint


def test_aromatic_bonds_without_a_kekule_structure(tmp_path):
    """Pyrrole whose hydrogen is not stated: which atom has it cannot be known."""
    path, _ = aromatic_file(tmp_path / "a.mol", "c1ccc[nH]1")
    lines = path.read_text().splitlines()
    counts = next(row for row, line in enumerate(lines) if "V2000" in line)
    atoms = int(lines[counts][:3])
    text = Chem.MolToMolBlock(Chem.MolFromMolBlock("\n".join(lines), removeHs=False), kekulize=False)
    nitrogen_hydrogen = next(
        atom.GetIdx() for atom in Chem.MolFromMolBlock(text, removeHs=False).GetAtoms()
        if atom.GetAtomicNum() == 1 and atom.GetNeighbors()[0].GetAtomicNum() == 7
    )  # fmt: skip
    structure = next(iter(io.read(path)))
    io.write(tmp_path / "b.mol", structure.take(np.array([k for k in range(atoms) if k != nitrogen_hydrogen])))
    with pytest.raises(InputError, match="no Kekule structure") as caught:
        read_fragment(tmp_path / "b.mol")
    assert "nitrogen" in caught.value.hint


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(MissingError):
        read_fragment(tmp_path / "none.sdf")
    (tmp_path / "bad.sdf").write_text("not a molecule\n\n\n  x y\n$$$$\n")
    with pytest.raises(InputError, match=r"bad\.sdf"):
        read_fragment(tmp_path / "bad.sdf")


@pytest.mark.parametrize(("text", "expected"), [("0", [0]), ("0,1,4-6", [0, 1, 4, 5, 6]), (" 3 , 1", [3, 1])])
def test_parse_indices(text, expected):
    assert parse_indices(text) == expected


@pytest.mark.parametrize("text", ["", "a", "1,,2", "3-1", "-1", "1-", "1.5", "99999999"])
def test_parse_indices_refuses(text):
    with pytest.raises(InputError, match="not a list of atoms"):
        parse_indices(text)
