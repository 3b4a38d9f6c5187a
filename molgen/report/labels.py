"""Places for the labels of points in a chart, such that no label covers another."""

from __future__ import annotations

from collections.abc import Sequence

LETTER, LINE = 6.5, 13.0
"""Width of a letter and height of a line, of the style sheet's 11 px."""
NEAR = 9.0
"""Distance of a label from its point."""
_ROWS = (LINE / 2 + NEAR, -LINE / 2 - NEAR, LINE * 1.5 + NEAR, -LINE * 1.5 - NEAR)


def place_labels(
    points: Sequence[tuple[float, float]], texts: Sequence[str], width: float
) -> list[tuple[float, float]]:
    """Middle of each label: below its point, or else above, beside or further away; below where nothing is free.

    Args:
        points: In the order in which they choose.
        texts: Of the labels, in one line each.
        width: Of the chart; labels stay inside.

    Returns:
        x and y, y pointing down.
    """
    taken = [(x, y, NEAR, NEAR) for x, y in points]  # middle, width, height: labels do not cover points either
    placed = []
    for (x, y), text in zip(points, texts, strict=True):
        size = LETTER * len(text)
        beside = size / 2 + NEAR
        tried = [*((x, y + row) for row in _ROWS), (x + beside, y), (x - beside, y)]
        inside = [(min(max(u, size / 2), width - size / 2), v) for u, v in tried]
        free = (place for place in inside if not any(_overlap((*place, size, LINE), box) for box in taken))
        best = next(free, inside[0])
        taken.append((*best, size, LINE))
        placed.append(best)
    return placed


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    x, y, width, height = one
    u, v, other_width, other_height = other
    return abs(x - u) < (width + other_width) / 2 and abs(y - v) < (height + other_height) / 2
