"""The whole report: one HTML file that needs nothing else and may ask for nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from molgen.errors import OutputError
from molgen.report.before_after import before_after
from molgen.report.collect import Collected, collect
from molgen.report.distances import distributions
from molgen.report.document import load_summary
from molgen.report.gallery import gallery
from molgen.report.html import Html, el
from molgen.report.hull_plot import HullRequest, hull_plot
from molgen.report.rows import read_rows
from molgen.report.sections import facts, failures, histograms, rates
from molgen.report.stability import stability_section
from molgen.report.stability_options import ROWS_ALONE, StabilityOptions
from molgen.report.stability_rows import StabilityRows
from molgen.report.viewer import dialog
from molgen.report.views import View, view_data
from molgen.scoring.protocol import Row

Progress = Callable[[int, int | None], None]
GALLERY = 24
ROWS_BETWEEN_REPORTS = 1000
VIEWER = "3Dmol-min.js"
TIME = "%Y-%m-%d %H:%M UTC"


def write_report(
    rows: Path,
    out: Path,
    *,
    structures: Sequence[str] = (),
    title: str = "",
    molecules: int = GALLERY,
    stability: StabilityOptions = ROWS_ALONE,
    progress: Progress | None = None,
) -> None:
    """Make a report of a scoring.

    Args:
        rows: The file that ``molgen score --out`` wrote, ``.csv`` or ``.parquet``, with its ``.json`` beside it.
        out: HTML file to write; it appears when it is complete.
        structures: Files with the structures, in place of the sources that the rows name.
        title: Heading; by default the sources.
        molecules: Size of the gallery.
        stability: For rows of protocol ``sun``.
        progress: Called now and then with (rows read, all rows).

    Raises:
        ConfigError: Options do not go with the rows.
        InputError: Rows, summary or hull are missing or damaged.
        MissingError: The rows are parquet and pyarrow is not installed.
        OutputError: ``out`` cannot be written.
    """
    summary = load_summary(rows)
    hull = stability.request(summary)
    table = read_rows(rows, summary)
    found = collect(table if progress is None else _counted(table, summary["n"], progress), summary, molecules)
    sections, views = _sections(rows, summary, found, structures, stability.before, hull)
    page = _page(title or f"Scores of {_sources(summary)}", sections, views)
    partial = out.with_name(f".partial.{out.name}")
    try:
        partial.write_text(page, encoding="utf-8", errors="replace")
        partial.replace(out)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError.from_os_error(error, out) from error


def _sections(
    rows: Path,
    summary: dict[str, Any],
    found: Collected,
    structures: Sequence[str],
    before: str,
    hull: HullRequest | None,
) -> tuple[dict[str, Html], list[View] | None]:
    """Names in the menu with their sections, and 3D views; None where no section could have any."""
    scored = datetime.fromtimestamp(rows.stat().st_mtime, UTC).strftime(TIME)
    stable, compared = found.stability, None
    if stable is not None and before:
        compared = before_after(stable.moved, structures, before)
    shown = gallery(summary, found, structures)
    sections: dict[str, Html | None] = {
        "What was scored": facts(summary, rows.name, scored, datetime.now(UTC).strftime(TIME)),
        "Summary": rates(summary),
        "Stability": None if stable is None else _stability(rows, summary, stable, hull),
        "Relaxing": compared and compared[0],
        "Distributions": distributions(summary.get("distributions")),
        "Failures": failures(summary, found),
        "Values": histograms(summary, found),
        "Molecules": shown and shown[0],
    }
    with_views = [part[1] for part in (shown, compared) if part is not None]
    there = {name: part for name, part in sections.items() if part is not None}
    return there, [view for views in with_views for view in views] if with_views else None


def _stability(rows: Path, summary: dict[str, Any], found: StabilityRows, hull: HullRequest | None) -> Html:
    plot = None if hull is None else hull_plot(hull, found.usual_system, read_rows(rows, summary))
    return stability_section(summary, found, plot)


def _page(heading: str, sections: dict[str, Html], views: list[View] | None) -> str:
    links = [el("a", name, href=f"#{_anchor(part)}") for name, part in sections.items()]
    body = [
        el("a", "Skip to the results", href="#scored", class_="skip"),
        el("header", el("h1", heading), el("nav", links, aria_label="Sections"), class_="top"),
        el("main", list(sections.values())),
        _footer(views is not None),
        None if views is None else [dialog(), view_data(views)],
    ]
    return _document(heading, body, [] if views is None else [_asset(VIEWER), _asset("report.js")])


def _counted(table: Iterator[Row], n: int, progress: Progress) -> Iterator[Row]:
    for done, row in enumerate(table, 1):
        yield row
        if done % ROWS_BETWEEN_REPORTS == 0 or done == n:
            progress(done, n)


def _document(heading: str, body: Sequence[Any], scripts: Sequence[str]) -> str:
    """A page that runs these scripts only and loads nothing, whatever its text says."""
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", heading),
        Html(f"<style>{_asset('report.css')}</style>"),
    )
    blocks = [Html(f"<script>{script}</script>") for script in scripts]
    return f"<!DOCTYPE html>\n{el('html', head, el('body', body, blocks), lang='en')}\n"


def _asset(name: str) -> str:
    return files("molgen.report").joinpath("assets", name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _sources(summary: dict[str, Any]) -> str:
    names = [Path(source).name for source in summary["sources"]]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")


def _anchor(part: Html) -> str:
    return part.partition('id="')[2].partition('"')[0]


def _footer(has_viewer: bool) -> Html:
    licence = el("details", el("summary", "Licence of the 3D viewer, 3Dmol.js"), el("pre", _asset("3Dmol-LICENSE.txt")))
    return el(
        "footer",
        el("p", "Made by molgen report. This file needs no network; its content security policy allows none."),
        licence if has_viewer else None,
    )
