import json
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import save_file

from molgen import checkpoint
from molgen.checkpoint import FORMAT, Checkpoint
from molgen.config import recipe_from_dict
from molgen.errors import ConfigError, InputError, MissingError, OutputError
from molgen.models import DataSummary, build

SUMMARY = DataSummary((1, 6, 8), (0, 1, 5, 3))
RECIPE = recipe_from_dict({"model": {"name": "edm", "hidden": 8, "layers": 2}}, "test").to_dict()


def make(weights=None):
    torch.manual_seed(1)
    weights = build(recipe_from_dict(RECIPE, "test").model, SUMMARY).state_dict() if weights is None else weights
    return Checkpoint(RECIPE, SUMMARY, {"dataset": "toy", "steps": 7}, dict(weights))


@pytest.fixture
def file(tmp_path):
    return make().save(tmp_path / "run")


def fails(path, error=InputError):
    with pytest.raises(error) as caught:
        Checkpoint.load(path).build()
    assert caught.value.exit_code == {InputError: 3, ConfigError: 3, MissingError: 4, OutputError: 6}[error]
    return str(caught.value)


def test_round_trip(file):
    saved, loaded = make(), Checkpoint.load(file)
    assert loaded.recipe == RECIPE
    assert loaded.data == SUMMARY
    assert loaded.provenance == {"dataset": "toy", "steps": 7}
    assert loaded.weights.keys() == saved.weights.keys()
    assert all(torch.equal(loaded.weights[name], tensor) for name, tensor in saved.weights.items())
    model = loaded.build()
    assert not model.training
    assert model.data == SUMMARY
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in saved.weights.items())


def test_found_as_file_folder_and_name(file, tmp_path, monkeypatch):
    monkeypatch.setenv("MOLGEN_CHECKPOINTS", str(tmp_path))
    monkeypatch.chdir(tmp_path / "run")
    assert all(checkpoint.find(spec).samefile(file) for spec in (file, file.parent, "run", str(file)))


def test_saving_again_replaces_the_whole_file(file):
    other = make()
    other.provenance["steps"] = 8
    other.save(file.parent)
    assert Checkpoint.load(file).provenance["steps"] == 8
    assert [path.name for path in file.parent.iterdir()] == ["model.safetensors"]


def test_nothing_there(tmp_path):
    assert "no checkpoint at" in fails(tmp_path / "absent", MissingError)
    (tmp_path / "empty").mkdir()
    fails(tmp_path / "empty", MissingError)


def test_damaged_files(file):
    whole = file.read_bytes()
    for damaged in (b"", whole[:5], whole[:200], whole[:-10], b"\xff" * 64 + whole[64:], b"not a checkpoint at all\n"):
        file.write_bytes(damaged)
        assert "model.safetensors is damaged or is not a safetensors file" in fails(file)


@pytest.mark.parametrize("place", [0.0, 0.4, 1.0])
def test_one_flipped_bit_of_the_weights_is_noticed(file, place):
    whole = bytearray(file.read_bytes())
    first = 8 + int.from_bytes(whole[:8], "little")  # safetensors: length of the header, header, tensors
    whole[first + int(place * (len(whole) - first - 1))] ^= 1
    file.write_bytes(whole)
    assert "model.safetensors is damaged: its weights or settings are not those it was saved with" in fails(file)


def test_another_setting_than_was_saved_is_noticed(file):
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b'\\"layers\\": 2', b'\\"layers\\": 1'))
    assert "damaged" in fails(file)
    file.write_bytes(whole.replace(b'\\"steps\\": 7', b'\\"steps\\": 8'))
    assert Checkpoint.load(file).provenance["steps"] == 8, "provenance plays no part"


def test_a_checkpoint_from_before_it_was_recorded_loads(tmp_path):
    assert Checkpoint.load(write(tmp_path / "old.safetensors")).sha256() == make().sha256()


