"""A page taken apart: elements, attributes, tables, scripts."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "input"}


@dataclass
class Page(HTMLParser):
    """Every element with its attributes, the text of every table cell, and what scripts and styles hold."""

    text: str
    elements: list = field(default_factory=list)
    tables: dict = field(default_factory=dict)
    contents: list = field(default_factory=list)
    unclosed: list = field(default_factory=list)

    def __post_init__(self):
        super().__init__(convert_charrefs=True)
        self._open, self._cell, self._rows, self._caption = [], None, None, None
        self.visible = ""
        self.feed(self.text)
        self.close()
        self.unclosed += self._open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th", "caption"):
            self._cell = ""
        if tag in ("script", "style"):
            self.contents.append((tag, dict(attributes), ""))

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.unclosed.append(tag)
        if tag in ("td", "th"):
            self._rows[-1].append(self._cell.strip())
            self._cell = None
        elif tag == "caption":
            self._caption, self._cell = self._cell, None
        elif tag == "table":
            self.tables[self._caption] = self._rows

    def handle_data(self, data):
        if self._open and self._open[-1] in ("script", "style"):
            kind, attributes, text = self.contents[-1]
            self.contents[-1] = (kind, attributes, text + data)
            return
        self.visible += data
        if self._cell is not None:
            self._cell += data

    def all(self, tag):
        """Attributes of every element with this tag."""
        return [attributes for name, attributes in self.elements if name == tag]
