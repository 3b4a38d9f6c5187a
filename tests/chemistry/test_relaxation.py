import numpy as np
import pytest
from ase.build import molecule
from ase.optimize import BFGS
from rdkit import Chem
from rdkit.Chem import AllChem, rdForceFieldHelpers, rdMolAlign

from molgen.chemistry.potentials import KCAL_PER_MOL, Settings, make_potential
from molgen.chemistry.relaxation import relax
from molgen.convert import from_ase, from_rdkit
from molgen.errors import ConfigError, MissingError
from molgen.structure import Structure
from tests.chemistry import calculators
from tests.io.molecules import METHANE_POSITIONS, ammonium, benzene, methyl, rock_salt, water

HERE = "tests.chemistry.calculators"


def embedded(smiles):
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=7) == 0
    Chem.Kekulize(mol, clearAromaticFlags=True)
    return mol


def diatomic(length, numbers=(1, 1)):
    return Structure(numbers=numbers, positions=[[0, 0, 0], [0, 0, length]], bonds=[[0, 1, 1]], charges=[0, 0])


def test_kcal_per_mol_is_that_of_ase():
    from ase.units import kcal, mol

    assert pytest.approx(kcal / mol, rel=1e-7) == KCAL_PER_MOL


@pytest.mark.parametrize("smiles", ["CCO", "c1ccccc1C(=O)[O-]", "C[N+](=O)[O-]", "CO.CO", "O=C=O", "C[NH3+]"])
def test_mmff94s_is_that_of_rdkit(smiles):
    mol = embedded(smiles)
    done = relax(from_rdkit(mol), make_potential("mmff94s"))
    direct = Chem.Mol(mol)
    Chem.SanitizeMol(direct)
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(direct, "MMFF94s")
    before = rdForceFieldHelpers.MMFFGetMoleculeForceField(direct, properties).CalcEnergy()
    assert rdForceFieldHelpers.MMFFOptimizeMolecule(direct, mmffVariant="MMFF94s", maxIters=500) == 0
    after = rdForceFieldHelpers.MMFFGetMoleculeForceField(direct, properties).CalcEnergy()
    assert done.converged
    assert done.minimum.energy_before / KCAL_PER_MOL == pytest.approx(before, rel=1e-9)
    assert done.minimum.energy_after / KCAL_PER_MOL == pytest.approx(after, rel=1e-6)
    assert done.energy_gain == pytest.approx(before - after, rel=1e-5)
    np.testing.assert_allclose(done.structure.positions, direct.GetConformer().GetPositions(), atol=1e-6)
    same = [(k, k) for k in range(mol.GetNumAtoms())]
    assert done.rmsd == pytest.approx(rdMolAlign.AlignMol(Chem.Mol(mol), direct, atomMap=same), abs=1e-5)
    assert 0 < done.minimum.steps < 500
    assert done.minimum.max_force < 1e-3


def test_the_given_molecule_is_not_changed():
    given = from_rdkit(embedded("CCO"))
    positions = given.positions.copy()
    relax(given, make_potential("mmff94s"))
    np.testing.assert_array_equal(given.positions, positions)


def test_step_limit_and_tolerance():
    ethanol = from_rdkit(embedded("CCO"))
    potential = make_potential("mmff94s")
    stopped = relax(ethanol, potential, Settings(max_steps=2))
    assert not stopped.converged
    assert stopped.reason.startswith("not converged: a force of ")
    assert stopped.minimum.steps == 2
    assert stopped.energy_gain > 0
    assert relax(ethanol, potential, Settings(max_steps=2, force_tolerance=1e3)).converged
    assert relax(ethanol, potential, Settings(max_steps=0)).minimum.steps == 0
    for bad in ({"max_steps": -1}, {"force_tolerance": 0.0}, {"force_tolerance": float("nan")}):
        with pytest.raises(ConfigError):
            Settings(**bad)


