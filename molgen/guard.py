"""Calls in a child process that may hang or die: each item has a time limit, and a lost item does not stop the rest.

RDKit's C++ cannot be interrupted from Python, so a stuck call ends only with its process. The child gets all items in
one message and answers one by one; when an answer does not come, the child is ended, the item is ``Lost``, and a fresh
child goes on behind it. Child and parent speak pickle over a socket pair that nobody else can reach.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from molgen.errors import MolgenError

WALL_FACTOR = 5
"""A child that gets less than its share of a busy machine has this many times the limit on the clock."""
POLL_SECONDS = 60.0
"""Longest single wait for an answer; a call without a limit is waited for in turns, as ``poll`` takes no infinity."""
START_SECONDS = 300.0
"""Time for the child to import what it needs; a busy file system may take a minute."""
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Lost:
    """An item without an answer.

    Attributes:
        reason: ``"timeout: ..."`` or ``"crash: ..."``.
    """

    reason: str


class Guard:
    """A child process that calls a function.

    Args:
        factory: Called once in the child, without arguments; returns the function of one item. Both it and the items
            can be pickled; what the factory raises is raised by ``map``.
        timeout: Seconds per item, of the child's own processor time where the system tells it (Linux), so that a busy
            machine loses nothing; in any case at most ``WALL_FACTOR`` times as many on the clock.
    """

    def __init__(self, factory: Callable[[], Callable[[Any], Any]], timeout: float) -> None:
        self.factory, self.timeout = factory, timeout
        self._child: subprocess.Popen[bytes] | None = None
        self._link: Connection | None = None

    def map(self, items: Sequence[Any]) -> Iterator[Any]:
        """The function of each item, in order; ``Lost`` where the child hung or died on it.

        An exception that the function raises comes back as a RuntimeError of its words; it is not raised.
        """
        done = 0
        try:
            while done < len(items):
                link = self._started()
                with suppress(OSError):  # a child that dies while it is spoken to is noticed below
                    link.send(list(items[done:]))
                while done < len(items):
                    answer = self._answer(link)
                    done += 1
                    if isinstance(answer, Lost):
                        self.close()
                        yield answer
                        break
                    yield answer
        finally:
            if done < len(items):  # abandoned: answers still on their way must not reach the next call
                self.close()

    def close(self) -> None:
        """End the child; the next ``map`` starts another."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        if self._link is not None:
            self._link.close()
        self._child = self._link = None

    def _answer(self, link: Connection) -> Any:
        assert self._child is not None
        used, began = _processor_seconds(self._child.pid), time.monotonic()
        try:
            while not link.poll(min(POLL_SECONDS, max(0.0, left := self._left(used, began)))):
                if left <= 0:
                    return Lost(f"timeout: no result within {self.timeout:g} s of processor time")
            return link.recv()
        except (EOFError, OSError):
            code = self._child.wait()
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            return Lost(f"crash: the process ended with {name}")

    def _left(self, used: float | None, began: float) -> float:
        """Seconds for which the child may still go on, at the least."""
        assert self._child is not None
        elapsed = time.monotonic() - began
        now = _processor_seconds(self._child.pid)
        spent = elapsed if used is None or now is None else now - used
        return min(self.timeout - spent, WALL_FACTOR * self.timeout - elapsed)

    def _started(self) -> Connection:
        if self._child is not None and self._child.poll() is None and self._link is not None:
            return self._link
        self.close()
        with tempfile.TemporaryFile() as words:  # unlike a pipe, never full
            return self._start(words)

    def _start(self, words: IO[bytes]) -> Connection:
        """A fresh child; ``words`` takes its standard error until it has started."""
        ours, theirs = socket.socketpair()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, _paths()))}
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from molgen.guard import serve; serve({theirs.fileno()})"],
            pass_fds=(theirs.fileno(),),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            start_new_session=True,  # Ctrl-C is the parent's to handle
        )
        theirs.close()
        self._link = link = Connection(ours.detach())
        try:
            link.send(self.factory)
            problem = link.recv() if link.poll(START_SECONDS) else TimeoutError(f"silent for {START_SECONDS:g} s")
        except (EOFError, OSError):
            problem = RuntimeError(f"it ended with code {self._child.wait()}")
        if problem is not None:
            self.close()
            if isinstance(problem, MolgenError):
                raise problem
            raise MolgenError(f"a worker process could not start: {problem}{_last_line(words)}") from problem
        return link


_local = threading.local()


def thread_guard(factory: Callable[[], Callable[[Any], Any]], timeout: float) -> Guard:
    """This thread's child process for an equal factory and limit; kept from call to call, one at a time."""
    kept: tuple[Any, Guard] | None = getattr(_local, "guard", None)
    if kept is None or kept[0] != (factory, timeout):
        if kept is not None:
            kept[1].close()
        _local.guard = kept = ((factory, timeout), Guard(factory, timeout))
    return kept[1]


def serve(descriptor: int) -> None:
    """The child's side: answer until the parent closes its end."""
    _end_with_parent()
    link = Connection(descriptor)
    try:
        function = link.recv()()
    except BaseException as error:
        link.send(error)
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what it says from here on nobody reads
    link.send(None)
    with suppress(EOFError, OSError):
        while True:
            for item in link.recv():
                try:
                    answer = function(item)
                except Exception as error:
                    answer = RuntimeError(f"{type(error).__name__}: {error}")  # the exception itself may not pickle
                link.send(answer)


def _processor_seconds(pid: int) -> float | None:
    """Processor time that a process has used; None where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def _last_line(words: IO[bytes]) -> str:
    """``": line"``, the last that a child wrote, which of a traceback is the error; empty if it wrote none."""
    words.seek(0)
    lines = [line.strip() for line in words.read().decode("utf-8", "replace").splitlines()]
    return next((f": {line}" for line in reversed(lines) if line), "")


def _paths() -> list[str]:
    """Where the child finds this very molgen, and what the parent could import."""
    return [str(Path(__file__).resolve().parents[1]), *(path for path in sys.path if path)]


def _end_with_parent() -> None:
    """On Linux a child stuck in a call dies with its parent; elsewhere it ends with its call."""
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
