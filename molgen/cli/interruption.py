"""Interruption of long commands: what is done is kept, and worker processes end too."""

from __future__ import annotations

import signal


def end_by_sigterm_as_by_ctrl_c() -> None:
    """From now on SIGTERM, which queueing systems send, raises KeyboardInterrupt in the main thread, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
