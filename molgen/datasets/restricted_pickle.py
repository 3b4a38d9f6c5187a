"""Reading pickles of plain data without Python's pickle machine: nothing in the file can call anything.

A pickle is a program. Python's machine lets it name any function and call it. The machine here knows only the
instructions that build numbers, texts, bytes, lists, tuples and dictionaries (protocols 2 to 5, as ``pickletools``
describes them), and a table of admitted names, each with a function of this program that makes the object. Any other
name or instruction ends the reading. Memory is bounded whatever the file says, and nothing is followed recursively,
so a structure that refers to itself does no harm either.

:func:`items` hands out a pickled list item by item, for files that do not fit in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from molgen.datasets.pickle_instructions import DamagedPickleError, ForbiddenPickleError, instructions

MEMORY = 1 << 30
"""Bytes that one object, or one batch of a list's items, may take, as estimated below."""
INSTRUCTION_BYTES = 100
"""Memory that an instruction may take beside its argument: an empty dictionary is 64 bytes, its memo entry 36."""
MOST_SHARED = 1 << 20
"""Objects of a streamed list that are referred to again; the writer's own are a few names."""

Maker = Callable[[tuple[Any, ...]], Any]
Admitted = Mapping[str, Maker]
"""Dotted names that a pickle may call, with what makes the object from the arguments instead; a maker raises
:class:`DamagedPickleError` for arguments that it does not expect."""


class Rebuilt:
    """Base of what makers return: such an object may be given a state, which plain objects may not."""

    def set_state(self, state: Any) -> None:
        """Take the state that the pickle holds; the default ignores it."""


class Name:
    """A dotted name on the stack: it can be called through the table of admitted names, and nothing else."""

    def __init__(self, dotted: str, maker: Maker) -> None:
        self.dotted, self.maker = dotted, maker


def load(file: BinaryIO, admitted: Admitted) -> Any:
    """The object that a pickle holds.

    Args:
        file: Positioned at its start.
        admitted: What it may call.

    Raises:
        ForbiddenPickleError: It names something else, or holds an instruction that plain data do not need.
        DamagedPickleError: It is damaged or too large.
    """
    machine = _Machine(file, admitted)
    for _ in machine.steps():
        pass
    return machine.result()


def items(file: BinaryIO, admitted: Admitted) -> Iterator[Any]:
    """The items of a pickled list, of which one batch (1000 items, as Python writes them) is in memory at a time.

    The file is read twice: first to learn which objects are referred to again, because only those are remembered.

    Args:
        file: Positioned at its start; seekable.
        admitted: What it may call.

    Raises:
        ForbiddenPickleError: As :func:`load`; items before that place have been handed out.
        DamagedPickleError: As :func:`load`, or it holds something else than a list.
    """
    start = file.tell()
    shared = _shared(file)
    file.seek(start)
    machine = _Machine(file, admitted, shared)
    for batch in machine.steps():
        yield from batch
    if type(machine.result()) is not list:
        raise DamagedPickleError(f"the pickle holds no list, but a {type(machine.result()).__name__}")


def _shared(file: BinaryIO) -> frozenset[int]:
    """Numbers of the memo entries that are fetched anywhere."""
    found: set[int] = set()
    for code, argument in instructions(file):
        if code in (b"h", b"j"):
            found.add(argument)
            if len(found) > MOST_SHARED:
                raise DamagedPickleError(f"the pickle refers to more than {MOST_SHARED:,} objects again")
    return frozenset(found)


