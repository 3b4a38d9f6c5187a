"""References: what they hold, where they are found, how they travel with a checkpoint."""

import json

import numpy as np
import pytest

from molgen import io
from molgen.datasets.packed import PackWriter
from molgen.errors import ConfigError, InputError, MissingError, OutputError
from molgen.io.records import BadRecord
from molgen.scoring import score
from molgen.scoring.hashes import HashSet, contains, smiles_hash
from molgen.scoring.novelty import Reference
from molgen.scoring.protocol import SMILES_OF_GRAPH
from molgen.scoring.protocols import make_protocol
from molgen.scoring.records import Record
from molgen.scoring.shipped import write_hashes
from molgen.scoring.smiles_forms import HASHES_FILE
from tests.scoring.molecules import ACETYLENE, AMMONIA, AMMONIUM, CARBON_DIOXIDE, METHANE, beside


def novelty(scores):
    rate = scores.summary["protocols"]["edm"]["metrics"]["novelty"]
    return rate["numerator"], rate["denominator"]


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "mine"
    with PackWriter(folder, name="mine") as writer:
        for structure in (METHANE, AMMONIA, AMMONIUM, ACETYLENE):
            writer.add(structure)
        writer.finish(np.array([0, 0, 0, 2]), {"source": "a test"})
    return folder


def test_hash_is_stable():
    """Published hash files depend on it: the first eight bytes of BLAKE2b-64, little-endian."""
    assert int(smiles_hash("C")) == 0x0B3C46DCF4939A65
    assert smiles_hash("C").dtype == np.uint64


def test_hash_set_agrees_with_a_python_set():
    rng = np.random.default_rng(0)
    seen, ours = set(), HashSet()
    for size in (0, 1, 5, 300, 2, 2, 40, 1000, 0, 7):
        batch = rng.integers(0, 900, size).astype(np.uint64)
        expected = []
        for value in batch.tolist():
            expected.append(value not in seen)
            seen.add(value)
        assert ours.add(batch).tolist() == expected
        assert len(ours) == len(seen)
    assert ours.sorted().tolist() == sorted(seen)
    probes = np.arange(1000, dtype=np.uint64)
    assert contains(ours.sorted(), probes).tolist() == [value in seen for value in range(1000)]
    assert not contains(np.zeros(0, np.uint64), probes).any()


def test_reference_holds_whole_molecules_and_counts_what_it_leaves_out():
    records = [
        METHANE,
        METHANE,
        beside(METHANE, AMMONIA),
        AMMONIUM,
        BadRecord("torn"),
        METHANE.replace(numbers=[34] * 5),
    ]
    reference = Reference.from_records(map(Record, records), "r")
    assert (reference.structures, reference.unusable, len(reference.hashes)) == (6, 3, 2)
    whole, fragment = smiles_hash("[H]C([H])([H])[H].[H]N([H])[H]"), smiles_hash("[H]N([H])[H]")
    assert contains(reference.hashes, np.array([whole, fragment])).tolist() == [True, False]


def test_data_set_reference_is_cached_and_made_again_when_the_data_change(dataset):
    made = Reference.open(dataset)
    assert (made.name, made.structures, made.unusable, len(made.hashes)) == ("mine:train", 3, 1, 2)
    cache = dataset / HASHES_FILE
    assert cache.is_file()
    steps = []
    again = Reference.open(dataset, progress=lambda done, _: steps.append(done))
    assert not steps
    assert again.describe() == made.describe()
    meta = json.loads((dataset / "meta.json").read_text())
    (dataset / "meta.json").write_text(json.dumps(meta | {"fingerprint": "another"}))
    assert Reference.open(dataset, progress=lambda done, _: steps.append(done)).fingerprint == "another"
    assert steps == [3]


def test_other_splits_have_their_own_cache(dataset):
    assert len(Reference.open(f"{dataset}:test").hashes) == 1
    assert len(Reference.open(f"{dataset}:train").hashes) == 2
    assert len(Reference.open(f"{dataset}:test").hashes) == 1


