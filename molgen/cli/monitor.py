"""Scores of a few structures sampled during training: where sampling and scoring meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molgen.sampling.sizes import Plan
    from molgen.structure import Structure

SampleScores = Callable[[Any, int], dict[str, float]]
Wanted = dict[str, tuple[str, tuple[str, ...]]]
"""For each protocol the prefix of its metrics, and which of them."""


def make_sample_scores(structures: int, steps: int, seed: int = 0, targets: str = "") -> SampleScores:
    """A function for ``training.run.train(sample_scores=...)``.

    Args:
        structures: How many to sample at each call, with the same sizes and noise every time.
        steps: Sampler steps of each.
        seed: Of sizes and noise.
        targets: A data set and its split (``"mp20:valid"``), of whose crystals some are to be predicted; needed for
            models of crystals that can be given a formula.

    Returns:
        Takes (model, training step) and returns scores; structures that are not finite count as failures. Of molecules:
        ``sample_atom_stability``, ``sample_molecule_stability`` and ``sample_validity`` by EDM's protocol, and where
        the model states bonds, the same as ``sample_explicit_...``. Of crystals: ``sample_strict_validity``, and where
        the model predicts structures, ``sample_match_rate_of_attempted`` and ``sample_rmse``.
    """
    molecules = ("atom_stability", "molecule_stability", "validity")

    def sample_scores(model: Any, step: int) -> dict[str, float]:
        from molgen.sampling.sizes import make_plan

        if not model.data.is_periodic:
            plan = make_plan(model.data.size_histogram, structures, seed)
            of_molecules: Wanted = {"edm": ("sample_", molecules)}
            if model.states_bonds:
                of_molecules["explicit"] = ("sample_explicit_", molecules)
            return _scores(_made(model, plan, steps), of_molecules)
        wanted: Wanted = {"strict": ("sample_strict_", ("validity",))}
        if "formula" not in model.accepts:
            plan = make_plan(model.data.size_histogram, structures, seed)
            return _scores(_made(model, plan, steps), wanted)
        wanted["match"] = ("sample_", ("match_rate_of_attempted", "rmse"))
        return _scores(_made(model, _targets_plan(model, structures, seed, targets), steps), wanted, targets)

    return sample_scores


def _made(model: Any, plan: Plan, steps: int) -> list[Structure]:
    from molgen.sampling.generator import checked
    from molgen.sampling.runner import run
    from molgen.sampling.settings import Settings

    made = run(model, plan, Settings.of(model, steps=steps))
    return [structure for chunk, parts in made for structure, _ in checked(parts, plan, chunk)]


def _targets_plan(model: Any, structures: int, seed: int, targets: str) -> Plan:
    """A prediction for each of some crystals, the same ones for the same seed."""
    import numpy as np

    from molgen.datasets.find import open_dataset, split_spec
    from molgen.sampling.targets import read_targets

    name, split = split_spec(targets)
    dataset = open_dataset(name)
    chosen = np.random.default_rng(seed).permutation(dataset.indices(split or "valid"))[:structures]
    condition = read_targets([dataset.structure(int(index)) for index in np.sort(chosen)], model.data, 1, targets)
    return condition.plan(model.data, len(condition.numbers), seed)


def _scores(made: list[Structure], wanted: Wanted, targets: str = "") -> dict[str, float]:
    """Metrics by prefix and name; NaN where there is none.

    Args:
        made: What was sampled.
        wanted: Protocols and metrics.
        targets: Of the protocol ``match``.
    """
    from molgen.scoring import score

    results = score(made, protocols=list(wanted), targets=targets or None).summary["protocols"]
    values: dict[str, float] = {}
    for protocol, (prefix, names) in wanted.items():
        for name in names:
            metric = results[protocol]["metrics"][name]
            value = metric.get("value", metric.get("mean"))  # of a rate, or of a quantity
            values[prefix + name] = float("nan") if value is None else value
    return values
