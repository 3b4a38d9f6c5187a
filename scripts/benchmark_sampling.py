"""Cost of training and of a stable molecule: our flow model against the reference EDM and SemlaFlow, in one process.

    git clone https://github.com/ehoogeboom/e3_diffusion_for_molecules runs/peers/edm
    git clone https://github.com/rssrwn/semla-flow runs/peers/semla-flow
    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python scripts/benchmark_sampling.py checkpoints/bondflow_qm9 \
        --edm runs/peers/edm --semla runs/peers/semla-flow

Everything runs in turn, repeat by repeat; the figures are processor seconds, which other programs disturb less than
wall time, and medians over the repeats. The peers are their own, unmodified classes with the settings of their
published commands, in float32 as they train and sample, in a process of their own that is as their programs find it.
With --prepared it gets what molgen does for its own process (freed memory is kept, denormal numbers are zero), which
makes the reference EDM about twice as fast.

- Training of EDM (9 x 256): forward, backward and AdamW on 64 molecules padded to the largest of them. Ours: batches of
  its recipe with alignment, self-conditioning, clipping, optimiser and weight average.
- Sampling with EDM: one step p(z_s | z_t) of 64 molecules padded to 29 atoms, as its sampler does, times 1,001.
- Sampling with SemlaFlow: one self-conditioned network call for 64 molecules padded to the largest of them, times
  100. Its update of coordinates and categories is left out, in its favour.
- Ours: the runner on batches of 64 as a run of 10,000 molecules has them.

A stable molecule costs what a molecule costs over the share of stable ones: for the peers the published share; for ours
that among the very molecules that were timed, by the protocol of the peer's figure. Sizes are QM9's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import torch
from peer_networks import BATCH, EDM_CALLS, EDM_STABLE, EDM_STEPS, SEMLA_STABLE, SEMLA_STEPS, PeerProcess

from molgen import score
from molgen.batch import AtomBatch
from molgen.benchmark.sampling import sample, typical_plan
from molgen.benchmark.subject import Subject, open_subject, training_set
from molgen.benchmark.timing import time_in_turn
from molgen.benchmark.training import Stepper
from molgen.errors import MolgenError
from molgen.host_cpu import prepare_cpu
from molgen.provenance import hardware, versions
from molgen.sampling.generator import structures_of
from molgen.sampling.settings import Settings

TRAINING, SAMPLING = "ours, training, {}", "ours, sampling, {}"


class Ours:
    """Sampling with our model, a new seed for each run, keeping what it makes."""

    def __init__(self, model: Any, settings: Settings, molecules: int) -> None:
        self.model, self.settings, self.molecules = model, settings, molecules
        self.seeds: Iterator[int] = count()
        self.made: list[AtomBatch] = []

    def __call__(self) -> None:
        plan = typical_plan(self.model.data.size_histogram, self.molecules, BATCH, next(self.seeds))
        self.made += sample(self.model, plan, self.settings, BATCH)

    def stability(self) -> dict[str, dict[str, Any]]:
        """Share of stable molecules among all that were made, by protocol, with counts and 95 % interval."""
        protocols = score(list(structures_of(self.made)), ["edm", "explicit"]).summary["protocols"]
        return {name: result["metrics"]["molecule_stability"] for name, result in protocols.items()}


def our_works(subject: Subject, arguments: argparse.Namespace) -> tuple[dict[str, Ours], dict[str, Stepper]]:
    """Sampling and training at every precision."""
    dataset, source = training_set(subject, None)
    print(f"{subject.source}: trains on {source}", file=sys.stderr)
    samplers, steppers = {}, {}
    for precision in arguments.precision.split(","):
        model = subject.build("cpu")
        samplers[precision] = Ours(
            model, Settings.of(model, steps=arguments.steps, precision=precision), arguments.number
        )
        model = subject.build("cpu").train()
        steppers[precision] = Stepper(model, dataset, subject.recipe, arguments.training_batches, precision, "cpu")
    return samplers, steppers


def ratios(costs: dict[str, float], stable: dict[str, Any], precision: str) -> list[dict[str, Any]]:
    """Each peer's cost over ours.

    Args:
        costs: CPU-seconds per molecule by name: a training step, a peer's network call, the whole of our sampling.
        stable: Our share of stable molecules by protocol.
        precision: Ours.
    """
    rows: list[dict[str, Any]] = []
    if "EDM, training" in costs:
        theirs, ours = costs["EDM, training"], costs[TRAINING.format(precision)]
        rows.append(
            {"what": "training, CPU-s per molecule, EDM", "theirs": theirs, "ours": ours, "ratio": theirs / ours}
        )
    sampling = costs[SAMPLING.format(precision)]
    for name, call, calls, published, protocol in (
        (f"EDM, {EDM_STEPS} steps", "EDM, sampling step", EDM_CALLS, EDM_STABLE, "edm"),
        (f"SemlaFlow, {SEMLA_STEPS} steps", "SemlaFlow, network call", SEMLA_STEPS, SEMLA_STABLE, "explicit"),
    ):
        if call not in costs:
            continue
        theirs, share = costs[call] * calls, stable[protocol]
        whole = {"theirs": theirs, "ours": sampling, "ratio": theirs / sampling}
        rows.append({"what": f"sampling, CPU-s per molecule, {name}", **whole})
        limits = [theirs / published * share[end] / sampling for end in ("low", "high")]
        each = sampling / share["value"] if share["value"] else None
        each_theirs = theirs / published
        rows.append(
            {
                "what": f"sampling, CPU-s per stable molecule ({protocol}), {name} ({100 * published:.1f} % published)",
                "theirs": each_theirs,
                "ours": each,
                "ratio": each_theirs / each if each else None,
                "interval": limits,
            }
        )
    return rows


def measure(subject: Subject, arguments: argparse.Namespace, peers: PeerProcess) -> dict[str, Any]:
    """Time everything in turn and set it side by side."""
    samplers, steppers = our_works(subject, arguments)
    works: dict[str, Callable[[], object]] = {SAMPLING.format(key): one for key, one in samplers.items()}
    works |= {TRAINING.format(key): one for key, one in steppers.items()} | peers.functions()
    for name, work in works.items():
        print(f"warming up: {name}", file=sys.stderr)
        work()
    for one in samplers.values():
        one.made.clear()

    def tell(done: int, total: int | None) -> None:
        print(f"{done} of {total} runs", file=sys.stderr)

    runs = list(works.values())
    measured = time_in_turn(runs, arguments.repeats, progress=tell, cpu_clock=peers.cpu_seconds)
    timings = dict(zip(works, measured, strict=True))
    molecules = {SAMPLING.format(key): sum(map(len, one.made)) // arguments.repeats for key, one in samplers.items()}
    molecules |= {TRAINING.format(key): len(one.sizes) for key, one in steppers.items()}
    costs = {name: timing.median_cpu / molecules.get(name, BATCH) for name, timing in timings.items()}
    stable = {key: one.stability() for key, one in samplers.items()}
    return {
        "checkpoint": subject.source,
        "training_steps": (subject.checkpoint.provenance if subject.checkpoint else {}).get("steps"),
        "settings": {key: asdict(one.settings) for key, one in samplers.items()},
        "training_batch": subject.recipe.data.batch_size,
        "hardware": hardware(),
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "repeats": arguments.repeats,
        "peers_prepared": arguments.prepared,
        "seconds": {name: asdict(timing) for name, timing in timings.items()},
        "cpu_s_per_molecule": costs,
        "molecule_stability": stable,
        "ratios": {key: ratios(costs, shares, key) for key, shares in stable.items()},
    }


def report(document: dict[str, Any]) -> str:
    """The document as Markdown."""
    lines = [
        f"{document['checkpoint']}; {document['hardware']}, threads: {document['threads']}; "
        f"medians of {document['repeats']} runs in turn; peers' process "
        f"{'with our settings' if document['peers_prepared'] else 'as their programs find it'}",
        "",
        "| one run | CPU-s: median (min to max) | CPU-s per molecule |",
        "|---|---|---|",
    ]
    for name, seconds in document["seconds"].items():
        cpu = sorted(seconds["cpu"])
        middle = document["cpu_s_per_molecule"][name]
        lines.append(f"| {name} | {statistics.median(cpu):.3g} ({cpu[0]:.3g} to {cpu[-1]:.3g}) | {middle:.4g} |")
    for precision, rows in document["ratios"].items():
        steps = document["settings"][precision]["steps"]
        lines += ["", f"Ours in {precision}, {steps} steps; stable molecules among those timed:"]
        for protocol, rate in document["molecule_stability"][precision].items():
            lines.append(f"{protocol} {rate['numerator']:,} of {rate['denominator']:,} ({100 * rate['value']:.1f} %)")
        lines += ["", "| | theirs | ours | ratio |", "|---|---|---|---|"]
        for row in rows:
            ours, ratio = ("-", "-") if row["ratio"] is None else (f"{row['ours']:.4g}", f"**{row['ratio']:,.1f}**")
            if "interval" in row:
                ratio += " ({:,.1f} to {:,.1f})".format(*row["interval"])
            lines.append(f"| {row['what']} | {row['theirs']:.4g} | {ours} | {ratio} |")
    lines += ["", "Intervals (95 %) are those of our share of stable molecules."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "checkpoint", help="checkpoint or run folder of our model (or a recipe: nothing is stable then)"
    )
    parser.add_argument("--edm", type=Path, help="checkout of e3_diffusion_for_molecules")
    parser.add_argument("--semla", type=Path, help="checkout of semla-flow")
    parser.add_argument("--steps", type=int, help="our sampler steps; default the model's own number")
    parser.add_argument("--precision", default="32,bf16", help="ours, joined by a comma; the peers run in float32")
    parser.add_argument("-n", "--number", type=int, default=256, help="molecules of each of our sampling runs")
    parser.add_argument("--training-batches", type=int, default=16, help="optimiser steps of each of our training runs")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--prepared", action="store_true", help="the peers' process gets molgen's settings too")
    parser.add_argument("--seed", type=int, default=0, help="of the peers' molecules")
    parser.add_argument("--json", type=Path, help="file for every figure")
    arguments = parser.parse_args()
    folders = {name: path for name in ("edm", "semla") if (path := getattr(arguments, name)) is not None}
    try:
        subject = open_subject(arguments.checkpoint)
        peers = PeerProcess(folders, arguments.seed, arguments.threads, arguments.prepared)
        prepare_cpu()  # after the peers' process began, which would inherit the environment
        torch.set_num_threads(arguments.threads)
        document = measure(subject, arguments, peers)
    except MolgenError as error:
        raise SystemExit(f"error: {error} ({error.hint})") from error
    peers.close()
    print(report(document))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(document, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
