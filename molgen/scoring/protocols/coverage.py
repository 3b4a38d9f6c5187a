"""Fingerprints of crystals, and how well samples and known crystals cover each other."""

from __future__ import annotations

from typing import ClassVar

from molgen.chemistry.periodic_distances import CellDistances
from molgen.errors import ConfigError, InputError
from molgen.scoring.coverage import FEW, TIGHT, WIDE, CoverageReference
from molgen.scoring.coverage import Coverage as CoverageGathering
from molgen.scoring.fingerprints import VERSION, fingerprint, to_text
from molgen.scoring.protocol import REASON, Column, Computed, Given, Metric, Progress, Row, Share
from molgen.scoring.protocols.crystals import CrystalProtocol
from molgen.scoring.subject import Subject

_FLOOR = f"of {FEW:,} held-out real crystals, the noise floor"


class Coverage(CrystalProtocol):
    """COV-R and COV-P of CDVAE (Xie et al. 2022), after Xu et al. (GeoDiff) and Ganea et al. (GeoMol).

    Args:
        reference: What :func:`known_crystals` takes; a data set named without a split means its test split.
    """

    name = "coverage"
    version = f"cdvae-2021-coverage-1 ({VERSION})"
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "fingerprint", "bool", "CrystalNN finds neighbours of every atom; CDVAE calls a crystal invalid without"
        ),
        Column("structure_distance", "float", "to the nearest known crystal, of site fingerprints"),
        Column("composition_distance", "float", "to the nearest known crystal, of scaled composition features"),
        Column("covered", "bool", "both distances are within the cut-offs"),
        Column("features", "str", "the fingerprint: 193 little-endian float32 numbers in base64"),
        REASON,
    )
    metrics: ClassVar[tuple[Metric, ...]] = (
        Computed("recall", "COV-R: known crystals with a sample near in structure and one near in composition / all"),
        Share(
            "precision", ("covered",), "COV-P: samples near a known crystal in structure and one in composition / all"
        ),
        Share("fingerprint", ("fingerprint",), "crystals with a fingerprint / all records"),
        Computed("recall_of_few", f"COV-R by the first {FEW:,} samples only, to be set beside floor and controls"),
        Computed("recall_floor", f"COV-R {_FLOOR}"),
        Computed("precision_floor", f"COV-P {_FLOOR}"),
        Computed("recall_uniform_coordinates", f"COV-R of {FEW:,} real cells with atoms anywhere: a bad control"),
        Computed("precision_uniform_coordinates", "COV-P of the same"),
        Computed("recall_shuffled_elements", f"COV-R of {FEW:,} real crystals with elements shuffled: a bad control"),
        Computed("precision_shuffled_elements", "COV-P of the same"),
    )
    failed: ClassVar[Row] = {"fingerprint": False}
    notes: ClassVar[tuple[str, ...]] = (
        f"cut-offs of structure and composition: {TIGHT.structure} and {TIGHT.composition:g} for data sets called "
        f"perov or carbon, {WIDE.structure} and {WIDE.composition:g} for all others; features are scaled once, "
        "as by CDVAE (DiffCSP's script scales them twice)",
        "coverage hardly tells real crystals from spoilt ones: read it beside the bad controls",
    )

    def __init__(self, reference: str) -> None:
        self._spec = reference

    @classmethod
    def of(cls, given: Given) -> Coverage:
        if not given.reference:
            raise ConfigError(
                "protocol coverage needs a reference", hint="--reference mp20:test, or a file of crystals"
            )
        return cls(given.reference)

    def gathering(self, workers: int, progress: Progress | None) -> CoverageGathering:
        return CoverageGathering(CoverageReference(self._spec, workers, progress))

    def values(self, subject: Subject, cell: CellDistances) -> Row:
        row: Row = dict.fromkeys(column.name for column in self.columns)
        try:
            features = fingerprint(subject.structure)
        except Exception as error:  # CrystalNN raises whatever Voronoi cells of odd structures raise
            raise InputError(f"no fingerprint: {type(error).__name__}: {error}") from error
        return row | {"fingerprint": True, "features": to_text(features), "reason": ""}
