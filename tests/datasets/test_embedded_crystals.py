"""The tracked set of prototype crystals, and the script that makes it, on some types."""

import importlib.util
import sys
from itertools import product

import numpy as np
import pytest

from molgen.chemistry.periodic_distances import CellDistances
from molgen.chemistry.unit_cell import canonical_cell
from molgen.datasets import find
from molgen.datasets.genes import GeneSet
from molgen.datasets.packed import PackedDataset
from molgen.elements import COVALENT_RADII, SYMBOLS

SCRIPTS = find.REPOSITORY_DATA.parent / "scripts"


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(SCRIPTS))
    try:
        spec = importlib.util.spec_from_file_location("make_embedded_crystals", SCRIPTS / "make_embedded_crystals.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(SCRIPTS))


@pytest.fixture(scope="module")
def tracked():
    return find.open_dataset("embedded-crystals")


@pytest.fixture(scope="module")
def types(script):
    return {prototype.name: prototype for prototype in script.PROTOTYPES}


def test_tracked_set_is_whole_and_small(tracked, types):
    tracked.verify()
    assert 2500 < len(tracked) < 4000
    assert sum(file.stat().st_size for file in tracked.folder.iterdir()) < 2e6
    names = [tracked.structure(k).name for k in range(len(tracked))]
    assert len(set(names)) == len(names)
    assert {name.partition(" ")[2] for name in names} == set(types)
    groups = [types[name.partition(" ")[2]].group for name in names]
    assert tracked.properties["spacegroup"].tolist() == groups


def test_tracked_genes_are_those_of_the_set(tracked, monkeypatch):
    """They fit the data, so that none is looked for, and have their free parameters."""
    monkeypatch.setattr("molgen.datasets.genes._find", None)
    genes = GeneSet.open(tracked)
    assert len(genes) == len(tracked)
    assert np.isfinite(genes.parameters).all()
    assert genes.groups.tolist() == tracked.properties["spacegroup"].tolist()


def test_distances_are_plausible(tracked):
    for structure in tracked.structures():
        radii = [COVALENT_RADII[z] for z in structure.numbers.tolist()]
        cell = CellDistances(structure)
        assert cell.closeness()[0] > 0.75 - 1e-4
        assert min(cell.nearest_pair, cell.translation) < 1.35 * 2 * max(radii)
    volumes = np.linalg.det(tracked.arrays["lattice"]) / tracked.sizes
    assert volumes.min() > 4
    assert volumes.max() < 120


def test_cells_are_canonical(tracked):
    for k in range(0, len(tracked), 40):
        structure = tracked.structure(k)
        np.testing.assert_allclose(canonical_cell(structure).lattice, structure.lattice, atol=1e-5)


def test_charges_balance(tracked, types, script):
    """Some choice of the oxidation states that the elements are listed with adds up to zero; metals are metals."""
    states = {symbol: [q for q, text in script.IONS.items() if symbol in text.split()] for symbol in SYMBOLS}
    for structure in tracked.structures():
        numbers, counts = np.unique(structure.numbers, return_counts=True)
        symbols = [SYMBOLS[z] for z in numbers]
        if types[structure.name.partition(" ")[2]].charges:
            sums = [np.dot(counts, choice) for choice in product(*(states[symbol] for symbol in symbols))]
            assert 0 in sums, structure.name
        else:
            assert set(symbols) <= set(script.METALS.split()), structure.name


def test_known_lattice_constants(script, types, monkeypatch):
    """Within 4 % of experiment, which is what radii can do (Wyckoff 1963; volumes of the conventional cells)."""
    few = {1: "Li Na Cs", 2: "Mg Ca Sr", 3: "Al Ga", 4: "Ti", -1: "F Cl", -2: "O", -3: "As"}
    monkeypatch.setattr(script, "IONS", dict.fromkeys(script.IONS, "") | few)
    cells = {
        ("rocksalt", "NaCl"): (5.640**3, 8),
        ("rocksalt", "MgO"): (4.212**3, 8),
        ("cesium chloride", "CsCl"): (4.123**3, 2),
        ("zincblende", "GaAs"): (5.653**3, 8),
        ("fluorite", "CaF2"): (5.463**3, 12),
        ("antifluorite", "Li2O"): (4.619**3, 12),
        ("rutile", "TiO2"): (4.594**2 * 2.959, 6),
        ("perovskite", "SrTiO3"): (3.905**3, 5),
        ("spinel", "MgAl2O4"): (8.083**3, 56),
        ("corundum", "Al2O3"): (4.759**2 * 12.991 * 3**0.5 / 2, 30),
        ("copper", "Cu"): (3.615**3, 4),
    }
    for (name, formula), (volume, atoms) in cells.items():
        prototype = types[name]
        made = {s.name: s for s in (script.ionic if prototype.charges else script.metallic)(prototype)}
        structure = made[f"{formula} {name}"]
        here = abs(np.linalg.det(structure.lattice)) / len(structure)
        assert (here / (volume / atoms)) ** (1 / 3) == pytest.approx(1, abs=0.04), formula


def test_script_is_deterministic_and_agrees_with_the_tracked_set(script, tracked, tmp_path, monkeypatch, capsys):
    some = ["cesium chloride", "lanthanum oxide"]
    for name in ("a", "b"):
        monkeypatch.setattr(sys, "argv", ["x", "--out", str(tmp_path / name), "--types", *some])
        script.main()
    first, second = PackedDataset.open(tmp_path / "a"), PackedDataset.open(tmp_path / "b")
    assert first.fingerprint == second.fingerprint
    kept = {s.name: s for s in tracked.structures()}
    for structure in first.structures():
        np.testing.assert_allclose(structure.lattice, kept[structure.name].lattice, atol=1e-6)
    assert "cesium chloride: 17" in capsys.readouterr().out


def test_what_does_not_fit_is_not_made(script, types):
    made = {s.name.partition(" ")[0] for s in script.ionic(types["perovskite"])}
    assert "SrTiO3" in made
    assert "MgTiO3" not in made  # magnesium is too small for twelve neighbours
    assert script.ionic_radius("Na", 1, 6) == 1.02
    assert script.ionic_radius("Si", 4, 12) == 0.40  # six is the nearest that Shannon lists
    assert script.ionic_radius("Na", 3, 6) is None
