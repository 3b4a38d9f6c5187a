"""Properties of a crystal in formats that have no place of their own for them: CIF and POSCAR."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from molgen.errors import InputError
from molgen.io.records import Scalar, format_scalar, one_line, parse_scalar

PREFIX = "_molgen_"
"""Begins the name of a CIF item that holds a property; CIF leaves such names to programs."""

_MARK = " # "
_LONGEST = 2000
_ITEM = re.compile(rf"{PREFIX}(\S+)[ \t]+(?:'(.*)'|\"(.*)\"|(\S+))[ \t]*$")
_PAIR = re.compile(r'([^\s="]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_BARE = re.compile(r"[A-Za-z0-9_.+\-/:@]+$")


def cif_items(properties: Mapping[str, Any]) -> list[str]:
    """Lines ``_molgen_key value``.

    Raises:
        InputError: A text holds both kinds of quotes, which a CIF value of one line cannot, or is endless.
    """
    lines = []
    for key, value in properties.items():
        text = one_line(format_scalar(value))
        quote = "'" if "'" not in text else '"'
        if quote in text or len(text) > _LONGEST:
            raise InputError(f"property cannot be written: {key}: {text[:60]}")
        lines.append(f"{PREFIX}{_key(key)}   {text if _BARE.match(text) and text[0] != '_' else quote + text + quote}")
    return lines


def read_cif_items(block: list[str]) -> dict[str, Scalar]:
    """The properties that :func:`cif_items` wrote among the lines of a CIF block."""
    found = (_ITEM.match(line) for line in block if line.startswith(PREFIX))
    return {m[1]: parse_scalar(next(text for text in m.groups()[1:] if text is not None)) for m in found if m}


def comment_with(name: str, properties: Mapping[str, Any]) -> str:
    """A POSCAR's comment line: ``name # key=value key="two words"``; the name alone where there are no properties."""
    pairs = []
    for key, value in properties.items():
        text = one_line(format_scalar(value))
        if not _BARE.match(text):
            text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        pairs.append(f"{_key(key)}={text}")
    return one_line(name) + (_MARK + " ".join(pairs) if pairs else "")


def split_comment(comment: str) -> tuple[str, dict[str, Scalar]]:
    """Name and properties of a comment line; one that :func:`comment_with` did not write is all name."""
    name, mark, text = comment.partition(_MARK)
    if not mark or _PAIR.sub("", text).strip():
        return comment.strip(), {}
    values = {key: re.sub(r"\\(.)", r"\1", v[1:-1]) if v.startswith('"') else v for key, v in _PAIR.findall(text)}
    return name.strip(), {key: parse_scalar(value) for key, value in values.items()}


def _key(key: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", key)
