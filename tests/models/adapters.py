"""Every registered model as a function of features, positions and mask, which is what ``molgen.testing`` checks.

A new model of molecules needs a function here: it takes (model, features, positions, mask, times), the features being
standard normal draws of shape ``(B, N, FEATURES)`` from which it makes whatever classes its network wants, and returns
invariants ``(B, N, .)`` and vectors ``(B, N, 3)``, zero in padding. One of crystals needs a function in
``CRYSTAL_ADAPTERS``: of (model, features, fractional, lattice, mask, times), which returns invariants, vectors on the
axes of the cell and rows that turn with it ``(B, 3, 3)``.
"""

import torch

from molgen.geometry.centering import remove_mean
from molgen.models.graph import Graph
from molgen.models.known import Known
from molgen.networks.half_pairs import half_pairs

FEATURES = 8
OF_GENES = {"wyformer"}
"""Models that see no coordinates; tests/models/test_wyformer.py holds what they must keep."""


def edm(model, features, positions, mask, times):
    latent = torch.cat([positions, features[..., : model.num_features]], dim=-1)
    noise = model.denoiser(latent, times, mask)
    return noise[..., 3:], noise[..., :3]


def bondflow(model, features, positions, mask, times):
    """Twice, so that an earlier prediction is among the inputs."""
    states = [model.flows[name].states for name in ("elements", "charges", "bonds")]
    graph, known = random_graph(features, positions, mask, states)
    first = model.predict(graph, times, known)
    second = model.predict(graph, times, known, first)
    bonds = half_pairs(mask.shape[1], mask.device).expand(second.logits["bonds"])
    invariants = [second.logits["elements"], second.logits["charges"], seen_by_atoms(bonds, features, mask)]
    return torch.cat(invariants, dim=-1) * mask.unsqueeze(-1), second.positions


def eqgat(model, features, positions, mask, times):
    from molgen.models.eqgat_sampling import State

    states = [model.classes[name].states for name in ("elements", "charges", "bonds")]
    graph, _ = random_graph(features, remove_mean(positions, mask), mask, states)
    guess = model.predict(State(graph=graph, features={}), times)
    bonds = seen_by_atoms(guess.logits["bonds"] * graph.pairs.unsqueeze(-1), features, mask)
    invariants = torch.cat([guess.logits["elements"], guess.logits["charges"], bonds], dim=-1)
    return invariants * mask.unsqueeze(-1), guess.positions


def diffcsp(model, features, fractional, lattice, mask, times):
    from molgen.models.diffcsp_sampling import State

    types = features[..., : len(model.data.elements)]
    known = Known(atoms=torch.zeros_like(mask), elements=(features[..., -1] > 0.7) & mask)
    state = State(mask=mask, fractional=fractional, lattice=lattice, types=types, known=known)
    prediction = model.predict(state, times)
    return prediction.atoms, prediction.fractional, prediction.lattice


def crystalflow(model, features, fractional, lattice, mask, times):
    from molgen.geometry.lattice import symmetric_log
    from molgen.models.crystalflow_sampling import CellState

    known = Known(atoms=torch.zeros_like(mask), elements=(features[..., -1] > 0.7) & mask)
    cell = model.lattices.standardise(symmetric_log(lattice), mask.sum(1)).to(fractional)
    classes = picked(features[..., 0], model.elements.states) * mask
    state = CellState(mask=mask, fractional=fractional, cell=cell, elements=classes)
    guess = model.predict(state, times, known)
    prediction = model.predict(state, times, known, guess)  # with self-conditioning
    scaled = prediction.cell[:, :3].unsqueeze(-1) * lattice  # numbers that rotations leave alone, as rows that turn
    return prediction.logits * mask.unsqueeze(-1), prediction.displacement, scaled


ADAPTERS = {"edm": edm, "bondflow": bondflow, "eqgat": eqgat}
CRYSTAL_ADAPTERS = {"diffcsp": diffcsp, "crystalflow": crystalflow}


def random_graph(features, positions, mask, states):
    """A graph and what of it is given, both functions of the features that reorder as the atoms do.

    Args:
        features: Shape ``(B, N, FEATURES)``.
        positions: Shape ``(B, N, 3)``.
        mask: Shape ``(B, N)``.
        states: Number of classes of elements, charges and bonds.
    """
    elements, charges = (picked(features[..., k], states[k]) * mask for k in range(2))
    sums = (features[..., 2].unsqueeze(2) + features[..., 2].unsqueeze(1)) / 2**0.5
    graph = Graph(mask=mask, positions=positions, elements=elements, charges=charges, bonds=picked(sums, states[2]))
    atoms = (features[..., 3] > 0.7) & mask
    known = Known(atoms=atoms, elements=(atoms | (features[..., 4] > 0.7)) & mask)
    return graph.replace(bonds=graph.bonds * graph.pairs), known


def picked(normal, classes):
    """Standard normal values to evenly distributed classes."""
    return (torch.special.ndtr(normal) * classes).long().clamp(max=classes - 1)


def seen_by_atoms(pairs, features, mask):
    """``(B, N, N, C)`` summed over the other atom, weighted by what tells atoms apart, ``(B, N, C)``."""
    weights = (1.0 + features[..., 5]) * mask
    return torch.einsum("bijc,bj->bic", pairs, weights.to(pairs.dtype))
