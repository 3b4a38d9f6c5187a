"""Weights of the DiffCSP reference code under the names of our CSPNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor

_MODULES: Final = {
    "node_embedding": "atom_embed",
    "atom_latent_emb": "mix",
    "final_layer_norm": "norm",
    "coord_out": "fractional_read",
    "lattice_out": "lattice_read",
    "type_out": "atom_read",
}
_IN_A_LAYER: Final = {
    "layer_norm": "norm",
    "edge_mlp.0": "first",
    "edge_mlp.2": "second",
    "node_mlp.0": "update.0",
    "node_mlp.2": "update.2",
}


def from_reference(weights: Mapping[str, Tensor], numbers: Sequence[int] | None = None) -> dict[str, Tensor]:
    """Weights (or gradients) of the reference's ``CSPNet`` for ours.

    An embedding of classes becomes the linear map of their one-hots. What the reference predicts for the coordinates is
    minus the score over its root mean square, where our models predict the score: negate ``fractional_read.weight`` to
    use published weights in a model.

    Args:
        weights: By the reference's names, without a prefix.
        numbers: Atomic numbers of our classes, in order; the reference's are 1 to 100. None for those.
    """
    result: dict[str, Tensor] = {}
    for name, value in weights.items():
        module, _, kind = name.rpartition(".")
        if module.startswith("csp_layer_"):
            number, _, part = module.removeprefix("csp_layer_").partition(".")
            result[f"layers.{number}.{_IN_A_LAYER[part]}.{kind}"] = value
        else:
            result[f"{_MODULES[module]}.{kind}"] = value
    if "atom_embed.bias" not in result:
        result["atom_embed.weight"] = result["atom_embed.weight"].T.contiguous()
        result["atom_embed.bias"] = torch.zeros_like(result["atom_embed.weight"][:, 0])
    if numbers is not None:
        classes = torch.tensor(numbers, device=result["atom_embed.weight"].device) - 1
        result["atom_embed.weight"] = result["atom_embed.weight"][:, classes]
        for kind in ("weight", "bias"):
            if f"atom_read.{kind}" in result:
                result[f"atom_read.{kind}"] = result[f"atom_read.{kind}"][classes]
    return result
