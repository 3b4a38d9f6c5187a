import os
import pickle
import random
import struct
from io import BytesIO

import numpy as np
import pytest

from molgen.datasets import restricted_pickle
from molgen.datasets.geom_pickles import ADMITTED
from molgen.datasets.pickle_instructions import ARGUMENTS, DamagedPickleError, ForbiddenPickleError, instructions
from molgen.datasets.restricted_pickle import Rebuilt, items, load
from molgen.errors import InputError

PLAIN = [
    None,
    True,
    [1, -1, 255, 256, 65535, 65536, -(2**31), 2**31, 2**62, -(2**70), 10**40],
    [0.0, -1.5, 1e300, float("inf")],
    ["", "a", "é" * 300, "x" * 70_000],
    [b"", b"a" * 255, b"b" * 256, b"c" * 70_000],
    {"a": 1, 2: [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)], "c": {}},
    [[k] for k in range(2500)],
    {str(k): k for k in range(2500)},
    [("shared",) * 5] * 5,
]


def read(data, admitted=ADMITTED):
    return load(BytesIO(data), admitted)


class Calls:
    """Pickles as the call of a function with arguments."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("value", PLAIN, ids=range(len(PLAIN)))
def test_plain_data_come_back(value, protocol):
    if protocol == 2 and b"_codecs" in pickle.dumps(value, protocol):
        with pytest.raises(ForbiddenPickleError, match=r"_codecs|bytes"):
            read(pickle.dumps(value, protocol))
        return
    assert read(pickle.dumps(value, protocol)) == value


def test_random_plain_data_come_back():
    rng = random.Random(0)

    def anything(depth):
        kind = rng.randrange(8 if depth else 5)
        if kind < 5:
            return [
                rng.randrange(-(10**9), 10**12),
                rng.random(),
                "s" * rng.randrange(9),
                b"b" * rng.randrange(9),
                None,
            ][kind]
        parts = [anything(depth - 1) for _ in range(rng.randrange(5))]
        return [parts, tuple(parts), {str(k): part for k, part in enumerate(parts)}][kind - 5]

    for _ in range(300):
        value = anything(4)
        assert read(pickle.dumps(value, rng.choice([3, 4, 5]))) == value


def test_an_attack_that_python_falls_for_is_refused(tmp_path):
    attack = pickle.dumps(Calls(os.system, f"touch {tmp_path / 'taken'}"))
    with pytest.raises(ForbiddenPickleError, match=r"(posix|nt)\.system") as caught:
        read(attack)
    assert "publisher" in caught.value.hint
    assert not (tmp_path / "taken").exists()
    pickle.loads(attack)
    assert (tmp_path / "taken").exists()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (eval, ("1 + 1",), "builtins.eval"),
        (exec, ("1 + 1",), "builtins.exec"),
        (getattr, ("a", "upper"), "builtins.getattr"),
        (__import__, ("os",), "builtins.__import__"),
        (open, ("/etc/passwd",), "open"),
        (np.load, ("/etc/passwd",), "numpy.load"),
        (np.fromfile, ("/etc/passwd",), "fromfile"),
        (np.testing.measure, ("1 + 1",), "measure"),
        (pickle.loads, (b"N.",), "pickle.loads"),
    ],
)
def test_functions_are_refused_by_name(function, arguments, named, protocol):
    data = pickle.dumps({"smiles": "C", "conformers": [Calls(function, *arguments)]}, protocol)
    named = named if protocol > 2 else named.replace("builtins", "__builtin__")
    with pytest.raises(ForbiddenPickleError) as caught:
        read(data)
    assert named in str(caught.value)


def test_an_admitted_name_as_a_cover_for_another():
    inner = pickle.dumps(Calls(os.system, "true"), 3)[2:-1]  # without PROTO and STOP
    for outer in (b"crdkit.Chem.rdchem\nMol\n", b"cnumpy\ndtype\n", b"cnumpy.core.multiarray\n_reconstruct\n"):
        with pytest.raises(ForbiddenPickleError, match="system"):
            read(b"\x80\x03" + outer + inner + b"\x85R.")


ATTACKS = {
    "attribute of an admitted class": b"\x80\x04\x8c\x11rdkit.Chem.rdchem\x8c\x08Mol.Mol2\x93.",
    "attribute by dots": b"\x80\x04\x8c\x11rdkit.Chem.rdchem\x8c\x0cMol.__init__\x93.",
    "calling a text": b"\x80\x03X\x04\x00\x00\x00eval)R.",
    "calling what a call returned": b"\x80\x03cnumpy\ndtype\nX\x02\x00\x00\x00f8\x85R)R.",
    "state of a dictionary": b"\x80\x03}X\x01\x00\x00\x00a\x85b.",
    "state of a list": b"\x80\x03]}b.",
    "a new object without its constructor": b"\x80\x03crdkit.Chem.rdchem\nMol\n)\x81.",
    "a new object with keywords": b"\x80\x04crdkit.Chem.rdchem\nMol\n)}\x92.",
    "instance of protocol 0": b"(S'true'\nios\nsystem\n.",
    "object of protocol 1": b"(cos\nsystem\nX\x04\x00\x00\x00trueo.",
    "persistent identifier": b"Pabc\n.",
    "binary persistent identifier": b"\x80\x03X\x01\x00\x00\x00aQ.",
    "extension registry": b"\x80\x02\x82\x01.",
    "text evaluated by protocol 0": b"S'a'\n.",
    "a set, whose hashes are work": b"\x80\x04\x8f(K\x01\x90.",
    "out-of-band buffer": b"\x80\x05\x97.",
}


@pytest.mark.parametrize("data", ATTACKS.values(), ids=ATTACKS.keys())
def test_other_ways_to_call_are_refused(data):
    with pytest.raises(ForbiddenPickleError):
        read(data)


BROKEN = {
    "empty": b"",
    "no end": b"\x80\x03]",
    "nothing left": b"\x80\x03.",
    "two left": b"\x80\x03NN.",
    "open mark": b"\x80\x03(N.",
    "no mark": b"\x80\x03Nt.",
    "nothing to join": b"\x80\x03\x87.",
    "nothing to remember": b"\x80\x04\x94.",
    "never remembered": b"\x80\x03h\x07.",
    "item for a tuple": b"\x80\x03)K\x01a.",
    "odd dictionary": b"\x80\x03}(K\x01u.",
    "dictionary without key": b"\x80\x03}s.",
    "text that is no UTF-8": b"\x80\x03X\x01\x00\x00\x00\xff.",
    "half a number": b"\x80\x03J\x01",
    "name without end": b"\x80\x03cos" + b"o" * 500 + b".",
    "name of numbers": b"\x80\x04K\x01K\x02\x93.",
    "argument as callee": b"\x80\x03cnumpy\nndarray\n)R.",
    "molecule from nothing": b"\x80\x03crdkit.Chem.rdchem\nMol\n)R.",
    "molecule from a text": b"\x80\x03crdkit.Chem.rdchem\nMol\nX\x01\x00\x00\x00a\x85R.",
    "numpy objects": b"\x80\x03cnumpy\ndtype\nX\x02\x00\x00\x00O8\x85R.",
    "numpy text": b"\x80\x03cnumpy\ndtype\nX\x03\x00\x00\x00U99\x85R.",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_damage_is_an_error_of_its_own(data):
    with pytest.raises(DamagedPickleError):
        read(data)
    assert issubclass(DamagedPickleError, InputError)


def test_announced_sizes_are_not_believed():
    for announced in (b"B" + struct.pack("<I", 2**32 - 1), b"\x8e" + struct.pack("<Q", 2**63), b"\x95" + b"\xff" * 8):
        with pytest.raises(DamagedPickleError):
            read(b"\x80\x04" + announced + b"N")


def test_memo_numbers_take_no_memory():
    assert read(b"\x80\x03Nr\xff\xff\xff\xffj\xff\xff\xff\xff\x86.") == (None, None)


@pytest.mark.parametrize("flood", [b"]", b"N\x94", b"}q\x01", b"(", b"X\x0a\x00\x00\x000123456789"])
def test_floods_end_at_the_memory_limit(flood, monkeypatch):
    monkeypatch.setattr(restricted_pickle, "MEMORY", 100_000)
    file = BytesIO(b"\x80\x04" + flood * 50_000 + b".")
    with pytest.raises(DamagedPickleError, match="takes more than"):
        load(file, ADMITTED)
    assert file.tell() < 20_000


def test_references_that_multiply_are_not_followed():
    """Thirty levels of pairs of the level below: a billion leaves in 250 bytes."""
    bomb = b"()q\x00" + b"".join(b"h%ch%c\x86q%c" % (k, k, k + 1) for k in range(30)) + b"t"
    value = read(b"\x80\x03" + bomb + b".")[-1]
    for _ in range(30):
        assert value[0] is value[1]
        value = value[0]
    with pytest.raises(DamagedPickleError):  # as a key its hash would be a billion steps
        read(b"\x80\x03}" + bomb + b"Ns.")


def test_nesting_and_self_reference_do_no_harm():
    deep = read(b"\x80\x03" + b"]" * 200_000 + b"a" * 199_999 + b".")
    assert len(deep) == 1
    del deep
    own = read(b"\x80\x03]q\x00h\x00a.")
    assert own[0] is own


def test_damaged_bytes_raise_nothing_else():
    rng = random.Random(1)
    good = pickle.dumps({"a": [1.5, "text", b"bytes", (1, 2, {"k": None})] * 3, "n": [np.float64(2.0)] * 2}, 4)
    outcomes = set()
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(rng.choice([1, 2, 4])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            read(bytes(data[: rng.choice([len(data), rng.randrange(len(data))])]))
            outcomes.add("read")
        except InputError as error:
            outcomes.add(type(error).__name__)
    assert outcomes == {"read", "DamagedPickleError", "ForbiddenPickleError"}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_items_of_a_list(protocol):
    value = [("one", [k, "shared text", {"k": 1.5}]) for k in range(2345)]
    assert list(items(BytesIO(pickle.dumps(value, protocol)), ADMITTED)) == value
    for few in ([], [None], [[]], [["a"], ["a"]]):
        assert list(items(BytesIO(pickle.dumps(few, protocol)), ADMITTED)) == few


def test_items_come_before_the_rest_is_read():
    data = pickle.dumps([[k] for k in range(3000)])
    file = BytesIO(data[: len(data) // 2] + b"\x00" * 10)
    with pytest.raises(ForbiddenPickleError):  # the first pass reads all instructions
        next(items(file, ADMITTED))
    stream = items(file := BytesIO(data), ADMITTED)
    assert next(stream) == [0]
    assert file.tell() < 0.4 * len(data)


def test_only_objects_that_are_referred_to_are_remembered(monkeypatch):
    kept = []
    put = restricted_pickle._Machine.put

    def counted(machine, index):
        put(machine, index)
        kept.append(len(machine.memo))

    monkeypatch.setattr(restricted_pickle._Machine, "put", counted)
    value = [(f"smiles {k}", [f"bytes {k} {j}".encode() for j in range(3)], "twice") for k in range(2000)]
    assert list(items(BytesIO(pickle.dumps(value, 4)), ADMITTED)) == value
    assert len(kept) > 10_000
    assert max(kept) <= 1


def test_items_of_something_else():
    for value in ({}, ([1],), 3, b"x"):
        with pytest.raises(DamagedPickleError, match="no list"):
            list(items(BytesIO(pickle.dumps(value)), ADMITTED))


def test_state_of_a_made_object():
    class Made(Rebuilt):
        def set_state(self, state):
            self.state = state

    made = read(b"\x80\x03cmy\nname\n)R}X\x01\x00\x00\x00aK\x01sb.", {"my.name": lambda arguments: Made()})
    assert made.state == {"a": 1}


def test_every_instruction_that_is_read_has_an_action():
    assert set(ARGUMENTS) == set(restricted_pickle._ACTIONS)
    assert [code for code, _ in instructions(BytesIO(b"\x80\x03N."))] == [b"\x80", b"N", b"."]
