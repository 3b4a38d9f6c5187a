"""Time our CSPNet against the reference implementation of DiffCSP, with the same weights, in one process.

    git clone https://github.com/jiaor17/DiffCSP runs/peers/DiffCSP
    pip install torch-geometric
    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python scripts/benchmark_cspnet.py

Both run in turn, repetition by repetition, on the same batch; the figures are processor seconds of this process, which
other programs on the machine disturb less than wall time. Exit code 1 when outputs or gradients differ by more than the
tolerance.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))

from reference_cspnet import CHECKOUT, load_reference, published, run

from molgen.benchmark.timing import time_in_turn
from molgen.host_cpu import keep_freed_memory
from molgen.networks.cspnet import CSPNet
from molgen.networks.cspnet_reference import from_reference

ELEMENTS, CONDITIONS, TOLERANCE = 100, 256, 1e-4

Outputs = Callable[[], tuple[Tensor, ...]]


class Batch(NamedTuple):
    """Inputs of the network; see ``CSPNet.forward``."""

    features: Tensor
    fractional: Tensor
    lattice: Tensor
    condition: Tensor
    mask: Tensor


def make_batch(size: int, seed: int) -> Batch:
    """Random crystals of 10 atoms on average (Poisson), about the mean of MP-20."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.poisson(torch.full((size,), 10.0), generator=generator).clamp(1, 20).long()
    mask = torch.arange(int(sizes.max())) < sizes[:, None]
    classes = torch.randint(ELEMENTS, mask.shape, generator=generator)
    features = nn.functional.one_hot(classes, ELEMENTS).float() * mask.unsqueeze(-1)
    fractional = torch.rand(*mask.shape, 3, generator=generator) * mask.unsqueeze(-1)
    lattice = 4.0 * torch.eye(3) + torch.randn(size, 3, 3, generator=generator)
    return Batch(features, fractional, lattice, torch.randn(size, CONDITIONS, generator=generator), mask)


def run_ours(network: nn.Module, batch: Batch, bf16: bool = False) -> tuple[Tensor, ...]:
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        output = network(*batch)
    atoms = (output.atoms[batch.mask],) if output.atoms.shape[-1] else ()
    return (output.lattice, output.fractional[batch.mask], *atoms)


def without_gradient(outputs: Outputs) -> tuple[Tensor, ...]:
    with torch.no_grad():
        return outputs()


def gradients(network: nn.Module, outputs: Outputs) -> dict[str, Tensor]:
    """Gradients of the summed mean squares of the outputs with respect to every parameter."""
    network.zero_grad(set_to_none=True)
    torch.stack([output.square().mean() for output in outputs()]).sum().backward()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


def difference(actual: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> float:
    """Largest difference over the largest value, of the worst output."""
    pairs = zip(actual, expected, strict=True)
    return max(float((a - e).abs().max() / e.abs().max()) for a, e in pairs)


def check(reference: nn.Module, theirs: Outputs, ours_network: nn.Module, ours: Outputs) -> bool:
    """Print how far apart outputs and gradients are; whether both are within the tolerance."""
    apart = difference(without_gradient(ours), without_gradient(theirs))
    wanted, given = from_reference(gradients(reference, theirs)), gradients(ours_network, ours)
    wanted = {name: value for name, value in wanted.items() if name != "atom_embed.bias"}  # an embedding has none
    relative = max(float((wanted[k] - given[k]).norm() / wanted[k].norm().clamp(min=1e-12)) for k in wanted)
    print(f"outputs: largest relative difference {apart:.1e}; gradients of {len(wanted)} parameters: {relative:.1e}")
    return apart <= TOLERANCE and relative <= 10 * TOLERANCE


def report(variants: dict[str, tuple[nn.Module, Outputs]], repeats: int) -> None:
    """Time every variant forward and forward + backward and print a table; the first is what the others divide."""
    calls: list[Callable[[], object]] = [partial(without_gradient, outputs) for _, outputs in variants.values()]
    calls += [partial(gradients, *variant) for variant in variants.values()]
    for call in calls:
        call()  # does not count
    times = [one.cpu for one in time_in_turn(calls, repeats)]
    count, expected = len(variants), without_gradient(next(iter(variants.values()))[1])
    print(
        "\n| | forward, CPU-s: median (min) | ratio | forward + backward | ratio | error |\n|---|---|---|---|---|---|"
    )
    for row, (name, (_, outputs)) in enumerate(variants.items()):
        cells = [
            f"{statistics.median(times[k]):.3f} ({min(times[k]):.3f}) | {ratio(times[first], times[k])}"
            for k, first in ((row, 0), (count + row, count))
        ]
        print(f"| {name} | {' | '.join(cells)} | {difference(without_gradient(outputs), expected):.1e} |")
    print("\nratio: of the medians (of the minima), first row over this one; error: largest, over the largest value")


def ratio(theirs: tuple[float, ...], ours: tuple[float, ...]) -> str:
    return f"{statistics.median(theirs) / statistics.median(ours):.2f} x ({min(theirs) / min(ours):.2f} x)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, default=CHECKOUT, help="checkout of DiffCSP")
    parser.add_argument("--generation", action="store_true", help="with noisy elements in and out")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64, help="crystals")
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--system-allocator", action="store_true", help="as programs find it: freed memory is given back"
    )
    arguments = parser.parse_args()
    if not arguments.system_allocator:
        keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    batch = make_batch(arguments.batch, arguments.seed)
    sizes = batch.mask.sum(1)
    print(f"{arguments.layers} x {arguments.hidden}, {len(sizes)} crystals, {int(sizes.sum())} atoms,", end=" ")
    print(f"{int(sizes.square().sum()):,} pairs, {arguments.threads} thread(s), torch {torch.__version__}, float32")
    try:
        reference_class = load_reference(arguments.reference)
    except ImportError as error:
        raise SystemExit(f"{error}; see the text above: --help") from error
    sizes_given = {"hidden_dim": arguments.hidden, "num_layers": arguments.layers}
    reference = published(reference_class, generation=arguments.generation, **sizes_given)
    outputs = ELEMENTS if arguments.generation else 0
    ours = CSPNet(ELEMENTS, CONDITIONS, outputs, arguments.hidden, arguments.layers)
    ours.load_state_dict(from_reference(reference.state_dict()))
    variants: dict[str, tuple[nn.Module, Outputs]] = {
        "reference": (reference, partial(run, reference, *batch)),
        "molgen": (ours, partial(run_ours, ours, batch)),
        "molgen, bf16": (ours, partial(run_ours, ours, batch, bf16=True)),
    }
    if not check(*variants["reference"], *variants["molgen"]):
        raise SystemExit(f"outputs or gradients differ by more than {TOLERANCE}")
    report(variants, arguments.repeats)


if __name__ == "__main__":
    main()
