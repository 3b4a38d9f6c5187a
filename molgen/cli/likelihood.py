"""`molgen likelihood`."""


def likelihood() -> None:
    """Not written yet."""
