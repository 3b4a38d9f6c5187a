"""CHGNet by one backward pass and in batches, against its own interface."""

import numpy as np
import pytest

from molgen.chemistry.ase_potentials import to_periodic_atoms
from molgen.chemistry.crystal_relaxation import relax_crystal, static_energies
from molgen.chemistry.potentials import Settings, make_potential
from tests.chemistry.test_crystal_relaxation import rattled, swapped
from tests.scoring.crystals import caesium_chloride, cubic, lone_iron, perovskite, quartz, rock_salt

pytest.importorskip("chgnet")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def potential():
    return make_potential("chgnet")


@pytest.fixture(scope="module")
def theirs():
    from chgnet.model.dynamics import CHGNetCalculator

    return CHGNetCalculator(use_device="cpu")


@pytest.mark.parametrize("make", [rock_salt, quartz, perovskite])
def test_energy_forces_and_stress_are_those_of_its_own_interface(make, potential, theirs):
    ours, reference = (to_periodic_atoms(rattled(make())) for _ in range(2))
    ours.calc, reference.calc = potential.calculator(), theirs
    assert ours.get_potential_energy() == pytest.approx(reference.get_potential_energy(), abs=1e-4)
    np.testing.assert_allclose(ours.get_forces(), reference.get_forces(), atol=1e-4)
    np.testing.assert_allclose(ours.get_stress(), reference.get_stress(), atol=1e-5)
    assert np.abs(ours.get_forces()).max() > 0.01


def test_both_hands_have_one_stress_which_is_the_slope_of_the_energy(potential, theirs):
    """Its own interface has the wrong sign for left-handed cells."""
    given = rattled(perovskite(3.8))
    left = swapped(given)
    stresses = []
    for crystal in (given, left):
        atoms = to_periodic_atoms(crystal)
        atoms.calc = potential.calculator()
        stresses.append(atoms.get_stress())
    np.testing.assert_allclose(stresses[0], stresses[1], atol=1e-6)
    atoms.calc = theirs
    np.testing.assert_allclose(atoms.get_stress(), -stresses[1], atol=1e-5)
    strain, energies = 1e-3, []
    for sign in (1, -1):
        stretched = to_periodic_atoms(left)
        stretched.set_cell(stretched.cell * (1 + sign * strain), scale_atoms=True)
        stretched.calc = potential.calculator()
        energies.append(stretched.get_potential_energy())
    slope = (energies[0] - energies[1]) / (2 * strain) / atoms.get_volume()
    assert slope == pytest.approx(stresses[1][:3].sum(), rel=0.02)
    one, other = (relax_crystal(crystal, potential, Settings(force_tolerance=0.05)) for crystal in (given, left))
    assert one.minimum.energy_after == pytest.approx(other.minimum.energy_after, abs=2e-3)
    assert one.minimum.volume_change == pytest.approx(other.minimum.volume_change, abs=2e-3)


def test_batches_are_one_by_one(potential):
    crystals = [make() for make in (rock_salt, quartz, perovskite, caesium_chloride)] * 12
    together = static_energies(crystals, potential)
    for crystal, energy in zip(crystals[:4], together[-4:], strict=True):
        assert static_energies([crystal], potential)[0] == pytest.approx(energy, abs=1e-5)
        atoms = to_periodic_atoms(crystal)
        atoms.calc = potential.calculator()
        assert atoms.get_potential_energy() / len(crystal) == pytest.approx(energy, abs=1e-5)


def test_what_it_does_not_know_has_a_reason(potential, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    americium, helium = rock_salt(symbols="Am O"), cubic(15.0, "He", [[0, 0, 0]])
    energies = static_energies([americium, quartz(), helium, lone_iron(0.3)], potential)
    assert energies[0] == "unknown element: CHGNet knows none beyond Pu: Am"
    assert energies[1] == pytest.approx(static_energies([quartz()], potential)[0], abs=1e-5)
    assert energies[2].startswith("isolated atoms: ")
    assert energies[3].startswith("overlapping atoms: ")
    for crystal, energy in ((americium, energies[0]), (helium, energies[2])):
        assert relax_crystal(crystal, potential, Settings()).reason == energy
    assert list(tmp_path.iterdir()) == []


def test_its_energies_are_told_apart_from_those_of_other_weights(potential):
    assert potential.energy_version.startswith("chgnet 0.")
    assert potential.energy_version.endswith("weights 0.3.0")
    assert "ASE" in potential.version
