"""A small kit for testing networks and models, ours and others': random structures, symmetry checks, a tolerance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor, nn

from molgen.batch import AtomBatch

ROUNDING: Final = 1e-9
"""Relative difference that float64 rounding may cause in a few layers; a broken symmetry is many orders larger."""

Network = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Features ``(B, N, F)``, positions ``(B, N, 3)`` and mask ``(B, N)`` in; invariants and vectors ``(B, N, .)`` out."""


def random_batch(
    sizes: Sequence[int],
    generator: torch.Generator,
    *,
    elements: Sequence[int] = (1, 6, 7, 8, 9),
    dtype: torch.dtype = torch.float64,
) -> AtomBatch:
    """Structures with random elements and normal coordinates 1.5 angstrom wide, not centred.

    Args:
        sizes: Atoms of each structure.
        generator: Source of the draws.
        elements: Atomic numbers to draw from.
        dtype: Of the positions.
    """
    mask = torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]
    drawn = torch.tensor(elements)[torch.randint(len(elements), mask.shape, generator=generator)]
    positions = 0.7 + 1.5 * torch.randn(*mask.shape, 3, generator=generator, dtype=dtype)
    return AtomBatch(mask=mask, elements=drawn * mask, positions=positions * mask.unsqueeze(-1))


def random_crystals(
    sizes: Sequence[int],
    generator: torch.Generator,
    *,
    elements: Sequence[int] = (3, 8, 14, 26),
    dtype: torch.dtype = torch.float64,
) -> AtomBatch:
    """Crystals with random elements, coordinates anywhere in the cell, and skew cells of either handedness.

    Args:
        sizes: Atoms of each structure.
        generator: Source of the draws.
        elements: Atomic numbers to draw from.
        dtype: Of positions and lattices.
    """
    mask = torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]
    drawn = torch.tensor(elements)[torch.randint(len(elements), mask.shape, generator=generator)]
    fractional = torch.rand(*mask.shape, 3, generator=generator, dtype=torch.float64)
    lattice = random_lattices(len(sizes), generator)
    positions = (fractional @ lattice) * mask.unsqueeze(-1)
    return AtomBatch(mask=mask, elements=drawn * mask, positions=positions.to(dtype), lattice=lattice.to(dtype))


def random_lattices(count: int, generator: torch.Generator) -> Tensor:
    """Skew cells 4 angstrom wide, turned at random, every other one reflected, shape ``(count, 3, 3)``, float64."""
    normal = torch.randn(count, 3, 3, generator=generator, dtype=torch.float64)
    cells = 4.0 * torch.eye(3, dtype=torch.float64) + 0.7 * normal
    turns = [random_orthogonal(generator, reflect=bool(row % 2)) for row in range(count)]
    return cells @ torch.stack(turns)


def random_orthogonal(generator: torch.Generator, *, reflect: bool) -> Tensor:
    """A random rotation, or with ``reflect`` a rotation and a reflection, shape ``(3, 3)``, float64."""
    q: Tensor = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    sign: Tensor = torch.linalg.det(q).sign()
    return -q * sign if reflect else q * sign


def randomise_weights(module: nn.Module, generator: torch.Generator) -> None:
    """Give every parameter a size that matters to the output: layers that start near zero would hide their errors."""
    with torch.no_grad():
        for parameter in module.parameters():
            std = 1.0 / math.sqrt(parameter.shape[-1]) if parameter.dim() > 1 else 0.3
            parameter.normal_(0.0, std, generator=generator)


def relative_difference(actual: Tensor, expected: Tensor) -> float:
    """Largest absolute difference over the largest expected magnitude; infinite where the shapes or NaNs differ."""
    if actual.shape != expected.shape:
        return math.inf
    difference = float(
        (actual.detach() - expected.detach()).abs().max() / expected.detach().abs().max().clamp(min=1e-12)
    )
    return math.inf if math.isnan(difference) else difference


def assert_equivariant(
    network: Network,
    features: Tensor,
    positions: Tensor,
    mask: Tensor,
    generator: torch.Generator,
    *,
    tolerance: float = ROUNDING,
) -> None:
    """Check E(3): rotating, reflecting and moving the input rotates and reflects the vectors and changes nothing else.

    Raises:
        AssertionError: Naming the broken symmetry and by how much it is broken.
    """
    invariant, vectors = network(features, positions, mask)
    _assert_not_trivial(invariant, vectors)
    for name, reflect in (("rotation", False), ("reflection", True)):
        q = random_orthogonal(generator, reflect=reflect).to(positions)
        turned, turned_vectors = network(features, positions @ q.T, mask)
        _assert_close(turned, invariant, tolerance, f"invariance to {name}")
        _assert_close(turned_vectors, vectors @ q.T, tolerance, f"equivariance to {name}")
    shift = torch.randn(len(positions), 1, 3, generator=generator, dtype=torch.float64).to(positions)
    moved, moved_vectors = network(features, (positions + shift) * mask.unsqueeze(-1), mask)
    _assert_close(moved, invariant, tolerance, "invariance to translation")
    _assert_close(moved_vectors, vectors, tolerance, "invariance of the vectors to translation")


