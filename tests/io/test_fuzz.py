"""Damaged files: each is read fully, or its damage is reported with reasons; never a crash, a hang or a heap of memory.

``MOLGEN_FUZZ=20 pytest tests/io/test_fuzz.py`` tries twenty times as many files, with further seeds.
"""

import gzip
import os
import re
import resource
import time
from random import Random

import numpy as np
import pytest

from molgen import io
from molgen.datasets.find import open_structures
from molgen.errors import InputError
from molgen.structure import Structure
from tests.io.molecules import assert_same
from tests.io.mutations import MUTATIONS, good_crystals, good_structures, mutate, mutate_gzip
from tests.io.test_xyz import QM9_FORM

ROUNDS = int(os.environ.get("MOLGEN_FUZZ", "1"))
SECONDS_PER_FILE = 10.0
MEGABYTES = 400

SMILES = b"CCO ethanol\n[NH4+] ammonium\nC1CC1 ring\nO=C=O\nc1ccsc1 thiophene\nN#N nitrogen\n"
FILES = {"a.sdf": 150, "v3000.sdf": 60, "a.xyz": 100, "qm9.xyz": 50, "a.extxyz": 90, "a.smi": 25, "a.cif": 25} | {
    "a.vasp": 30,
    "a.mol": 20,
}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The bytes of a good file of each kind."""
    folder = tmp_path_factory.mktemp("good")
    structures = good_structures()
    far = [s.replace(positions=s.positions + 30_000.0) for s in structures]
    contents = {"a.sdf": structures, "v3000.sdf": far, "a.xyz": structures, "a.extxyz": [*structures, *good_crystals()]}
    for name, items in (contents | {"a.cif": good_crystals(), "a.vasp": good_crystals()[:1]}).items():
        io.write(folder / name, items)
    io.write(folder / "a.mol", structures[0])
    (folder / "qm9.xyz").write_text("".join(QM9_FORM.replace("gdb 1", f"gdb {k}") for k in range(1, 5)))
    (folder / "a.smi").write_bytes(SMILES)
    return {name: (folder / name).read_bytes() for name in FILES}


def read_checked(path):
    """The structures and reasons that a file gives, all of them sound."""
    structures, reasons = [], []
    began = time.perf_counter()
    refused = ""
    try:
        structures += open_structures(path, lambda index, reason: reasons.append((index, reason)))
    except InputError as error:
        refused = str(error)
    assert not refused or (str(path) in refused and not structures)
    assert time.perf_counter() - began < SECONDS_PER_FILE
    for structure in structures:
        check_sound(structure)
    for _, reason in reasons:
        kind, colon, detail = reason.partition(": ")
        assert colon, reason
        assert detail.isprintable(), reason
        assert re.fullmatch(r"[A-Za-z$ -]+", kind.replace("QM9", "")), (
            reason
        )  # kinds are counted, so they quote nothing
        assert len(reason) < 300
    assert [index for index, _ in reasons] == sorted({index for index, _ in reasons})
    return structures, reasons


def check_sound(structure: Structure):
    n = len(structure)
    assert n > 0
    assert ((structure.numbers >= 1) & (structure.numbers <= 118)).all()
    assert np.isfinite(structure.positions).all()
    assert structure.charges is None or (np.abs(structure.charges) <= 127).all()
    assert structure.lattice is None or np.isfinite(structure.lattice).all()
    if structure.bonds is not None and len(structure.bonds):
        i, j, order = structure.bonds.T
        assert (i >= 0).all()
        assert (i < j).all()
        assert (j < n).all()
        assert set(order.tolist()) <= {1, 2, 3, 4}
        assert len({*zip(i.tolist(), j.tolist(), strict=True)}) == len(i)


def peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_read_or_explained(tmp_path, good, name):
    others = tuple(content for other, content in good.items() if other != name)
    path = tmp_path / name
    path.write_bytes(good[name])
    structures, reasons = read_checked(path)  # imports what the format needs
    assert structures
    assert not reasons
    before = peak_megabytes()
    damaged = 0
    for seed in range(FILES[name] * ROUNDS):
        random = Random(f"{name} {seed}")
        path.write_bytes(mutate(good[name], random, others))
        structures, reasons = read_checked(path)
        damaged += bool(reasons) or not structures
    assert damaged > FILES[name] * ROUNDS / 5
    assert peak_megabytes() - before < MEGABYTES


@pytest.mark.parametrize("name", ["a.sdf", "a.xyz", "a.extxyz", "a.smi"])
def test_damaged_gzip_files(tmp_path, good, name):
    path = tmp_path / f"{name}.gz"
    path.write_bytes(gzip.compress(good[name]))
    originals, reasons = read_checked(path)
    assert originals
    assert not reasons
    rounds = (4 if name == "a.smi" else 15) * ROUNDS
    damaged = 0
    for seed in range(rounds):
        path.write_bytes(mutate_gzip(good[name], Random(f"gzip {name} {seed}")))
        structures, reasons = read_checked(path)
        damaged += bool(reasons) or len(structures) != len(originals)
    assert damaged > rounds / 3


def same_as(structures, others):
    for one, other in zip(structures, others, strict=True):
        assert_same(one, other)


def damaged_inside(records: list[bytes], k: int, random: Random) -> bytes:
    """One kind of damage within a record, which goes on to end with a line break."""
    return random.choice(MUTATIONS)(records[k], random).rstrip(b"\r\n") + b"\n"


@pytest.mark.parametrize("name", ["a.sdf", "v3000.sdf"])
def test_damage_inside_an_sdf_record_leaves_the_others(tmp_path, good, name):
    records = good[name].split(b"$$$$\n")[:-1]
    path = tmp_path / name
    path.write_bytes(good[name])
    originals, _ = read_checked(path)
    for seed in range(60 * ROUNDS):
        random = Random(f"inside {name} {seed}")
        k = random.randrange(len(records))
        damaged = damaged_inside(records, k, random)
        path.write_bytes(b"$$$$\n".join([*records[:k], damaged, *records[k + 1 :], b""]))
        structures, reasons = read_checked(path)
        behind = len(records) - k - 1
        assert len(structures) + len(reasons) >= len(records)
        same_as(structures[:k], originals[:k])
        same_as(structures[len(structures) - behind :], originals[k + 1 :])
        assert all(k <= index < k + len(structures) + len(reasons) - len(records) + 1 for index, _ in reasons)


@pytest.mark.parametrize("name", ["a.xyz", "a.extxyz", "qm9.xyz"])
def test_damage_inside_an_xyz_frame_leaves_the_others(tmp_path, good, name):
    frames = [frame + b"\n" for frame in re.split(rb"\n(?=\d+\n)", good[name].rstrip(b"\n"))]
    path = tmp_path / name
    path.write_bytes(good[name])
    originals, _ = read_checked(path)
    assert len(frames) == len(originals)
    tried = 0
    for seed in range(60 * ROUNDS):
        random = Random(f"inside {name} {seed}")
        k = random.randrange(len(frames))
        damaged = damaged_inside(frames, k, random)
        if re.match(rb"\s*\w+\s+[-+\d.]+\s+[-+\d.]+\s+[-+\d.]+", damaged):
            continue  # an atom's line first, which rightly puts the frame above it in doubt
        tried += 1
        path.write_bytes(b"".join([*frames[:k], damaged, *frames[k + 1 :]]))
        structures, _ = read_checked(path)
        behind = len(frames) - k - 1
        same_as(structures[:k], originals[:k])
        same_as(structures[len(structures) - behind :], originals[k + 1 :])
    assert tried > 30 * ROUNDS
