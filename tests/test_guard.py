"""Calls that hang, die and raise, in a child process."""

import ctypes
import os
import sys
import time
from dataclasses import dataclass

import pytest

from molgen import guard as guard_module
from molgen.errors import MissingError, MolgenError
from molgen.guard import Guard, Lost, thread_guard


def behave(item):
    """The child's function; what it does is its argument."""
    kind, value = item
    if kind == "hang":
        end = time.monotonic() + 60
        while time.monotonic() < end:
            pass
    elif kind == "sleep":
        time.sleep(value)
    elif kind == "crash":
        ctypes.string_at(0)
    elif kind == "exit":
        os._exit(value)
    elif kind == "raise":
        raise ValueError(value)
    elif kind == "print":
        sys.stdout.write("words")
        os.write(1, b"noise")
    return value if kind != "pid" else os.getpid()


def factory():
    return behave


def missing():
    raise MissingError("a package is missing", hint="install it")


def dying():
    os.write(2, b"some words\nthe last words\n\n")
    os._exit(7)


def dying_silently():
    os._exit(7)


@pytest.fixture
def guard():
    guard = Guard(factory, timeout=1.0)
    yield guard
    guard.close()


def test_every_item_gets_its_answer_in_order_whatever_happens_to_the_others(guard):
    items = [("ok", 1), ("crash", 0), ("ok", 2), ("hang", 0), ("exit", 3), ("raise", "words"), ("print", 4), ("ok", 5)]
    answers = list(guard.map(items))
    assert answers[0] == 1
    assert answers[1] == Lost("crash: the process ended with SIGSEGV")
    assert answers[2] == 2
    assert answers[3] == Lost("timeout: no result within 1 s of processor time")
    assert answers[4] == Lost("crash: the process ended with exit code 3")
    assert isinstance(answers[5], RuntimeError)
    assert str(answers[5]) == "ValueError: words"
    assert answers[6:] == [4, 5]


def test_waiting_is_not_the_items_fault_up_to_a_limit(guard):
    """As on a busy machine: two seconds pass, but no processor time is used."""
    assert list(guard.map([("sleep", 2.0), ("sleep", 60.0), ("ok", 1)])) == [
        2.0,
        Lost("timeout: no result within 1 s of processor time"),
        1,
    ]


def test_one_child_serves_many_calls_and_a_dead_one_is_replaced(guard):
    (first,), (second,) = guard.map([("pid", 0)]), guard.map([("pid", 0)])
    assert first == second != os.getpid()
    os.kill(first, 9)
    (third,) = guard.map([("pid", 0)])
    assert isinstance(third, int | Lost)
    assert list(guard.map([("ok", 1)])) == [1]


def test_answers_of_an_abandoned_call_do_not_reach_the_next(guard):
    answers = guard.map([("ok", "old")] * 5)
    assert next(answers) == "old"
    answers.close()
    assert list(guard.map([("ok", 1), ("ok", 2)])) == [1, 2]


def test_no_limit_at_all():
    guard = Guard(factory, timeout=float("inf"))
    assert list(guard.map([("ok", 1)])) == [1]
    guard.close()


def test_large_items_and_answers(guard):
    data = bytes(3_000_000)
    assert list(guard.map([("ok", data)] * 3)) == [data] * 3


def test_what_the_factory_raises_reaches_the_caller():
    with pytest.raises(MissingError, match="a package is missing") as caught:
        list(Guard(missing, 1.0).map([1]))
    assert caught.value.hint == "install it"


def test_what_a_child_says_before_it_dies_reaches_the_caller(tmp_path, monkeypatch):
    with pytest.raises(MolgenError, match=r"could not start: it ended with code 7: the last words$"):
        list(Guard(dying, 1.0).map([1]))
    with pytest.raises(MolgenError, match=r"could not start: it ended with code 7$"):
        list(Guard(dying_silently, 1.0).map([1]))
    (tmp_path / "molgen").mkdir()
    (tmp_path / "molgen" / "__init__.py").write_text("raise ImportError('half of it is missing')")
    monkeypatch.setattr(guard_module, "_paths", lambda: [str(tmp_path)])
    with pytest.raises(MolgenError, match=r"could not start: it ended with code 1: ImportError: half of it is missing"):
        list(Guard(factory, 1.0).map([1]))


@dataclass(frozen=True)
class Equal:
    number: int

    def __call__(self):
        return behave


def test_a_thread_keeps_one_child_for_equal_work():
    guard = thread_guard(Equal(1), 5.0)
    (child,) = guard.map([("pid", 0)])
    assert thread_guard(Equal(1), 5.0) is guard
    assert thread_guard(Equal(1), 6.0) is not guard
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
