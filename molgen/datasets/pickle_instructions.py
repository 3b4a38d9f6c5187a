"""The instructions of pickles (protocols 2 to 5) that plain data need, read one by one; all others are refused."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from molgen.errors import InputError

LARGEST_BYTES = 1 << 28
"""Bytes of one text or bytes object."""
LONGEST_NAME = 256
"""Bytes of a module's or function's name."""


class ForbiddenPickleError(InputError):
    """A pickle names or does what plain data never need."""


class DamagedPickleError(InputError):
    """A pickle ends early, contradicts itself, or takes more memory than its kind ever needs."""


def instructions(file: BinaryIO) -> Iterator[tuple[bytes, Any]]:
    """Each instruction up to the end, with its argument (None where it has none); nothing is done with them.

    Raises:
        ForbiddenPickleError: One that plain data do not need.
        DamagedPickleError: The file ends early, or announces what cannot be.
    """
    read = file.read
    while code := read(1):
        reader = ARGUMENTS.get(code)
        if reader is None:
            raise ForbiddenPickleError(
                f"the pickle holds instruction {code!r} at byte {file.tell() - 1}, which no plain data of protocols "
                "2 to 5 need"
            )
        yield code, reader(file)
        if code == b".":
            return
    raise DamagedPickleError("the pickle ends in the middle")


def _none(file: BinaryIO) -> None:
    """No argument."""


def _exactly(file: BinaryIO, count: int) -> bytes:
    if count > LARGEST_BYTES:
        raise DamagedPickleError(f"the pickle announces a text or bytes object of {count:,} bytes")
    data = file.read(count)
    if len(data) != count:
        raise DamagedPickleError("the pickle ends in the middle")
    return data


def _number(form: str) -> Callable[[BinaryIO], Any]:
    packed = struct.Struct(form)
    return lambda file: packed.unpack(_exactly(file, packed.size))[0]


def _sized(form: str, convert: Callable[[bytes], Any]) -> Callable[[BinaryIO], Any]:
    """A length in the given form, then as many bytes."""
    length = _number(form)
    return lambda file: convert(_exactly(file, length(file)))


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DamagedPickleError(f"a text of the pickle is not UTF-8: {error}") from error


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _dotted(file: BinaryIO) -> str:
    """Module and name, a line each."""
    lines = [file.readline(LONGEST_NAME) for _ in range(2)]
    if not all(line.endswith(b"\n") for line in lines):
        raise DamagedPickleError("the pickle holds a name that does not end")
    return ".".join(_text(line[:-1]) for line in lines)


ARGUMENTS: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x80": _number("<B"),  # PROTO
    b"\x95": _number("<Q"),  # FRAME: only says how to buffer
    b"K": _number("<B"),
    b"M": _number("<H"),
    b"J": _number("<i"),
    b"G": _number(">d"),
    b"\x8a": _sized("<B", _signed),  # LONG1
    b"q": _number("<B"),  # BINPUT
    b"r": _number("<I"),
    b"h": _number("<B"),  # BINGET
    b"j": _number("<I"),
    b"\x8c": _sized("<B", _text),
    b"X": _sized("<I", _text),
    b"\x8d": _sized("<Q", _text),
    b"C": _sized("<B", bytes),
    b"B": _sized("<I", bytes),
    b"\x8e": _sized("<Q", bytes),
    b"c": _dotted,  # GLOBAL
    **dict.fromkeys((bytes([code]) for code in b".(N)]}taesuRb\x85\x86\x87\x88\x89\x93\x94"), _none),
}
"""What reads the argument of each instruction, by its code; ``pickletools`` describes them."""
