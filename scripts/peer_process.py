"""A process of its own for code of others, which answers what it is asked: how benchmarks run their peers."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from typing import Any


class AnswerProcess:
    """The other process.

    Args:
        serve: Called in it with its end of a pipe and the arguments. It sends a first answer and then one for each text
            that it receives, until that is empty.
        arguments: Of ``serve``.
    """

    def __init__(self, serve: Callable[..., None], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, *arguments), daemon=True)
        self.process.start()
        other.close()
        self.first_answer = self._answer()

    def ask(self, work: str) -> Any:
        self.pipe.send(work)
        return self._answer()

    def _answer(self) -> Any:
        try:
            return self.pipe.recv()
        except EOFError as error:
            raise SystemExit("the peer's process ended; its message is above") from error

    def cpu_seconds(self) -> float:
        """Of this process and the other together; while one works the other waits."""
        clock = (~int(self.process.pid or 0) << 3) | 2  # Linux: the CPU clock of a process
        return time.process_time() + time.clock_gettime(clock)

    def close(self) -> None:
        self.pipe.send("")
        self.process.join()
