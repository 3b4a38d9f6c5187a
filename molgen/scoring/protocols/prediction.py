"""Crystal structure prediction: whether samples made for known compositions are the known structures."""

from __future__ import annotations

import re
from functools import cached_property
from typing import ClassVar

from molgen.chemistry.charge_balance import is_charge_balanced
from molgen.chemistry.composition import reduced_composition
from molgen.chemistry.crystal_matching import PREDICTION, CrystalMatcher
from molgen.chemistry.periodic_distances import CellDistances
from molgen.errors import ConfigError, InputError
from molgen.scoring.known_crystals import KnownCrystals, known_crystals
from molgen.scoring.protocol import REASON, Column, Given, Metric, Row
from molgen.scoring.protocols.crystals import CrystalProtocol, is_structure_valid
from molgen.scoring.subject import Subject
from molgen.scoring.targets import TargetMean, TargetShare
from molgen.structure import Structure

TARGET = "target"
"""Property of a sample that names its target; without it the sample's own name does."""
_SAMPLE_NUMBER = re.compile(r"[ _#.:-]\d+$")

BOTH_VALID = ("valid", "target_valid")


class Match(CrystalProtocol):
    """Match rate and RMSE of CDVAE, DiffCSP and those after them, and METRe and cRMSE of OMatG.

    Published rows count a match only where the sample passes CDVAE's validity (the sample has the target's composition,
    so that at most about 90 % of MP-20 can match) and, in DiffCSP's one-sample script, the target too. All are here.

    Args:
        targets: What :func:`known_crystals` takes.
    """

    name = "match"
    version = f"structure-matcher-1 ({PREDICTION})"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("target", "str", "name of the target that the sample was made for"),
        Column("valid", "bool", "the sample is valid by cdvae-2021"),
        Column("target_valid", "bool", "the target is"),
        Column("matched", "bool", "StructureMatcher lays the sample on its target"),
        Column("rmse", "float", "of the matched atoms, over the cube root of volume per atom"),
        Column("hits", "str", "every target that it matches, its own or not, as name=RMSE"),
        REASON,
    )
    metrics: ClassVar[tuple[Metric, ...]] = (
        TargetShare("match_rate", "rmse", "targets that their first sample matches / all targets", first=True),
        TargetShare("match_rate_filtered", "rmse", "the same, where the sample is valid", ("valid",), first=True),
        TargetShare("match_rate_both_valid", "rmse", "the same, where sample and target are", BOTH_VALID, first=True),
        TargetShare("match_rate_any", "rmse", "targets that any of their samples matches / all targets"),
        TargetShare("match_rate_any_filtered", "rmse", "the same, by a valid sample", ("valid",)),
        TargetShare("metre", "hits", "METRe: targets that any sample of any target matches / all targets"),
        TargetShare(
            "match_rate_of_attempted", "rmse", "first samples / targets with one", first=True, of_attempted=True
        ),
        TargetShare("attempted", "target", "targets with a sample / all targets"),
        TargetMean("rmse", "rmse", "RMSE of first samples that match", first=True),
        TargetMean("rmse_filtered", "rmse", "the same, of valid samples", ("valid",), first=True),
        TargetMean("rmse_any", "rmse", "smallest RMSE of a target's samples, of targets matched"),
        TargetMean("rmse_any_filtered", "rmse", "the same, of valid samples", ("valid",)),
        TargetMean("crmse", "rmse", "RMSE of first samples; no match counts 0.5", first=True, missing=PREDICTION.site),
        TargetMean("crmse_any", "rmse", "smallest RMSE; no match counts 0.5", missing=PREDICTION.site),
        TargetMean(
            "metre_crmse", "hits", "smallest RMSE over all samples; no match counts 0.5", missing=PREDICTION.site
        ),
    )
    failed: ClassVar[Row] = {"valid": False, "matched": False}
    notes: ClassVar[tuple[str, ...]] = (
        "most published rates on MP-20 are match_rate_filtered or match_rate_both_valid, for 20 samples "
        "match_rate_any_filtered, which the filter alone caps at about 0.9; CrystalFlow's are not filtered",
        "StructureMatcher scales both crystals to one volume and takes mirror images for the same",
    )

    def __init__(self, targets: str) -> None:
        self._spec = targets

    @classmethod
    def of(cls, given: Given) -> Match:
        if not given.targets:
            raise ConfigError("protocol match needs targets", hint="--targets mp20:test, or a file of known crystals")
        return cls(given.targets)

    @cached_property
    def targets(self) -> KnownCrystals:
        """The known crystals; a data set named without a split means its test split."""
        return known_crystals(self._spec, "test")

    @property
    def population(self) -> int:
        return len(self.targets)

    @cached_property
    def _matcher(self) -> CrystalMatcher:
        return CrystalMatcher(PREDICTION)

    def values(self, subject: Subject, cell: CellDistances) -> Row:
        sample = subject.structure
        place = target_place(sample, self.targets)
        numbers = sample.numbers.tolist()
        rows = {other: self._matcher.rmse(sample, self.targets[other]) for other in self._alike(numbers)}
        hits = {self.targets.labels[other]: rmse for other, rmse in rows.items() if rmse is not None}
        rmse = None if place is None else rows.get(place)
        return {
            "target": None if place is None else self.targets.labels[place],
            "valid": is_charge_balanced(numbers) and is_structure_valid(cell),
            "target_valid": None if place is None else self._is_valid(place),
            "matched": rmse is not None,
            "rmse": rmse,
            "hits": " ".join(f"{name}={value:.6g}" for name, value in hits.items()),
            "reason": self._reason(sample, place, rmse),
        }

    def _alike(self, numbers: list[int]) -> list[int]:
        return self.targets.with_composition(reduced_composition(numbers))

    def _is_valid(self, place: int) -> bool:
        target = self.targets[place]
        try:
            is_valid = is_structure_valid(CellDistances.of(target))
        except InputError:
            return False
        return is_valid and is_charge_balanced(target.numbers.tolist())

    def _reason(self, sample: Structure, place: int | None, rmse: float | None) -> str:
        if place is None:
            return f"no target: none of {self.targets.name} is called {sample.name!r}"
        target = self.targets[place]
        if reduced_composition(sample.numbers.tolist()) != reduced_composition(target.numbers.tolist()):
            return f"other composition: than target {self.targets.labels[place]}"
        return "" if rmse is not None else f"no match: with target {self.targets.labels[place]}"


def target_place(sample: Structure, targets: KnownCrystals) -> int | None:
    """Place of a sample's target: of property ``target``, else of its name, with or without a number of the sample.

    Samples of target ``mp-149`` may be called ``mp-149``, ``mp-149_0`` or ``mp-149 #3``.
    """
    name = str(sample.properties.get(TARGET, sample.name)).strip()
    place = targets.place_of(name)
    return place if place is not None else targets.place_of(_SAMPLE_NUMBER.sub("", name).strip(" _#.:-"))
