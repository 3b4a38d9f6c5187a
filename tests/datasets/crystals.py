"""Crystals that the tests of data sets share, and sources made of them."""

from __future__ import annotations

import csv
import gzip
import io as io_text
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from molgen import io
from molgen.structure import Structure

SALT = Structure(
    numbers=[11, 17], positions=[[0, 0, 0], [2.82, 2.82, 2.82]], lattice=2.82 * (1 - np.eye(3)), name="salt"
)
CESIUM = Structure(numbers=[55, 17], positions=[[0, 0, 0], [2.06, 2.06, 2.06]], lattice=4.12 * np.eye(3), name="cscl")
DIAMOND = Structure(numbers=[6, 6], positions=[[0, 0, 0], [0.89, 0.89, 0.89]], lattice=1.78 * (1 - np.eye(3)), name="C")
ALL = (SALT, CESIUM, DIAMOND)
GROUPS = (225, 221, 227)

CIF = """data_{name}
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {c}
_cell_angle_alpha {alpha}
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
{sites}
"""


def cif(
    sites: str = "Cs1 Cs 0 0 0 1\nCl1 Cl .5 .5 .5 1",
    name: str = "x",
    a: str = "4.12",
    c: str = "4.12",
    alpha: str = "90",
) -> str:
    """A CIF without a line on symmetry; cesium chloride where nothing else is asked for."""
    return CIF.format(name=name, a=a, c=c, alpha=alpha, sites=sites)


BAD: dict[str, str] = {
    "not an ordered crystal": cif("Na1 Na 0 0 0 0.5\nK1 K 0 0 0 0.5"),
    "zero volume": cif(c="0"),
    "unknown element": cif("Xx1 Xx 0 0 0 1"),
    "needle cell": cif(a="2", c="400"),
    "volume per atom": cif("H1 H 0 0 0 1", a="0.8", c="0.8"),
    "atoms in one place": cif("Cs1 Cs 0 0 0 1\nCl1 Cl .05 0 0 1"),
    "malformed CIF block": cif(a="?"),
}
"""A CIF for each kind of reason."""


def write_csv(path: Path, rows: Sequence[dict[str, object]]) -> Path:
    """A table in the form of CDVAE's, with a first column without a name; compressed where the name says so."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io_text.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["", *columns])
    writer.writerows([k, *(row.get(key, "") for key in columns)] for k, row in enumerate(rows))
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def text_of(structure: Structure, folder: Path) -> str:
    """The CIF that molgen writes of a structure."""
    io.write(folder / "one.cif", structure)
    return (folder / "one.cif").read_text()


def write_npz(path: Path, structures: Sequence[Structure], **more: object) -> Path:
    """Flat arrays in the form of ../shared/data/mp20."""
    arrays = {
        "material_id": np.array([s.name for s in structures]),
        "num_atoms": np.array([len(s) for s in structures], np.int8),
        "lattice": np.stack([s.lattice for s in structures]),
        "atomic_numbers": np.concatenate([s.numbers for s in structures]).astype(np.int8),
        "frac_coords": np.concatenate([s.positions @ np.linalg.inv(s.lattice) for s in structures]),
    }
    np.savez(path, **{**arrays, **more})
    return path
