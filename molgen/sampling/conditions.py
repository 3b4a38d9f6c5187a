"""What every molecule of a run is given, and which models can be given what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from molgen.errors import ConfigError
from molgen.models import MODELS
from molgen.models.data_summary import DataSummary
from molgen.models.graph import Graph, GraphVocabulary
from molgen.models.known import Known
from molgen.sampling.formula import Formula
from molgen.sampling.fragment import Fragment
from molgen.structure import Structure


class Condition(Protocol):
    """A :class:`Formula` or a :class:`Fragment`; the same for all molecules of a run, so that chunks need nothing more.

    Attributes:
        kind: What a model's ``accepts`` calls it.
    """

    @property
    def kind(self) -> str: ...
    @property
    def settings(self) -> dict[str, Any]: ...
    def histogram(self, data: DataSummary) -> Sequence[int]: ...
    def notes(self, data: DataSummary) -> list[str]: ...
    def given(self, vocabulary: GraphVocabulary, mask: Tensor, dtype: torch.dtype) -> tuple[Graph, Known]: ...
    def restored(self, structure: Structure) -> Structure: ...
    def kept(self, structure: Structure) -> bool: ...


def accepts(model: Any) -> frozenset[str]:
    """What a model, or its class, can be given: ``formula``, ``fragment``, or nothing."""
    return getattr(model, "accepts", frozenset())


def refusal(model: Any, kind: str) -> str:
    """Why ``model`` cannot be given a ``kind``, naming the models that can; empty if it can."""
    if kind in accepts(model):
        return ""
    able = [name for name, (_, model_class) in MODELS.items() if kind in accepts(model_class)]
    return f"{model.config.name} cannot be given a {kind}; models that can: {', '.join(able)}"


def make_condition(
    model: Any,
    *,
    formula: str | None = None,
    fragment: Structure | None = None,
    atoms: tuple[int, int] | None = None,
) -> Condition | None:
    """What is given, checked against the model; None where nothing is.

    Args:
        model: A registered model.
        formula: Such as ``C7H10O2``.
        fragment: Atoms with bonds.
        atoms: Smallest and largest number of atoms in all, if that was restricted.

    Raises:
        ConfigError: The model cannot do it, two things exclude each other, or something is outside the training set.
    """
    if formula is not None and (fragment is not None or atoms is not None):
        other = "a fragment" if fragment is not None else "a number of atoms"
        raise ConfigError(f"a formula and {other} exclude each other", hint="the formula states all atoms")
    for kind, value in (("formula", formula), ("fragment", fragment)):
        if value is not None and (reason := refusal(model, kind)):
            raise ConfigError(reason)
    if formula is not None:
        return Formula.parse(formula, model.data)
    return None if fragment is None else Fragment.of(fragment, model.data, atoms)
