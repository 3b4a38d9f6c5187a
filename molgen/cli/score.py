"""`molgen score`."""


def score() -> None:
    """Not written yet."""