def test_weights_of_another_program(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors", metadata={"format": "pt"})
    assert "not a molgen-checkpoint-1 checkpoint" in fails(tmp_path / "other.safetensors")
    save_file({"a": torch.zeros(2)}, tmp_path / "bare.safetensors")
    fails(tmp_path / "bare.safetensors")


def write(path, **changes):
    """A checkpoint with other metadata."""
    document = {"format": FORMAT, "recipe": RECIPE, "data": asdict(SUMMARY), "provenance": {}}
    document = {key: value for key, value in {**document, **changes}.items() if value is not None}
    save_file(make().weights, path, metadata={"molgen": json.dumps(document)})
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "molgen-checkpoint-99"}, "not a molgen-checkpoint-1 checkpoint"),
        ({"data": None}, "its metadata lacks or garbles"),
        ({"data": {"elements": "ab", "size_histogram": [1]}}, "its metadata lacks or garbles"),
        ({"provenance": None}, "its metadata lacks or garbles"),
        ({"recipe": {**RECIPE, "model": {"name": "gpt"}}}, "model.name is 'gpt'"),
        ({"recipe": {**RECIPE, "model": {**RECIPE["model"], "colour": 3}}}, "unknown key model.colour"),
        ({"recipe": {**RECIPE, "model": {**RECIPE["model"], "hidden": 9}}}, "do not fit its own settings"),
        ({"recipe": {**RECIPE, "model": {**RECIPE["model"], "layers": 1}}}, "do not fit its own settings"),
    ],
)
def test_metadata_that_does_not_make_a_model(tmp_path, changes, message):
    path = write(tmp_path / "m.safetensors", **changes)
    assert message in fails(path, ConfigError if message.startswith(("model", "unknown")) else InputError)


@pytest.mark.parametrize("recipe", ["edm", [], {}, {"model": None}])
def test_recipe_that_is_no_recipe(tmp_path, recipe):
    with pytest.raises(InputError):
        Checkpoint.load(write(tmp_path / "m.safetensors", recipe=recipe)).build()


def test_weights_that_are_not_numbers(tmp_path):
    broken = make()
    next(iter(broken.weights.values()))[0] = float("inf")
    assert "not finite numbers" in fails(broken.save(tmp_path))


def test_a_weight_is_missing_or_too_many(tmp_path):
    for change in ("missing", "extra"):
        weights = dict(make().weights)
        if change == "missing":
            weights.popitem()
        else:
            weights["more"] = torch.zeros(1)
        assert "do not fit its own settings" in fails(make(weights).save(tmp_path / change))


def test_unwritable_place(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError) as caught:
        make().save(tmp_path / "file")
    assert caught.value.exit_code == 6
    assert (tmp_path / "file").read_text() == "in the way"


def test_sha256_is_of_what_decides_the_molecules(file):
    identity = make().sha256()
    assert Checkpoint.load(file).sha256() == identity
    same = make()
    same.provenance["scores"] = [1]
    same.recipe = {**RECIPE, "model": {**RECIPE["model"], "sample_steps": 3}}
    assert same.sha256() == identity
    name, weight = next((k, w) for k, w in make().weights.items() if w.ndim == 2)
    others = [weight + (torch.arange(weight.numel()) == 1).view_as(weight) * 1e-6, weight.bfloat16(), weight.T]
    seen = {make({**make().weights, name: other}).sha256() for other in others}
    seen |= {make({f"{k}_": w for k, w in make().weights.items()}).sha256()}
    other = make()
    other.data = DataSummary((1, 6, 8), (0, 1, 5, 4))
    wider = make()
    wider.recipe = {**RECIPE, "model": {**RECIPE["model"], "coordinate_range": 3.0}}
    assert len(seen | {identity, other.sha256(), wider.sha256()}) == 7


def test_loading_runs_no_code():
    source = open(checkpoint.__file__, encoding="utf-8").read()  # noqa: SIM115
    assert "pickle" not in source
    assert "torch.load" not in source
