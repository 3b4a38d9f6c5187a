"""`molgen models` and `molgen info`."""


def models() -> None:
    """Not written yet."""


def info() -> None:
    """Not written yet."""
