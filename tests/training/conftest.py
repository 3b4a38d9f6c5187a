"""A tiny data set and a tiny recipe: a training run of a second."""

from pathlib import Path

import numpy as np
import pytest

from molgen.config import load_recipe
from molgen.datasets.packed import PackWriter
from molgen.structure import Structure
from molgen.training.run import train

STEPS = 13
PER_EPOCH = 5
OVERRIDES = (
    *("model.hidden=8", "model.layers=1", "data.batch_size=8"),
    *(f"training.steps={STEPS}", "training.learning_rate=0.01", "training.warmup_steps=3", "training.decay=cosine"),
    *("training.ema_decay=0.8", "training.clip=adaptive", "training.log_every=1", "training.validate_every=4"),
    *("training.validate_structures=9", "training.sample_structures=0"),
)


def pack(folder: Path, seed: int = 0) -> Path:
    """40 + 12 + 8 structures of 2 to 6 atoms with random coordinates."""
    rng = np.random.default_rng(seed)
    with PackWriter(folder, name="tiny") as writer:
        for _ in range(60):
            n = int(rng.integers(2, 7))
            writer.add(Structure(numbers=rng.choice([1, 6, 8], n), positions=rng.normal(size=(n, 3)) * 1.5))
        writer.finish(np.repeat([0, 1, 2], [40, 12, 8]), {})
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Folder of the packed data set."""
    return pack(tmp_path_factory.mktemp("data") / "tiny")


@pytest.fixture
def recipe(tiny):
    """The recipe with more overrides."""

    def make(*more):
        return load_recipe("edm_embedded", [f"data.name={tiny}", *OVERRIDES, *more])

    return make


@pytest.fixture
def run(tmp_path):
    """Trains in ``tmp_path/name`` on the CPU and returns that folder."""

    def start(recipe, name="run", **options):
        train(recipe, tmp_path / name, trainer_options={"accelerator": "cpu"}, **options)
        return tmp_path / name

    return start
