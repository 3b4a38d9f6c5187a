"""The seven crystal systems by space group (International Tables for Crystallography, volume A)."""

from __future__ import annotations

SYSTEMS = {
    "triclinic": 2,
    "monoclinic": 15,
    "orthorhombic": 74,
    "tetragonal": 142,
    "trigonal": 167,
    "hexagonal": 194,
    "cubic": 230,
}
"""Name -> number of its last space group."""


def crystal_system(space_group: int) -> str:
    """``225 -> "cubic"``; ValueError outside 1 to 230."""
    if space_group < 1:
        raise ValueError(f"{space_group} is not the number of a space group")
    for name, last in SYSTEMS.items():
        if space_group <= last:
            return name
    raise ValueError(f"{space_group} is not the number of a space group")
