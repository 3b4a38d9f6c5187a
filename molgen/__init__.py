"""molgen: generate molecules and materials, and score them honestly."""

__version__ = "0.1.0"
