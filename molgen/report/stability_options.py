"""What a report of crystals can be asked to show of their stability, checked before the rows are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from molgen.errors import ConfigError
from molgen.report.hull_plot import HullRequest


@dataclass(frozen=True)
class StabilityOptions:
    """Beside the rows of protocol ``sun``.

    Attributes:
        hull: The file of reference energies that the rows were scored with; empty for no plot of a hull.
        system: Chemical system of the plot, ``Li-O``; empty for that of most samples.
        before: File of the structures before they were relaxed; empty to show none of them.
    """

    hull: str = ""
    system: str = ""
    before: str = ""

    def request(self, summary: dict[str, Any]) -> HullRequest | None:
        """The hull to draw; None if there is none.

        Raises:
            ConfigError: The options do not go with each other, or with the rows.
            InputError, MissingError: The hull cannot be read.
        """
        given = [name for name in ("hull", "system", "before") if getattr(self, name)]
        if given and "sun" not in summary["protocols"]:
            raise ConfigError(
                f"--{given[0]} goes with rows of protocol sun, and these have {', '.join(summary['protocols'])}",
                hint="molgen score relaxed.extxyz --protocol sun --hull FILE --out rows.csv",
            )
        if self.system and not self.hull:
            raise ConfigError(
                f"--system {self.system} needs the known phases", hint="--hull FILE, as molgen score had it"
            )
        if self.before and len(summary["sources"]) > 1:
            raise ConfigError(
                f"--before goes with one file of relaxed crystals, and these rows are of {len(summary['sources'])}",
                hint="score each relaxed file by itself",
            )
        return HullRequest.of(self.hull, self.system, summary) if self.hull else None


ROWS_ALONE = StabilityOptions()
"""Nothing beside the rows."""
