"""Counting arithmetic: of a model's matrix products, and how many of them this machine can do in a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

_SIDE = {"cpu": 2048, "cuda": 8192}
"""Rows and columns of the matrices whose product is timed."""
_SECONDS = 0.5
"""How long the products are repeated at least; the fastest counts."""


def count(model: Any, run: Callable[[], object]) -> tuple[float, int]:
    """Run once and count what happens.

    Args:
        model: A registered model; its ``network`` takes tensors whose first dimension is the molecules.
        run: Uses the model.

    Returns:
        Floating-point operations of all matrix products, in the backward pass too (2 for a multiplication and an
        addition; element-wise work is not counted), and molecules that went through the network, summed over calls.
    """
    rows = 0

    def add(module: Any, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal rows
        rows += len(inputs[0])

    hook = model.network.register_forward_hook(add)
    try:
        with FlopCounterMode(display=False) as counter:
            run()
    finally:
        hook.remove()
    return float(counter.get_total_flops()), rows


def matmul_peak(precision: str, device: str = "cpu", side: int | None = None) -> float:
    """Floating-point operations per second of the fastest product of two large square matrices.

    Measured with torch's current number of threads, by wall time.

    Args:
        precision: ``32`` or ``bf16``.
        device: Where.
        side: Rows and columns; by default large enough for the device to reach its best.
    """
    side = side or _SIDE[device.partition(":")[0]]
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    cuda = device.startswith("cuda")
    fastest, began = float("inf"), time.perf_counter()
    torch.mm(left, right)
    while time.perf_counter() - began < _SECONDS or fastest == float("inf"):
        if cuda:
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        torch.mm(left, right)
        if cuda:
            torch.cuda.synchronize(device)
        fastest = min(fastest, time.perf_counter() - start)
    return 2.0 * side**3 / fastest


def autocast(precision: str, device: str) -> AbstractContextManager[Any]:
    """What makes matrix products bfloat16 when ``precision`` is ``bf16``."""
    return torch.autocast(device.partition(":")[0], torch.bfloat16) if precision == "bf16" else nullcontext()
