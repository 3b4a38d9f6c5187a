"""Small charts as inline SVG: they print sharply, follow the page's colours in light and dark, and need no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil, floor, log10
from types import MappingProxyType

from molgen.report.html import Html, el

DASH = "\u2013"
"""In place of a number that there is none of."""
INTERVAL = (160, 16)
PLOT = (300, 150)
CATEGORIES = 8
MARGIN = {"left": 8, "right": 8, "top": 6, "bottom": 20}


def number(value: float | None, digits: int = 4) -> str:
    """A number for people; a dash where there is none."""
    if value is None:
        return DASH
    text = f"{value:.{digits}g}"
    if "e" in text and 1e-4 <= abs(value) < 1e7:
        text = f"{value:,.0f}"
    return text.replace("-", "\u2212", 1) if value < 0 else text


def interval_bar(value: float | None, low: float | None, high: float | None, label: str) -> Html | None:
    """A rate from 0 to 1 as a mark with its interval as a band.

    Args:
        value: Nothing is drawn where it is None.
        low: Lower end of the interval.
        high: Upper end.
        label: The same in words.
    """
    if value is None or low is None or high is None:
        return None
    width, height = INTERVAL
    inner, middle = width - 4, height / 2

    def x(rate: float) -> float:
        return round(2 + inner * min(max(rate, 0.0), 1.0), 2)

    return el(
        "svg",
        el("rect", x=2, y=middle - 2, width=inner, height=4, rx=2, class_="track"),
        el("rect", x=2, y=middle - 2, width=round(x(value) - 2, 2), height=4, rx=2, class_="filled"),
        el("rect", x=x(low), y=middle - 5, width=round(max(x(high) - x(low), 1.5), 2), height=10, rx=2, class_="band"),
        el("line", x1=x(value), x2=x(value), y1=1, y2=height - 1, class_="mark"),
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=label,
        class_="interval",
    )


def step_plot(
    edges: Sequence[float],
    sample: Sequence[float],
    reference: Sequence[float],
    *,
    label: str,
    marks: Mapping[float, str] = MappingProxyType({}),
) -> Html:
    """Two histograms over the same bins, as densities: the reference as an area, the sample as a line.

    Args:
        edges: Bounds of the bins, ascending, shape ``(k + 1,)``.
        sample: Share of the sample in each bin, shape ``(k,)``.
        reference: The same of the reference; empty leaves it out.
        label: What is drawn, in words.
        marks: Values within the edges to draw a vertical line at, and what each means.
    """
    widths = [right - left or 1.0 for left, right in pairwise(edges)]
    sample, reference = ([v / w for v, w in zip(side, widths, strict=False)] for side in (sample, reference))
    top = max([*sample, *reference], default=0.0) or 1.0
    area = el("path", d=_steps(edges, reference, top, closed=True), class_="reference") if reference else None
    kind = "sample" if reference else "bars"
    line = el("path", d=_steps(edges, sample, top, closed=not reference), class_=kind)
    at = [_mark(_x(value, edges[0], edges[-1]), meaning) for value, meaning in marks.items()]
    return _frame([area, line, at, _axis(edges[0], edges[-1])], label)


def category_plot(names: Sequence[str], sample: Sequence[float], reference: Sequence[float], *, label: str) -> Html:
    """Two bars for each of the first ``CATEGORIES`` categories: reference and sample.

    Args:
        names: Of the categories, shape ``(k,)``.
        sample: Share of the sample in each, shape ``(k,)``.
        reference: The same of the reference.
        label: What is drawn, in words.
    """
    top = max([*sample, *reference], default=0.0) or 1.0
    names = names[:CATEGORIES]
    base = PLOT[1] - MARGIN["bottom"]
    slot = (PLOT[0] - MARGIN["left"] - MARGIN["right"]) / max(len(names), 1)
    width = min(slot * 0.4, 24)
    parts = [_line(base)]
    for k, name in enumerate(names):
        middle = MARGIN["left"] + slot * (k + 0.5)
        for x, share, kind in ((middle - width, reference[k], "reference"), (middle, sample[k], "bars")):
            height = round((base - MARGIN["top"]) * share / top, 2)
            text = el("title", f"{name}, {'sample' if kind == 'bars' else kind}: {100 * share:.3g} %")
            bar = {"x": round(x, 2), "y": round(base - height, 2), "width": round(width, 2), "height": height}
            parts.append(el("rect", text, class_=kind, **bar))
        parts.append(el("text", name, x=round(middle, 2), y=base + 15, text_anchor="middle"))
    return _frame(parts, label)


def ratio_dots(
    value: float | None, floor_: float | None, control: float | None, widest: float, label: str
) -> Html | None:
    """A distance and that of the bad control as multiples of the noise floor, on a logarithmic axis.

    Args:
        value: The distance.
        floor_: Its noise floor; nothing is drawn where it is None or zero.
        control: The bad control's, if any.
        widest: The largest multiple that the axis must hold, above 1.
        label: The same in words.
    """
    if value is None or not floor_:
        return None
    width, height = INTERVAL
    middle, decades = height / 2, max(log10(widest), 0.3)

    def x(distance: float) -> float:
        ratio = log10(max(distance / floor_, 0.1))
        return round(6 + (width - 12) * min(max((ratio + 1) / (decades + 1), 0.0), 1.0), 2)

    one = x(floor_)
    bad = None if control is None else el("circle", cx=x(control), cy=middle, r=4, class_="control")
    return el(
        "svg",
        el("rect", x=2, y=middle - 2, width=width - 4, height=4, rx=2, class_="track"),
        el("rect", x=2, y=middle - 5, width=round(one - 2, 2), height=10, rx=2, class_="floor"),
        bad,
        el("circle", cx=x(value), cy=middle, r=4, class_="dot"),
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=label,
        class_="interval",
    )


def share_bar(share: float) -> Html:
    """A share from 0 to 1 as a bar; the number stands beside it."""
    return el(
        "svg",
        el("rect", x=0, y=3, width=100, height=6, rx=3, class_="track"),
        el("rect", x=0, y=3, width=round(100 * min(max(share, 0.0), 1.0), 2), height=6, rx=3, class_="filled"),
        viewBox="0 0 100 12",
        aria_hidden="true",
        class_="share",
    )


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers from ``low`` to ``high``, about ``wanted`` of them."""
    rough = (high - low) / wanted
    if not rough > 0 or rough == float("inf"):
        return [low]
    power = 10.0 ** floor(log10(rough))
    step = min((m * power for m in (1, 2, 5, 10)), key=lambda s: abs(s - rough))
    return [round(k * step, 12) for k in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)] or [low]


