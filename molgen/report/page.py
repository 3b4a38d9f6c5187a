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
from molgen.report.collect import collect
from molgen.report.distances import distributions
from molgen.report.document import load_summary
from molgen.report.gallery import gallery
from molgen.report.html import Html, el
from molgen.report.rows import read_rows
from molgen.report.sections import facts, failures, histograms, rates
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
    progress: Progress | None = None,
) -> None:
    """Make a report of a scoring.

    Args:
        rows: The file that ``molgen score --out`` wrote, ``.csv`` or ``.parquet``, with its ``.json`` beside it.
        out: HTML file to write; it appears when it is complete.
        structures: Files with the structures, in place of the sources that the rows name.
        title: Heading; by default the sources.
        molecules: Size of the gallery.
        progress: Called now and then with (rows read, all rows).

    Raises:
        InputError: Rows or summary are missing or damaged.
        MissingError: The rows are parquet and pyarrow is not installed.
        OutputError: ``out`` cannot be written.
    """
    summary = load_summary(rows)
    page = _page(rows, summary, structures, title, molecules, progress)
    partial = out.with_name(f".partial.{out.name}")
    try:
        partial.write_text(page, encoding="utf-8", errors="replace")
        partial.replace(out)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError.from_os_error(error, out) from error


def _page(
    rows: Path,
    summary: dict[str, Any],
    structures: Sequence[str],
    title: str,
    molecules: int,
    progress: Progress | None,
) -> str:
    table = read_rows(rows, summary)
    found = collect(table if progress is None else _counted(table, summary["n"], progress), summary, molecules)
    scored = datetime.fromtimestamp(rows.stat().st_mtime, UTC).strftime(TIME)
    sections: dict[str, Html | None] = {
        "What was scored": facts(summary, rows.name, scored, datetime.now(UTC).strftime(TIME)),
        "Summary": rates(summary),
        "Distributions": distributions(summary.get("distributions")),
        "Failures": failures(summary, found),
        "Values": histograms(summary, found),
        "Molecules": gallery(summary, found, structures),
    }
    there = {name: part for name, part in sections.items() if part is not None}
    heading = title or f"Scores of {_sources(summary)}"
    links = [el("a", name, href=f"#{_anchor(part)}") for name, part in there.items()]
    body = [
        el("a", "Skip to the results", href="#scored", class_="skip"),
        el("header", el("h1", heading), el("nav", links, aria_label="Sections"), class_="top"),
        el("main", list(there.values())),
        _footer("Molecules" in there),
        _dialog() if "Molecules" in there else None,
    ]
    scripts = [_asset(VIEWER), _asset("report.js")] if "Molecules" in there else []
    return _document(heading, body, scripts)


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


def _dialog() -> Html:
    """The panel for one 3D view at a time: browsers allow few of them at once."""
    controls = (
        el("button", "Previous", type="button", id="previous"),
        el("button", "Next", type="button", id="next"),
        el("label", el("input", type="checkbox", id="numbers"), " atom numbers"),
        el("label", el("input", type="checkbox", id="spin"), " turn"),
    )
    return el(
        "dialog",
        el(
            "header",
            el("h2", "", id="viewer-title"),
            el("button", "Close", type="button", id="close", aria_label="Close the 3D view"),
        ),
        el("div", id="viewer", role="img", aria_label="Interactive 3D view; drag to turn, scroll to zoom"),
        el("div", controls, class_="controls"),
        el("div", id="viewer-text"),
        id="viewer-dialog",
        aria_labelledby="viewer-title",
    )
