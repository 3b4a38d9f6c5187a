import ase
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from pymatgen.core import Lattice, Molecule
from pymatgen.core import Structure as Crystal
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from molgen.batch import AtomBatch
from molgen.convert import from_ase, from_pymatgen, from_rdkit, to_ase, to_pymatgen, to_rdkit
from molgen.errors import InputError
from tests.io.molecules import ammonium, assert_same, benzene, methyl, rock_salt, water

MOLECULES = [water, ammonium, methyl, benzene]
SMILES = [
    "CC(=O)[O-]",
    "C[N+](=O)[O-]",
    "c1ccncc1",
    "[CH3]",
    "C[O]",
    "C#N",
    "FC(Cl)(Br)I",
    "c1cc[nH]c1",
    "O=S(=O)(O)O",
]


@pytest.mark.parametrize("make", MOLECULES)
def test_rdkit_round_trip(make):
    assert_same(make(), from_rdkit(to_rdkit(make())), tolerance=1e-12)


@pytest.mark.parametrize("smiles", SMILES)
def test_rdkit_molecules_survive(smiles):
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=3) == 0
    back = to_rdkit(from_rdkit(mol))
    np.testing.assert_array_equal(back.GetConformer().GetPositions(), mol.GetConformer().GetPositions())
    Chem.SanitizeMol(back)
    assert Chem.MolToSmiles(back) == Chem.MolToSmiles(mol)
    assert [a.GetNumRadicalElectrons() for a in back.GetAtoms()] == [a.GetNumRadicalElectrons() for a in mol.GetAtoms()]


def test_heavy_atoms_alone_leave_rdkit_to_count_hydrogens():
    mol = to_rdkit(water().without_hydrogens())
    Chem.SanitizeMol(mol)
    assert mol.GetAtomWithIdx(0).GetTotalNumHs() == 2


def test_nothing_is_sanitised():
    crowded = ammonium().replace(numbers=[6, 9, 9, 9, 9], charges=[-3, 0, 0, 0, 0])
    assert_same(crowded, from_rdkit(to_rdkit(crowded)), tolerance=1e-12)


def test_rdkit_refusals():
    with pytest.raises(InputError, match="None"):
        from_rdkit(None)
    with pytest.raises(InputError, match="no coordinates"):
        from_rdkit(Chem.MolFromSmiles("C"))
    with pytest.raises(InputError, match="lattice"):
        to_rdkit(rock_salt())
    for smiles, complaint in (("[*]C", "0 is not an atomic number"), ("[NH3]->[Fe]", "DATIVE")):
        mol = Chem.MolFromSmiles(smiles)
        mol.AddConformer(Chem.Conformer(mol.GetNumAtoms()))
        with pytest.raises(InputError, match=complaint):
            from_rdkit(mol)


def test_lists_and_batches():
    structures = [water(), benzene()]
    batch = AtomBatch.from_structures(structures)
    for there, back in ((to_rdkit, from_rdkit), (to_ase, from_ase), (to_pymatgen, from_pymatgen)):
        listed = there(structures)
        assert isinstance(listed, list)
        assert [len(s) for s in back(listed)] == [3, 12]
        assert [len(s) for s in back(there(iter(structures)))] == [3, 12]
        assert [s.numbers.tolist() for s in back(there(batch))] == [s.numbers.tolist() for s in structures]
        assert there([]) == []


@pytest.mark.parametrize("make", [*MOLECULES, rock_salt])
def test_ase_round_trip(make):
    assert_same(make().replace(bonds=None), from_ase(to_ase(make())), tolerance=1e-12)


def test_ase_periodicity():
    atoms = to_ase(rock_salt())
    assert atoms.pbc.all()
    np.testing.assert_array_equal(atoms.cell[:], rock_salt().lattice)
    slab = ase.Atoms("Cu", cell=[3, 3, 9], pbc=[True, True, False])
    assert from_ase(slab).properties == {"pbc": "T T F"}
    assert to_ase(from_ase(slab)).pbc.tolist() == [True, True, False]
    assert from_ase(ase.Atoms("Cu", cell=[3, 3, 9])).lattice is None


def test_ase_results_and_arrays_in_info_become_properties():
    atoms = ase.Atoms("H", info={"vector": np.array([1, 2]), "count": np.int64(3)})
    atoms.calc = SinglePointCalculator(atoms, energy=-0.5)
    assert from_ase(atoms).properties == {"vector": "1 2", "count": 3, "energy": -0.5}
    with pytest.raises(InputError, match="0 is not an atomic number"):
        from_ase(ase.Atoms("X"))


@pytest.mark.parametrize("make", [*MOLECULES, rock_salt])
def test_pymatgen_round_trip(make):
    converted = to_pymatgen(make())
    assert isinstance(converted, Crystal if make is rock_salt else Molecule)
    assert_same(make().replace(bonds=None), from_pymatgen(converted), tolerance=1e-9)


def test_pymatgen_charge_oxidation_states_and_disorder():
    assert to_pymatgen(ammonium()).charge == 1
    lattice = Lattice.cubic(4)
    oxide = Crystal(lattice, ["Mg2+", "O2-"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    structure = from_pymatgen(oxide)
    assert structure.numbers.tolist() == [12, 8]
    assert structure.charges is None
    np.testing.assert_allclose(structure.positions[1], [2, 2, 2])
    with pytest.raises(InputError, match="several elements"):
        from_pymatgen(Crystal(lattice, [{"Mg": 0.5, "Fe": 0.5}], [[0, 0, 0]]))
