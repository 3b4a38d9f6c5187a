import gzip
import os
import subprocess
import sys

import numpy as np
import pytest

from molgen import io
from molgen.errors import InputError, MissingError, OutputError
from molgen.io.records import Skipped, format_scalar, parse_scalar
from molgen.structure import Structure
from tests.io.molecules import ammonium, assert_same, rock_salt, water


def test_reading_is_lazy(tmp_path):
    """The second, broken record is not looked at before it is asked for."""
    io.write(tmp_path / "a.sdf", water())
    with (tmp_path / "a.sdf").open("a") as file:
        file.write("garbage\n$$$$\n" * 3)
    stream = io.read(tmp_path / "a.sdf")
    assert next(stream).name == "water"
    with pytest.raises(InputError, match="record 2"):
        next(stream)


def test_reading_takes_constant_memory(tmp_path):
    import tracemalloc

    peaks = []
    for count in (500, 5000):
        io.write(tmp_path / "a.extxyz", (water() for _ in range(count)))
        tracemalloc.start()
        assert sum(1 for _ in io.read(tmp_path / "a.extxyz")) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 50_000


@pytest.mark.parametrize("ending", ["sdf", "xyz", "extxyz"])
def test_truncated_gzip_yields_what_came_before(tmp_path, ending):
    path = tmp_path / f"a.{ending}.gz"
    io.write(tmp_path / f"b.{ending}", (water().replace(name=str(k)) for k in range(2000)))
    whole = gzip.compress((tmp_path / f"b.{ending}").read_bytes())
    path.write_bytes(whole[: len(whole) // 2])
    seen = []
    names = [s.name for s in io.read(path, on_error=lambda index, reason: seen.append((index, reason)))]
    assert 100 < len(names) < 1990
    assert names == [str(k) for k in range(len(names))]
    assert seen == [
        (len(names), "truncated file: the gzip stream ends in the middle; the rest of the file was not read")
    ]
    with pytest.raises(InputError, match="truncated file"):
        list(io.read(path))


def test_damaged_gzip(tmp_path):
    path = tmp_path / "a.xyz.gz"
    io.write(path, [water()] * 50)
    data = bytearray(path.read_bytes())
    data[40:60] = b"\xff" * 20
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged file"):
        list(io.read(path))


@pytest.mark.parametrize("content", [b"", b"\n  \n\n"])
@pytest.mark.parametrize("ending", ["sdf", "xyz", "extxyz", "smi"])
def test_empty_file(tmp_path, content, ending):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"is empty|holds no structure"):
        list(io.read(path, on_error=lambda index, reason: None))


@pytest.mark.parametrize("ending", ["sdf", "mol", "xyz", "extxyz", "smi", "cif", "vasp"])
def test_garbage_gives_reasons_not_crashes(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes())
    seen = Skipped()
    assert list(io.read(path, on_error=seen.add)) == []
    assert seen.total >= 1
    assert seen.lines()[0].startswith(f"{seen.counts.most_common(1)[0][1]} x ")


def test_names_of_files_are_checked_before_reading(tmp_path):
    with pytest.raises(InputError, match="known format") as caught:
        io.read(tmp_path / "a.pdbqt")
    assert ".extxyz" in caught.value.hint
    with pytest.raises(MissingError, match=r"no file .*a\.sdf"):
        io.read(tmp_path / "a.sdf")
    (tmp_path / "b.sdf").mkdir()
    with pytest.raises(InputError, match="folder"):
        io.read(tmp_path / "b.sdf")
    io.write(tmp_path / "c.xyz", water())
    (tmp_path / "c.xyz").rename(tmp_path / "c.xyz.gz")
    with pytest.raises(InputError, match="not compressed"):
        io.read(tmp_path / "c.xyz.gz")


@pytest.mark.parametrize("name", ["a.sdf", "a.sdf.gz", "a.extxyz.gz"])
def test_appending_and_flushing(tmp_path, name):
    path = tmp_path / name
    with io.open_writer(path) as writer:
        writer.write(water())
        writer.flush()
        assert [s.name for s in io.read(path)] == ["water"]  # complete although the writer is open
        writer.write(ammonium())
    with io.open_writer(path, append=True) as writer:
        writer.write(water())
    assert [s.name for s in io.read(path)] == ["water", "ammonium", "water"]
    with io.open_writer(path) as writer:
        writer.write(ammonium())
    assert [s.name for s in io.read(path)] == ["ammonium"]


def test_what_a_format_cannot_hold_is_refused_and_writing_goes_on(tmp_path):
    with io.open_writer(tmp_path / "a.sdf") as writer:
        with pytest.raises(InputError, match="not finite"):
            writer.write(water().replace(positions=np.full((3, 3), np.nan)))
        with pytest.raises(InputError, match="no atoms"):
            writer.write(Structure(numbers=[], positions=np.empty((0, 3))))
        writer.write(water())
    assert len(list(io.read(tmp_path / "a.sdf"))) == 1
    with io.open_writer(tmp_path / "a.mol") as writer:
        writer.write(water())
        with pytest.raises(InputError, match="one structure"):
            writer.write(water())
    with pytest.raises(InputError, match="no lattice"):
        io.write(tmp_path / "a.cif", water())
    with pytest.raises(InputError, match="no bonds"):
        io.write(tmp_path / "a.smi", water().replace(bonds=None))


def test_full_disk_and_missing_folder(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        io.open_writer(tmp_path / "no" / "a.sdf")
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    (tmp_path / "a.sdf").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="no space left"), io.open_writer(tmp_path / "a.sdf") as writer:
        writer.write(water())


@pytest.mark.parametrize("interruption", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_failure_in_mid_record_leaves_whole_records(tmp_path, interruption):
    """A write that stops half-way is undone; after Ctrl-C closing still saves the chunk."""
    path = tmp_path / "a.sdf"
    writer = io.open_writer(path)
    writer.write(water())
    writer.flush()
    writer.write(ammonium())
    real = writer._file._file

    class Failing:
        def write(self, data):
            real.write(data[:10])
            writer._file._file = real
            raise interruption

        def __getattr__(self, name):
            return getattr(real, name)

    writer._file._file = Failing()
    with pytest.raises((OutputError, KeyboardInterrupt)):
        writer.flush()
    assert [s.name for s in io.read(path)] == ["water"]
    writer.close()
    expected = ["water"] if isinstance(interruption, OSError) else ["water", "ammonium"]
    assert [s.name for s in io.read(path)] == expected


def test_writing_needs_no_chemistry_library(tmp_path):
    """SDF and XYZ must be written on a machine that has none of them."""
    program = f"""
import sys
for name in ("rdkit", "ase", "pymatgen", "lightning", "torch"):
    sys.modules[name] = None
from molgen import io
from molgen.structure import Structure
s = Structure(numbers=[8, 1], positions=[[0, 0, 0], [0, 0, 1]], bonds=[[0, 1, 1]])
for ending in ("sdf", "xyz", "extxyz.gz"):
    io.write(r"{tmp_path}/a." + ending, [s, s])
    assert len(list(io.read(r"{tmp_path}/a." + ending))) == 2
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", ["a.cif", "a.cif.gz", "POSCAR", "a.vasp"])
def test_crystal_files(tmp_path, name):
    from pymatgen.analysis.structure_matcher import StructureMatcher

    from molgen.convert import to_pymatgen

    io.write(tmp_path / name, rock_salt())
    (back,) = io.read(tmp_path / name)
    assert back.name == "NaCl"
    assert StructureMatcher(scale=False, primitive_cell=False).fit(to_pymatgen(rock_salt()), to_pymatgen(back))


def test_several_cif_blocks_and_a_bad_one(tmp_path):
    io.write(tmp_path / "a.cif", [rock_salt(), rock_salt().replace(name="second")])
    text = (tmp_path / "a.cif").read_text()
    (tmp_path / "a.cif").write_text("data_bad\n_cell_length_a x\n" + text)
    seen = Skipped()
    assert [s.name for s in io.read(tmp_path / "a.cif", on_error=seen.add)] == ["NaCl", "second"]
    assert seen.counts == {"malformed CIF block": 1}


def test_smiles_are_embedded_with_a_seed_and_a_label(tmp_path):
    (tmp_path / "a.smi").write_text("SMILES name\nCCO ethanol\n\nC1CC nope\n[NH4+]\nB(O)O boron\n")
    seen = Skipped()
    first = list(io.read(tmp_path / "a.smi", on_error=seen.add))
    again = list(io.read(tmp_path / "a.smi", on_error=Skipped().add))
    assert [s.name for s in first] == ["ethanol", ""]
    assert first[0].properties == {"smiles": "CCO", "geometry": "ETKDG+MMFF94"}
    assert len(first[0]) == 9
    assert first[1].charges.sum() == 1
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
    assert seen.counts == {"not a valid SMILES": 1, "no force-field parameters": 1}
    assert "line 4: C1CC" in seen.examples["not a valid SMILES"]
    io.write(tmp_path / "b.smi", first)
    assert (tmp_path / "b.smi").read_text() == "CCO ethanol\n[NH4+]\n"


def test_broken_valence_is_refused_as_smiles(tmp_path):
    crowded = Structure(numbers=[6] + [9] * 5, positions=np.eye(6)[:, :3], bonds=[[0, k, 1] for k in range(1, 6)])
    with pytest.raises(InputError, match="valence rules broken"):
        io.write(tmp_path / "a.smi", crowded)


@pytest.mark.parametrize("value", [0, -7, 10**17, 1.5, 1e-300, -0.1, float("inf"), "007", "", "1 2", "1_0", "C", "+"])
def test_scalars_survive_as_text(value):
    back = parse_scalar(format_scalar(value))
    assert back == value
    assert type(back) is type(value)


def test_round_trip_of_many_random_structures(tmp_path):
    rng = np.random.default_rng(7)
    structures = []
    for k in range(200):
        n = int(rng.integers(1, 40))
        pairs = [(i, j) for i in range(n) for j in range(i + 1, n) if rng.random() < 0.1]
        structures.append(
            Structure(
                numbers=rng.integers(1, 119, n),
                positions=rng.normal(scale=50, size=(n, 3)).round(4),
                charges=rng.integers(-4, 5, n),
                bonds=np.array([(i, j, rng.integers(1, 5)) for i, j in pairs]).reshape(-1, 3),
                name=f"molecule {k}",
                properties={"k": k, "x": float(rng.normal())},
            )
        )
    io.write(tmp_path / "a.sdf.gz", structures)
    for one, other in zip(structures, io.read(tmp_path / "a.sdf.gz"), strict=True):
        assert_same(one, other, tolerance=1e-9)
