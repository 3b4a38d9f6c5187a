"""The errors molgen raises on purpose. Each class carries its exit code; each instance may carry a hint (the cure)."""

from __future__ import annotations

import errno

DEVICE_FAILURES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Numbers of the operating system's errors that mean that a device takes no more bytes."""


class MolgenError(Exception):
    """Base of every error whose message is written for the user.

    Args:
        message: What is wrong, naming the file and the field.
        hint: How to mend it, printed on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class InputError(MolgenError):
    """A file or value that the user gave cannot be used."""

    exit_code = 3


class ConfigError(InputError):
    """A recipe, an override or a checkpoint's config is wrong."""


class MissingError(MolgenError):
    """Something is not there: a data set, weights, an optional package, the network."""

    exit_code = 4


class PartialError(MolgenError):
    """The command finished, but some structures failed; the message says how many and why."""

    exit_code = 5


class OutputError(MolgenError):
    """Output cannot be written: the disk is full, a folder is read-only, the file exists."""

    exit_code = 6

    @classmethod
    def from_os_error(cls, error: OSError, path: object) -> OutputError:
        """Turn an operating-system error met while writing ``path`` into a sentence with its cure."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return cls(
                f"no space left on the disk while writing {path}",
                hint="free some space and run the same command again: what was written so far is kept",
            )
        return cls(f"cannot write {path}: {error.strerror or error}")
