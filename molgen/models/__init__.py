"""The registry: every model by name, with the dataclass of its settings."""

from __future__ import annotations

from typing import Any, Final

from molgen.errors import ConfigError
from molgen.models.bondflow import BondFlow, BondFlowConfig
from molgen.models.crystalflow import CrystalFlow, CrystalFlowConfig
from molgen.models.data_summary import DataSummary
from molgen.models.diffcsp import DiffCSP, DiffCSPConfig
from molgen.models.edm import EDM, EDMConfig
from molgen.models.eqgat import EQGATConfig, EQGATDiffusion
from molgen.models.wyformer import Wyformer, WyformerConfig

__all__ = ["MODELS", "DataSummary", "build"]

MODELS: Final[dict[str, tuple[type[Any], type[Any]]]] = {
    "edm": (EDMConfig, EDM),
    "bondflow": (BondFlowConfig, BondFlow),
    "eqgat": (EQGATConfig, EQGATDiffusion),
    "diffcsp": (DiffCSPConfig, DiffCSP),
    "crystalflow": (CrystalFlowConfig, CrystalFlow),
    "wyformer": (WyformerConfig, Wyformer),
}
"""Name -> (settings dataclass, model class). A model offers what ``EDM`` offers."""


def build(settings: Any, data: DataSummary) -> Any:
    """Make the model that ``settings`` (an instance of a registered dataclass) describes, untrained.

    Raises:
        ConfigError: No such model, or a setting is wrong.
    """
    if settings.name not in MODELS:
        raise ConfigError(f"unknown model {settings.name!r}", hint=f"one of {', '.join(MODELS)}")
    return MODELS[settings.name][1](settings, data)
