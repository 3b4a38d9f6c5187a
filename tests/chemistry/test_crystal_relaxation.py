"""Relaxing crystals: known minima, handedness, symmetry, and everything that can go wrong with one."""

import numpy as np
import pytest
from ase.calculators.emt import EMT

from molgen import io
from molgen.chemistry.crystal_relaxation import CellSettings, relax_crystal, static_energies
from molgen.chemistry.potentials import Settings, make_potential
from molgen.chemistry.unit_cell import right_handed
from molgen.convert import to_ase
from molgen.errors import ConfigError, InputError
from molgen.structure import Structure
from tests.chemistry.calculators import SOFTNESS, VOLUME
from tests.scoring.crystals import cubic, lone_iron, mirrored, perovskite, quartz, rewritten, rock_salt

HERE = "tests.chemistry.calculators"
TIGHT = Settings(force_tolerance=1e-4)
COPPER_EMT = 3.5896
"""Lattice constant of fcc copper in angstrom with ASE's EMT, from a scan of its energy."""


def potential(name):
    return make_potential(f"{HERE}:{name}")


def copper(edge=3.7):
    return cubic(edge, "Cu Cu Cu Cu", [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]], "Cu")


def swapped(structure):
    """The same crystal, every atom where it was, in a left-handed cell."""
    return structure.replace(lattice=structure.lattice[[0, 2, 1]])


def rattled(structure, size=0.1, seed=0):
    moves = np.random.default_rng(seed).normal(scale=size, size=structure.positions.shape)
    return structure.replace(positions=structure.positions + moves)


@pytest.mark.parametrize("make", [rock_salt, quartz, perovskite])
def test_right_handed_moves_no_atom(make):
    crystal = make()
    assert np.linalg.det(swapped(crystal).lattice) < 0
    right = right_handed(swapped(crystal))
    assert np.linalg.det(right.lattice) > 0
    np.testing.assert_array_equal(right.positions, crystal.positions)
    np.testing.assert_array_equal(right_handed(crystal).lattice, crystal.lattice)
    with pytest.raises(InputError, match="no lattice"):
        right_handed(crystal.replace(lattice=None))


def test_a_cell_finds_its_volume():
    done = relax_crystal(rock_salt(), potential("balloon"), TIGHT)
    assert done.converged
    assert np.linalg.det(done.structure.lattice) == pytest.approx(VOLUME, abs=0.01)
    given = np.linalg.det(rock_salt().lattice)
    assert done.minimum.energy_before == pytest.approx(0.5 * SOFTNESS * (given - VOLUME) ** 2)
    assert done.minimum.energy_after == pytest.approx(0, abs=1e-5)
    assert done.minimum.volume_change == pytest.approx(VOLUME / given - 1, abs=1e-3)
    assert done.minimum.rmsd == pytest.approx(0, abs=1e-6)  # only the cell has changed
    assert (done.space_group_before, done.space_group_after) == (225, 225)


def test_copper_finds_its_lattice_constant():
    done = relax_crystal(rattled(copper()), potential("emt"), Settings(force_tolerance=1e-3))
    assert done.converged
    assert np.linalg.det(done.structure.lattice) ** (1 / 3) == pytest.approx(COPPER_EMT, abs=2e-3)
    assert done.minimum.max_force <= 1e-3
    assert 0.02 < done.minimum.rmsd < 0.3
    assert done.space_group_after == 225


def test_a_fixed_cell_stays():
    given = rattled(copper())
    done = relax_crystal(given, potential("emt"), TIGHT, CellSettings(cell="fixed"))
    assert done.converged
    np.testing.assert_array_equal(done.structure.lattice, given.lattice)
    assert done.minimum.volume_change == 0
    assert done.minimum.max_stress > 1  # stretched copper would like to shrink
    with pytest.raises(ConfigError, match="cell is 'loose'"):
        CellSettings(cell="loose")


def test_the_rmsd_is_that_of_what_was_moved():
    given = rattled(copper(COPPER_EMT), 0.05)
    done = relax_crystal(given, potential("emt"), TIGHT, CellSettings(cell="fixed"))
    moved = given.positions - copper(COPPER_EMT).positions
    expected = np.sqrt(np.square(moved - moved.mean(0)).sum(1).mean())
    assert done.minimum.rmsd == pytest.approx(expected, rel=1e-2)


