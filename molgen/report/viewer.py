"""The panel for one 3D view at a time, which the page's script fills."""

from __future__ import annotations

from molgen.report.html import Html, el

PANES = {"viewer-before": "as generated", "viewer": "relaxed"}
"""Ids of the 3D views and what they are called where there are both."""
TURNED = "Interactive 3D view; drag to turn, scroll to zoom"


def dialog() -> Html:
    """The panel, closed; there is one of it, as browsers allow few 3D views at once."""
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
        el("div", [_pane(name) for name in PANES], id="panes"),
        el("div", controls, class_="controls"),
        el("div", id="viewer-text"),
        id="viewer-dialog",
        aria_labelledby="viewer-title",
    )


def _pane(name: str) -> Html:
    """One of the two places for 3D views; the first is for what a crystal was before it was relaxed."""
    view = el("div", id=name, class_="viewer", role="img", aria_label=TURNED)
    return el("figure", el("figcaption", PANES[name]), view, hidden=True)
