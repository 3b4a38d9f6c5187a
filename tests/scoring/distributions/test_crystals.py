"""Distributions of crystals: values by hand, and a reference with its floor and control."""

import numpy as np
import pytest

from molgen import io
from molgen.scoring import score
from molgen.scoring.distributions.crystal_features import crystal_cells
from molgen.scoring.distributions.metrics import CRYSTAL_METRICS, CRYSTALS, METRICS, STRIDE, metrics_of
from molgen.scoring.subject import Subject
from tests.scoring.crystals import perovskite, quartz, rock_salt


def values(structure):
    cells = crystal_cells(Subject(structure))
    return {name: (cell % STRIDE, CRYSTAL_METRICS[name]) for name, cell in cells.items()}


def test_values_fall_into_their_bins():
    found = values(perovskite(3.905))
    expected = {"density": 5.1168, "n_elements": 3, "n_atoms": 5, "atom_volume": 3.905**3 / 5, "space_group": 221}
    for name, value in expected.items():
        cell, metric = found[name]
        assert metric.edge(int(cell[0])) <= value < metric.edge(int(cell[0])) + metric.width * 2, name
    assert [int(cell) - 1 for cell in found["element"][0]] == [38, 22, 8, 8, 8]
    system, metric = found["crystal_system"]
    assert metric.category_name(int(system[0]) - 1) == "cubic"
    assert crystal_cells(Subject(rock_salt().replace(lattice=np.ones((3, 3))))) == {}


def test_metrics_of_molecules_are_as_they_were():
    assert metrics_of("file") is METRICS
    assert metrics_of(CRYSTALS) is CRYSTAL_METRICS
    assert "density" not in METRICS


def test_wasserstein_distance_of_densities_is_scipys(tmp_path):
    from scipy.stats import wasserstein_distance

    from molgen.chemistry.periodic_distances import CellDistances

    known = [make(edge) for edge in (4.0, 4.4, 5.0, 5.6) for make in (rock_salt, perovskite)]
    path = tmp_path / "known.extxyz"
    io.write(path, [*known, quartz()])
    samples = [rock_salt(5.1), perovskite(3.8), quartz()]
    scores = score(samples, "strict", path, distributions=True)
    part = scores.summary["distributions"]
    assert list(part["metrics"]) == list(CRYSTAL_METRICS)
    assert part["n"] == 3
    from molgen.scoring.distributions.pools import open_pool

    pool = open_pool(path)
    assert pool.crystals
    densities = [[CellDistances.of(s).mass_density for s in group] for group in (samples, pool.reference)]
    expected = wasserstein_distance(*densities)
    assert part["metrics"]["density"]["wasserstein"] == pytest.approx(expected, abs=2e-3)
    closeness = part["metrics"]["closeness"]
    assert closeness["control"]["wasserstein"] > closeness["floor"]["wasserstein"]
    assert "distance of energies" in " ".join(part["notes"])
    assert part["reference"]["control"].startswith("atoms anywhere")
