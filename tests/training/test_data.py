"""The form of the data that a model is trained on."""

import os
import signal

import pytest
import torch
from safetensors.torch import load

from molgen.config import load_recipe
from molgen.datasets.find import open_dataset
from molgen.datasets.genes import GeneSet
from molgen.datasets.packed import PackedDataset
from molgen.datasets.symmetric import SymmetricSet
from molgen.errors import InputError
from molgen.training.data import training_set
from molgen.training.run import train
from tests.training.conftest import pack

TINY = (
    *("data.name=embedded-crystals", "data.batch_size=6", "model.hidden=8", "model.layers=1", "model.heads=2"),
    *("training.steps=6", "training.validate_every=3", "training.validate_structures=8", "training.log_every=1"),
    *("training.muon_learning_rate=0", "training.warmup_steps=1"),
)


@pytest.mark.parametrize(
    ("recipe", "more", "kind"),
    [
        ("crystalflow_mp20_genes", (), SymmetricSet),
        ("crystalflow_mp20", (), PackedDataset),
        ("diffcsp_mp20_small", (), PackedDataset),
        ("wyformer_mp20", (), GeneSet),
    ],
)
def test_each_model_gets_what_it_sees(recipe, more, kind):
    packed = open_dataset("embedded-crystals")
    found = training_set(load_recipe(recipe, ["data.name=embedded-crystals", *more]), packed)
    assert type(found) is kind
    assert len(found.indices("train")) == len(packed.indices("train"))


def test_molecules_have_no_genes(tmp_path):
    with pytest.raises(InputError, match="holds molecules, which have no space group"):
        training_set(load_recipe("wyformer_mp20", []), PackedDataset.open(pack(tmp_path / "molecules")))


def test_crystals_that_keep_their_symmetry_train_and_resume_exactly(tmp_path):
    recipe = load_recipe("crystalflow_mp20_genes", list(TINY))
    whole = load(train(recipe, tmp_path / "whole").read_bytes())

    def stop(done, total):
        if done == 3 * 6:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "parts", report=stop)
    resumed = load(train(recipe, tmp_path / "parts", resume=True).read_bytes())
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