def test_spring_analytically():
    done = relax(diatomic(1.7), make_potential(f"{HERE}:spring"), Settings(force_tolerance=1e-6))
    assert done.converged
    assert done.minimum.energy_before == pytest.approx(0.5 * calculators.STIFFNESS * 0.4**2)
    assert done.minimum.energy_after == pytest.approx(0, abs=1e-9)
    assert done.energy_gain == pytest.approx(0.5 * calculators.STIFFNESS * 0.4**2 / KCAL_PER_MOL)
    assert done.rmsd == pytest.approx(0.2, abs=1e-6)
    assert done.changes.bonds == pytest.approx(0.4, abs=1e-6)
    assert (done.changes.angles, done.changes.torsions) == (None, None)
    assert done.minimum.steps > 0


def test_calculators_learn_charge_and_spin():
    potential = make_potential(f"{HERE}:charge_reader")
    assert relax(ammonium(), potential).minimum.energy_before == 101
    assert relax(methyl(), potential).minimum.energy_before == 2
    assert relax(water(), potential).minimum.energy_before == 1


@pytest.mark.parametrize(("factory", "kind"), [("failing", "SCF not converged"), ("nan", "energy is not finite")])
def test_failures_on_the_way_have_reasons(factory, kind):
    given = diatomic(1.7)
    done = relax(given, make_potential(f"{HERE}:{factory}"))
    assert done.reason.startswith(f"{kind}: step ")
    assert not done.converged
    assert (done.minimum, done.energy_gain, done.rmsd, done.changes.bonds) == (None, None, None, None)
    np.testing.assert_array_equal(done.structure.positions, given.positions)


def test_printing_calculators_do_not_reach_standard_output(capsys):
    assert relax(diatomic(1.7), make_potential(f"{HERE}:dangerous")).converged
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("mmff49", ConfigError, "unknown calculator"),
        ("no_such_module_at_all:x", MissingError, "no module 'no_such_module_at_all'"),
        (f"{HERE}:nothing", ConfigError, "has no 'nothing'"),
        (f"{HERE}:constant", ConfigError, "not callable"),
        (f"{HERE}:number", ConfigError, "not an ASE calculator"),
        (f"{HERE}:needs_argument", ConfigError, "without arguments failed"),
        (":x", ConfigError, "not the name"),
    ],
)
def test_wrong_calculators_are_explained(name, error, words):
    with pytest.raises(error, match=words):
        make_potential(name)


