"""Crystals of genes with random free parameters."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from molgen import io
from molgen.chemistry.genes import gene_of
from molgen.chemistry.periodic_distances import CellDistances
from molgen.cli.app import app
from molgen.errors import InputError
from molgen.symmetry.gene import CELL, Gene
from molgen.symmetry.lines import line_of
from molgen.symmetry.random_atoms import SEPARATION, random_crystal
from tests.scoring.crystals import perovskite, quartz

GENES = [gene_of(quartz()), gene_of(perovskite())]
GENES += [Gene(62, ((22, 2), (8, 2), (8, 3)), "free"), Gene(14, ((8, 4),), "one")]


@pytest.mark.parametrize("gene", GENES, ids=lambda gene: gene.name)
def test_the_gene_comes_back_and_no_atoms_are_near(gene):
    rng = np.random.default_rng(0)
    for _ in range(5):
        crystal = random_crystal(gene, rng)
        assert CellDistances.of(crystal).closeness()[0] > SEPARATION - 1e-6
        assert gene_of(crystal, 1e-4).fingerprint == gene.fingerprint
        assert crystal.name == gene.name


def test_what_has_no_room():
    small = dict(zip(CELL, (2.0, 2.0, 2.0, 90.0, 90.0, 90.0), strict=True))
    with pytest.raises(InputError, match=r"^small cell: "):
        random_crystal(replace(GENES[1], properties=small), np.random.default_rng(0))
    with pytest.raises(InputError, match=r"^no room: "):
        random_crystal(GENES[0], np.random.default_rng(0), separation=1.3)


def test_convert(tmp_path):
    source, out = tmp_path / "genes.jsonl", tmp_path / "crystals.extxyz"
    source.write_text("\n".join([*map(line_of, GENES), "{}"]))
    done = CliRunner().invoke(app, ["convert", str(source), str(out), "--seed", "3"])
    assert done.exit_code == 5
    assert "record 5: malformed gene" in done.stderr
    made = list(io.read(out))
    assert [gene_of(one).fingerprint for one in made] == [gene.fingerprint for gene in GENES]
    again = CliRunner().invoke(app, ["convert", str(source), str(tmp_path / "b.extxyz"), "--seed", "3"])
    assert again.exit_code == 5
    assert (tmp_path / "b.extxyz").read_text() == out.read_text()
