"""The file of samples: sidecar, torn tails, other people's files, molecules that are not finite."""

import errno
import gzip
import json

import numpy as np
import pytest

from molgen import io
from molgen.errors import ConfigError, InputError, OutputError
from molgen.sampling.output import SampleFile, check_format
from molgen.structure import Structure

SETTINGS = {"n": 6, "seed": 1, "atoms": None}


def molecule(x: float) -> Structure:
    return Structure(numbers=[8, 1], positions=[[0, 0, 0], [x, 0, 0]])


CHUNKS = [[molecule(1.0), molecule(1.1)], [molecule(1.2), molecule(1.3)], [molecule(1.4), molecule(1.5)]]


def opened(path, settings=SETTINGS, **options):
    return SampleFile(path, settings, {"machine": "here"}, len(CHUNKS), **options)


def fill(path, first, stop, **options):
    with opened(path, **options) as file:
        assert file.chunks_done == first
        for chunk in CHUNKS[first:stop]:
            file.add(chunk, 0.5)
        return file


@pytest.mark.parametrize("name", ["out.sdf", "out.extxyz", "out.xyz", "out.sdf.gz", "out.extxyz.gz"])
def test_continued_file_is_byte_for_byte_the_whole_one(tmp_path, name):
    whole, parts = tmp_path / "whole" / name, tmp_path / "parts" / name
    fill(whole, 0, 3)
    fill(parts, 0, 1)
    with parts.open("ab") as file:
        file.write(b"half a rec")
    fill(parts, 1, 2)
    fill(parts, 2, 3)
    assert parts.read_bytes() == whole.read_bytes()
    distances = [s.positions[1, 0] for s in io.read(parts)]
    assert distances == pytest.approx([1.0, 1.1, 1.2, 1.3, 1.4, 1.5])
    sidecars = [json.loads(p.with_name(name + ".json").read_text()) for p in (whole, parts)]
    assert sidecars[0] == sidecars[1]
    assert sidecars[0] | {"seconds": 0} == {
        "format": "molgen-samples-1",
        "settings": SETTINGS,
        "provenance": {"machine": "here"},
        "chunks": 3,
        "chunks_done": 3,
        "written": 6,
        "bytes": whole.stat().st_size,
        "seconds": 0,
        "molecules_per_second": 4.0,
        "not_finite": [],
        "rejected": {},
        "rounds": [],
        "counts": {},
        "complete": True,
    }
    assert sidecars[0]["seconds"] == pytest.approx(1.5)


def test_a_reader_sees_every_finished_chunk(tmp_path):
    path = tmp_path / "out.sdf"
    with opened(path) as file:
        file.add(CHUNKS[0], 1.0)
        assert len(list(io.read(path))) == 2
        assert json.loads((tmp_path / "out.sdf.json").read_text())["complete"] is False


def test_an_interrupted_chunk_leaves_a_valid_file(tmp_path):
    path = tmp_path / "out.sdf"

    def breaking():
        yield molecule(9.0)
        raise KeyboardInterrupt

    with opened(path) as file:
        file.add(CHUNKS[0], 1.0)
        with pytest.raises(KeyboardInterrupt):
            file.add(breaking(), 1.0)
    assert [s.positions[1, 0] for s in io.read(path)][:2] == pytest.approx([1.0, 1.1])
    fill(path, 1, 3)
    assert [s.positions[1, 0] for s in io.read(path)] == pytest.approx([1.0, 1.1, 1.2, 1.3, 1.4, 1.5])


def test_names_are_indices_and_lost_molecules_keep_theirs(tmp_path):
    path = tmp_path / "out.extxyz"
    chunks = [[molecule(1.0), molecule(np.nan), molecule(1.2)], [molecule(np.inf), molecule(1.4)]]
    with SampleFile(path, SETTINGS, {}, 2) as file:
        for chunk in chunks:
            file.add(chunk, 1.0)
    assert [s.name for s in io.read(path)] == ["0", "2", "4"]
    assert file.written == 3
    assert file.not_finite == [
        {"chunk": 0, "row": 1, "index": 1, "atoms": 2},
        {"chunk": 1, "row": 0, "index": 3, "atoms": 2},
    ]
    assert file.state["molecules_per_second"] == 2.5


def test_prepare_is_applied(tmp_path):
    bonded = fill(tmp_path / "out.sdf", 0, 3, prepare=lambda s: s.replace(bonds=[[0, 1, 1]]))
    assert all(s.bonds.tolist() == [[0, 1, 1]] for s in io.read(bonded.path))


