"""A stand-in for a model of crystals: it draws everything once and keeps to what is given, as every model must."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from molgen.checkpoint import Checkpoint
from molgen.config import load_recipe
from molgen.models import MODELS, DataSummary
from molgen.models.crystal import Crystal, CrystalVocabulary
from molgen.models.known import Known

CRYSTALS = DataSummary(
    elements=(3, 8, 15, 25, 26),
    size_histogram=(0, 1, 4, 0, 6, 5, 6, 7, 5, 3, 2, 0, 1, 0, 2),
    element_counts=(10, 40, 10, 20, 20),
    lattice_mean=(0.0,) * 5 + (0.8,),
    lattice_std=(0.1,) * 6,
)


@dataclass
class StandInConfig:
    """Cells are boxes of ``volume`` cubic angstrom per atom; those of ``flat`` atoms have no volume."""

    name: str = "stand_in"
    volume: float = 12.0
    flat: int = 0
    sample_steps: int = 2
    sample_spacing: float = 1.0


class StandIn(nn.Module):
    solvers: ClassVar = {"none": lambda model, state, times, mask, noise, on_step: state}
    default_solver, default_steps, default_spacing = "none", 2, 1.0
    states_bonds = False
    accepts = frozenset({"formula", "chemical system"})

    def __init__(self, config, data):
        super().__init__()
        self.config, self.data, self.vocabulary = config, data, CrystalVocabulary(data)
        self.weight = nn.Parameter(torch.ones(1))

    def start(self, mask, noise, given=None):
        n = mask.shape[1]
        draw = noise.normal(n, len(self.data.elements))
        known = Known.nothing(mask) if given is None else given[1]
        sides = noise.normal(n, 3)[:, 0].mul(0.1).exp() * (mask.sum(1, keepdim=True) * self.config.volume).pow(1 / 3)
        sides[:, 2] *= mask.sum(1) != self.config.flat
        crystal = Crystal(
            mask=mask,
            fractional=torch.stack([noise.uniform_atoms(n) for _ in range(3)], -1) * mask.unsqueeze(-1),
            lattice=torch.diag_embed(sides)[:, [1, 0, 2]],  # left-handed
            elements=known.restrict(draw).argmax(-1) * mask,
        )
        return crystal if given is None else crystal.keep(known, given[0])

    def finish(self, state, mask, noise):
        return self.vocabulary.decode(state)

    snapshot = finish


def stand_in_checkpoint(monkeypatch, folder, **settings):
    """A checkpoint folder of the stand-in, which is registered for the length of a test."""
    monkeypatch.setitem(MODELS, "stand_in", (StandInConfig, StandIn))
    recipe = load_recipe("edm_embedded").to_dict()
    recipe["model"] = {"name": "stand_in", **settings}
    facts = {"dataset": "mp20", "dataset_fingerprint": "0" * 64, "seed": 0, "steps": 0}
    weights = dict(StandIn(StandInConfig(), CRYSTALS).state_dict())
    return Checkpoint(recipe, CRYSTALS, facts, weights).save(folder / "stand_in").parent
