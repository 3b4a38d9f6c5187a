"""Reading and writing structures; the format follows from the file's name, ``.gz`` included, and everything streams."""

from molgen.io.files import Writer, open_writer, read, write
from molgen.io.formats import FORMATS, Format, Target, format_of, target_of
from molgen.io.records import BadRecord, Record, Skipped

__all__ = [
    "FORMATS",
    "BadRecord",
    "Format",
    "Record",
    "Skipped",
    "Target",
    "Writer",
    "format_of",
    "open_writer",
    "read",
    "target_of",
    "write",
]