def _x(value: float, low: float, high: float) -> float:
    inner = PLOT[0] - MARGIN["left"] - MARGIN["right"]
    return round(MARGIN["left"] + inner * (value - low) / ((high - low) or 1.0), 2)


def _steps(edges: Sequence[float], heights: Sequence[float], top: float, *, closed: bool) -> str:
    base = PLOT[1] - MARGIN["bottom"]
    inner = base - MARGIN["top"]
    path = [f"M{_x(edges[0], edges[0], edges[-1])} {base}"]
    for right, height in zip(edges[1:], heights, strict=True):
        path.append(f"V{round(base - inner * height / top, 2)}H{_x(right, edges[0], edges[-1])}")
    return "".join([*path, f"V{base}", "Z" if closed else ""])


def _mark(x: float, meaning: str) -> Html:
    base = PLOT[1] - MARGIN["bottom"]
    return el("line", el("title", meaning), x1=x, x2=x, y1=MARGIN["top"], y2=base, class_="limit")


def _axis(low: float, high: float) -> list[Html]:
    base = PLOT[1] - MARGIN["bottom"]
    parts = [_line(base)]
    for tick in ticks(low, high):
        x = _x(tick, low, high)
        parts.append(el("line", x1=x, x2=x, y1=base, y2=base + 4, class_="axis"))
        parts.append(el("text", number(tick), x=x, y=base + 15, text_anchor="middle"))
    return parts


def _line(base: float) -> Html:
    return el("line", x1=MARGIN["left"], x2=PLOT[0] - MARGIN["right"], y1=base, y2=base, class_="axis")


def _frame(parts: Sequence[object], label: str) -> Html:
    return el("svg", parts, viewBox=f"0 0 {PLOT[0]} {PLOT[1]}", role="img", aria_label=label, class_="plot")
