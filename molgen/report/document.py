"""The summary that lies beside a file of rows, checked for everything that a report reads."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

from molgen.errors import InputError

NUMBER = (int, float, type(None))
TEXT = (str,)
COUNT = (int,)
PAIR = {"wasserstein?": NUMBER, "jensen_shannon?": NUMBER}
CONTROLLED = {**PAIR, "floor?": PAIR, "control?": PAIR}
"""Distances with those of the reference's own halves and of the bad control."""

SHAPE: dict[str, Any] = {
    "molgen": TEXT,
    "n": COUNT,
    "sources": {"*": COUNT},
    "bonds": {"asked": TEXT, "used": {"*": COUNT}},
    "reference?": {},
    "unreadable": {"count": COUNT, "first": [{"index": COUNT, "source": TEXT, "reason": TEXT}]},
    "protocols": {
        "*": {
            "version": TEXT,
            "bond_source": TEXT,
            "notes": [TEXT],
            "failures": {"*": COUNT},
            "columns": {"*": {"kind": TEXT, "meaning": TEXT}},
            "metrics": {"*?": {"kind": TEXT, "meaning": TEXT}},
        }
    },
    "distributions?": {
        "reference?": {},
        "n": COUNT,
        "notes": [TEXT],
        "metrics": {
            "*": {
                "label": TEXT,
                "unit": TEXT,
                "meaning": TEXT,
                **CONTROLLED,
                "by_type?": {"*": CONTROLLED},
                "only_in_sample?": NUMBER,
            }
        },
        "histograms": {
            "*": {"*": {"edges?": [NUMBER], "categories?": [TEXT], "sample": [NUMBER], "reference": [NUMBER]}}
        },
    },
    "notes": [TEXT],
}
"""Keys and the types of their values; ``?`` marks what may be absent or null, ``*`` stands for any key."""

RATE = {"value": NUMBER, "numerator": COUNT, "denominator": COUNT, "low": NUMBER, "high": NUMBER}
ESTIMATES = ("mean", "mean_low", "mean_high", "median", "median_low", "median_high")
BESIDE = ("value", "floor", "floor_low", "floor_high")
DISTANCE = {"count": COUNT, "floor_count": COUNT, **dict.fromkeys(BESIDE, NUMBER)}
QUANTITY = {"unit": TEXT, "count": COUNT, **dict.fromkeys(ESTIMATES, NUMBER)}
KINDS = ("bool", "int", "float", "str")
NAMES = {NUMBER: "a number or null", TEXT: "a text", COUNT: "a whole number"}


def summary_path(rows: Path) -> Path:
    """Where the summary of a file of rows lies."""
    return rows.with_name(f"{rows.name}.json")


def load_summary(rows: Path) -> dict[str, Any]:
    """The summary written with ``rows``.

    Raises:
        InputError: It is missing, or is not such a document; the message names the file and the field.
    """
    path = summary_path(rows)
    _check_finished(rows)
    if not rows.exists():
        raise InputError(f"there is no file {rows}", hint="make it with: molgen score FILES --out rows.csv")
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except FileNotFoundError as error:
        raise InputError(
            f"{rows} has no summary beside it: {path} is missing",
            hint="copy it from where the rows were made, or score again with --out",
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot read {path}: {error}", hint="score again with --out") from error
    _check(document, SHAPE, path, "")
    for name, protocol in document["protocols"].items():
        where = f"protocols.{name}"
        for column, about in protocol["columns"].items():
            if about["kind"] not in KINDS:
                raise _wrong(path, f"{where}.columns.{column}.kind", f"one of {', '.join(KINDS)}")
        for metric, about in protocol["metrics"].items():
            if about is None:
                continue
            shape = {"rate": RATE, "quantity": QUANTITY, "distance": DISTANCE}.get(about["kind"])
            if shape is None:
                raise _wrong(path, f"{where}.metrics.{metric}.kind", "rate, quantity or distance")
            _check(about, shape, path, f"{where}.metrics.{metric}")
    _check_histograms(document.get("distributions") or {}, path)
    return dict(document)


def _check_finished(rows: Path) -> None:
    if rows.with_name(f"{rows.name}.part").exists():
        raise InputError(f"the scoring of {rows} is not finished", hint="run the same molgen score again: it continues")


def _check_histograms(distributions: dict[str, Any], path: Path) -> None:
    for metric, types in distributions.get("histograms", {}).items():
        for kind, histogram in types.items():
            edges, names = histogram.get("edges"), histogram.get("categories")
            k = len(edges) - 1 if edges is not None else len(names or ())
            values = [value for key in ("sample", "reference") for value in (*histogram[key], *(edges or ()))]
            if k < 1 or {len(histogram["sample"]), len(histogram["reference"])} != {k} or None in values:
                raise _wrong(
                    path, f"distributions.histograms.{metric}.{kind}", "k values with k + 1 edges or k categories"
                )


def _check(value: Any, shape: Any, path: Path, where: str) -> None:
    """Raise InputError where ``value`` has not the given shape."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            raise _wrong(path, where, "an object")
        for key, inner in shape.items():
            name = key.rstrip("?")
            if name == "*":
                for other, item in value.items():
                    if item is not None or key == "*":
                        _check(item, inner, path, f"{where}.{other}".lstrip("."))
            elif value.get(name) is not None or not key.endswith("?"):
                _check(value.get(name), inner, path, f"{where}.{name}".lstrip("."))
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise _wrong(path, where, "a list")
        for k, item in enumerate(value):
            _check(item, shape[0], path, f"{where}[{k}]")
    elif isinstance(value, bool) or not isinstance(value, shape) or (isinstance(value, float) and not isfinite(value)):
        raise _wrong(path, where, NAMES[shape])


def _wrong(path: Path, where: str, wanted: str) -> InputError:
    return InputError(f"{path}: {where or 'the document'} is not {wanted}", hint="score again with --out")


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number of JSON")
