"""What a packed data set holds, as a document and as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from molgen.datasets.describe_crystals import crystal_facts, crystal_lines
from molgen.datasets.left_out import left_out_lines, repeated_lines
from molgen.datasets.packed import SPLITS, PackedDataset
from molgen.datasets.unsanitised import unsanitised_lines
from molgen.elements import SYMBOLS


def description(data: PackedDataset) -> dict[str, Any]:
    """meta.json without the list of arrays, with the folder, element symbols, bytes and a summary of each property."""
    document = {key: value for key, value in data.meta.items() if key not in ("arrays", "property_names", "units")}
    document["elements"] = [SYMBOLS[z] for z in data.elements]
    document["folder"] = str(data.folder)
    document["bytes"] = sum(file.stat().st_size for file in data.folder.iterdir())
    document["has"] = [key for key in ("charges", "bonds", "lattice", "names") if key in data.arrays]
    if "lattice" in data.arrays:
        document["crystals"] = crystal_facts(data)
    document["properties"] = {key: _summary(data, key) for key in data.properties}
    return document


def _summary(data: PackedDataset, key: str) -> dict[str, Any]:
    values = np.asarray(data.properties[key])
    known = values[np.isfinite(values)]
    summary: dict[str, Any] = {"unit": data.meta.get("units", {}).get(key, ""), "known": len(known)}
    if len(known):
        summary |= {"mean": float(known.mean()), "min": float(known.min()), "max": float(known.max())}
    return summary


def describe_lines(document: dict[str, Any]) -> Iterator[str]:
    """The document of :func:`description` as lines of text."""
    yield f"{document['name']}: {document['structures']:,} structures, {document['atoms']:,} atoms"
    yield f"folder       {document['folder']} ({document['bytes'] / 1e6:.1f} MB)"
    yield f"fingerprint  {document['fingerprint']}"
    yield f"source       {document.get('source', '')}"
    for key, value in document.get("about", {}).items():
        yield f"{key:<12} {value}"
    if "bonds" in document:
        yield f"bonds        {document['bonds']}"
    yield f"elements     {' '.join(document['elements'])}"
    yield f"states       {', '.join(document['has']) or 'elements and positions only'}"
    if "crystals" in document:
        yield from crystal_lines(document["crystals"])
    expected, missing = document.get("expected", {}), document.get("missing", {})
    for key, count in document["splits"].items():
        lack = f" of {expected[key]:,}; the source lacks {missing[key]:,}" if key in expected else ""
        yield f"{key:<12} {count:,}{lack}"
    skipped = document["skipped"]
    yield f"skipped      {skipped['total']:,} unreadable records"
    yield from (f"             {count:,} x {reason}" for reason, count in skipped["reasons"].items())
    yield from left_out_lines(document)
    yield from repeated_lines(document)
    yield from unsanitised_lines(document)
    yield from (f"not kept     {what} of {count:,} structures" for what, count in document["not_kept"].items())
    for key, p in document["properties"].items():
        span = f", mean {p['mean']:.6g}, {p['min']:.6g} to {p['max']:.6g}" if p["known"] else ""
        unit = f" [{p['unit']}]" if p["unit"] else ""
        yield f"property     {key}{unit}: known for {p['known']:,}{span}"
    yield from _histogram_lines(document["size_histogram"])


def _histogram_lines(histograms: dict[str, dict[str, int]]) -> Iterator[str]:
    yield "atoms  " + "".join(f"{key:>10}" for key in SPLITS)
    for n in sorted({int(n) for histogram in histograms.values() for n in histogram}):
        yield f"{n:5d}  " + "".join(f"{histograms[key].get(str(n), 0):>10,}" for key in SPLITS)
