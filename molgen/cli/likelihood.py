"""`molgen likelihood`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from molgen.batch import AtomBatch
    from molgen.io import Skipped
    from molgen.likelihood import Likelihood
    from molgen.symmetry.batch import GeneBatch


def likelihood(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint or run folder, weights file, or name in checkpoints/.")],
    data: Annotated[str, typer.Option(help="A data set, NAME[:split], or a file of structures.")],
    repeats: Annotated[int, typer.Option(min=1, help="Estimates averaged for each structure.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of times, noise and the choice of --limit.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many structures, chosen at random.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Structures at once.")] = 64,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    precision: Annotated[str, typer.Option(help="32, or bf16 for the network's matrix products.")] = "32",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
) -> None:  # fmt: skip
    """Upper bound on -log p(structure) in nats: mean over structures with its terms and 95 % intervals.

    Of a model of genes -log p of the gene, exact for genes of few orbits (share: exact). DATA may be a file of genes.

    Structures with an element or a number of atoms that the training set lacks have -log p = infinity; they are counted
    and left out of the mean. Exit code 5: some records could not be read.

    Example: molgen likelihood checkpoints/edm_qm9 --data qm9:test --limit 2000
    """
    from molgen.host_cpu import prepare_cpu

    prepare_cpu()
    import json

    from molgen.cli.progress import progress_bar
    from molgen.errors import PartialError
    from molgen.io import Skipped
    from molgen.likelihood import likelihood as estimate
    from molgen.sampling.generator import load

    generator = load(checkpoint, device)
    skipped = Skipped()
    of_genes = getattr(generator.model, "makes_genes", False)
    total, batches = _batches(data, limit, seed, batch_size, skipped, of_genes=of_genes)
    with progress_bar("likelihood", "structures") as report:
        result = estimate(
            generator.model,
            batches,
            repeats=repeats,
            seed=seed,
            precision=precision,
            progress=lambda done: report(done, total),
        )
    if as_json:
        document = {
            "checkpoint": str(generator.path),
            "checkpoint_sha256": generator.sha256(),
            "data": data,
            "unit": "nat",
            "n": result.n,
            "excluded": result.excluded,
            "unreadable": skipped.total,
            "repeats": repeats,
            "seed": seed,
            "precision": precision,
            **{name: mean.to_dict() for name, mean in result.terms.items()},
        }
        typer.echo(json.dumps(document, indent=1, allow_nan=False))
    else:
        typer.echo(_table(result, data))
    if skipped.total:
        for line in skipped.lines():
            typer.echo(f"skipped: {line}", err=True)
        raise PartialError(f"{skipped.total:,} records of {data} could not be read")


def _batches(
    spec: str, limit: int | None, seed: int, batch_size: int, skipped: Skipped, *, of_genes: bool
) -> tuple[int, Iterator[AtomBatch | GeneBatch]]:
    """Number of structures, or genes, that ``spec`` names (at most ``limit``), and they in batches by size."""
    from pathlib import Path

    import numpy as np

    from molgen.batch import AtomBatch
    from molgen.datasets.batching import ordered_batches
    from molgen.datasets.find import open_dataset, open_structures, split_spec
    from molgen.datasets.genes import GeneSet
    from molgen.errors import InputError
    from molgen.symmetry.batch import GeneBatch
    from molgen.symmetry.lines import read_genes

    batch_of: Callable[[np.ndarray], AtomBatch | GeneBatch]
    if Path(spec).is_file():
        records: list[Any] = list((read_genes if of_genes else open_structures)(spec, on_error=skipped.add))
        indices, sizes = np.arange(len(records)), np.array([len(one) for one in records], np.int64)
        stacked: Any = GeneBatch.from_genes if of_genes else AtomBatch.from_structures
        batch_of = lambda rows: stacked([records[row] for row in rows])  # noqa: E731
    else:
        name, split = split_spec(spec)
        packed = open_dataset(name)
        dataset = GeneSet.open(packed, workers=-1) if of_genes else packed
        indices = np.arange(len(dataset)) if split is None else dataset.indices(split)
        sizes, batch_of = dataset.sizes[indices], dataset.batch
    if not len(indices):
        raise InputError(f"{spec} holds no {'gene' if of_genes else 'structure'} that can be read")
    chosen = np.random.default_rng(seed).permutation(len(indices))[:limit]
    rows = ordered_batches(indices[chosen], sizes[chosen], batch_size)
    return len(chosen), map(batch_of, rows)


def _table(result: Likelihood, data: str) -> str:
    lines = [f"bound on -log p over {result.n:,} structures of {data}, in nats per structure", ""]
    lines += [
        f"{name:<14} {mean.value:>12.4f}   95 % interval {mean.low:.4f} to {mean.high:.4f}"
        for name, mean in result.terms.items()
    ]
    for reason, count in result.excluded.items():
        lines.append(f"left out (-log p is infinite or unknown): {count:,} with {reason}")
    return "\n".join(lines)
