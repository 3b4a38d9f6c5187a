"""The shape of a cell as six numbers of zero mean and unit variance, so that a normal prior is an informed one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_LEAST_STD = 0.01
"""Where all cells agree (a data set of cubic ones), noise is 1 % of strain, and rounding stays small."""


class LatticePrior:
    """Affine map between coefficients k of ``geometry.lattice.symmetric_log`` and z = (k - mean) / std.

    The last coefficient, a third of the log of the volume, is first taken per atom, k_5 - log(N) / 3: larger cells hold
    more atoms. A standard normal z is then a lattice near the data's in size and shape (FlowMM, Miller et al. 2024,
    fits lengths for the same reason), and any process on real numbers serves: ``LinearFlow``, ``GaussianProcess``.

    Args:
        mean: Of the six coefficients over the training set, the last per atom.
        std: Their standard deviations; those under 0.01 count as 0.01.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean = torch.tensor(mean, dtype=torch.float64)
        self.std = torch.tensor(std, dtype=torch.float64).clamp(min=_LEAST_STD)

    def standardise(self, k: Tensor, num_atoms: Tensor) -> Tensor:
        """z, shape ``(B, 6)``, of coefficients ``k``, same shape, for cells of ``num_atoms`` atoms, shape ``(B,)``."""
        return (_per_atom(k, num_atoms, -1.0) - self.mean.to(k)) / self.std.to(k)

    def restore(self, z: Tensor, num_atoms: Tensor) -> Tensor:
        """Coefficients k of ``z``: the inverse of ``standardise``, same shapes."""
        return _per_atom(z * self.std.to(z) + self.mean.to(z), num_atoms, 1.0)


def _per_atom(k: Tensor, num_atoms: Tensor, sign: float) -> Tensor:
    """``k`` with sign log(N) / 3 added to the last coefficient."""
    shift = sign * num_atoms.to(k.dtype).log() / 3.0
    return k + torch.nn.functional.pad(shift.unsqueeze(-1), (5, 0))
