"""`molgen sample` with a Wyckoff Transformer: genes as JSON lines, continued runs, the way to crystals, refusals."""

import gzip
import json
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from molgen import io
from molgen.checkpoint import Checkpoint
from molgen.chemistry.charge_balance import is_charge_balanced
from molgen.cli.app import app
from molgen.cli.refining import beside
from molgen.config import load_recipe
from molgen.models import build
from molgen.sampling.gene_file import GeneFile
from molgen.symmetry.lines import line_of, read_genes
from molgen.testing import randomise_weights
from tests.models.conftest import GENES
from tests.sampling.test_templated import DATA as SMALL
from tests.sampling.test_templated import generator_of

DATA = replace(SMALL, **GENES)
"""Cells of 1 to 6 atoms in space groups 2, 6, 47 and 225."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny Wyckoff Transformer with random weights."""
    sizes = ["model.hidden=12", "model.layers=1", "model.heads=2", "training.muon_learning_rate=0"]
    recipe = load_recipe("wyformer_mp20", sizes)
    model = build(recipe.model, DATA)
    randomise_weights(model, torch.Generator().manual_seed(5))
    made = Checkpoint(recipe.to_dict(), DATA, {}, dict(model.state_dict()))
    return made.save(tmp_path_factory.mktemp("wyformer")).parent


@pytest.fixture(scope="module")
def realiser(tmp_path_factory):
    """A tiny CrystalFlow with random weights."""
    return generator_of(random=True).checkpoint.save(tmp_path_factory.mktemp("crystalflow")).parent


def run(*arguments):
    return CliRunner().invoke(app, ["sample", *map(str, arguments)])


def sidecar(out):
    return json.loads(out.with_name(out.name + ".json").read_text())


def test_genes_of_what_is_asked_for(checkpoint, tmp_path):
    out = tmp_path / "genes.jsonl"
    done = run(checkpoint, "-n", 70, "-o", out, "--spacegroup", "Fm-3m,47", "--max-atoms", 4)
    assert done.exit_code == 0, done.stderr
    assert "70 genes in" in done.stderr
    assert f"molgen score {out}" in done.stderr
    genes = list(read_genes(out))
    assert len(genes) == len({gene.name for gene in genes}) == 70
    assert {gene.number for gene in genes} == {47, 225}
    assert all(1 <= len(gene.numbers) <= 4 for gene in genes)
    state = sidecar(out)
    assert (state["written"], state["complete"]) == (70, True)
    assert state["settings"]["space_groups"] == [47, 225]
    lines = out.read_text().splitlines()
    assert lines == [line_of(gene) for gene in genes]


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz"])
def test_an_interrupted_run_continues_to_the_same_bytes(checkpoint, tmp_path, ending, monkeypatch):
    whole, cut = tmp_path / f"whole.{ending}", tmp_path / f"cut.{ending}"
    command = [checkpoint, "-n", 130, "--spacegroup", "2,47", "--chemical-system", "O-Na"]
    assert run(*command, "-o", whole).exit_code == 0
    add, chunks = GeneFile.add, []

    def interrupted(file, *arguments):
        if len(chunks) == 2:
            raise KeyboardInterrupt
        chunks.append(add(file, *arguments))

    monkeypatch.setattr(GeneFile, "add", interrupted)
    done = run(*command, "-o", cut)
    assert done.exit_code == 130
    assert f"genes are kept in {cut}; the same command continues" in done.stderr
    assert sidecar(cut)["chunks_done"] == 2
    monkeypatch.setattr(GeneFile, "add", add)
    with cut.open("ab") as file:
        file.write(gzip.compress(b'{"half') if ending.endswith("gz") else b'{"half')
    continued = run(*command, "-o", cut)
    assert continued.exit_code == 0, continued.stderr
    assert f"continuing {cut}" in continued.stderr
    assert cut.read_bytes() == whole.read_bytes()
    assert {frozenset(gene.numbers) for gene in read_genes(cut)} == {frozenset((8, 11))}


def test_files_of_other_settings_and_cut_ones_are_refused(checkpoint, tmp_path):
    out = tmp_path / "genes.jsonl"
    assert run(checkpoint, "-n", 5, "-o", out).exit_code == 0
    before = out.read_bytes()
    other = run(checkpoint, "-n", 5, "-o", out, "--seed", 1)
    assert other.exit_code == 6
    assert "seed is 0 there and 1 here" in other.stderr
    assert out.read_bytes() == before
    assert run(checkpoint, "-n", 5, "-o", out, "--seed", 1, "--overwrite").exit_code == 0
    assert out.read_bytes() != before
    out.write_bytes(out.read_bytes()[:-3])
    done = run(checkpoint, "-n", 5, "-o", out, "--seed", 1)
    assert done.exit_code == 6
    assert "was cut" in done.stderr


