"""A function of every item, in order, in worker processes of this machine or of a dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any, TypeVar

from molgen.errors import InputError, MissingError

WINDOW = 8
"""Items per worker that are handed out before all their results are taken; joblib itself would read without end."""
Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int = 1, dask: str | None = None
) -> Iterator[Result]:
    """``function`` of every item, in order; at most ``WINDOW`` items per worker are in memory.

    Args:
        function: One that joblib can send to another process.
        items: Read lazily.
        workers: Processes; 1 for this process, -1 for one per core. Plays no part with ``dask``.
        dask: Address of a dask scheduler, such as ``tcp://127.0.0.1:8786``, whose workers do the work.

    Raises:
        MissingError: ``dask`` is given and dask is not installed, or no worker has joined.
        InputError: There is no scheduler at the address.
    """
    if workers == 1 and dask is None:
        yield from map(function, items)
        return
    from joblib import Parallel, delayed, effective_n_jobs, parallel_config

    stream = iter(items)
    with ExitStack() as stack:
        if dask is not None:
            client = stack.enter_context(_client(dask))
            stack.enter_context(parallel_config(backend="dask", client=client, wait_for_workers_timeout=30))
            workers = -1
        pool = Parallel(n_jobs=workers, return_as="generator", pre_dispatch="all", max_nbytes=None, batch_size=1)
        stack.enter_context(pool)
        size = WINDOW * max(1, effective_n_jobs(workers))
        broken: Exception | None = None
        while broken is None:
            window, broken = _taken(stream, size)
            if not window:
                break
            yield from pool(delayed(function)(item) for item in window)
    if broken is not None:
        raise broken


def _taken(stream: Iterator[Item], size: int) -> tuple[list[Item], Exception | None]:
    """The next items, and what the stream raised behind them: those before it are still worth their work."""
    window: list[Item] = []
    try:
        for item in islice(stream, size):
            window.append(item)  # noqa: PERF402  extend may lose what came before an error
    except Exception as error:
        return window, error
    return window, None


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingError("dask is not installed", hint='pip install "molgen[dask]"') from error
    try:
        return Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no dask scheduler answers at {address!r}: {error}",
            hint="give what `dask scheduler` printed, tcp://HOST:PORT",
        ) from error
