"""How many records are left after each of several conditions, as a chart."""

from __future__ import annotations

from collections.abc import Sequence

from molgen.report.html import Html, el

WIDTH, STEP, BAR = 300, 34, 12
"""Of the drawing, of one condition and of its bar; the words stand above the bar."""
THINNEST = 1.0
"""Of a bar that stands for any record at all."""


def funnel(steps: Sequence[tuple[str, int]], label: str) -> Html:
    """One bar under another, centred, each as long as the share of the first that is left.

    Args:
        steps: Condition and how many fulfil it and all before it; the first is everything.
        label: What is drawn, in words.
    """
    return el(
        "svg",
        [_step(place, name, count, steps[0][1]) for place, (name, count) in enumerate(steps)],
        viewBox=f"0 0 {WIDTH} {STEP * len(steps)}",
        role="img",
        aria_label=f"{label}: " + ", ".join(f"{name} {count:,}" for name, count in steps),
        class_="plot",
    )


def _step(place: int, name: str, count: int, total: int) -> list[Html]:
    share = count / total if total else 0.0
    length = max(WIDTH * share, THINNEST) if count else 0.0
    top = STEP * place
    said = f"{count:,}" + (f" ({100 * share:.2f} %)" if place else "")
    return [
        el("text", name, x=0, y=top + 12),
        el("text", said, x=WIDTH, y=top + 12, text_anchor="end"),
        el("rect", x=0, y=top + 17, width=WIDTH, height=BAR, class_="track"),
        el("rect", x=round((WIDTH - length) / 2, 2), y=top + 17, width=round(length, 2), height=BAR, class_="bars"),
    ]
