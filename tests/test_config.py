import pytest

from molgen.config import Recipe, load_recipe, packaged_recipes, recipe_from_dict
from molgen.datasets.find import COMMANDS
from molgen.errors import ConfigError, InputError, MolgenError
from molgen.models.edm import EDMConfig


def fails(*overrides, recipe="edm_embedded"):
    with pytest.raises(ConfigError) as caught:
        load_recipe(recipe, overrides)
    assert caught.value.exit_code == 3
    return str(caught.value), caught.value.hint


def test_overrides_keep_their_types():
    recipe = load_recipe("edm_qm9", ["training.learning_rate=2e-4", "model.atomic_number=false", "data.batch_size=8"])
    assert recipe.training.learning_rate == 2e-4
    assert recipe.model.atomic_number is False
    assert recipe.data.batch_size == 8
    assert (recipe.model.hidden, recipe.model.layers) == (256, 9)


def test_defaults_are_those_of_the_published_model():
    settings = EDMConfig()
    assert (settings.hidden, settings.layers, settings.num_steps, settings.precision) == (256, 9, 1000, 1e-5)
    assert (settings.position_scale, settings.element_scale, settings.number_scale) == (1.0, 4.0, 10.0)
    recipe = load_recipe("edm_qm9")
    assert (recipe.data.batch_size, recipe.training.learning_rate, recipe.training.ema_decay) == (64, 1e-4, 0.9999)
    assert recipe.training.steps == 3000 * 100_000 // 64


@pytest.mark.parametrize("name", packaged_recipes())
def test_every_packaged_recipe_is_valid_and_described(name):
    recipe = load_recipe(name)
    assert len(packaged_recipes()[name]) > 20
    again = recipe_from_dict(recipe.to_dict(), "again")
    assert again == recipe
    assert isinstance(again, Recipe)


@pytest.mark.parametrize("name", packaged_recipes())
def test_what_a_recipe_trains_on_can_be_prepared_under_that_name(name):
    assert load_recipe(name).data.name in {*COMMANDS, "embedded"}


def test_unknown_keys_suggest_the_near_miss():
    message, hint = fails("training.learnin_rate=1")
    assert "unknown key training.learnin_rate" in message
    assert hint == "did you mean learning_rate?"
    assert fails("model.hiden=3")[1] == "did you mean hidden?"
    assert fails("trainig.steps=3")[1] == "did you mean training?"
    assert fails("data.zzz=3")[1] == "known keys: batch_size, name"


def test_wrong_values():
    assert "training.steps" in fails("training.steps=many")[0]
    assert "training.steps is 0; it must be at least 1" in fails("training.steps=0")[0]
    assert "data.batch_size is -3" in fails("data.batch_size=-3")[0]
    assert fails("training.decay=linear")[1] == "one of none, cosine, tail"
    assert fails("training.clip=sometimes")[1] == "adaptive, or a positive number"
    for nonsense in ("model.hidden=0", "model.num_steps=0", "training.learning_rate=nan", "training.weight_decay=-1"):
        assert nonsense.split("=")[0] in fails(nonsense)[0]
    for nonsense in ("training.clip=-1", "training.clip=nan", "training.ema_decay=2", "training.sample_steps=0"):
        assert nonsense.split("=")[0] in fails(nonsense)[0]
    assert "Muon" in fails("model.hidden=8", "training.muon_learning_rate=0.01")[0]
    for nonsense in ("model.formulas=-0.1", "model.fragments=nan", "model.self_conditioning=2"):
        assert nonsense.split("=")[0] in fails(nonsense, recipe="bondflow_qm9")[0]
    assert "model.name is 'edmm'" in fails("model.name=edmm")[0]
    assert fails("model.name=edmm")[1] == "did you mean edm?"
    assert "data is 7; it must be a section" in fails("data=7")[0]


@pytest.mark.parametrize("text", ["training.steps", "=3", ""])
def test_not_an_override(text):
    assert fails(text)[1] == "write key.subkey=value"


def test_unknown_recipe_suggests_the_near_miss():
    message, hint = fails(recipe="edm_qm99")
    assert message == "no recipe 'edm_qm99'"
    assert hint.startswith("did you mean edm_qm9")


def test_recipe_files(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("model: {name: edm, hidden: 8}\ndata: {name: embedded}\n")
    recipe = load_recipe(str(path), ["model.layers=2"])
    assert (recipe.model.hidden, recipe.model.layers, recipe.data.name) == (8, 2, "embedded")
    assert "does not exist" in fails(recipe=str(tmp_path / "absent.yaml"))[0]


@pytest.mark.parametrize(
    "text", ["", "- 1\n- 2\n", "model: [", "model: 3\n", "just words", "training: {steps: 1}\n", "model: {name: }\n"]
)
def test_files_that_are_no_recipe(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_recipe(str(path))
    assert "bad.yaml" in str(caught.value)
    assert isinstance(caught.value, MolgenError)


def test_binary_file_is_no_recipe(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_bytes(b"\xff\xfe\x00\x80model")
    with pytest.raises(InputError, match=r"bad\.yaml"):
        load_recipe(str(path))
