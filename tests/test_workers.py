"""Ordered work here, in processes, and on a dask cluster."""

import os
import time

import pytest

from molgen.errors import InputError
from molgen.scoring import score
from molgen.workers import WINDOW, ordered_map
from tests.scoring.molecules import ACETYLENE, AMMONIA, AMMONIUM, METHANE


def square(number):
    return number * number, os.getpid()


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        yield cluster.scheduler_address


@pytest.mark.parametrize("workers", [1, 2])
def test_order_is_kept(workers):
    answers = list(ordered_map(square, range(40), workers))
    assert [value for value, _ in answers] == [k * k for k in range(40)]
    assert (os.getpid() in {pid for _, pid in answers}) is (workers == 1)


def test_items_are_read_only_as_far_as_needed():
    read = []

    def items():
        for k in range(300):
            read.append(k)
            yield k

    answers = ordered_map(square, items(), 2)
    assert next(answers)[0] == 0
    time.sleep(1.0)
    assert len(read) <= 2 * WINDOW
    assert len(list(answers)) == 299


def test_dask_gives_the_same_rows(cluster):
    answers = list(ordered_map(square, range(20), dask=cluster))
    assert [value for value, _ in answers] == [k * k for k in range(20)]
    assert os.getpid() not in {pid for _, pid in answers}
    sample = [METHANE, AMMONIA, AMMONIUM, ACETYLENE] * 30
    here = score(sample, ["edm", "explicit"])
    assert score(sample, ["edm", "explicit"], dask=cluster) == here
    assert score(sample, ["edm", "explicit"], workers=2) == here


def test_no_scheduler():
    pytest.importorskip("distributed")
    with pytest.raises(InputError, match="no dask scheduler"):
        list(ordered_map(square, [1], dask="tcp://127.0.0.1:9"))
