"""Downloads through pooch: checksummed, and resumed where they broke off if the server serves ranges."""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molgen.errors import MissingError, OutputError

Progress = Callable[[int, int | None], None]
Fetch = Callable[[str, str, Any], None]
"""Called with (URL, where to, anything)."""
GIT = "git:"
"""Begins a checksum that is the id of a git blob: what GitHub states for each file of a repository."""
CHUNK = 1 << 16
ATTEMPTS = 3
TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as broken."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on the web with the checksum its publisher states: ``md5:ad1e...``, or ``git:b1c9...``, a git blob."""

    url: str
    name: str
    checksum: str


def download(remote: RemoteFile, folder: Path, progress: Progress | None = None) -> Path:
    """Path of the file in ``folder``, downloaded unless it is already there with the right checksum.

    Bytes received so far stay in ``<name>.part`` when a download breaks off or is interrupted; the next call goes on
    from there, or starts again where the server does not serve ranges.

    Args:
        remote: What to get.
        folder: Where it goes.
        progress: Called with (bytes so far, bytes in all or None).

    Raises:
        MissingError: The server cannot be reached or refuses, or what came is not the published file.
        OutputError: The disk is full.
    """
    part = folder / f"{remote.name}.part"

    def fetch(url: str, output: str, _: Any) -> None:
        _fetch(url, part, progress)
        os.replace(part, output)

    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = (_retrieve_blob if remote.checksum.startswith(GIT) else _retrieve)(remote, folder, fetch)
    except ValueError as error:
        raise MissingError(
            f"what {remote.url} sent is not the published file {remote.name} ({remote.checksum}); it was discarded",
            hint="run the command again, or get the file another way and pass it with --source",
        ) from error
    except OSError as error:
        raise OutputError.from_os_error(error, part) from error
    return path


def _retrieve(remote: RemoteFile, folder: Path, fetch: Fetch) -> Path:
    """The file, fetched where it is not there; raises ValueError where its checksum is another."""
    from pooch.core import retrieve
    from pooch.utils import get_logger

    get_logger().setLevel(logging.WARNING)
    # pooch calls it with three positional arguments; its protocol names others
    return Path(retrieve(remote.url, remote.checksum, remote.name, folder, downloader=fetch))  # type: ignore[arg-type]


def _retrieve_blob(remote: RemoteFile, folder: Path, fetch: Fetch) -> Path:
    """As :func:`_retrieve`, for the checksum that pooch does not know."""
    path, wanted = folder / remote.name, remote.checksum.removeprefix(GIT)
    if path.is_file() and blob_id(path) == wanted:
        return path
    arrived = folder / f"{remote.name}.arrived"
    fetch(remote.url, str(arrived), None)
    if (found := blob_id(arrived)) != wanted:
        arrived.unlink()
        raise ValueError(f"git blob {found}")
    arrived.replace(path)
    return path


def blob_id(path: Path) -> str:
    """The id that git gives to a file's contents: SHA-1 of ``blob``, their length, a null byte, and the contents."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


def _fetch(url: str, part: Path, progress: Progress | None) -> None:
    """Bring ``part`` to its full length, trying again from where the connection broke."""
    for attempt in range(ATTEMPTS):
        try:
            _continue(url, part, progress)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            refused = isinstance(error, urllib.error.HTTPError)
            if refused or attempt == ATTEMPTS - 1:
                raise MissingError(_sentence(url, part, error), hint=_cure(part)) from error
        else:
            return


def _continue(url: str, part: Path, progress: Progress | None) -> None:
    done = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "molgen"} | ({"Range": f"bytes={done}-"} if done else {})
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not done:
            raise
        if error.headers.get("Content-Range") == f"bytes */{done}":
            return
        part.unlink()
        _continue(url, part, progress)
        return
    with response:
        if response.status != http.client.PARTIAL_CONTENT:
            if response.status != http.client.OK:
                raise http.client.HTTPException(f"status {response.status}")
            done = 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        with part.open("ab" if done else "wb") as file:
            while block := response.read(CHUNK):
                file.write(block)
                done += len(block)
                if progress is not None:
                    progress(done, total)
    if total is not None and done < total:
        raise ConnectionError(f"the connection broke off after {done:,} of {total:,} bytes")


def _sentence(url: str, part: Path, error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    if isinstance(error, urllib.error.HTTPError):
        reason = f"the server answered {error.code} {error.reason}"
    return f"cannot download {url}: {reason}"


def _cure(part: Path) -> str:
    kept = f"{part.stat().st_size:,} bytes are kept in {part}; " if part.exists() else ""
    return f"{kept}run the command again when online, or download that file elsewhere and pass it with --source"
