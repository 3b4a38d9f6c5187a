"""HTML from nested calls. What is not markup made here is escaped: text of untrusted files cannot become markup."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from typing import Any

_VOID = frozenset({"br", "meta", "hr", "input"})


class Html(str):
    """Text that is markup already. Only this package makes it, from its own tags and escaped text."""


Child = str | int | float | None | Iterable[Any]


def el(tag: str, *children: Child, **attributes: str | float | bool | None) -> Html:
    """One element.

    Args:
        tag: Its name.
        children: Text, which is escaped, markup, or lists of them; None is left out.
        attributes: A trailing underscore is dropped (``class_``), others become hyphens (``aria_label``); True stands
            for an attribute without a value, None and False leave it out.
    """
    parts = [f"<{tag}"]
    for key, value in attributes.items():
        if value is not None and value is not False:
            name = key.rstrip("_").replace("_", "-")
            parts.append(f" {name}" if value is True else f' {name}="{escape(str(value))}"')
    parts.append(">")
    if tag in _VOID:
        return Html("".join(parts))
    return Html("".join([*parts, join(children), f"</{tag}>"]))


def join(children: Iterable[Child]) -> Html:
    """Children one after another; text is escaped, lists are opened."""
    parts: list[str] = []
    for child in children:
        if isinstance(child, Html):
            parts.append(child)
        elif isinstance(child, str | int | float):
            parts.append(escape(str(child)))
        elif child is not None:
            parts.append(join(child))
    return Html("".join(parts))


def json_script(name: str, value: Any) -> Html:
    """A block of data for the page's script: no character in it can end the block.

    Args:
        name: Its id.
        value: Ready for JSON, with finite numbers.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Html(f'<script type="application/json" id="{escape(name)}">{text}</script>')


def table(head: Iterable[Child], rows: Iterable[Iterable[Child]], *, caption: str, class_: str | None = None) -> Html:
    """A table whose first column names its rows; it scrolls sideways where the page is narrow.

    Args:
        head: One cell per column.
        rows: Cells of each row.
        caption: What the table shows; read aloud, and seen above it.
        class_: For the style sheet.
    """
    body = [el("tr", [el("td" if k else "th", c, scope=None if k else "row") for k, c in enumerate(r)]) for r in rows]
    header = el("thead", el("tr", [el("th", cell, scope="col") for cell in head]))
    return el("div", el("table", el("caption", caption), header, el("tbody", body), class_=class_), class_="scroll")
