"""Genes: what is the same, what is possible, and files of them."""

import gzip
import json

import pytest

from molgen.errors import InputError, MissingError
from molgen.symmetry.batch import GeneBatch
from molgen.symmetry.gene import Gene
from molgen.symmetry.lines import line_of, read_genes

ROCK_SALT = Gene(225, ((11, 0), (17, 1)), "salt")


def test_composition_of_the_primitive_cell():
    assert ROCK_SALT.formula == "ClNa"
    perovskite = Gene(221, ((38, 0), (22, 1), (8, 2)))
    assert sorted(perovskite.numbers) == [8, 8, 8, 22, 38]
    assert perovskite.freedom == 0
    assert Gene(62, ((8, 2), (8, 3))).freedom == 5


def test_origin_shifted_twin_is_the_same_crystal():
    twin = Gene(225, ((11, 1), (17, 0)))
    assert twin != ROCK_SALT
    assert twin.fingerprint == ROCK_SALT.fingerprint
    assert {gene.orbits for gene in ROCK_SALT.relabelled()} == {ROCK_SALT.orbits, twin.orbits}
    assert Gene(225, ((11, 0), (17, 2))).fingerprint != ROCK_SALT.fingerprint
    assert Gene(225, ((3, 0), (9, 1))).template == ROCK_SALT.template


def test_axes_of_an_orthorhombic_cell_may_change_places():
    """In Pmmm the edges along a, b and c are equivalent: b, c... are exchanged with the axes."""
    genes = [Gene(47, ((8, k), (22, 0))) for k in range(8)]
    assert len({gene.fingerprint for gene in genes[1:]}) == 3  # next to the corner: edge, face or body of the cell


def test_order_of_orbits_plays_no_part():
    assert Gene(62, ((8, 2), (6, 3), (8, 2))) == Gene(62, ((6, 3), (8, 2), (8, 2)))


@pytest.mark.parametrize(
    ("gene", "reason"),
    [
        (Gene(225, ()), "no orbits"),
        (Gene(225, ((11, 0), (17, 0))), "used twice"),
        (Gene(225, ((11, 40),)), "no Wyckoff position"),
        (Gene(225, ((119, 0),)), "not an atomic number"),
    ],
)
def test_impossible_genes(gene, reason):
    assert reason in gene.problem()


def test_free_positions_may_be_used_again():
    assert Gene(62, ((8, 2), (8, 2), (6, 2))).problem() == ""


def test_batches_and_back():
    genes = [ROCK_SALT, Gene(62, ((8, 2), (8, 2), (6, 3)))]
    batch = GeneBatch.from_genes(genes)
    assert batch.to_genes() == genes
    assert batch.num_atoms.tolist() == [len(gene.numbers) for gene in genes] == [2, 16]
    assert len(batch[1:]) == 1


def test_lines_and_back(tmp_path):
    genes = [ROCK_SALT.labelled({"a": 5.6}), Gene(47, ((8, 26),))]
    text = "".join(line_of(gene) + "\n" for gene in genes)
    (tmp_path / "genes.jsonl").write_text(text + "\n")
    with gzip.open(tmp_path / "genes.jsonl.gz", "wt") as file:
        file.write(text)
    for name in ("genes.jsonl", "genes.jsonl.gz"):
        read = list(read_genes(tmp_path / name))
        assert read == genes
        assert read[0].name == "salt"
        assert read[0].properties == {"a": 5.6}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[]", "malformed gene"),
        ('{"space_group": 300, "orbits": []}', "space_group is 300"),
        ('{"space_group": true, "orbits": []}', "space_group is True"),
        ('{"space_group": 225, "orbits": [["Na"]]}', "not a pair"),
        ('{"space_group": 225, "orbits": [["Na", "z"]]}', "not 'z'"),
        ('{"space_group": 225, "orbits": [["Qq", "a"]]}', "not an element"),
        ('{"space_group": 225, "orbits": [["Na", "a"], ["Cl", "a"]]}', "used twice"),
        ('{"space_group": 225, "orbits": []}', "no orbits"),
    ],
)
def test_bad_lines_are_named_or_counted(tmp_path, line, reason):
    path = tmp_path / "genes.jsonl"
    path.write_text(line_of(ROCK_SALT) + "\n" + line + "\n" + line_of(ROCK_SALT) + "\n")
    with pytest.raises(InputError, match="line 2") as caught:
        list(read_genes(path))
    assert reason in str(caught.value)
    bad = []
    assert len(list(read_genes(path, on_error=lambda number, why: bad.append((number, why))))) == 2
    assert [number for number, _ in bad] == [2]


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(MissingError):
        list(read_genes(tmp_path / "none.jsonl"))
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"space_group": 1}\n' * 50)[:20])
    with pytest.raises(InputError, match="cannot be read"):
        list(read_genes(tmp_path / "cut.jsonl.gz", on_error=lambda *_: None))
    (tmp_path / "no.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError):
        list(read_genes(tmp_path / "no.jsonl"))


def test_what_is_written_is_json():
    assert json.loads(line_of(ROCK_SALT))["orbits"] == [["Na", "a"], ["Cl", "b"]]
