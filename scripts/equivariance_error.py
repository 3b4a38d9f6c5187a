"""How far each trained network is from exact E(3) equivariance, by floating-point type, as rows of Markdown.

    python -m scripts.equivariance_error checkpoints/edm_qm9 checkpoints/bondflow_qm9

64 structures of 18 atoms with random inputs, turned and reflected: the largest difference of the outputs over the
largest output, for invariants (logits, features) and vectors (positions).
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext

import torch

from molgen.checkpoint import Checkpoint
from molgen.testing import random_orthogonal, relative_difference
from tests.models.adapters import ADAPTERS, FEATURES

ATOMS, STRUCTURES = 18, 64


def error(checkpoint: Checkpoint, kind: str) -> tuple[float, float]:
    """Relative errors of invariants and vectors; ``kind`` is float64, float32 or bf16."""
    dtype = torch.float64 if kind == "float64" else torch.float32
    model = checkpoint.build().to(dtype)
    generator = torch.Generator().manual_seed(0)
    mask = torch.ones(STRUCTURES, ATOMS, dtype=torch.bool)
    features = torch.randn(*mask.shape, FEATURES, generator=generator, dtype=torch.float64).to(dtype)
    positions = torch.randn(*mask.shape, 3, generator=generator, dtype=torch.float64)
    q = random_orthogonal(generator, reflect=True)
    t = torch.linspace(0.05, 1.0, STRUCTURES)
    run = ADAPTERS[checkpoint.recipe["model"]["name"]]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16) if kind == "bf16" else nullcontext():
        invariants, vectors = run(model, features, positions.to(dtype), mask, t)
        turned, turned_vectors = run(model, features, (positions @ q.T).to(dtype), mask, t)
    back = turned_vectors.double() @ q
    return relative_difference(turned, invariants), relative_difference(back, vectors.double())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+")
    print("| checkpoint | type | invariants | vectors |\n|---|---|---|---|")
    for name in parser.parse_args().checkpoints:
        checkpoint = Checkpoint.load(name)
        for kind in ("float64", "float32", "bf16"):
            invariants, vectors = error(checkpoint, kind)
            print(f"| {name} | {kind} | {invariants:.1e} | {vectors:.1e} |")


if __name__ == "__main__":
    main()
