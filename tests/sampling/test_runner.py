"""The runner: one result whatever the batch size, memory that runs out, continuing, precision."""

import numpy as np
import pytest
import torch

from molgen.errors import ConfigError, MolgenError
from molgen.randomness import NoiseSource
from molgen.sampling.generator import structures_of
from molgen.sampling.runner import make, run
from molgen.sampling.settings import Settings
from molgen.sampling.sizes import make_plan
from molgen.solvers.gaussian import SOLVERS

N = 150


def made(model, settings, **options):
    plan = make_plan(model.data.size_histogram, N, seed=4)
    chunks = list(run(model, plan, settings, **options))
    return [index for index, _ in chunks], [s for _, parts in chunks for s in structures_of(parts)]


def assert_same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a.numbers.tolist() == b.numbers.tolist()
        np.testing.assert_allclose(a.positions, b.positions, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_batch_size_plays_no_part(model, solver):
    settings = Settings.of(model, steps=8, solver=solver)
    _, reference = made(model, settings, batch_size=64)
    plan = make_plan(model.data.size_histogram, N, seed=4)
    assert [len(s) for s in reference] == np.concatenate(plan.chunks).tolist()
    assert len({s.positions.tobytes() for s in reference}) == N
    for batch_size in (16, 200):
        chunks, structures = made(model, settings, batch_size=batch_size)
        assert chunks == list(range(len(plan.chunks)))
        assert_same(structures, reference)


def test_continuing_repeats_the_same_batches(model):
    for batch_size in (16, 64, 130):
        _, whole = made(model, Settings.of(model, steps=5), batch_size=batch_size)
        chunks, rest = made(model, Settings.of(model, steps=5), batch_size=batch_size, first=1)
        assert chunks == [1, 2]
        tail = whole[-len(rest) :]
        assert len(rest) < N
        assert all(a.positions.tobytes() == b.positions.tobytes() for a, b in zip(rest, tail, strict=True))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 99999999999 bytes"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    ],
)
def test_out_of_memory_halves_the_batch(model, monkeypatch, error):
    _, reference = made(model, Settings.of(model, steps=4), batch_size=64)
    limited, sizes, log = model.denoiser.forward, [], []

    def forward(z, t, mask):
        sizes.append(len(z))
        if len(z) > 20:
            raise error
        return limited(z, t, mask)

    monkeypatch.setattr(model.denoiser, "forward", forward)
    _, structures = made(model, Settings.of(model, steps=4), batch_size=130, log=log.append)
    assert_same(structures, reference)
    assert max(sizes) == 128
    assert log == [f"out of memory: going on with batches of {size}" for size in (65, 32, 16)]


def test_no_memory_for_one(model, monkeypatch):
    def forward(z, t, mask):
        raise MemoryError

    monkeypatch.setattr(model.denoiser, "forward", forward)
    with pytest.raises(MolgenError, match="single structure"):
        made(model, Settings.of(model, steps=4))


def test_other_errors_pass(model, monkeypatch):
    def forward(z, t, mask):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(model.denoiser, "forward", forward)
    with pytest.raises(RuntimeError, match="shapes"):
        made(model, Settings.of(model, steps=4))


def test_progress_counts_structures_and_never_goes_back(model):
    seen = []
    made(model, Settings.of(model, steps=4), batch_size=64, progress=lambda done, total: seen.append((done, total)))
    done = [pair[0] for pair in seen]
    assert done == sorted(done)
    assert seen[-1] == (N, N)
    assert len(set(done)) > 10


def test_watch_follows_the_first_batch_only(model):
    seen = []
    made(
        model, Settings.of(model, steps=4), batch_size=16, watch=lambda step, z, mask: seen.append((step, z.shape[:2]))
    )
    assert [step for step, _ in seen] == [0, 1, 2, 3, 4]
    assert {shape[0] for _, shape in seen} == {16}


def test_bf16_is_close_and_different(model):
    _, full = made(model, Settings.of(model, steps=3))
    _, half = made(model, Settings.of(model, steps=3, precision="bf16"))
    error = max(np.abs(a.positions - b.positions).max() for a, b in zip(full, half, strict=True))
    scale = max(np.abs(a.positions).max() for a in full)
    assert 0 < error < 0.05 * scale


def test_spacing_changes_the_times(model):
    assert Settings.of(model, steps=2, spacing=2.0).times(model).tolist() == [1.0, 0.25, 0.0]
    even, bent = made(model, Settings.of(model, steps=3))[1], made(model, Settings.of(model, steps=3, spacing=2.0))[1]
    assert any(not np.allclose(a.positions, b.positions) for a, b in zip(even, bent, strict=True))


def test_bad_settings(model):
    for changes, message in (
        ({"steps": 0}, "0 sampling steps"),
        ({"steps": 2, "solver": "euler"}, "unknown solver"),
        ({"steps": 2, "precision": "8"}, "unknown precision"),
    ):
        with pytest.raises(ConfigError, match=message):
            Settings.of(model, **changes)
    with pytest.raises(ConfigError, match="a batch of 0"):
        made(model, Settings.of(model, steps=2), batch_size=0)


def test_nothing_waits_for_the_device_inside_a_solver(model, monkeypatch):
    """Reading a number off a tensor is what stalls a GPU; the network's split by size is for the CPU alone."""
    monkeypatch.setattr("molgen.networks.egnn.apply_by_size", lambda network, *tensors: network(*tensors))
    reading = ("item", "tolist", "__bool__", "__int__", "__float__", "cpu", "nonzero")
    calls = []

    class Spy(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if getattr(function, "__name__", "") in reading:
                calls.append(function.__name__)
            return function(*args, **(kwargs or {}))

    mask = torch.ones(2, 4, dtype=torch.bool)
    for solver in SOLVERS:
        with Spy():
            make(model, mask, NoiseSource.seeded(0, 2, 4), Settings.of(model, steps=3, solver=solver))
    assert calls == []
