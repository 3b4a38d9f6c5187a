"""A chemical formula, and how many of its units a cell holds, as compositions that are given."""

from __future__ import annotations

import re
from collections import Counter
from math import gcd

from molgen.elements import SYMBOLS, atomic_number, hill_formula
from molgen.errors import ConfigError
from molgen.models.data_summary import DataSummary
from molgen.sampling.compositions import Compositions, in_hill_order
from molgen.sampling.saturation import too_saturated
from molgen.sampling.sizes import parse_range

_TOKEN = re.compile(r"([A-Za-z][a-z]?)(\d*)|(\()|\)(\d*)")
_MOST_ATOMS = 1_000_000


def read_formula(text: str, data: DataSummary, units: tuple[int, int] | None = None) -> Compositions:
    """``"C7H10O2"``, hydrogens included, or ``"Ca3(PO4)2"``.

    Args:
        text: Symbols with their numbers; parentheses may hold groups.
        data: Of the model.
        units: Smallest and largest number of formula units in a cell, for crystals; one unit as written if None.

    Raises:
        ConfigError: It is no formula, or has elements or only sizes that the model's training set does not have, or
            no molecule in one piece has it, or formula units are asked of a model of molecules.
    """
    counts = parse_formula(text, periodic=data.is_periodic)
    if unknown := [SYMBOLS[z] for z in counts if z not in data.elements]:
        raise ConfigError(f"{text}: the model does not know {', '.join(unknown)}", hint=knows(data))
    total = sum(counts.values())
    low, high = size_range(data)
    if data.is_periodic:
        return _cells(text, counts, data, units or (1, 1))
    if units is not None:
        raise ConfigError("molecules have no formula units", hint="write the whole molecule's formula")
    if not low <= total <= high:
        hint = "hydrogens count; give them all, as in C2H6O" if total < low else ""
        has = f"the molecules that the model was trained on have {low} to {high}"
        raise ConfigError(f"{text} has {total} atoms; {has}", hint=hint)
    numbers = in_hill_order(Counter(counts).elements())
    if reason := too_saturated(numbers, data.charges):
        raise ConfigError(reason, hint="give it fewer hydrogens")
    remarks = []
    if sum(numbers) % 2:
        name = hill_formula(numbers)
        remarks.append(f"{name} has an odd number of electrons: its neutral molecules are radicals")
    if 1 in data.elements and 1 not in counts:
        remarks.append("the formula has no hydrogen; hydrogens must be stated, none is added")
    return Compositions((numbers,), {"formula": hill_formula(numbers)}, remarks=tuple(remarks))


def _cells(text: str, counts: dict[int, int], data: DataSummary, units: tuple[int, int]) -> Compositions:
    """One composition for each number of formula units that fits the cells of the training set."""
    low, high = size_range(data)
    total = sum(counts.values())
    fitting = [z for z in range(units[0], units[1] + 1) if low <= z * total <= high]
    if not fitting:
        sizes = " to ".join(str(n) for n in sorted({units[0] * total, units[1] * total}))
        span = f"{units[0]}" if units[0] == units[1] else f"{units[0]} to {units[1]}"
        asked = f"{span} formula unit{'' if units == (1, 1) else 's'}"
        raise ConfigError(
            f"{text} has {sizes} atoms in {asked}; the cells that the model was trained on have {low} to {high}",
            hint=_cure(counts, low, high),
        )
    left_out = [z for z in (units[0], units[1]) if z not in fitting]
    remarks = []
    if left_out:
        span = f"{fitting[0]} to {fitting[-1]}" if len(fitting) > 1 else f"{fitting[0]}"
        has = f"cells that the model was trained on have {low} to {high} atoms"
        remarks.append(f"only {span} of {units[0]} to {units[1]} formula units are made: {has}, a unit has {total}")
    numbers = [in_hill_order(Counter({e: z * count for e, count in counts.items()}).elements()) for z in fitting]
    unit = hill_formula(Counter(counts).elements())
    return Compositions(
        tuple(numbers),
        {"formula": unit, "formula_units": fitting},
        tuple({"formula_units": z} for z in fitting),
        tuple(remarks),
    )


def _cure(counts: dict[int, int], low: int, high: int) -> str:
    """What would fit, in words."""
    divisor = gcd(*counts.values())
    smallest = sum(counts.values()) // divisor
    first, last = -(-low // smallest), high // smallest
    if first > last:
        return f"no cell of it fits; the smallest has {smallest} atoms"
    reduced = hill_formula(Counter({z: count // divisor for z, count in counts.items()}).elements())
    return f"--formula {reduced} --num-formula-units {first}..{last} fits"


def parse_units(text: str) -> tuple[int, int]:
    """``"2"`` -> (2, 2) and ``"1..4"`` -> (1, 4); raises ConfigError for anything else."""
    return parse_range(text, "a number of formula units", "2, or a range such as 1..4")


def parse_formula(text: str, *, periodic: bool = False) -> dict[int, int]:
    """Atoms of each atomic number, in the order of the text.

    Args:
        text: A formula; parentheses may be nested.
        periodic: Whether it is a crystal's, for the words of the cure.

    Raises:
        ConfigError: It is no formula.
    """
    example = "LiFePO4 or Ca3(PO4)2: symbols with whole numbers" if periodic else "C7H10O2: symbols with their numbers"
    hint = f"write {example}" + ("" if periodic else ", hydrogens too")
    if re.search(r"\d*\.\d", text):
        hint = "fractions have no place; multiply them up, Li0.5CoO2 to LiCo2O4"
        raise ConfigError(f"{text!r} is not a chemical formula", hint=hint)
    groups: list[dict[int, int]] = [{}]
    at = 0
    for match in _TOKEN.finditer(text):
        if match.start() != at or (match[0].startswith(")") and len(groups) == 1):
            break
        at = match.end()
        if match[3]:
            groups.append({})
            continue
        times = match[2] if match[1] else match[4]
        if times and not 1 <= int(times[:10]) < _MOST_ATOMS:
            raise ConfigError(f"{text}: {match[0]} is not a number of atoms", hint=hint)
        part = {_element(match[1], text, hint): 1} if match[1] else groups.pop()
        for number, count in part.items():
            groups[-1][number] = groups[-1].get(number, 0) + count * int(times or 1)
    if at != len(text) or len(groups) > 1 or not groups[0]:
        raise ConfigError(f"{text!r} is not a chemical formula", hint=hint)
    return groups[0]


def _element(symbol: str, text: str, hint: str) -> int:
    try:
        return atomic_number(symbol)
    except ValueError as error:
        raise ConfigError(f"{text}: {error}", hint=hint) from error


def size_range(data: DataSummary) -> tuple[int, int]:
    """Smallest and largest number of atoms in the training set."""
    sizes = [n for n, count in enumerate(data.size_histogram) if count]
    return sizes[0], sizes[-1]


def knows(data: DataSummary) -> str:
    """The elements of the training set, as a cure."""
    return f"it knows {', '.join(SYMBOLS[z] for z in data.elements)}"
