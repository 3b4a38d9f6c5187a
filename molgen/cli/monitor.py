"""Scores of a few molecules sampled during training: where sampling and scoring meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def make_sample_scores(structures: int, steps: int, seed: int = 0) -> Callable[[Any, int], dict[str, float]]:
    """A function for ``training.run.train(sample_scores=...)``.

    Args:
        structures: Molecules to sample at each call, with the same sizes and noise every time.
        steps: Sampler steps of each.
        seed: Of sizes and noise.

    Returns:
        Takes (model, training step) and returns ``sample_atom_stability``, ``sample_molecule_stability`` and
        ``sample_validity`` by EDM's protocol, and where the model states bonds, the same as ``sample_explicit_...``;
        molecules that are not finite count as failures.
    """
    from molgen.sampling.generator import structures_of
    from molgen.sampling.runner import run
    from molgen.sampling.settings import Settings
    from molgen.sampling.sizes import make_plan
    from molgen.scoring import score

    def sample_scores(model: Any, step: int) -> dict[str, float]:
        plan = make_plan(model.data.size_histogram, structures, seed)
        settings = Settings.of(model, steps=steps)
        made = [structure for _, parts in run(model, plan, settings) for structure in structures_of(parts)]
        protocols = {"edm": "sample_"} | ({"explicit": "sample_explicit_"} if model.states_bonds else {})
        results = score(made, protocols=list(protocols)).summary["protocols"]
        values = {
            prefix + name: results[protocol]["metrics"][name]["value"]
            for protocol, prefix in protocols.items()
            for name in ("atom_stability", "molecule_stability", "validity")
        }
        return {name: float("nan") if value is None else value for name, value in values.items()}

    return sample_scores