def test_both_hands_relax_to_the_same():
    for make in (lambda: rattled(copper()), lambda: rewritten(rattled(copper()))):
        right, left = make(), swapped(make())
        one, other = (relax_crystal(crystal, potential("emt"), TIGHT) for crystal in (right, left))
        assert np.linalg.det(other.structure.lattice) > 0
        assert one.minimum.energy_before == pytest.approx(other.minimum.energy_before)
        assert one.minimum.energy_after == pytest.approx(other.minimum.energy_after, abs=1e-4)


def test_symmetry_is_kept_on_request():
    nearly = rattled(perovskite(), 0.01)
    copper_gold = nearly.replace(numbers=np.array([29, 79, 29, 29, 29]))
    kept = relax_crystal(copper_gold, potential("emt"), TIGHT, CellSettings(keep_symmetry=True))
    free = relax_crystal(copper_gold, potential("emt"), TIGHT)
    assert (kept.space_group_before, kept.space_group_after) == (221, 221)
    assert kept.converged
    edges = np.linalg.norm(kept.structure.lattice, axis=1)
    assert np.ptp(edges) < 1e-6  # exactly cubic, though the given cell holds displaced atoms
    assert free.minimum.energy_after < kept.minimum.energy_after  # the perovskite of copper and gold is a saddle


def test_trajectory_has_every_step(tmp_path):
    done = relax_crystal(rattled(copper()), potential("emt"), TIGHT, trajectory=tmp_path / "0.extxyz")
    frames = list(io.read(tmp_path / "0.extxyz"))
    assert [frame.properties["step"] for frame in frames] == list(range(done.minimum.steps + 1))
    assert frames[0].properties["energy"] == pytest.approx(done.minimum.energy_before)
    assert frames[-1].properties["energy"] == pytest.approx(done.minimum.energy_after)
    np.testing.assert_allclose(frames[-1].lattice, done.structure.lattice, atol=1e-6)


def test_steps_limit():
    done = relax_crystal(rattled(copper()), potential("emt"), Settings(max_steps=2, force_tolerance=1e-3))
    assert not done.converged
    assert done.reason.startswith("not converged: a force of ")
    assert done.minimum.steps == 2
    assert done.minimum.energy_after < done.minimum.energy_before


@pytest.mark.parametrize(
    ("crystal", "calculator", "kind"),
    [
        (rock_salt(), "exploding", "exploded: step "),
        (lone_iron(0.4), "balloon", "overlapping atoms: 0.400"),
        (cubic(5.0, "Na Cl", [[0, 0, 0], [0.05, 0, 0]]), "balloon", "overlapping atoms: 0.250"),
        (rock_salt().replace(lattice=np.diag([3.0, 3.0, 0.0])), "balloon", "zero volume: "),
        (rock_salt(symbols="Na I"), "dangerous_balloon", "energy is not finite: step 0"),
        (rock_salt(), "failing", "calculation failed: "),
        (rock_salt(), "emt", "calculation failed: step 0: NotImplementedError"),  # no parameters of Na
    ],
)
def test_what_cannot_be_relaxed_has_a_reason_and_stays(crystal, calculator, kind):
    done = relax_crystal(crystal, potential(calculator), TIGHT)
    assert not done.converged
    assert done.reason.startswith(kind)
    assert done.minimum is None
    assert done.structure is crystal


def test_force_fields_of_molecules_do_not_relax_crystals():
    done = relax_crystal(rock_salt(), make_potential("mmff94s"), TIGHT)
    assert done.reason == "has a lattice: crystals cannot be relaxed with mmff94s"


def test_static_energies_are_the_calculators():
    good, bad = copper(), lone_iron(0.4)
    energies = static_energies([good, bad, rock_salt(), mirrored(swapped(good))], potential("emt"))
    atoms = to_ase(good)
    atoms.calc = EMT()
    assert energies[0] == pytest.approx(atoms.get_potential_energy() / 4)
    assert energies[1].startswith("overlapping atoms")
    assert energies[2].startswith("calculation failed")
    assert energies[3] == pytest.approx(energies[0])
    molecule = Structure(numbers=[29], positions=[[0, 0, 0]])
    assert static_energies([molecule], potential("emt"))[0].startswith("no lattice")