class _Machine:
    """Runs the instructions of one pickle.

    Args:
        file: Where they come from.
        admitted: What may be called.
        shared: For a list to be streamed: numbers of the memo entries to keep. None keeps all and streams nothing.
    """

    def __init__(self, file: BinaryIO, admitted: Admitted, shared: frozenset[int] | None = None) -> None:
        self.file, self.admitted, self.shared = file, admitted, shared
        self.stack: list[Any] = []
        self.under: list[list[Any]] = []  # the stacks below each mark
        self.memo: dict[int, Any] = {}
        self.memoized = 0
        self.ready: list[Any] = []  # items of the streamed list that are complete
        self.streamed: list[Any] | None = None

    def steps(self) -> Iterator[list[Any]]:
        """Run to the end; yields the finished items of a streamed list."""
        room = MEMORY
        try:
            for code, argument in instructions(self.file):
                room -= INSTRUCTION_BYTES + (len(argument) if isinstance(argument, str | bytes) else 0)
                if room < 0:
                    raise DamagedPickleError(f"one object of the pickle takes more than {MEMORY >> 20:,} MiB")
                _ACTIONS[code](self, argument)
                if self.ready:
                    batch, self.ready, room = self.ready, [], MEMORY
                    yield batch
        except (IndexError, KeyError, AttributeError, TypeError, ValueError, struct.error) as error:
            raise DamagedPickleError(f"the pickle is damaged near byte {self.file.tell()}: {error!r}"[:200]) from error

    def result(self) -> Any:
        """What is left when all is done."""
        if len(self.stack) != 1 or self.under:
            raise DamagedPickleError("the pickle is damaged: it leaves more or less than one object")
        return self.stack[0]

    def popped_mark(self) -> list[Any]:
        """What was put on the stack since the last mark."""
        found, self.stack = self.stack, self.under.pop()
        return found

    def put(self, index: int) -> None:
        """Remember the top of the stack under a number."""
        if self.shared is None or index in self.shared:
            self.memo[index] = self.stack[-1]

    def memoize(self) -> None:
        """Remember it under the next number."""
        self.put(self.memoized)
        self.memoized += 1

    def empty_list(self) -> None:
        """Put an empty list; the first object of all is the list to be streamed."""
        made: list[Any] = []
        if self.shared is not None and not self.stack and not self.under and not self.memoized:
            self.streamed = made
        self.stack.append(made)

    def extend(self, values: list[Any]) -> None:
        """Add values to the list on top; those of the streamed list are handed out instead."""
        target = self.stack[-1]
        if type(target) is not list:
            raise TypeError("values for what is no list")
        (self.ready if target is self.streamed else target).extend(values)

    def set_items(self, flat: list[Any]) -> None:
        """Add keys and values to the dictionary on top; a key whose hash is work in itself is refused."""
        target, keys = self.stack[-1], flat[::2]
        if type(target) is not dict or len(flat) % 2 or not {type(key) for key in keys} <= {str, int}:
            raise TypeError("keys of a dictionary must be texts or whole numbers")
        target.update(zip(keys, flat[1::2], strict=True))

    def tuple_of(self, count: int) -> None:
        """Join the last ``count`` objects."""
        if len(self.stack) < count:
            raise IndexError("too few objects")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def tuple_of_marked(self) -> None:
        """Join what was put since the last mark."""
        values = tuple(self.popped_mark())
        self.stack.append(values)

    def name(self, dotted: str) -> None:
        """Put an admitted name."""
        maker = self.admitted.get(dotted)
        if maker is None:
            raise ForbiddenPickleError(
                f"the pickle asks for {dotted[:200]!r}, which such data never need; it was not called",
                hint="do not open this file with other programs: it may run code; get the data from its publisher",
            )
        self.stack.append(Name(dotted, maker))

    def stack_name(self) -> None:
        """Put the admitted name whose module and name are on the stack."""
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str:
            raise TypeError("a name that is no text")
        self.name(f"{module}.{name}")

    def reduce(self) -> None:
        """Make the object of a name and its arguments."""
        arguments, called = self.stack.pop(), self.stack.pop()
        if type(arguments) is not tuple or type(called) is not Name:
            raise ForbiddenPickleError(f"the pickle calls {type(called).__name__!r}, which is no admitted name")
        self.stack.append(called.maker(arguments))

    def build(self) -> None:
        """Give a made object its state."""
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, Rebuilt):
            raise ForbiddenPickleError(f"the pickle sets the state of {type(target).__name__!r}, a plain object")
        target.set_state(state)


def _constant(value: Any) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(value)


def _mark(machine: _Machine, _: Any) -> None:
    machine.under.append(machine.stack)
    machine.stack = []


_ACTIONS: dict[bytes, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys((b"\x80", b"\x95", b"."), lambda machine, argument: None),
    **dict.fromkeys(
        (b"K", b"M", b"J", b"G", b"\x8a", b"\x8c", b"X", b"\x8d", b"C", b"B", b"\x8e"),
        lambda machine, argument: machine.stack.append(argument),
    ),
    **dict.fromkeys((b"q", b"r"), lambda machine, argument: machine.put(argument)),
    **dict.fromkeys((b"h", b"j"), lambda machine, argument: machine.stack.append(machine.memo[argument])),
    b"\x94": lambda machine, _: machine.memoize(),
    b"N": _constant(None),
    b"\x88": _constant(True),
    b"\x89": _constant(False),
    b")": _constant(()),
    b"]": lambda machine, _: machine.empty_list(),
    b"}": lambda machine, _: machine.stack.append({}),
    b"(": _mark,
    b"t": lambda machine, _: machine.tuple_of_marked(),
    b"\x85": lambda machine, _: machine.tuple_of(1),
    b"\x86": lambda machine, _: machine.tuple_of(2),
    b"\x87": lambda machine, _: machine.tuple_of(3),
    b"a": lambda machine, _: machine.extend([machine.stack.pop()]),
    b"e": lambda machine, _: machine.extend(machine.popped_mark()),
    b"s": lambda machine, _: machine.set_items([machine.stack.pop(-2), machine.stack.pop()]),
    b"u": lambda machine, _: machine.set_items(machine.popped_mark()),
    b"c": lambda machine, argument: machine.name(argument),
    b"\x93": lambda machine, _: machine.stack_name(),
    b"R": lambda machine, _: machine.reduce(),
    b"b": lambda machine, _: machine.build(),
}
