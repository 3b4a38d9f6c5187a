"""Crystals of given genes: by construction symmetric, whatever the network says."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from molgen import io
from molgen.batch import AtomBatch
from molgen.chemistry.genes import gene_of
from molgen.chemistry.periodic_distances import CellDistances
from molgen.cli.app import app
from molgen.errors import ConfigError
from molgen.geometry.centering import remove_mean
from molgen.geometry.periodic import shortest
from molgen.models.crystalflow import CrystalPrediction
from molgen.randomness import NoiseSource
from molgen.sampling.conditions import Request, make_condition
from molgen.sampling.runner import make
from molgen.sampling.settings import Settings
from molgen.structure import Structure
from molgen.symmetry.gene import Gene
from molgen.symmetry.lines import line_of
from tests.sampling.test_templated import DATA as SMALL
from tests.sampling.test_templated import generator_of as generator_for
from tests.scoring.crystals import perovskite

DATA = replace(SMALL, size_histogram=(*SMALL.size_histogram, *[1] * 14))
GENES = [
    Gene(139, ((11, 4), (17, 0)), "tetragonal"),
    Gene(62, ((22, 2), (8, 2), (8, 3)), "orthorhombic"),
    Gene(161, ((19, 0), (8, 1)), "rhombohedral"),
    Gene(14, ((55, 4), (8, 4)), "monoclinic"),
    gene_of(perovskite()),
]


def generator_of(*, random=False):
    """Of crystals of up to 20 atoms."""
    return generator_for(random=random, data=DATA)


def found(structure, tolerance):
    """The gene of a structure without its name; the name is its target."""
    return replace(gene_of(structure, tolerance), name=structure.properties["target"])


def test_symmetric_by_construction():
    """An untrained network with random weights moves atoms and cells, and never out of the space group."""
    made = generator_of(random=True).sample(2, genes=GENES, steps=4)
    assert Counter(one.properties["target"] for one in made) == {gene.name: 2 for gene in GENES}
    asked = {gene.name: gene for gene in GENES}
    for one in made:
        gene = found(one, 1e-3)
        assert gene.number == one.properties["asked_space_group"]
        assert gene.fingerprint == asked[gene.name].fingerprint


def test_a_stated_cell_is_kept():
    free = replace(GENES[-1], properties={}, name="free")
    made = generator_of(random=True).sample(1, genes=[GENES[-1], free], steps=3)
    edges = {one.properties["target"]: np.linalg.norm(one.lattice, axis=1) for one in made}
    np.testing.assert_allclose(edges["SrTiO3"], 3.9, rtol=1e-5)
    assert abs(edges["free"][0] - 3.9) > 1e-2


def test_an_exact_denoiser_gives_the_crystal_back():
    """Atoms on a general and a special position of a chiral group, in a cell that is not told."""
    gene, rng = Gene(154, ((8, 2), (22, 0)), "quartz"), np.random.default_rng(0)
    assert [gene.group.positions[k].freedom for _, k in gene.orbits] == [3, 1]
    model = generator_of().model
    condition = make_condition(model, Request(genes=[gene]))
    (placed,) = condition.placements
    fractional = placed.fractional(rng.random((2, 3)))
    crystal = Structure(
        numbers=np.array(gene.numbers), positions=fractional @ placed.lattice * 1.1, lattice=placed.lattice * 1.1
    )
    target = model.encode(AtomBatch.from_structures([crystal]))

    def exact(state, t, known, before=None):
        way = remove_mean(shortest(target.fractional - state.fractional), state.mask)
        classes = torch.nn.functional.one_hot(target.elements, model.elements.classes)
        return CrystalPrediction(
            displacement=way, fractional=target.fractional, cell=target.cell, logits=9.0 * classes.float()
        )

    model.predict = exact
    mask = torch.ones(1, len(placed), dtype=torch.bool)
    given = condition.given(model.vocabulary, mask, torch.float32)
    noise = NoiseSource.seeded(0, 1, len(placed))
    (made,) = make(model, mask, noise, Settings.of(model, steps=20), given=given).to_structures()
    moved = made.positions @ np.linalg.inv(made.lattice) - fractional
    moved -= np.round(moved)
    assert np.abs(moved).max() < 1e-4
    np.testing.assert_allclose(made.lattice @ made.lattice.T, crystal.lattice @ crystal.lattice.T, rtol=1e-4, atol=1e-3)
    assert gene_of(made, 1e-3).fingerprint == gene.fingerprint


def test_batch_size_plays_no_part():
    generator = generator_of(random=True)
    one, other = (generator.sample(14, genes=GENES, steps=3, batch_size=size) for size in (None, 5))
    for a, b in zip(one, other, strict=True):
        assert a.properties == b.properties
        np.testing.assert_allclose(a.lattice, b.lattice, atol=1e-4)
        np.testing.assert_allclose(a.positions, b.positions, atol=1e-3)


def test_what_cannot_be_realised_is_counted():
    model = generator_of().model
    others = [Gene(1, ((92, 0),)), Gene(225, ((8, 11),)), replace(GENES[0], properties={"a": 3.0})]
    condition = make_condition(model, Request(genes=[*GENES, *others], genes_source="x.jsonl", per_target=2))
    (note,) = condition.notes(DATA)
    assert note.startswith("3 of 8 genes are left out: 1 have elements that the model does not know; 1 have more or")
    assert "malformed cell" in note
    assert len(condition.numbers) == 10
    assert (condition.settings["genes"], condition.settings["per_gene"]) == ("x.jsonl", 2)
    with pytest.raises(ConfigError, match="none of 3 genes can be realised"):
        make_condition(model, Request(genes=others))
    with pytest.raises(ConfigError, match="a number of atoms has no place beside genes"):
        make_condition(model, Request(genes=GENES, atoms=(1, 5)))


def test_other_models_refuse(bondflow):
    with pytest.raises(ConfigError, match="bondflow cannot be given genes; models that can: crystalflow"):
        make_condition(bondflow, Request(genes=GENES))


def test_from_the_command_line(tmp_path):
    folder = generator_of(random=True).checkpoint.save(tmp_path / "model").parent
    genes, out = tmp_path / "genes.jsonl", tmp_path / "out.extxyz"
    lines = [line_of(gene) for gene in GENES]
    genes.write_text("\n".join([lines[0], "nonsense", *lines[1:]]))
    command = ["sample", str(folder), "--genes", str(genes), "--steps", "3", "-o", str(out)]
    done = CliRunner().invoke(app, [*command, "-k", "2"])
    assert done.exit_code == 0, done.stderr
    assert "skipped in" in done.stderr
    assert "record 2: malformed gene" in done.stderr
    made = list(io.read(out))
    exact = sum(one.properties.get("space_group_number") == one.properties["asked_space_group"] for one in made)
    assert f"{exact} of 10 have the space group of their gene" in done.stderr
    counts = json.loads((tmp_path / "out.extxyz.json").read_text())["counts"]
    # Atoms of an untrained model may fall on each other, or into more symmetric places.
    assert counts["space group as asked"] == exact >= 5
    others = [counts.get(f"space group {what}", 0) for what in ("of higher symmetry", "not found")]
    assert exact + sum(others) == 10
    again = CliRunner().invoke(app, [*command, "-k", "2"])
    assert (again.exit_code, list(io.read(out))[9].name) == (0, "9")
    assert CliRunner().invoke(app, [*command, "-n", "3"]).exit_code == 2
    assert CliRunner().invoke(app, [*command, "-k", "2", "--formula", "NaCl"]).exit_code == 2
    missing = ["sample", str(folder), "--genes", str(tmp_path / "none.jsonl"), "-o", str(tmp_path / "b.extxyz")]
    assert CliRunner().invoke(app, missing).exit_code == 4


def test_crystals_with_atoms_on_each_other_are_made_again():
    """By a network that throws both atoms onto one point, but for noise that begins on one side: at a try, about half.

    What a crystal gets depends neither on the others beside it nor on how many of them are made again.
    """
    gene = Gene(1, ((11, 0), (17, 0)), "pair", {"a": 6.0, "b": 6.0, "c": 6.0, "alpha": 90, "beta": 90, "gamma": 90})

    def made(tries, batch_size=None):
        generator = generator_of()
        model = generator.model
        calls = []

        def predict(state, t, known, before=None):
            calls.append(len(state.mask))
            way = shortest(state.fractional.flip(1) - state.fractional)
            apart = way[:, :1, :1] > 0  # as drawn, and kept by what is predicted
            moves = remove_mean(torch.where(apart, torch.zeros_like(way), 0.5 * way), state.mask)
            classes = torch.nn.functional.one_hot(state.elements, model.elements.classes).float()
            return CrystalPrediction(
                displacement=moves, fractional=state.fractional, cell=torch.zeros_like(state.cell), logits=classes
            )

        model.predict = predict
        options = {"symmetric_tries": tries, "symmetric_draws": 1, "annealing": 20.0}
        crystals = generator.sample(40, genes=[gene], steps=8, options=options, batch_size=batch_size)
        distances = [min(CellDistances(one).closeness()[0], 9.0) for one in crystals]
        return crystals, sum(distance < 0.5 for distance in distances), calls

    _, once, calls = made(1)
    assert len(set(calls)) == 1
    _, twice, calls = made(2)
    several, few, _ = made(8)
    assert 10 < once < 32
    assert 0 < twice < once
    assert few < twice
    assert calls[-1] == once
    for size in (7, 40):
        other, _, _ = made(8, size)
        for a, b in zip(several, other, strict=True):
            np.testing.assert_allclose(a.positions, b.positions, atol=1e-4)