def test_counts_are_summed_over_what_is_written_and_continued(tmp_path):
    def count(structure):
        return {"long": int(structure.positions[1, 0] > 1.25), "all": 1, **({"x": 1} if structure.name == "4" else {})}

    path = tmp_path / "out.sdf"
    fill(path, 0, 1, count=count)
    assert json.loads((tmp_path / "out.sdf.json").read_text())["counts"] == {"long": 0, "all": 2}
    file = fill(path, 1, 3, count=count)
    assert file.counts == {"long": 3, "all": 6, "x": 1}


def test_an_interrupted_chunk_is_not_counted_twice(tmp_path):
    def breaking():
        yield molecule(9.0)
        raise KeyboardInterrupt

    path = tmp_path / "out.sdf"
    with opened(path, count=lambda s: {"all": 1}) as file, pytest.raises(KeyboardInterrupt):
        file.add(breaking(), 1.0)
    assert fill(path, 0, 3, count=lambda s: {"all": 1}).counts == {"all": 6}


def test_files_of_earlier_versions_have_no_counts_and_are_continued(tmp_path):
    path, sidecar = tmp_path / "out.sdf", tmp_path / "out.sdf.json"
    fill(path, 0, 1)
    state = json.loads(sidecar.read_text())
    del state["counts"]
    sidecar.write_text(json.dumps(state))
    assert fill(path, 1, 3, count=lambda s: {"all": 1}).counts == {"all": 4}


def test_a_setting_that_is_there_but_not_here_is_another_setting(tmp_path):
    path = tmp_path / "out.sdf"
    with opened(path, SETTINGS | {"formula": "CH4"}):
        pass
    with pytest.raises(OutputError, match="formula is CH4 there and None here"):
        opened(path)
    with opened(tmp_path / "b.sdf", SETTINGS | {"formula": None}):
        pass
    opened(tmp_path / "b.sdf")  # None is nothing


def test_other_settings_are_refused_and_nothing_is_lost(tmp_path):
    path = tmp_path / "out.sdf"
    fill(path, 0, 2)
    before = path.read_bytes(), (tmp_path / "out.sdf.json").read_bytes()
    with pytest.raises(OutputError, match="seed is 1 there and 2 here") as caught:
        opened(path, SETTINGS | {"seed": 2})
    assert "--overwrite" in caught.value.hint
    assert (path.read_bytes(), (tmp_path / "out.sdf.json").read_bytes()) == before
    with opened(path, SETTINGS | {"seed": 2}, overwrite=True) as file:
        assert file.chunks_done == 0
    assert path.read_bytes() == b""


def test_a_file_without_sidecar_is_refused(tmp_path):
    path = tmp_path / "out.sdf"
    path.write_text("precious")
    with pytest.raises(OutputError, match=r"out\.sdf\.json does not"):
        opened(path)
    assert path.read_text() == "precious"


def test_a_shortened_file_is_refused(tmp_path):
    path = tmp_path / "out.sdf"
    fill(path, 0, 2)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(OutputError, match="it has 100 bytes"):
        opened(path)


def test_a_removed_file_starts_again(tmp_path):
    path = tmp_path / "out.sdf"
    fill(path, 0, 2)
    path.unlink()
    fill(path, 0, 3)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": "other"}', '{"format": "molgen-samples-1", "chunks": "x"}']
)
def test_a_damaged_sidecar_is_refused(tmp_path, text):
    path = tmp_path / "out.sdf"
    fill(path, 0, 1)
    (tmp_path / "out.sdf.json").write_text(text)
    with pytest.raises(InputError, match=r"out\.sdf\.json"):
        opened(path)


def test_a_full_disk_keeps_the_finished_chunks(tmp_path):
    path = tmp_path / "out.sdf"
    fill(path, 0, 1)
    expected = path.read_bytes()
    file = opened(path)
    records = file._writer._file
    records._file = FullDisk(records._file)
    with pytest.raises(OutputError, match="no space left"):
        file.add(CHUNKS[1], 1.0)
    assert path.read_bytes() == expected
    fill(path, 1, 3)
    assert len(list(io.read(path))) == 6


class FullDisk:
    """A file that takes ten more bytes and then no more."""

    def __init__(self, file):
        self.file, self.taken = file, False

    def write(self, data):
        if self.taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.taken = True
        return self.file.write(bytes(data[:10]))

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot write"):
        opened(tmp_path / "file" / "out.sdf")


@pytest.mark.parametrize("name", ["out.cif", "out.smi", "out.mol", "out.vasp"])
def test_formats_that_do_not_suit(tmp_path, name):
    with pytest.raises(ConfigError, match="cannot be written in this format"):
        check_format(tmp_path / name)


def test_gzip_members_are_whole(tmp_path):
    path = tmp_path / "out.xyz.gz"
    fill(path, 0, 2)
    assert gzip.decompress(path.read_bytes()).count(b"\n") == 4 * 4
