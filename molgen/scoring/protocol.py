"""What a protocol is: values per structure under frozen rules, and metrics over them.

A protocol states what it reads (``bond_source``), by which rules (``version``), which columns a structure gets, and
which metrics are made of those columns. It holds no counts: everything a summary says follows from the rows, so that
rows in a file can be continued, summed up again and reported.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self
from typing import Protocol as Interface

from molgen.scoring.targets import TargetMean, TargetShare

if TYPE_CHECKING:
    from molgen.scoring.rates import Distance, Rate
    from molgen.scoring.records import Chunk
    from molgen.scoring.subject import Subject
    from molgen.structure import Structure

Value = bool | int | float | str | None
"""None means not applicable: a prerequisite is missing."""
Row = dict[str, Value]
Progress = Callable[[int, int | None], None]

SMILES_OF_LOOKUP = "edm-lookup-1"
"""SMILES with explicit hydrogens of the molecule that EDM's lookup rebuilds."""
SMILES_OF_GRAPH = "graph-1"
"""Canonical SMILES of stated or perceived bonds and charges, hydrogens implicit, without stereochemistry."""


@dataclass(frozen=True)
class Column:
    """One value per structure.

    Attributes:
        name: Without the protocol; the file of rows has ``protocol.name``.
        kind: Type of the value where it is not None.
        meaning: One line, with the unit.
    """

    name: str
    kind: Literal["bool", "int", "float", "str"]
    meaning: str


@dataclass(frozen=True)
class Share:
    """Rate of structures whose ``columns`` are all true, among all records or those whose ``among`` are all true."""

    name: str
    columns: tuple[str, ...]
    meaning: str
    among: tuple[str, ...] = ()


@dataclass(frozen=True)
class UnitShare:
    """Rate of units (atoms) that pass, counted per structure in an int column among ``units``.

    ``units`` is a column of the protocol or ``n_atoms``, which every row has. Where the units of a structure are known
    and ``passed`` is None, all of them fail.
    """

    name: str
    passed: str
    units: str
    meaning: str


@dataclass(frozen=True)
class Quantity:
    """Mean and median of a float column over the structures that have it."""

    name: str
    column: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Computed:
    """A rate or distance that does not follow from adding up rows one by one; a :class:`Gathering` makes it."""

    name: str
    meaning: str


Metric = Share | UnitShare | Quantity | TargetShare | TargetMean | Computed

REASON = Column("reason", "str", "kind: detail of the first failure, atoms counted from 0; empty if all is well")
IDENTITY_COLUMNS = (
    Column("unique", "bool", "first valid structure with its SMILES"),
    Column("novel", "bool", "the reference lacks this SMILES"),
)
IDENTITY_METRICS = (
    Share("uniqueness", ("unique",), "different SMILES / valid structures; falls as the sample grows", ("valid",)),
    Share("novelty", ("unique", "novel"), "different SMILES absent from the reference / different SMILES", ("unique",)),
    Share("valid_unique", ("unique",), "different SMILES / all records"),
    Share("valid_unique_novel", ("unique", "novel"), "different SMILES absent from the reference / all records"),
)


@dataclass(frozen=True)
class Given:
    """What a protocol may be measured against, as the user named it; empty for nothing.

    Attributes:
        reference: Known structures, for novelty and coverage.
        targets: Known crystals that the samples are predictions of.
        hull: File of reference energies.
    """

    reference: str = ""
    targets: str = ""
    hull: str = ""


class Known(Interface):
    """A set that a protocol measures against, as the settings and the summary of a run name it."""

    fingerprint: str

    def describe(self) -> dict[str, Any]:
        """Its name, table, number of members and fingerprint, ready for JSON."""


class Gathering(Interface):
    """What a session adds up for a protocol over all rows."""

    @property
    def known(self) -> Known | None:
        """What the rows are measured against, if anything is."""

    def fill(self, rows: list[Row], prefix: str) -> None:
        """Count consecutive rows, in order, and fill in the columns that depend on other records.

        Args:
            rows: Those of earlier parts of a run too.
            prefix: Of the protocol's columns, ``"coverage."``.
        """

    def results(self) -> Mapping[str, Rate | Distance]:
        """The protocol's ``Computed`` metrics by name."""


class Protocol(ABC):
    """Rules that turn a structure into values. Instances are stateless and can be sent to other processes.

    Attributes:
        name: As in ``--protocol``.
        version: Of the tables and rules; part of every score made with them.
        bond_source: Where this protocol's bonds come from, in words.
        columns: The values that ``check`` returns, ``reason`` among them.
        metrics: Made of the columns.
        identity: Which SMILES its columns ``smiles`` and ``valid`` hold, when structures are to be told apart by them;
            such a protocol gets ``IDENTITY_COLUMNS`` and ``IDENTITY_METRICS`` beside its own. Empty otherwise.
        bonds: The bond source it always uses; empty for the one asked for with ``--bonds``.
        crystals: Whether it scores structures with a lattice; the others score molecules or genes.
        compares_crystals: Whether the session fills in its columns ``unique`` and ``copy_of``; see ``kind_of``.
        notes: What a reader must know beside the numbers.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    bond_source: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]
    metrics: ClassVar[tuple[Metric, ...]]
    identity: ClassVar[str] = ""
    bonds: ClassVar[str] = ""
    crystals: ClassVar[bool] = False
    compares_crystals: ClassVar[bool] = False
    notes: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def of(cls, given: Given) -> Self:
        """The protocol for a run; raises ConfigError where something that it needs is not given."""
        return cls()

    @property
    def population(self) -> int:
        """Number of targets; plays a part for metrics over targets only."""
        return 0

    @property
    def tells_novelty(self) -> bool:
        """Whether it has a column ``novel`` of its own, for crystals or genes."""
        return any(column.name == "novel" for column in self.columns)

    def kind_of(self, row: Row, crystal: Structure) -> Hashable | None:
        """What crystals must share to be compared, from a row of the session; None where one is not comparable."""
        raise NotImplementedError(f"protocol {self.name} compares no crystals")

    def gathering(self, workers: int, progress: Progress | None) -> Gathering | None:
        """What a session adds up for it; None where everything follows from single rows.

        Args:
            workers: Processes for preparing what is known.
            progress: Of preparing it.
        """
        return None

    def require(self) -> None:  # noqa: B027  most protocols need nothing more
        """Raise MissingError, naming the extra to install, when an optional package is missing."""

    @abstractmethod
    def check(self, subject: Subject) -> Row:
        """The columns of one readable structure with at least one atom and finite coordinates.

        A failure is a value with a ``reason``, not an exception. An exception is recorded as ``error: ...`` by the
        pipeline, all other columns None.
        """


class ChunkProtocol(Protocol):
    """A protocol that is faster on many structures at once, and cannot hang or crash."""

    @abstractmethod
    def check_chunk(self, chunk: Chunk) -> list[Row]:
        """One row per record of the chunk; empty for those with a problem."""


def all_columns(protocol: Protocol) -> tuple[Column, ...]:
    """Those of its rows in a file: its own and, if it tells structures apart, ``unique`` and ``novel``."""
    return protocol.columns + (IDENTITY_COLUMNS if protocol.identity else ())


def all_metrics(protocol: Protocol) -> tuple[Metric, ...]:
    """Its own metrics and, if it tells structures apart, uniqueness and novelty."""
    return protocol.metrics + (IDENTITY_METRICS if protocol.identity else ())
