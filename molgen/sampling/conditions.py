"""What the structures of a run are given, and which models can be given what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molgen.errors import ConfigError
from molgen.models import MODELS
from molgen.models.data_summary import DataSummary
from molgen.models.known import Known
from molgen.sampling.chemical_system import ChemicalSystem
from molgen.sampling.compositions import Compositions
from molgen.sampling.formula import read_formula
from molgen.sampling.fragment import Fragment
from molgen.sampling.genes import Realised, read_realised
from molgen.sampling.prototypes import Prototypes
from molgen.sampling.sizes import Plan, make_plan
from molgen.sampling.targets import read_targets
from molgen.sampling.templated import Templated
from molgen.structure import Structure
from molgen.symmetry.gene import Gene

KINDS: Final = {
    "formula": "formula",
    "targets": "formula",
    "chemical system": "chemical system",
    "fragment": "fragment",
    "genes": "genes",
}
"""What can be asked for, and what a model's ``accepts`` calls it."""


class Condition(Protocol):
    """:class:`Compositions`, perhaps :class:`Templated`, a :class:`ChemicalSystem`, a :class:`Fragment`, or genes
    (:class:`Realised`).

    Attributes:
        kind: What a model's ``accepts`` calls it.
        by_chance: Whether a structure may come out otherwise, and another is then made for it. Otherwise the model
            keeps to what is given, and a structure that does not shows a defect of the program.
    """

    @property
    def kind(self) -> str: ...
    @property
    def by_chance(self) -> bool: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...
    def notes(self, data: DataSummary) -> list[str]: ...
    def plan(self, data: DataSummary, n: int, seed: int, atoms: tuple[int, int] | None) -> Plan: ...
    def given(
        self, vocabulary: Any, mask: Tensor, dtype: torch.dtype, items: NDArray[np.int64] | None = None
    ) -> tuple[Any, Known]: ...
    def restored(self, structure: Structure, item: int = 0) -> Structure: ...
    def problem(self, structure: Structure, item: int = 0) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks for; at most one of formula, chemical system, targets, fragment and genes.

    Attributes:
        formula: Such as ``C7H10O2``, or ``LiFePO4`` for crystals.
        formula_units: Smallest and largest number of formula units in a cell.
        chemical_system: Such as ``Li-Mn-O``.
        targets: Structures whose compositions are to be predicted.
        per_target: Structures for each target or gene.
        targets_source: What the targets were read from.
        fragment: Atoms with bonds.
        atoms: Smallest and largest number of atoms in all.
        templates: Known crystals that those of a formula or of targets may begin as.
        templates_source: What they were read from.
        genes: Space groups and orbits that structures are to have.
        genes_source: What they were read from.
    """

    formula: str | None = None
    formula_units: tuple[int, int] | None = None
    chemical_system: str | None = None
    targets: Sequence[Structure] | None = None
    per_target: int = 1
    targets_source: str = ""
    fragment: Structure | None = None
    atoms: tuple[int, int] | None = None
    templates: Sequence[Structure] | None = None
    templates_source: str = ""
    genes: Sequence[Gene] | None = None
    genes_source: str = ""

    @property
    def asked(self) -> list[str]:
        """Names of what is given, as in ``KINDS``."""
        return [name for name in KINDS if getattr(self, name.replace(" ", "_")) is not None]


def accepts(model: Any) -> frozenset[str]:
    """What a model, or its class, can be given: values of ``KINDS``, and ``templates``."""
    return getattr(model, "accepts", frozenset())


def refusal(
    model: Any, asked: Sequence[str], *, atoms: bool = False, units: bool = False, templates: bool = False
) -> str:
    """Why something makes no sense or ``model`` cannot be given it, naming the models that can; empty if it can.

    Args:
        model: A registered model.
        asked: Names among ``KINDS``.
        atoms: Whether a number of atoms is asked for, too.
        units: Whether a number of formula units is.
        templates: Whether templates are.
    """
    if len(asked) > 1:
        return f"{' and '.join(asked)} exclude each other"
    for name in asked:
        kind = KINDS[name]
        if kind not in accepts(model):
            return _cannot(model, kind, kind if kind == "genes" else f"a {kind}")
        if atoms and kind in ("formula", "genes"):
            return f"a number of atoms has no place beside {name}, which states all atoms"
    if units and "formula" not in asked:
        return "a number of formula units needs a formula"
    if templates and not {"formula", "targets"} & set(asked):
        return "templates need a formula or targets"
    if templates and "templates" not in accepts(model):
        return _cannot(model, "templates", "templates")
    return ""


def _cannot(model: Any, kind: str, what: str) -> str:
    able = [other for other, (_, model_class) in MODELS.items() if kind in accepts(model_class)]
    cannot = f"{model.config.name} cannot be given {what}"
    if model.config.name in able:
        return f"this {cannot}: it was not trained for it; {model.config.name} can be, by its recipe"
    return f"{cannot}; models that can: {', '.join(able) or 'none'}"


def make_condition(model: Any, request: Request) -> Condition | None:
    """What is given, checked against the model; None where nothing is.

    Raises:
        ConfigError: The model cannot do it, two things exclude each other, or something is outside the training set.
    """
    with_units = request.formula_units is not None
    with_templates = request.templates is not None
    if reason := refusal(
        model, request.asked, atoms=request.atoms is not None, units=with_units, templates=with_templates
    ):
        raise ConfigError(reason)
    if request.formula is not None:
        return _begun(read_formula(request.formula, model.data, request.formula_units), request)
    if request.chemical_system is not None:
        return ChemicalSystem.parse(request.chemical_system, model.data)
    if request.targets is not None:
        return _begun(read_targets(request.targets, model.data, request.per_target, request.targets_source), request)
    if request.genes is not None:
        return read_realised(request.genes, model.data, request.per_target, request.genes_source)
    return None if request.fragment is None else Fragment.of(request.fragment, model.data, request.atoms)


def _begun(compositions: Compositions, request: Request) -> Compositions | Templated:
    if request.templates is None:
        return compositions
    return Templated(compositions, Prototypes(request.templates), request.templates_source)


def number_of(request: Request, condition: Condition | None, n: int) -> int:
    """Structures to make: ``n``, or those of every target or gene that the model can do."""
    if request.targets is None and request.genes is None:
        return n
    assert isinstance(condition, Compositions | Templated | Realised)
    return len(condition.numbers)


def plan_for(
    data: DataSummary, n: int, seed: int = 0, atoms: tuple[int, int] | None = None, condition: Condition | None = None
) -> Plan:
    """Atom counts for ``n`` structures, and what they are given.

    Raises:
        ConfigError: No training structure has such a number of atoms.
    """
    return make_plan(data.size_histogram, n, seed, atoms) if condition is None else condition.plan(data, n, seed, atoms)
