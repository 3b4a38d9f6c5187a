"""The reference's CSPNet, unmodified, from a checkout of DiffCSP; what it imports and this network does not use is
stood in for by empty modules.

    git clone https://github.com/jiaor17/DiffCSP runs/peers/DiffCSP
    pip install torch-geometric
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

CHECKOUT = Path(__file__).parents[1] / "runs" / "peers" / "DiffCSP"
NEVER_CALLED = {
    "torch_scatter.composite": ("scatter_softmax",),
    "einops": ("rearrange", "repeat"),
    "diffcsp.common.data_utils": (
        "lattice_params_to_matrix_torch", "get_pbc_distances", "radius_graph_pbc", "frac_to_cart_coords",
        "repeat_blocks",
    ),
}  # fmt: skip


def load_reference(folder: Path = CHECKOUT) -> Any:
    """The class CSPNet.

    Raises:
        ImportError: The folder is no checkout of DiffCSP, or torch-geometric is not installed.
    """
    from torch_geometric.utils import scatter

    file = folder / "diffcsp" / "pl_modules" / "cspnet.py"
    spec = importlib.util.spec_from_file_location("diffcsp_cspnet", file)
    if not file.is_file() or spec is None or spec.loader is None:
        raise ImportError(f"{folder} is not a checkout of DiffCSP")
    stood_in = {name: types.ModuleType(name) for name in ("torch_scatter", "diffcsp", "diffcsp.common", *NEVER_CALLED)}
    stood_in["torch_scatter"].scatter = scatter  # type: ignore[attr-defined]
    for name, members in NEVER_CALLED.items():
        for member in members:
            setattr(stood_in[name], member, None)
    before = {name: sys.modules.get(name) for name in stood_in}
    sys.modules.update(stood_in)
    try:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        for name, value in before.items():
            sys.modules.pop(name)
            if value is not None:
                sys.modules[name] = value
    return module.CSPNet


def published(reference: Any, *, generation: bool, **changes: Any) -> nn.Module:
    """The network as the published settings make it, for prediction or generation."""
    settings = {"hidden_dim": 512, "latent_dim": 256, "max_atoms": 100, "num_layers": 6, "num_freqs": 128}
    network: nn.Module = reference(
        **{**settings, **changes}, act_fn="silu", dis_emb="sin", edge_style="fc", ln=True, ip=True, smooth=generation,
        pred_type=generation,
    )  # fmt: skip
    return network


def run(
    network: Any, features: Tensor, fractional: Tensor, lattice: Tensor, condition: Tensor, mask: Tensor
) -> tuple[Tensor, ...]:
    """The reference on padded inputs of ``molgen.networks.cspnet.CSPNet``; it takes atoms one after the other.

    Args:
        network: For prediction it takes classes, of which ``features`` are then the one-hots.

    Returns:
        Lattice ``(B, 3, 3)``, and of all atoms in a row fractional ``(M, 3)`` and, if there are any, types ``(M, K)``.
    """
    sizes = mask.sum(1)
    types = features[mask] if network.smooth else features[mask].argmax(-1) + 1
    graphs = torch.arange(len(mask)).repeat_interleave(sizes)
    outputs: tuple[Tensor, ...] = network(condition, types, fractional[mask], lattice, sizes, graphs)
    return outputs
