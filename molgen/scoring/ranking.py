"""Relaxed crystals in the order of their energies, each structure once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from molgen.chemistry.composition import Composition, reduced_composition
from molgen.chemistry.crystal_matching import SAME, CrystalMatcher
from molgen.errors import ConfigError, InputError
from molgen.scoring.hull_file import HullReference
from molgen.scoring.relaxed_properties import CONVERGED, ENERGIES, ENERGY_PER_ATOM, REASON
from molgen.structure import Structure

ORDERS = ("energy", "hull")
RANK, TIMES = "rank", "times_found"
ABOVE_LOWEST = "energy_above_lowest_eV_per_atom"
ABOVE_HULL, PHASES = "e_above_hull_eV_per_atom", "competing_phases"
LABELS = (RANK, TIMES, ABOVE_LOWEST, ABOVE_HULL, PHASES)
WINDOW = 0.05
"""eV/atom: relaxed crystals of one structure do not differ by more, so that others need not be matched."""


@dataclass
class Ranking:
    """What became of some crystals.

    Attributes:
        crystals: One of each structure, its lowest in energy, best first, with properties ``rank``, ``times_found``,
            ``energy_above_lowest_eV_per_atom`` (of its composition), and with a hull ``e_above_hull_eV_per_atom``.
        unranked: How many have no energy, by reason.
        off_hull: How many of ``crystals`` the hull says nothing about, by reason.
    """

    crystals: list[Structure] = field(default_factory=list)
    unranked: Counter[str] = field(default_factory=Counter)
    off_hull: Counter[str] = field(default_factory=Counter)


def ranked(crystals: Iterable[Structure], order: str = "energy", reference: HullReference | None = None) -> Ranking:
    """Sort relaxed crystals and leave out repetitions (pymatgen's StructureMatcher at its default tolerances).

    Args:
        crystals: As ``molgen relax`` leaves them; those that did not converge are counted and left out.
        order: ``energy``: by composition, and in each by energy per atom; ``hull``: all by energy above the hull, those
            without last.
        reference: For energies above the hull.

    Raises:
        ConfigError: An unknown order, or the hull's without a hull.
        InputError: Energies are of different potentials, or not of the hull's.
    """
    if order not in ORDERS:
        raise ConfigError(f"unknown order {order!r}", hint=f"one of {', '.join(ORDERS)}")
    if order == "hull" and reference is None:
        raise ConfigError("to rank by energy above the hull takes a hull", hint="--hull mp20_all_chgnet, which ships")
    made, of_composition = Ranking(), dict[Composition, list[Structure]]()
    kinds = set() if reference is None or not reference.calculator else {reference.energies}
    for crystal in crystals:
        properties = {key: value for key, value in crystal.properties.items() if key not in LABELS}
        if ENERGY_PER_ATOM not in properties or properties.get(CONVERGED) != "true":
            reason = str(properties.get(REASON, "not relaxed: it has no energy"))
            made.unranked[reason.partition(":")[0]] += 1
            continue
        kinds.add(str(properties.get(ENERGIES)))
        bare = crystal.replace(properties=properties)
        of_composition.setdefault(reduced_composition(crystal.numbers.tolist()), []).append(bare)
    if len(kinds) > 1:
        raise InputError(
            f"energies of different kinds cannot be ranked: {' and '.join(sorted(kinds))}",
            hint="relax all with one calculator, and take the hull of the same",
        )
    for composition in sorted(of_composition):
        made.crystals += _labelled(_different(of_composition[composition]), composition, reference, made.off_hull)
    if order == "hull":
        made.crystals.sort(key=lambda crystal: float(crystal.properties.get(ABOVE_HULL, float("inf"))))
        made.crystals = [_with(crystal, {RANK: rank}) for rank, crystal in enumerate(made.crystals, 1)]
    return made


def _different(crystals: list[Structure]) -> list[Structure]:
    """One of each structure, by energy, with the number of its copies; all of one composition."""
    matcher, kept, times = CrystalMatcher(SAME), list[Structure](), list[int]()
    for crystal in sorted(crystals, key=_energy):
        near = [k for k, one in enumerate(kept) if _energy(crystal) - _energy(one) <= WINDOW]
        twin = next((k for k in reversed(near) if matcher.same(crystal, kept[k])), None)
        if twin is None:
            kept.append(crystal)
            times.append(1)
        else:
            times[twin] += 1
    return [_with(crystal, {TIMES: count}) for crystal, count in zip(kept, times, strict=True)]


def _labelled(
    crystals: list[Structure], composition: Composition, reference: HullReference | None, off_hull: Counter[str]
) -> list[Structure]:
    """With rank and energies relative to the lowest and the hull."""
    made = []
    for rank, crystal in enumerate(crystals, 1):
        labels: dict[str, float | str] = {RANK: rank, ABOVE_LOWEST: round(_energy(crystal) - _energy(crystals[0]), 6)}
        if reference is None:
            made.append(_with(crystal, labels))
            continue
        try:
            above = reference.hull.above(composition, _energy(crystal))
        except InputError as error:
            off_hull[str(error)] += 1
            made.append(_with(crystal, labels))
            continue
        phases = ", ".join(f"{name} {share:.3f}" for name, share in above.phases)
        made.append(_with(crystal, labels | {ABOVE_HULL: round(above.energy, 6), PHASES: phases}))
    return made


def _energy(crystal: Structure) -> float:
    return float(crystal.properties[ENERGY_PER_ATOM])


def _with(crystal: Structure, labels: Mapping[str, float | str]) -> Structure:
    return crystal.replace(properties={**crystal.properties, **labels})
