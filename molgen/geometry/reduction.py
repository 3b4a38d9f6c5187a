"""Reduction of cells: the shortest vectors that span the same lattice."""

from __future__ import annotations

import torch
from torch import Tensor

_WORTH = 1e-9
"""Relative shortening of a squared length below which a change is rounding."""
_MOST_ROUNDS = 200
"""Far above what any cell needs: skewness falls geometrically."""


def minkowski_reduced(lattice: Tensor) -> tuple[Tensor, Tensor]:
    """The same lattice from its shortest independent vectors, |a| <= |b| <= |c| (Semaev 2001; Nguyen & Stehle 2009).

    In rounds: the vectors are sorted, b is shortened by a, then c by the nearest point of the lattice of a and b, until
    no cell of the batch changes. Handedness may change. One host synchronisation a round; few rounds.

    Args:
        lattice: Shape ``(B, 3, 3)``.

    Returns:
        The reduced lattice and the integer matrix V of determinant +-1, each ``(B, 3, 3)`` in the dtype of ``lattice``:
        lattice = V @ reduced, and fractional coordinates become f @ V. A cell that has no volume or is not finite comes
        back in some form after a bounded number of rounds.
    """
    start = lattice.double()
    change = torch.eye(3, dtype=start.dtype, device=start.device).repeat(len(start), 1, 1)
    for _ in range(_MOST_ROUNDS):
        order = (change @ start).square().sum(-1).argsort(dim=-1, stable=True)
        after = change.gather(1, order.unsqueeze(-1).expand_as(change))
        after = _shorten_third(start, _shorten_second(start, after))
        if torch.equal(after, change):
            break
        change = after
    reduced = change @ start
    # An integer matrix of determinant +-1: the rows of its adjugate are cross products, exact in float64.
    adjugate = torch.linalg.cross(change.roll(-1, dims=1), change.roll(-2, dims=1), dim=-1).mT
    back = adjugate * torch.linalg.det(change).sign()[:, None, None]
    return reduced.to(lattice.dtype), back.to(lattice.dtype)


def _shorten_second(start: Tensor, change: Tensor) -> Tensor:
    """b less the nearest multiple of a."""
    a, b, _ = (change @ start).unbind(1)
    steps = ((a * b).sum(-1) / _positive(a.square().sum(-1))).round().unsqueeze(-1)
    shorter = _worth(b - steps * a, b)
    return torch.stack(
        [change[:, 0], torch.where(shorter, change[:, 1] - steps * change[:, 0], change[:, 1]), change[:, 2]], 1
    )


def _shorten_third(start: Tensor, change: Tensor) -> Tensor:
    """c less the nearest point of the lattice of a and b: about the foot of its perpendicular, nine are tried."""
    a, b, c = (change @ start).unbind(1)
    aa, bb, ab = a.square().sum(-1), b.square().sum(-1), (a * b).sum(-1)
    ac, bc = (a * c).sum(-1), (b * c).sum(-1)
    area = _positive(aa * bb - ab.square())
    foot = torch.stack([(ac * bb - bc * ab) / area, (bc * aa - ac * ab) / area], dim=-1).round()
    near = torch.arange(-1, 2, dtype=start.dtype, device=start.device)
    tried = foot.unsqueeze(1) + torch.cartesian_prod(near, near)
    lengths = (c.unsqueeze(1) - tried @ torch.stack([a, b], dim=1)).square().sum(-1)
    best = tried[torch.arange(len(tried), device=tried.device), lengths.argmin(-1)].unsqueeze(1)
    shorter = _worth(c - (best @ torch.stack([a, b], dim=1)).squeeze(1), c)
    third = torch.where(shorter, change[:, 2] - (best @ change[:, :2]).squeeze(1), change[:, 2])
    return torch.stack([change[:, 0], change[:, 1], third], dim=1)


def _worth(new: Tensor, old: Tensor) -> Tensor:
    return (new.square().sum(-1) < (1.0 - _WORTH) * old.square().sum(-1)).unsqueeze(-1)


def _positive(value: Tensor) -> Tensor:
    return value.clamp(min=torch.finfo(value.dtype).tiny)