CrystalNetwork = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
"""Features ``(B, N, F)``, fractional coordinates ``(B, N, 3)``, lattice ``(B, 3, 3)`` and mask ``(B, N)`` in;
invariants ``(B, N, .)``, vectors on the axes of the cell ``(B, N, 3)`` and rows that turn with it ``(B, 3, 3)`` out."""


def assert_crystal_symmetries(
    network: CrystalNetwork,
    features: Tensor,
    fractional: Tensor,
    lattice: Tensor,
    mask: Tensor,
    generator: torch.Generator,
    *,
    tolerance: float = ROUNDING,
) -> None:
    """Check what leaves a crystal the same: a turned or reflected cell, another origin, other images of its atoms.

    Raises:
        AssertionError: Naming the broken symmetry and by how much it is broken.
    """
    expected = network(features, fractional, lattice, mask)
    _assert_not_trivial(*expected)
    real = mask.unsqueeze(-1)
    uniform = torch.rand(len(mask), 1, 3, generator=generator, dtype=torch.float64).to(fractional)
    images = torch.randint(-3, 4, fractional.shape, generator=generator)
    identity = torch.eye(3).to(lattice)
    changes = {
        "rotation": (fractional, random_orthogonal(generator, reflect=False).to(lattice)),
        "reflection": (fractional, random_orthogonal(generator, reflect=True).to(lattice)),
        "shift of the origin": ((fractional + uniform) * real, identity),
        "choice of the images": ((fractional + images) * real, identity),
    }
    for name, (moved, q) in changes.items():
        invariant, vectors, rows = network(features, moved, lattice @ q.T, mask)
        _assert_close(invariant, expected[0], tolerance, f"{name}, invariants")
        _assert_close(vectors, expected[1], tolerance, f"{name}, vectors on the axes of the cell")
        _assert_close(rows, expected[2] @ q.T, tolerance, f"{name}, lattice")


def as_molecular(network: CrystalNetwork) -> Network:
    """For the checks of order and padding below: the lattice comes as nine more features of each atom."""

    def wrapped(features: Tensor, fractional: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        lattice = features[:, 0, -9:].unflatten(-1, (3, 3))
        invariant, vectors, rows = network(features[..., :-9], fractional, lattice, mask)
        of_atoms = rows.flatten(1).unsqueeze(1) * mask.unsqueeze(-1)
        return torch.cat([invariant, of_atoms], dim=-1), vectors

    return wrapped


def assert_permutation_equivariant(
    network: Network,
    features: Tensor,
    positions: Tensor,
    mask: Tensor,
    generator: torch.Generator,
    *,
    tolerance: float = ROUNDING,
) -> None:
    """Check that the order of the atoms of each structure does not matter.

    Raises:
        AssertionError: The outputs are not those of the original order, reordered.
    """
    keys = torch.rand(mask.shape, generator=generator) + (~mask).float()  # padding stays last
    order = keys.argsort(dim=1).unsqueeze(-1)
    expected = network(features, positions, mask)
    actual = network(features.take_along_dim(order, 1), positions.take_along_dim(order, 1), mask)
    for mine, other, name in zip(actual, expected, ("invariants", "vectors"), strict=True):
        _assert_close(mine, other.take_along_dim(order, 1), tolerance, f"order of atoms, {name}")


def assert_padding_invariant(
    network: Network, features: Tensor, positions: Tensor, mask: Tensor, *, extra: int = 4, tolerance: float = ROUNDING
) -> None:
    """Check that each structure gives alone what it gives padded beside larger ones, and that padding is zero.

    Args:
        network: What to check.
        features: Shape ``(B, N, F)``.
        positions: Shape ``(B, N, 3)``.
        mask: Shape ``(B, N)``.
        extra: Atoms of padding to add to the whole batch.
        tolerance: Allowed relative difference.

    Raises:
        AssertionError: Some structure's output depends on padding, or padding is not zero in the output.
    """
    pad = nn.functional.pad
    outputs = network(pad(features, (0, 0, 0, extra)), pad(positions, (0, 0, 0, extra)), pad(mask, (0, extra)))
    for row, n in enumerate(mask.sum(1).tolist()):
        alone = network(features[row : row + 1, :n], positions[row : row + 1, :n], mask[row : row + 1, :n])
        for mine, other, name in zip(outputs, alone, ("invariants", "vectors"), strict=True):
            _assert_close(mine[row : row + 1, :n], other, tolerance, f"padding of structure {row}, {name}")
            assert not mine[row, n:].any(), f"{name} of structure {row} are not zero in padding"


def _assert_not_trivial(*outputs: Tensor) -> None:
    for output in outputs:
        assert bool(torch.isfinite(output).all()), "the output is not finite"
        assert float(output.detach().abs().max()) > 1e-3, "the output is zero: this would prove nothing"


def _assert_close(actual: Tensor, expected: Tensor, tolerance: float, what: str) -> None:
    difference = relative_difference(actual, expected)
    assert difference <= tolerance, f"{what}: relative difference {difference:.2e} > {tolerance:.0e}"
