"""The compositions of a data set or a file, whose structures are to be predicted."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

from molgen.datasets.labels import distinct_labels
from molgen.errors import ConfigError
from molgen.models.data_summary import DataSummary
from molgen.sampling.compositions import Compositions, in_hill_order
from molgen.sampling.formula import size_range
from molgen.structure import Structure

TARGET = "target"
"""Property of a predicted structure: the label (:func:`molgen.datasets.labels.distinct_labels`) of the structure whose
composition it has; scoring finds targets by it."""


def read_targets(structures: Iterable[Structure], data: DataSummary, samples: int, source: str = "") -> Compositions:
    """One composition for each sample of each target.

    Args:
        structures: The targets; of them only composition and name are used.
        data: Of the model.
        samples: Structures to predict for each.
        source: What the targets were read from, for the sidecar.

    Returns:
        The composition of target 0 ``samples`` times, then of target 1, and so on. Labels are ``target`` and
        ``sample``, from 0. Targets that the model cannot do are left out, with a remark.

    Raises:
        ConfigError: There is no target that it can do.
    """
    targets = [target for target in structures if target.lattice is not None or not data.is_periodic]
    low, high = size_range(data)
    numbers, labels, left_out = [], [], Counter[str]()
    for name, target in zip(distinct_labels([target.name for target in targets]), targets, strict=True):
        composition = in_hill_order(target.numbers.tolist())
        if not set(composition) <= set(data.elements):
            left_out["have elements that the model does not know"] += 1
        elif not low <= len(composition) <= high:
            left_out[f"have more or fewer atoms than it was trained on ({low} to {high})"] += 1
        else:
            numbers += [composition] * samples
            labels += [{TARGET: name, "sample": k} for k in range(samples)]
    reasons = [f"{count:,} {why}" for why, count in left_out.items()]
    if not numbers:
        why = "; ".join(reasons) or "there are none"
        raise ConfigError(f"none of {len(targets):,} targets can be predicted: {why}")
    digest = hashlib.sha256(repr([(label[TARGET], n) for label, n in zip(labels, numbers, strict=True)]).encode())
    settings = {"targets": source, "per_target": samples, "targets_sha256": digest.hexdigest()}
    count = f"{left_out.total():,} of {len(targets):,} targets are left out, which scoring counts as missed"
    remarks = (f"{count}: {'; '.join(reasons)}",) if reasons else ()
    return Compositions(tuple(numbers), settings, tuple(labels), remarks)
