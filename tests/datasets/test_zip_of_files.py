"""A zip of structure files, as a crystal's sampling writes it and as others do."""

import zipfile

import pytest

from molgen import io
from molgen.datasets.find import open_structures
from molgen.errors import InputError
from tests.io.molecules import rock_salt, water

CIF = "data_{name}\n" + "\n".join(
    f"_cell_length_{x} 4.0\n_cell_angle_{y} 90" for x, y in zip("abc", ("alpha", "beta", "gamma"), strict=True)
)
CIF += "\nloop_\n" + "".join(f"_atom_site_{x}\n" for x in ("label", "fract_x", "fract_y", "fract_z", "occupancy"))
CIF += "{sites}\n"


def test_what_was_written_is_read(tmp_path):
    salts = [rock_salt().replace(name=str(k), properties={"target": f"mp-{k}"}) for k in range(12)]
    assert io.write(tmp_path / "a.zip", salts) == 12
    back = list(open_structures(tmp_path / "a.zip"))
    assert [(s.name, s.properties["target"]) for s in back] == [(str(k), f"mp-{k}") for k in range(12)]
    assert io.write(f"{tmp_path}/a.vasp/", salts) == 12
    assert [s.name for s in open_structures(tmp_path / "a.vasp")] == [str(k) for k in range(12)]


def test_others_zips_with_what_cannot_be_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("readme.md", "text")
        archive.writestr("x/good.cif", CIF.format(name="", sites="Fe1 0 0 0 1"))
        archive.writestr("x/partial.cif", CIF.format(name="partial", sites="Fe1 0 0 0 0.5"))
        archive.writestr("y.xyz", "2\n\nH 0 0 0\n")
        archive.writestr("z.xyz.gz", b"\x1f\x8b")
        archive.writestr("empty.cif", "data_e\n")
    seen = []
    (good,) = open_structures(tmp_path / "b.zip", lambda index, reason: seen.append((index, reason)))
    assert (good.name, good.numbers.tolist()) == ("good", [26])
    assert [index for index, _ in seen] == [1, 2, 3, 4]
    assert seen[0][1].startswith("not an ordered crystal: x/partial.cif, ")
    assert seen[1][1].startswith("truncated record: y.xyz, ")
    with pytest.raises(InputError, match=r"x/partial\.cif"):
        list(open_structures(tmp_path / "b.zip"))


def test_zips_without_structures(tmp_path):
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("readme.md", "text")
    with pytest.raises(InputError, match="holds no structure file"):
        list(open_structures(tmp_path / "c.zip"))
    (tmp_path / "d.zip").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(InputError, match="damaged"):
        list(open_structures(tmp_path / "d.zip"))


def test_a_format_of_single_structures_in_a_zip_and_one_that_cannot_hold_them(tmp_path):
    assert io.write(tmp_path / "e.poscar.zip", [rock_salt(), rock_salt()]) == 2
    with zipfile.ZipFile(tmp_path / "e.poscar.zip") as archive:
        assert archive.namelist() == ["000000_NaCl.poscar", "000001_NaCl.poscar"]
    with io.open_writer(tmp_path / "e.zip") as writer:
        with pytest.raises(InputError, match="no lattice"):
            writer.write(water())
        writer.write(rock_salt())
    assert len(list(open_structures(tmp_path / "e.zip"))) == 1
