"""Writing SDF and MOL files: V2000, or V3000 for what does not fit its three-digit counts and narrow columns.

Format: CTfile Formats, BIOVIA 2020, chapters "Molfile V2000" and "Molfile V3000".
"""

from __future__ import annotations

from molgen.elements import SYMBOLS, VALENCES
from molgen.io.records import format_scalar, one_line
from molgen.structure import AROMATIC, Structure

BONDS_UNKNOWN = "bonds not stated"
"""Third header line of a record without bond information; elsewhere an empty bond block means no bonds."""

_PROGRAM_LINE = "  molgen            3D"
_V2000_MAX_COUNT = 999
_V2000_MAX_COORDINATE = 9999.0
_V2000_MAX_CHARGE = 15


def encode_sdf(structure: Structure) -> str:
    """One SDF record: molblock, properties as data fields, ``$$$$``."""
    parts = [encode_mol(structure)]
    for key, value in structure.properties.items():
        label = one_line(key).translate({ord("<"): "(", ord(">"): ")"})
        # A blank line would end the field and a line of $$$$ the record.
        lines = [line for line in format_scalar(value).splitlines() if line.strip()]
        text = "\n".join(f" {line}" if line.startswith("$$$$") else line for line in lines)
        parts.append(f"> <{label}>\n{text}\n\n")
    parts.append("$$$$\n")
    return "".join(parts)


def encode_mol(structure: Structure) -> str:
    """The molblock, up to and with ``M  END``. Coordinates have 4 decimals (V3000: 6)."""
    title = one_line(structure.name)
    if title.startswith("$$$$"):
        title = f" {title}"
    bonds = [] if structure.bonds is None else structure.bonds.tolist()
    charges = [0] * len(structure) if structure.charges is None else structure.charges.tolist()
    valences = _stated_valences(structure, bonds, charges)
    comment = BONDS_UNKNOWN if structure.bonds is None else ""
    fits = len(structure) <= _V2000_MAX_COUNT and len(bonds) <= _V2000_MAX_COUNT
    fits = fits and bool((abs(structure.positions) < _V2000_MAX_COORDINATE).all())
    fits = fits and all(abs(charge) <= _V2000_MAX_CHARGE for charge in charges)
    body = _v2000 if fits else _v3000
    lines = [title, _PROGRAM_LINE, comment, *body(structure, bonds, charges, valences), "M  END", ""]
    return "\n".join(lines)


def _stated_valences(structure: Structure, bonds: list[list[int]], charges: list[int]) -> dict[int, int]:
    """Atoms to which a reader would add hydrogens that are not there, with the valence that forbids it.

    A structure without any hydrogen is taken to leave its hydrogens out on purpose and gets none of these marks.
    """
    numbers = structure.numbers.tolist()
    if structure.bonds is None or 1 not in numbers:
        return {}
    totals = [0] * len(numbers)
    aromatic: set[int] = set()
    for i, j, order in bonds:
        totals[i] += order
        totals[j] += order
        if order == AROMATIC:
            aromatic.update((i, j))
    marks = {}
    for atom, (number, charge, total) in enumerate(zip(numbers, charges, totals, strict=True)):
        allowed = VALENCES.get(number - charge)
        if allowed and total not in allowed and total < allowed[-1] and atom not in aromatic:
            marks[atom] = total
    return marks


def _v2000(structure: Structure, bonds: list[list[int]], charges: list[int], valences: dict[int, int]) -> list[str]:
    lines = [f"{len(structure):3d}{len(bonds):3d}  0  0  0  0  0  0  0  0999 V2000"]
    plain = "%10.4f%10.4f%10.4f %-3s 0  0  0  0  0  0  0  0  0  0  0  0"
    marked = "%10.4f%10.4f%10.4f %-3s 0  0  0  0  0%3d  0  0  0  0  0  0"
    for atom, (number, (x, y, z)) in enumerate(
        zip(structure.numbers.tolist(), structure.positions.tolist(), strict=True)
    ):
        if atom in valences:
            lines.append(marked % (x, y, z, SYMBOLS[number], valences[atom] or 15))  # 15 stands for valence zero
        else:
            lines.append(plain % (x, y, z, SYMBOLS[number]))
    lines += ["%3d%3d%3d  0" % (i + 1, j + 1, order) for i, j, order in bonds]  # noqa: UP031 - three times as fast
    charged = [(atom + 1, charge) for atom, charge in enumerate(charges) if charge]
    for start in range(0, len(charged), 8):
        entries = charged[start : start + 8]
        lines.append(f"M  CHG{len(entries):3d}" + "".join(f"{atom:4d}{charge:4d}" for atom, charge in entries))
    return lines


def _v3000(structure: Structure, bonds: list[list[int]], charges: list[int], valences: dict[int, int]) -> list[str]:
    lines = ["  0  0  0     0  0            999 V3000", "M  V30 BEGIN CTAB"]
    lines.append(f"M  V30 COUNTS {len(structure)} {len(bonds)} 0 0 0")
    lines.append("M  V30 BEGIN ATOM")
    for atom, (number, (x, y, z)) in enumerate(
        zip(structure.numbers.tolist(), structure.positions.tolist(), strict=True)
    ):
        extra = f" CHG={charges[atom]}" if charges[atom] else ""
        if atom in valences:
            extra += f" VAL={valences[atom] or -1}"
        lines.append(f"M  V30 {atom + 1} {SYMBOLS[number]} {x:.6f} {y:.6f} {z:.6f} 0{extra}")
    lines.append("M  V30 END ATOM")
    if bonds:
        lines.append("M  V30 BEGIN BOND")
        lines += [f"M  V30 {k} {order} {i + 1} {j + 1}" for k, (i, j, order) in enumerate(bonds, 1)]
        lines.append("M  V30 END BOND")
    lines.append("M  V30 END CTAB")
    return lines