def test_torn_cache_is_made_again(dataset):
    Reference.open(dataset)
    (dataset / HASHES_FILE).write_bytes(b"\x93NUMPY")
    assert len(Reference.open(dataset).hashes) == 2


def test_hashes_travel_with_a_checkpoint(dataset, tmp_path):
    folder = tmp_path / "checkpoint"
    write_hashes(dataset, folder)
    reference = Reference.open(folder)
    assert reference.name == "mine:train"
    assert reference.fingerprint == Reference.open(dataset).fingerprint
    scores = score([METHANE, CARBON_DIOXIDE], reference=reference)
    assert novelty(scores) == (1, 2)
    assert scores.summary["reference"]["spec"] == "mine:train"
    (folder / "training_hashes.json").unlink()
    alone = Reference.open(folder)
    np.testing.assert_array_equal(alone.hashes, reference.hashes)
    assert alone.name == str(folder)
    assert not list(folder.glob("*.part"))


def test_novelty_of_every_shipped_form_is_that_against_the_data_set(dataset, tmp_path):
    written = write_hashes(dataset, tmp_path / "checkpoint")
    assert [reference.table for reference in written] == ["edm-lookup-1", "graph-1:auto", "graph-1:xyz2mol"]
    protocols = ["edm", "explicit", "explicit-legacy", "xyz2mol"]
    for reference in (tmp_path / "checkpoint", dataset):
        summary = score([METHANE, CARBON_DIOXIDE], protocols, reference=reference).summary
        rates = [summary["protocols"][name]["metrics"]["novelty"] for name in protocols]
        assert [(rate["numerator"], rate["denominator"]) for rate in rates] == [(1, 2)] * 4
        assert not any("not defined" in note for note in summary["notes"])


def test_a_form_that_no_molecule_has_is_not_shipped(tmp_path):
    with PackWriter(tmp_path / "heavy", name="heavy") as writer:
        writer.add(METHANE.replace(numbers=[92, 1, 1, 1, 1]))  # the lookup knows no uranium, nor does xyz2mol
        writer.finish(np.array([0]), {"source": "a test"})
    tables = [reference.table for reference in write_hashes(tmp_path / "heavy", tmp_path / "checkpoint")]
    assert "edm-lookup-1" not in tables
    assert len(list((tmp_path / "checkpoint").glob("*.npy"))) == len(tables)


def test_description_of_other_hashes_is_not_believed(dataset, tmp_path):
    write_hashes(dataset, tmp_path / "a")
    np.save(tmp_path / "a" / HASHES_FILE, np.arange(5, dtype=np.uint64))
    assert Reference.open(tmp_path / "a").name == str(tmp_path / "a")


def test_file_reference(tmp_path):
    io.write(tmp_path / "known.xyz", [METHANE, AMMONIA])
    reference = Reference.open(tmp_path / "known.xyz")
    assert (reference.name, len(reference.hashes)) == ("known.xyz", 2)
    assert novelty(score([METHANE, ACETYLENE], reference=tmp_path / "known.xyz")) == (1, 2)


def test_smiles_reference_knows_molecules_with_and_without_hydrogens(tmp_path):
    (tmp_path / "known.smi").write_text("smiles name\nC methane\nN\nC1CC1( torn\n\nF[C@H](Cl)Br\n")
    reference = Reference.open(tmp_path / "known.smi")
    assert (reference.structures, reference.unusable) == (4, 1)
    sample = [METHANE, METHANE.without_hydrogens(), AMMONIA, ACETYLENE]
    assert novelty(score(sample, reference=reference)) == (1, 4)
    known = contains(reference.hashes, np.array([smiles_hash("FC(Cl)Br")]))
    assert known.all(), "stereochemistry must be left out, as the lookup knows none"


