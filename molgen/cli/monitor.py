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
        ``sample_validity`` by EDM's protocol; molecules that are not finite count as failures.
    """
    from molgen.sampling.generator import structures_of
    from molgen.sampling.runner import Settings, run
    from molgen.sampling.sizes import make_plan
    from molgen.scoring import score

    settings = Settings(steps=steps)

    def sample_scores(model: Any, step: int) -> dict[str, float]:
        plan = make_plan(model.data.size_histogram, structures, seed)
        made = [structure for _, parts in run(model, plan, settings) for structure in structures_of(parts)]
        rates = score(made).summary["protocols"]["edm"]["metrics"]
        values = {name: rates[name]["value"] for name in ("atom_stability", "molecule_stability", "validity")}
        return {f"sample_{name}": float("nan") if value is None else value for name, value in values.items()}

    return sample_scores