def test_calculator_of_the_current_folder(tmp_path, monkeypatch):
    import sys

    (tmp_path / "my_own_calculator.py").write_text("from ase.calculators.emt import EMT\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    assert make_potential("my_own_calculator:EMT").version.startswith("my_own_calculator, ASE")


def without_hydrogens():
    return Structure(numbers=[6, 6], positions=[[0, 0, 0], [0, 0, 1.5]], bonds=[[0, 1, 1]])


def pentavalent():
    positions = np.vstack([METHANE_POSITIONS, [1.1, 0, 0]])
    return Structure(numbers=[6, 1, 1, 1, 1, 1], positions=positions, bonds=[[0, k, 1] for k in range(1, 6)])


@pytest.mark.parametrize(
    ("structure", "kind"),
    [
        (without_hydrogens(), "hydrogens missing"),
        (pentavalent(), "sanitisation"),
        (rock_salt(), "has a lattice"),
        (Structure(numbers=[2], positions=[[0, 0, 0]], bonds=[]), "no parameters"),
        (Structure(numbers=[118], positions=[[0, 0, 0]], bonds=[]), "no parameters"),
        (ammonium().replace(positions=np.zeros((5, 3))), "energy is not finite"),
    ],
)
def test_molecules_that_cannot_be_relaxed(structure, kind):
    done = relax(structure, make_potential("mmff94s"))
    assert done.reason.partition(":")[0] == kind
    assert done.minimum is None


def test_two_fragments_and_a_single_ion():
    two = Structure(
        numbers=[8, 1, 1] * 2,
        positions=np.concatenate([water().positions, water().positions + np.array([0, 0, 30])]),
        bonds=[[0, 1, 1], [0, 2, 1], [3, 4, 1], [3, 5, 1]],
    )
    one, both = (relax(s, make_potential("mmff94s")) for s in (water(), two))
    assert both.energy_gain == pytest.approx(2 * one.energy_gain, rel=1e-3)
    ion = Structure(numbers=[11], positions=[[0, 0, 0]], bonds=[], charges=[1])
    done = relax(ion, make_potential("mmff94s"))
    assert (done.converged, done.energy_gain, done.rmsd) == (True, 0.0, 0.0)


class TestGfn2Xtb:
    """Against tblite called directly."""

    @pytest.fixture(autouse=True)
    def _tblite(self):
        pytest.importorskip("tblite")

    def test_ethanol(self):
        from tblite.ase import TBLite

        atoms = molecule("CH3CH2OH")
        done = relax(from_ase(atoms), make_potential("gfn2-xtb"), bonds="lookup")
        atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
        before = atoms.get_potential_energy()
        direct = BFGS(atoms, logfile=None)
        assert direct.run(fmax=0.01, steps=500)
        assert done.converged
        assert done.minimum.energy_before == pytest.approx(before, abs=1e-6)
        assert done.minimum.energy_after == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
        assert done.energy_gain == pytest.approx((before - atoms.get_potential_energy()) * 23.0605, rel=1e-4)
        assert done.minimum.steps == direct.nsteps
        assert done.minimum.max_force <= 0.01
        np.testing.assert_allclose(done.structure.positions, atoms.positions, atol=1e-5)

    @pytest.mark.parametrize(("make", "charge", "multiplicity"), [(ammonium, 1, 1), (methyl, 0, 2), (benzene, 0, 1)])
    def test_charge_and_spin(self, make, charge, multiplicity):
        from tblite.ase import TBLite

        structure = make()
        done = relax(structure, make_potential("gfn2-xtb"), Settings(max_steps=0))
        atoms = molecule("CH4")[[0] * len(structure)]
        atoms.numbers, atoms.positions = structure.numbers, structure.positions
        atoms.calc = TBLite(method="GFN2-xTB", charge=charge, multiplicity=multiplicity, verbosity=0)
        assert done.minimum.energy_before == pytest.approx(atoms.get_potential_energy(), abs=1e-6)

    def test_small_molecules(self):
        potential = make_potential("gfn2-xtb")
        hydrogen = relax(diatomic(0.9), potential)
        assert hydrogen.converged
        assert 0.7 < np.linalg.norm(np.diff(hydrogen.structure.positions, axis=0)) < 0.82
        helium = relax(Structure(numbers=[2], positions=[[0, 0, 0]], bonds=[]), potential)
        assert (helium.converged, helium.minimum.steps, helium.rmsd) == (True, 0, 0.0)
        dioxide = Structure(
            numbers=[6, 8, 8], positions=[[0, 0, 0], [0, 0, 1.2], [0, 0, -1.3]], bonds=[[0, 1, 2], [0, 2, 2]]
        )
        done = relax(dioxide, potential)
        assert done.converged
        assert done.changes.angles == pytest.approx(0, abs=1e-6)
        assert done.changes.torsions is None

    def test_silent(self, capfd):
        potential = make_potential("gfn2-xtb")
        assert relax(water(), potential).converged
        assert "failed" in relax(water().replace(positions=np.zeros((3, 3))), potential).reason
        assert "Z >86" in relax(Structure(numbers=[92], positions=[[0, 0, 0]], bonds=[]), potential).reason
        assert relax(water().replace(positions=50 * water().positions), potential).reason.startswith("SCF not conv")
        captured = capfd.readouterr()
        assert captured.out + captured.err == ""

    def test_results_do_not_depend_on_the_molecule_before(self):
        name = "tblite.ase:TBLite"
        fresh = relax(water(), make_potential("gfn2-xtb")).minimum.energy_after
        potential = make_potential(name)
        relax(water().replace(positions=1.1 * water().positions), potential)
        assert relax(water(), potential).minimum.energy_after == pytest.approx(fresh, abs=1e-9)
