"""A function of every item, in order, in worker processes of this machine or of a dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any, TypeVar

from molgen.errors import InputError, MissingError

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int = 1, dask: str | None = None
) -> Iterator[Result]:
    """``function`` of every item, in order; only about two items per worker are in flight.

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
    from joblib import Parallel, delayed, parallel_config

    broken: list[BaseException] = []

    def tasks() -> Iterator[Any]:
        try:
            yield from (delayed(function)(item) for item in items)
        except Exception as error:  # raised in joblib's own thread it would be lost; raised again below
            broken.append(error)

    with ExitStack() as stack:
        if dask is not None:
            client = stack.enter_context(_client(dask))
            stack.enter_context(parallel_config(backend="dask", client=client, wait_for_workers_timeout=30))
            workers = -1
        pool = Parallel(n_jobs=workers, return_as="generator", pre_dispatch="2*n_jobs", max_nbytes=None, batch_size=1)
        yield from pool(tasks())
    if broken:
        raise broken[0]


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
