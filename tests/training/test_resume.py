"""A run that is stopped and resumed is the run that was not stopped."""

import csv
import os
import signal

import pytest
import torch
from omegaconf import OmegaConf

from molgen.checkpoint import Checkpoint
from molgen.errors import InputError, MissingError, OutputError
from molgen.training.folder import began_with, recorded_recipe
from tests.training.conftest import OVERRIDES, PER_EPOCH, STEPS, pack

CLOCK = ("seconds", "molecules_per_second")


def metrics(folder):
    """Rows of metrics.csv without what a clock decides."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in CLOCK} for row in csv.DictReader(file)]


def state(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def assert_same(a, b, path="state"):
    """Equal to the last bit, through nested containers."""
    assert type(a) is type(b), path
    if isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            assert_same(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), path
        for number, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{path}[{number}]")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), path
    else:
        assert a == b, path


def stop_after(*steps):
    """A progress callback that presses Ctrl-C when a step is done; batches hold 8 structures."""
    return lambda done, total: os.kill(os.getpid(), signal.SIGINT) if done // 8 in steps else None


@pytest.fixture
def uninterrupted(run, recipe):
    return run(recipe(), "uninterrupted")


@pytest.mark.parametrize("stops", [[3], [4], [PER_EPOCH], [2, 7, 11]], ids=str)
def test_resumed_run_is_the_uninterrupted_run(run, recipe, tmp_path, uninterrupted, stops):
    for number, step in enumerate(stops):
        with pytest.raises(KeyboardInterrupt):
            run(recipe(), resume=number > 0, report=stop_after(step))
        assert state(tmp_path / "run")["global_step"] == step
        assert Checkpoint.load(tmp_path / "run").provenance["steps"] == step
    run(recipe(), resume=True)
    resumed = tmp_path / "run"
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "gradient_norms", "global_step"):
        assert_same(state(resumed)[part], state(uninterrupted)[part], part)
    published = [Checkpoint.load(folder) for folder in (resumed, uninterrupted)]
    assert_same(published[0].weights, published[1].weights)
    assert metrics(resumed) == metrics(uninterrupted)
    assert len(metrics(resumed)) == STEPS


def test_a_run_with_a_tail_can_be_continued_with_more_steps(run, recipe, tmp_path):
    """Stopped before its decay began, it becomes the longer run; after its end, it goes on from there."""
    long = run(recipe("training.decay=tail", "training.steps=20"), "long")
    with pytest.raises(KeyboardInterrupt):
        run(recipe("training.decay=tail", "training.steps=10"), report=stop_after(6))
    run(recipe("training.decay=tail", "training.steps=20"), resume=True)
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "global_step"):
        assert_same(state(tmp_path / "run")[part], state(long)[part], part)
    run(recipe("training.decay=tail", "training.steps=10"), "short")
    run(recipe("training.decay=tail", "training.steps=20"), "short", resume=True)
    assert state(tmp_path / "short")["global_step"] == 20
    assert metrics(tmp_path / "short")[:7] == metrics(long)[:7]
    assert metrics(tmp_path / "short")[10:] != metrics(long)[10:]


def test_rows_after_the_checkpoint_are_written_again(run, recipe, tmp_path, uninterrupted):
    """A run that died without saving resumes at its last checkpoint and repeats what came after."""

    def die(done, total):
        if done // 8 == 7:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        run(recipe(), report=die)
    assert state(tmp_path / "run")["global_step"] == 4
    assert [row["step"] for row in metrics(tmp_path / "run")] == list("123456")
    run(recipe(), resume=True)
    assert metrics(tmp_path / "run") == metrics(uninterrupted)
    assert_same(Checkpoint.load(tmp_path / "run").weights, Checkpoint.load(uninterrupted).weights)


def test_seed_matters_and_is_recorded(run, recipe, uninterrupted):
    other = run(recipe(), "other", seed=1)
    assert metrics(other) != metrics(uninterrupted)
    assert Checkpoint.load(other).provenance["seed"] == 1
    assert OmegaConf.load(other / "config.yaml").seed == 1


def test_time_goes_on(run, recipe, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(recipe(), report=stop_after(6))
    before = Checkpoint.load(tmp_path / "run").provenance["training_seconds"]
    run(recipe(), resume=True)
    assert Checkpoint.load(tmp_path / "run").provenance["training_seconds"] >= before > 0


def test_a_folder_with_a_run_is_not_overwritten(run, recipe, uninterrupted):
    weights = (uninterrupted / "model.safetensors").read_bytes()
    with pytest.raises(OutputError, match="holds a run already") as caught:
        run(recipe(), "uninterrupted")
    assert "--resume" in caught.value.hint
    assert (uninterrupted / "model.safetensors").read_bytes() == weights


def test_nothing_to_resume(run, recipe):
    with pytest.raises(MissingError, match="holds no run to resume"):
        run(recipe(), resume=True)


def test_resuming_a_finished_run_changes_nothing(run, recipe, uninterrupted):
    before = metrics(uninterrupted), Checkpoint.load(uninterrupted).weights
    run(recipe(), "uninterrupted", resume=True)
    assert metrics(uninterrupted) == before[0]
    assert_same(Checkpoint.load(uninterrupted).weights, before[1])


def test_other_data_are_refused(run, recipe, tmp_path, uninterrupted):
    other = pack(tmp_path / "other", seed=5)
    with pytest.raises(InputError, match="was trained on data with fingerprint"):
        run(recipe(f"data.name={other}"), "uninterrupted", resume=True)


def test_another_model_is_refused(run, recipe, uninterrupted):
    with pytest.raises(InputError):
        run(recipe("model.hidden=16"), "uninterrupted", resume=True)
    assert OmegaConf.load(uninterrupted / "config.yaml").model.hidden == 8


@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_damaged_state_is_refused(run, recipe, uninterrupted, damage):
    path = uninterrupted / "checkpoints" / "last.ckpt"
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[: len(whole) // 2], "empty": b"", "text": b"text" * 99}[damage])
    with pytest.raises(InputError, match=r"last\.ckpt"):
        run(recipe(), "uninterrupted", resume=True)


def test_a_run_that_died_before_its_first_checkpoint_can_be_started_again(run, recipe, tmp_path):
    def die(done, total):
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        run(recipe(), report=die)
    with pytest.raises(MissingError, match="holds no run to resume"):
        run(recipe(), resume=True)
    run(recipe())
    assert len(metrics(tmp_path / "run")) == STEPS


def test_overrides_are_recorded(run, recipe, uninterrupted):
    config = OmegaConf.to_container(OmegaConf.load(uninterrupted / "config.yaml"))
    for override in OVERRIDES:
        key, _, value = override.partition("=")
        section, name = key.split(".")
        assert str(config[section][name]) == value


@pytest.mark.parametrize("change", ["data.batch_size=4", "training.learning_rate=0.02", "training.clip=1.0"])
def test_other_settings_are_refused(run, recipe, uninterrupted, change):
    before = (uninterrupted / "config.yaml").read_text()
    with pytest.raises(InputError, match=change.split("=")[0]):
        run(recipe(change), "uninterrupted", resume=True)
    assert (uninterrupted / "config.yaml").read_text() == before


def test_another_seed_is_refused(run, recipe, uninterrupted):
    with pytest.raises(InputError, match="seed"):
        run(recipe(), "uninterrupted", resume=True, seed=1)


def test_what_a_run_began_with_is_read_back(run, recipe, tmp_path):
    run(recipe(), seed=5)
    again, seed, precision = recorded_recipe(tmp_path / "run", ["training.steps=20"])
    assert (seed, precision, again.training.steps) == (5, "32-true", 20)
    assert again.data == recipe().data
    assert again.model == recipe().model


def test_the_commands_of_a_run_are_recorded(run, recipe, tmp_path):
    first = "molgen train edm_embedded training.steps=13 --out 'my run'"
    with pytest.raises(KeyboardInterrupt):
        run(recipe(), command=first, report=stop_after(3))
    assert Checkpoint.load(tmp_path / "run").provenance["commands"] == [first]
    with pytest.raises(KeyboardInterrupt):
        run(recipe(), command="second", resume=True, report=stop_after(6))
    run(recipe(), resume=True)
    assert Checkpoint.load(tmp_path / "run").provenance["commands"] == [first, "second", ""]
    assert began_with(tmp_path / "run")["commands"] == [first, "second", ""]
    assert recorded_recipe(tmp_path / "run", [])[0] == recipe()


def test_a_run_of_a_version_that_recorded_no_commands_is_resumed(run, recipe, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(recipe(), report=stop_after(6))
    config = tmp_path / "run" / "config.yaml"
    values = {key: value for key, value in began_with(tmp_path / "run").items() if key != "commands"}
    OmegaConf.save(OmegaConf.create(values), config)
    run(recipe(), command="molgen train --resume", resume=True)
    assert Checkpoint.load(tmp_path / "run").provenance["commands"] == ["", "molgen train --resume"]


def test_a_refused_resumption_is_not_recorded(run, recipe, uninterrupted):
    with pytest.raises(InputError, match="seed"):
        run(recipe(), "uninterrupted", command="molgen train", resume=True, seed=1)
    assert began_with(uninterrupted)["commands"] == [""]


def test_published_weights_are_not_overwritten(run, recipe, tmp_path, uninterrupted):
    weights = (uninterrupted / "model.safetensors").read_bytes()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.safetensors").write_bytes(weights)
    with pytest.raises(OutputError, match="holds a run already"):
        run(recipe())
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == weights