def test_charge_balanced_genes_replace_the_others(checkpoint, tmp_path):
    out = tmp_path / "genes.jsonl"
    done = run(checkpoint, "-n", 40, "-o", out, "--charge-balanced")
    assert done.exit_code == 0, done.stderr
    assert "x not charge balanced (number " in done.stderr
    genes = list(read_genes(out))
    assert len(genes) == 40
    assert all(is_charge_balanced(gene.numbers) for gene in genes)
    assert sidecar(out)["settings"]["options"]["unbalanced"] == 0


def test_a_share_of_the_unbalanced_ones_is_kept(checkpoint, tmp_path):
    """Those that are left out depend on the seed alone, and what replaces them does not change the others."""
    out = {share: tmp_path / f"{share}.jsonl" for share in ("0", "0.5", "1")}
    for share, path in out.items():
        done = run(checkpoint, "-n", 60, "-o", path, "--set", f"unbalanced={share}")
        assert done.exit_code == 0, done.stderr
    found = {share: [gene.fingerprint for gene in read_genes(path)] for share, path in out.items()}
    unbalanced = [sum(not is_charge_balanced(gene.numbers) for gene in read_genes(path)) for path in out.values()]
    assert unbalanced[0] == 0 < unbalanced[1] < unbalanced[2]
    assert len(set(found["0.5"]) & set(found["1"])) > len(set(found["0"]) & set(found["1"]))
    assert run(checkpoint, "-n", 5, "-o", out["1"], "--set", "unbalanced=1.5").exit_code == 3
    assert run(checkpoint, "-n", 5, "-o", out["1"], "--set", "unbalanced=0.5", "--charge-balanced").exit_code == 2


def test_a_formula_says_itself_whether_it_is_balanced(checkpoint, tmp_path):
    out = tmp_path / "formula.jsonl"
    formula = ["--formula", "NaCl2", "-n", 4, "-o", out]
    done = run(checkpoint, *formula)
    assert (done.exit_code, len(list(read_genes(out)))) == (0, 4), done.stderr
    assert sidecar(out)["settings"]["options"]["unbalanced"] == 1
    assert run(checkpoint, *formula, "--charge-balanced").exit_code == 2
    assert run(checkpoint, *formula, "--set", "unbalanced=0").exit_code == 2


def test_usual_steps_where_genes_are_given_and_more_atoms_than_any_crystal_has(checkpoint, realiser, tmp_path):
    out = tmp_path / "crystals.extxyz"
    done = run(checkpoint, "--realise", realiser, "-o", out, "-n", 1, "--max-atoms", 400)
    assert done.exit_code == 0, done.stderr
    assert "note: the training set has at most" in done.stderr
    assert sidecar(out)["settings"]["steps"] == 10


def test_the_way_to_crystals(checkpoint, realiser, tmp_path):
    out = tmp_path / "crystals.extxyz"
    command = [checkpoint, "--realise", realiser, "-o", out, "-n", 4, "-k", 2, "--steps", 2, "--formula", "NaCl"]
    done = run(*command, "--set", "site_temperature=0.9", "--set", "annealing=0.1")
    assert done.exit_code == 0, done.stderr
    genes = list(read_genes(tmp_path / "crystals.genes.jsonl"))
    assert len(genes) == 4
    assert sidecar(tmp_path / "crystals.genes.jsonl")["settings"]["options"]["site_temperature"] == 0.9
    made = list(io.read(out))
    assert [one.properties["asked_space_group"] for one in sorted(made, key=lambda one: one.properties["target"])] == [
        gene.number for gene in genes for _ in range(2)
    ]
    assert all(sorted(one.numbers.tolist()) == [11, 17] for one in made)
    again = run(*command, "--set", "site_temperature=0.9", "--set", "annealing=0.1")
    assert again.exit_code == 0
    assert "8 of 8 crystals are there" in again.stderr


def test_crystals_of_the_genes_that_could_be_made(checkpoint, realiser, tmp_path, monkeypatch):
    """Fewer genes than asked for: their crystals are made, and exit code 5 says that some are missing."""
    monkeypatch.setattr("molgen.sampling.rounds.MOST", 1)
    problem = "molgen.sampling.gene_runs._problem"
    monkeypatch.setattr(problem, lambda gene, stuck: "dead end: x")
    none, few = tmp_path / "none.extxyz", tmp_path / "few.extxyz"
    command = [checkpoint, "--realise", realiser, "-n", 12, "--steps", 2, "--formula", "NaCl"]
    done = run(*command, "-o", none)
    assert done.exit_code == 5
    assert "0 of 12 genes could be made" in done.stderr
    assert not none.exists()
    monkeypatch.setattr(problem, lambda gene, stuck: "dead end: x" if gene.number == 2 else "")
    done = run(*command, "-o", few)
    assert done.exit_code == 5, done.stderr
    written = len(list(read_genes(tmp_path / "few.genes.jsonl")))
    assert 0 < written < 12
    assert f"{written} of 12 genes could be made" in done.stderr
    assert len(list(io.read(few))) == written