def test_hydrogens_on_one_side_only_are_pointed_out():
    with_hydrogens = Reference.from_records(map(Record, [METHANE, AMMONIA]), "all atoms")
    heavy = Reference.from_records(map(Record, [METHANE.without_hydrogens()]), "heavy atoms")
    for structure, reference, warned in (
        (METHANE, with_hydrogens, False),
        (METHANE, heavy, True),
        (METHANE.without_hydrogens(), heavy, False),
        (METHANE.without_hydrogens(), with_hydrogens, True),
    ):
        notes = score([structure], reference=reference).summary["notes"]
        assert any("hydrogens" in note for note in notes) is warned


def test_a_reference_made_with_other_tables_is_refused():
    reference = Reference.from_records(map(Record, [METHANE]), "r")
    other = Reference(reference.name, reference.hashes, reference.fingerprint, "edm-lookup-0")
    with pytest.raises(MissingError, match="edm-lookup-0"):
        score([METHANE], reference=other)


def test_graph_hashes_are_of_the_stated_bonds_and_are_cached_apart(dataset):
    stated = METHANE.replace(bonds=[[0, k, 1] for k in range(1, 5)], charges=[0] * 5)
    lookup = Reference.open(dataset)
    graph = Reference.open(dataset, SMILES_OF_GRAPH)
    assert graph.table == "graph-1:auto"
    assert (dataset / "train_graph-1_auto_hashes.npy").is_file()
    assert contains(graph.hashes, np.array([smiles_hash("C"), smiles_hash("N"), smiles_hash("CC")])).tolist() == [
        True,
        True,
        False,
    ]
    assert not contains(lookup.hashes, graph.hashes).any()
    named = Reference.from_records([Record(stated), Record(stated.without_hydrogens())], "m", SMILES_OF_GRAPH, "file")
    assert named.hashes.tolist() == [smiles_hash("C")]


@pytest.mark.parametrize(
    "array", [np.array([3, 2, 1], np.uint64), np.array([1, 1], np.uint64), np.arange(3.0), np.zeros((2, 2), np.uint64)]
)
def test_a_file_that_holds_no_hashes_is_refused(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(InputError, match="ascending uint64"):
        Reference.open(tmp_path / "x.npy")


def test_missing_references(tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(MissingError, match="training_hashes"):
        Reference.open(tmp_path / "model")
    with pytest.raises(MissingError):
        Reference.open(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    nothing = Reference.from_records([], "r")
    with pytest.raises(OutputError):
        nothing.save(tmp_path / "file" / HASHES_FILE)


def test_unknown_protocol_names_the_nearest():
    with pytest.raises(ConfigError, match="'emd'") as caught:
        make_protocol("emd")
    assert "edm" in caught.value.hint


def test_novelty_is_undefined_where_the_reference_lacks_the_form_of_smiles(dataset, tmp_path):
    Reference.open(dataset).save(tmp_path / HASHES_FILE)
    scores = score([METHANE, ACETYLENE], ["edm", "explicit"], reference=tmp_path)
    metrics = {name: protocol["metrics"] for name, protocol in scores.summary["protocols"].items()}
    assert (metrics["edm"]["novelty"]["numerator"], metrics["edm"]["novelty"]["denominator"]) == (1, 2)
    assert metrics["explicit"]["novelty"] is None
    assert metrics["explicit"]["valid_unique_novel"] is None
    assert metrics["explicit"]["uniqueness"]["denominator"] == 2
    assert [row["explicit.novel"] for row in scores.rows] == [None, None]
    assert any("graph-1" in note for note in scores.summary["notes"])
    several = score([METHANE], ["edm", "explicit", "xyz2mol", "explicit-legacy"], reference=tmp_path).summary["notes"]
    (note,) = [note for note in several if "not defined" in note]
    assert note.startswith("novelty of explicit, xyz2mol, explicit-legacy is not defined: reference ")
    assert note.endswith("holds SMILES of form edm-lookup-1, not graph-1:auto or graph-1:xyz2mol")
    with pytest.raises(MissingError, match="graph-1"):
        score([METHANE], "explicit", reference=tmp_path)
