"""Formulas as rows state them."""

from __future__ import annotations

import re
from collections import Counter

_TERM = re.compile(r"([A-Z][a-z]?)(\d*)")
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def atoms_of(formula: str) -> Counter[str]:
    """``"Li2O" -> {"Li": 2, "O": 1}``; what is no symbol with its count is left out."""
    return Counter({symbol: int(count or 1) for symbol, count in _TERM.findall(formula)})


def subscripted(formula: str) -> str:
    """``"Li2O" -> "Li₂O"``, for charts, where there is no markup for it."""
    return formula.translate(_SUBSCRIPTS)