def test_names_of_the_genes_beside_crystals():
    names = {"a/b.cif.gz": "b", "b.extxyz": "b", "cifs/": "cifs"}
    assert all(beside(out, "genes.jsonl").name == f"{name}.genes.jsonl" for out, name in names.items())


USAGE = [
    ["--steps", 4],
    ["--symmetrise", 0.1],
    ["--targets", "mp20:test"],
    ["--fragment-atoms", "0"],
    ["--atoms", 4, "--max-atoms", 4],
    ["--formula", "NaCl", "--max-atoms", 4],
    ["--formula", "NaCl", "--chemical-system", "Na-Cl"],
    ["--num-formula-units", 2],
]


@pytest.mark.parametrize("options", USAGE, ids=lambda options: " ".join(map(str, options)))
def test_options_that_make_no_sense_are_usage_errors(checkpoint, tmp_path, options):
    done = run(checkpoint, "-n", 2, "-o", tmp_path / "a.jsonl", *options)
    assert done.exit_code == 2, done.stderr
    assert options[-2] in done.stderr
    assert not list(tmp_path.iterdir())


VALUES = [
    (["--spacegroup", "231"], 3, "1 to 230"),
    (["--spacegroup", "pmmm"], 3, "did you mean Pmmm?"),
    (["--atoms", "30-40"], 3, "it has 1 to 6"),
    (["--formula", "Na2Cl3", "--spacegroup", "225"], 3, "can hold this: "),
    (["--precision", "16"], 3, "32, bf16"),
]


@pytest.mark.parametrize(("options", "code", "cure"), VALUES, ids=lambda value: str(value))
def test_values_that_cannot_be_used(checkpoint, tmp_path, options, code, cure):
    done = run(checkpoint, "-n", 2, "-o", tmp_path / "a.jsonl", *options)
    assert done.exit_code == code, done.stderr
    assert cure in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())


LATER = [
    (["--realise", "nowhere"], 4, "no checkpoint at nowhere"),
    (["--solver", "foo"], 3, "unknown solver"),
    (["--set", "foo=1"], 3, "no option of sampling named 'foo'"),
    (["--symmetrise", -1], 3, "tolerance"),
    (["--trajectory", "bad.txt"], 3, "--trajectory"),
]


@pytest.mark.parametrize(("options", "code", "message"), LATER, ids=lambda value: str(value))
def test_what_crystals_cannot_be_is_said_before_genes_are_made(checkpoint, realiser, tmp_path, options, code, message):
    options = options if "--realise" in options else ["--realise", realiser, *options]
    done = run(checkpoint, "-n", 2, "-o", tmp_path / "a.extxyz", *options)
    assert done.exit_code == code, done.stderr
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_model_that_makes_no_crystals_of_genes_and_files_of_others(checkpoint, realiser, tmp_path):
    done = run(checkpoint, "-n", 2, "-o", tmp_path / "a.extxyz", "--realise", checkpoint)
    assert done.exit_code == 2
    assert "wyformer cannot be given genes" in done.stderr
    for name in ("foreign.jsonl", "foreign.extxyz"):
        (tmp_path / name).write_text("mine\n")
        more = ["--realise", realiser] if name.endswith("xyz") else []
        done = run(checkpoint, "-n", 2, "-o", tmp_path / name, *more)
        assert done.exit_code == 6
        assert "--overwrite" in done.stderr
        assert (tmp_path / name).read_text() == "mine\n"
    assert len(list(tmp_path.iterdir())) == 2
    wrong = run(realiser, "-n", 2, "-o", tmp_path / "b.extxyz", "--spacegroup", "225", "--max-atoms", 3)
    assert wrong.exit_code == 2
    assert "--spacegroup, --max-atoms" in wrong.stderr


def test_a_continued_run_leaves_out_the_same_genes(checkpoint, tmp_path):
    whole, part = tmp_path / "whole.jsonl", tmp_path / "part.jsonl"
    command = ["-n", 200, "--set", "unbalanced=0.4"]
    assert run(checkpoint, *command, "-o", whole).exit_code == 0
    assert run(checkpoint, *command, "-o", part).exit_code == 0
    state = sidecar(part)
    lines = part.read_bytes().splitlines(keepends=True)
    # As if interrupted after the first chunk: rows of it, and what the sidecar then said.
    kept = [line for line in lines if int(json.loads(line)["name"]) < 64]
    state |= {"chunks_done": 1, "written": len(kept), "bytes": sum(map(len, kept)), "rounds": [], "complete": False}
    state |= {"chunks": 4, "rejected": {"not charge balanced": {"count": 64 - len(kept), "request": True, "first": ""}}}
    part.write_bytes(b"".join(kept))
    part.with_name("part.jsonl.json").write_text(json.dumps(state))
    done = run(checkpoint, *command, "-o", part)
    assert done.exit_code == 0, done.stderr
    assert f"{len(kept)} of 200 genes are there" in done.stderr
    assert part.read_bytes() == whole.read_bytes()
