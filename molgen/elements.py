"""The periodic table: symbols, radii, valences, Mendeleev numbers, from ``elements.csv``, which names the sources."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from importlib.resources import files


def _rows() -> list[dict[str, str]]:
    text = files("molgen").joinpath("elements.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


_TABLE = _rows()

SYMBOLS: tuple[str, ...] = ("", *(row["symbol"] for row in _TABLE))
"""Symbol of each atomic number; ``SYMBOLS[6] == "C"``, index 0 is empty."""

NUMBERS: dict[str, int] = {row["symbol"]: int(row["number"]) for row in _TABLE}
"""Atomic number of each symbol; ``NUMBERS["C"] == 6``."""

COVALENT_RADII: dict[int, float] = {
    int(r["number"]): float(r["covalent_radius"]) for r in _TABLE if r["covalent_radius"]
}
"""Single-bond covalent radius in angstrom by atomic number, hydrogen to curium."""

UNKNOWN_RADIUS = 1.69
"""Covalent radius in angstrom of the elements beyond curium, taken to be curium's."""

VALENCES: dict[int, tuple[int, ...]] = {
    int(row["number"]): tuple(int(v) for v in row["valences"].split(";")) for row in _TABLE if row["valences"]
}
"""Allowed bond-order sums of the neutral atom by atomic number, ascending; absent where any sum is allowed."""

MENDELEEV_NUMBERS: dict[int, int] = {int(row["number"]): int(row["mendeleev"]) for row in _TABLE if row["mendeleev"]}
"""Place on Pettifor's chemical scale by atomic number, hydrogen to lawrencium: neighbours replace each other."""


def atomic_number(symbol: str) -> int:
    """``"C" -> 6``; spelling counts, "CL" is not chlorine.

    Raises:
        ValueError: No element has this symbol; the message is a full sentence with the nearest symbol.
    """
    number = NUMBERS.get(symbol)
    if number is None:
        near = symbol.capitalize()
        matches = [near] if near in NUMBERS else get_close_matches(near, NUMBERS, n=1, cutoff=0.5)
        raise ValueError(f"{symbol!r} is not an element" + (f" (did you mean {matches[0]}?)" if matches else ""))
    return number


def symbol(number: int) -> str:
    """``6 -> "C"``.

    Raises:
        ValueError: The number is outside 1 to 118.
    """
    if not 1 <= number <= len(_TABLE):
        raise ValueError(f"{number} is not an atomic number (1 to {len(_TABLE)})")
    return SYMBOLS[number]


def hill_formula(numbers: Iterable[int]) -> str:
    """``[8, 1, 1] -> "H2O"``: carbon, hydrogen, then the alphabet; without carbon the alphabet alone (Hill 1900).

    Args:
        numbers: Atomic numbers; one outside 1 to 118 is written as ``X``.
    """
    counts = Counter(SYMBOLS[z] if 1 <= z <= len(_TABLE) else "X" for z in numbers)
    first = [symbol for symbol in ("C", "H") if "C" in counts and symbol in counts]
    order = first + sorted(set(counts) - set(first))
    return "".join(f"{symbol}{counts[symbol] if counts[symbol] > 1 else ''}" for symbol in order)
