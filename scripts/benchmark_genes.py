"""Cost of a gene: our Wyckoff Transformer against the reference implementation's sampler, on one machine in one run.

    git clone https://github.com/SymmetryAdvantage/WyckoffTransformer runs/peers/WyckoffTransformer
    pip install --target runs/peers/wydeps --no-deps pyxtal moyopy
    OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python scripts/benchmark_genes.py \
        checkpoints/wyformer_mp20 --reference runs/peers/WyckoffTransformer --packages runs/peers/wydeps

Both run in turn, repeat by repeat; the figures are processor seconds, which other programs disturb less than wall time,
and medians over the repeats, without what it takes to load a model. Both compute in float32; ours in bfloat16 with
--precision bf16.

- The reference: its own, unmodified ``WyckoffGenerator.generate_tensors`` with the weights of its test fixture
  (ioi8tycx, trained on MP-20), space groups drawn by its trainer's own method. Only the drawing of tokens is timed, not
  their translation to genes, in its favour. It is in a process of its own, as its program finds it; with --prepared it
  gets what molgen does for its own process (freed memory is kept, denormal numbers are zero). Packages that it imports
  and does not need for this (wandb, scikit-learn, its evaluation, ...) are empty stand-ins, and torch.compile, which
  only its training uses, is off.
- Ours: ``molgen sample`` without its files: plan, orbits, predicted properties and cell, and the check of each gene;
  and "orbits alone", plan and orbits as tensors, which is what the reference is timed on.

A valid gene costs what a gene costs over the share of valid ones: for the reference the share that its own translation
accepts among the last genes that it made; for ours those without a problem among all that were timed.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import json
import os
import statistics
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import torch
from peer_process import AnswerProcess

from molgen.benchmark.subject import open_subject
from molgen.benchmark.timing import Timing, time_in_turn
from molgen.errors import MolgenError
from molgen.host_cpu import prepare_cpu
from molgen.provenance import hardware, versions
from molgen.sampling.gene_request import GeneRequest
from molgen.sampling.gene_runs import draw_orbits, make_genes, plan_genes

FIXTURE = Path("wyckoff_transformer", "tests", "fixtures", "ioi8tycx")
UNNEEDED = ("wandb", "pandarallel", "huggingface_hub", "sklearn", "sklearn.cluster", "wyckoff_transformer.evaluation")


class Reference:
    """The reference's generator with the weights of its test fixture.

    Args:
        folder: Its checkout.
        genes: Of each run.
    """

    def __init__(self, folder: Path, genes: int) -> None:
        for name in UNNEEDED:
            sys.modules[name] = MagicMock(__spec__=importlib.machinery.ModuleSpec(name, None), __path__=[])
        sys.path.insert(0, str(folder / "src"))
        from omegaconf import OmegaConf
        from wyckoff_transformer.generator import WyckoffGenerator
        from wyckoff_transformer.trainer import WyckoffTrainer

        run, cpu = folder / "src" / FIXTURE, torch.device("cpu")
        self.trainer = WyckoffTrainer.from_config(
            OmegaConf.load(run / "config.yaml"), cpu, use_cached_tensors=False, run_path=run, load_datasets=False
        )
        weights = torch.load(run / "best_model_params.pt", map_location="cpu", weights_only=True)
        self.trainer.model.load_state_dict(weights)
        names = ("model", "cascade_order", "cascade_is_target", "token_engineers", "masks_dict", "max_sequence_length")
        self.generator = WyckoffGenerator(*(getattr(self.trainer, name) for name in names))
        self.genes = genes

    def sample(self) -> None:
        self.generator.generate_tensors(self.trainer._sample_start_tokens_from_distribution(self.genes))

    def valid(self) -> int:
        """How many genes of one more run its own translation accepts."""
        return len(self.trainer.generate_structures(self.genes, calibrate=False))


def serve(
    pipe: Connection, folder: Path, packages: Path | None, genes: int, seed: int, threads: int, prepared: bool
) -> None:
    """Answer with the number of parameters; then run or count whenever asked, until nothing is."""
    if prepared:
        prepare_cpu()
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    sys.path += [] if packages is None else [str(packages)]
    with redirect_stdout(sys.stderr):
        reference = Reference(folder, genes)
        pipe.send(sum(p.numel() for p in reference.trainer.model.parameters()))
        while work := pipe.recv():
            pipe.send(getattr(reference, work)())


class ReferenceProcess(AnswerProcess):
    """The reference in a process of its own; the arguments are those of :func:`serve`."""

    def __init__(self, *arguments: Any) -> None:
        os.environ["TORCHDYNAMO_DISABLE"] = "1"  # inherited; here torch has been imported already
        super().__init__(serve, *arguments)
        del os.environ["TORCHDYNAMO_DISABLE"]


class Ours:
    """Sampling with our model, a new seed for each run."""

    def __init__(self, model: Any, genes: int, seed: int, precision: str) -> None:
        self.model, self.genes, self.seeds, self.precision = model, genes, count(seed), precision
        self.request = GeneRequest.of(model.data)
        self.made = self.valid = 0

    def __call__(self) -> None:
        plan = plan_genes(self.model.data, self.request, self.genes, next(self.seeds))
        for _, genes, problems in make_genes(self.model, plan, self.request, precision=self.precision):
            self.made += len(genes)
            self.valid += problems.count("")

    def orbits(self) -> None:
        """Draw as many, and make no genes of them."""
        plan = plan_genes(self.model.data, self.request, self.genes, next(self.seeds))
        for _ in draw_orbits(self.model, plan, self.request, precision=self.precision):
            pass


def measure(arguments: argparse.Namespace, reference: ReferenceProcess) -> dict[str, Any]:
    """Time both in turn."""
    subject = open_subject(arguments.checkpoint)
    model = subject.build("cpu")
    ours = Ours(model, arguments.number, arguments.seed, arguments.precision)
    works: list[Callable[[], object]] = [partial(reference.ask, "sample"), ours, ours.orbits]
    for work in works:
        work()  # does not count
    ours.made = ours.valid = 0

    def tell(done: int, total: int | None) -> None:
        print(f"{done} of {total} runs", file=sys.stderr)

    theirs, mine, alone = time_in_turn(works, arguments.repeats, progress=tell, cpu_clock=reference.cpu_seconds)
    valid = reference.ask("valid")
    parameters = sum(p.numel() for p in model.parameters())
    rows = {
        "reference": row(
            theirs, arguments.reference_number, valid / arguments.reference_number, reference.first_answer
        ),
        "molgen": row(mine, arguments.number, ours.valid / ours.made, parameters),
        "molgen, orbits alone": row(alone, arguments.number, ours.valid / ours.made, parameters),
    }
    names = ("cpu_s_per_gene", "cpu_s_per_valid_gene")
    return {
        "checkpoint": subject.source,
        "training_steps": (subject.checkpoint.provenance if subject.checkpoint else {}).get("steps"),
        "hardware": hardware(),
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "repeats": arguments.repeats,
        "reference_prepared": arguments.prepared,
        "precision": arguments.precision,
        "samplers": rows,
        "ratios": {
            which: {name: rows["reference"][name] / rows[which][name] for name in names} for which in list(rows)[1:]
        },
    }


def row(timing: Timing, genes: int, valid: float, parameters: int) -> dict[str, Any]:
    """Figures of one sampler."""
    cost = timing.median_cpu / genes
    return {
        "parameters": parameters,
        "genes_per_run": genes,
        "seconds": asdict(timing),
        "cpu_s_per_gene": cost,
        "valid_share": valid,
        "cpu_s_per_valid_gene": cost / valid if valid else float("inf"),
    }


def report(document: dict[str, Any]) -> str:
    """The document as Markdown."""
    lines = [
        f"{document['checkpoint']}; {document['hardware']}, threads: {document['threads']}; medians of "
        f"{document['repeats']} runs in turn; the reference's process "
        f"{'with our settings' if document['reference_prepared'] else 'as its program finds it'}",
        "",
        "| | parameters | genes a run | CPU-s a run: median (min to max) | CPU-ms per gene | valid | per valid gene |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in document["samplers"].items():
        cpu = one["seconds"]["cpu"]
        lines.append(
            f"| {name} | {one['parameters']:,} | {one['genes_per_run']:,} "
            f"| {statistics.median(cpu):.3g} ({min(cpu):.3g} to {max(cpu):.3g}) | {1e3 * one['cpu_s_per_gene']:.3g} "
            f"| {100 * one['valid_share']:.1f} % | {1e3 * one['cpu_s_per_valid_gene']:.3g} |"
        )
    for which, (each, valid) in ((name, one.values()) for name, one in document["ratios"].items()):
        lines.append(f"| reference over {which} | | | | **{each:.2f}** | | **{valid:.2f}** |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="checkpoint or run folder of our model")
    parser.add_argument("--reference", type=Path, required=True, help="checkout of WyckoffTransformer")
    parser.add_argument("--packages", type=Path, help="folder with pyxtal and moyopy, for the reference alone")
    parser.add_argument("-n", "--number", type=int, default=2048, help="genes of each of our runs")
    parser.add_argument("--reference-number", type=int, default=256, help="genes of each of the reference's runs")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--precision", default="32", choices=["32", "bf16"], help="of ours")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--prepared", action="store_true", help="the reference's process gets molgen's settings too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for every figure")
    arguments = parser.parse_args()
    settings = (arguments.reference_number, arguments.seed, arguments.threads, arguments.prepared)
    try:
        reference = ReferenceProcess(arguments.reference, arguments.packages, *settings)
        prepare_cpu()  # after the other process began, which would inherit the environment
        torch.set_num_threads(arguments.threads)
        document = measure(arguments, reference)
    except MolgenError as error:
        raise SystemExit(f"error: {error} ({error.hint})") from error
    reference.close()
    print(report(document))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(document, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
