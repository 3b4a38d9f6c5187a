"""The categorical process in discrete or jumping time (D3PM): how classes are forgotten, and how they come back."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from molgen.processes.classes import class_prior, draw_class
from molgen.processes.gaussian import per_structure
from molgen.processes.schedule import Schedule


class CategoricalProcess:
    """q(z_t | x_0) = alpha_t [z_t = x_0] + (1 - alpha_t) m(z_t) for each atom or pair (Austin et al. 2021).

    One step from s to t > s is Q = alpha_ts I + (1 - alpha_ts) 1 m^T with alpha_ts = alpha_t / alpha_s. A product with
    it is two terms, so no S x S matrix is made. Times have shape ``(B,)`` or ``(1,)``, classes ``(B, ...)``, int64.

    Attributes:
        schedule: alpha is the probability that a class is kept.
        prior: m, shape ``(S,)``, float64.
        classes: K, classes of the data; S = K + 1 where the last state is a mask, else S = K.

    Args:
        schedule: See above.
        prior: ``uniform``, ``marginal`` or ``mask``.
        marginal: Share of each class in the data, shape ``(K,)``.

    Raises:
        ValueError: The prior is unknown.
    """

    def __init__(self, schedule: Schedule, prior: str, marginal: Tensor) -> None:
        self.schedule, self.classes = schedule, len(marginal)
        self.prior = class_prior(prior, marginal)
        self._priors = {self.prior.device: self.prior}

    @property
    def states(self) -> int:
        """S."""
        return len(self.prior)

    def start(self, uniform: Tensor) -> Tensor:
        """Draw z_1 from the prior, int64, shape of the uniform draws."""
        return draw_class(self._prior(uniform.device), uniform.double())

    def corrupt(self, x0: Tensor, t: Tensor, uniform: Tensor) -> Tensor:
        """Draw z_t given x_0, from one uniform draw in [0, 1) per variable.

        A draw below alpha_t keeps the class; what is above it, stretched to [0, 1), picks one from the prior.
        """
        u = uniform.double()
        kept = per_structure(self.schedule.alpha(t), u)
        rest = ((u - kept) / (1.0 - kept).clamp(min=1e-300)).clamp(0.0, 1.0 - 2.0**-53)
        return torch.where(u < kept, x0, self.start(rest))

    def posterior(self, z_t: Tensor, x0: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """p(z_s | z_t) = sum over x_0 of q(z_s | z_t, x_0) p(x_0), s < t; the exact posterior where p(x_0) is one-hot.

        q(z_s | z_t, x_0) = q(z_t | z_s) q(z_s | x_0) / q(z_t | x_0) (Austin et al. 2021, equation 3), and q(z_t | x_0)
        takes two values only, so that the sum over x_0 is one more rank-one term.

        Args:
            z_t: States, shape ``(B, ...)``.
            x0: Probabilities of the data's classes, shape ``(B, ..., K)``.
            t: Times.
            s: Earlier times; at s = 0 the result is p(x_0) itself (where q(z_t | x_0) > 0).

        Returns:
            Probabilities of the states, shape ``(B, ..., S)``, dtype of ``x0``.
        """
        prior = self._prior(x0.device).to(x0.dtype)
        clean = F.pad(x0, (0, self.states - self.classes))
        here = F.one_hot(z_t, self.states).to(x0.dtype)
        at = prior[z_t].unsqueeze(-1)  # m(z_t)
        a_s, lost_s = (per_structure(f(s), clean) for f in (self.schedule.alpha, self.schedule.lost))
        a_t, lost_t = (per_structure(f(t), clean) for f in (self.schedule.alpha, self.schedule.lost))
        a_ts = per_structure(self.schedule.alpha(t) / self.schedule.alpha(s), clean)
        lost_ts = per_structure((self.schedule.lost(t) - self.schedule.lost(s)) / self.schedule.alpha(s), clean)
        elsewhere = lost_t * at  # q(z_t | x_0) for x_0 other than z_t
        possible = elsewhere > 0  # else only x_0 = z_t can have led here (an unmasked class), whatever is predicted
        weights = clean / torch.where(here > 0, a_t + elsewhere, torch.where(possible, elsewhere, 1.0))
        weights = torch.where(possible, weights, here)
        joint = (a_ts * here + lost_ts * at) * (a_s * weights + lost_s * prior * weights.sum(-1, keepdim=True))
        return joint / joint.sum(-1, keepdim=True)

    def bound_term(self, z_t: Tensor, x0: Tensor, logits: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """KL(q(z_s | z_t, x_0) || p(z_s | z_t)) in nats, shape of ``z_t``: one term of the variational bound.

        At s = 0 it is the cross-entropy of x_0.

        Args:
            z_t: States, shape ``(B, ...)``.
            x0: Classes of the data, shape ``(B, ...)``.
            logits: Of the prediction of x_0, shape ``(B, ..., K)``.
            t: Times.
            s: Earlier times.
        """
        exact = self.posterior(z_t, F.one_hot(x0, self.classes).to(logits.dtype), t, s)
        modelled = self.posterior(z_t, logits.softmax(-1), t, s)
        tiny = torch.finfo(logits.dtype).tiny
        ratio = exact.clamp(min=tiny).log() - modelled.clamp(min=tiny).log()
        return (exact * ratio).sum(-1)

    def _prior(self, device: torch.device) -> Tensor:
        if device not in self._priors:
            self._priors[device] = self.prior.to(device)
        return self._priors[device]
