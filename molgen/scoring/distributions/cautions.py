"""What a reader must know before believing a distance."""

from __future__ import annotations

from collections.abc import Callable

from molgen.scoring.distributions.descriptors import sa_scorer
from molgen.scoring.distributions.histograms import Sums
from molgen.scoring.distributions.metrics import CRYSTALS, METRICS

_NOT_A_FEW = 0.01


def cautions(sums: Sums, reference: Sums, bonds: str, floor_n: int) -> list[str]:
    """Sentences on what was left out and on what differs between the two sides for another reason than quality.

    Args:
        sums: Over the scored structures.
        reference: Over the reference structures.
        bonds: Bond source of the reference.
        floor_n: Structures behind the noise floor.
    """
    found = []
    if bonds == CRYSTALS:
        return _crystal_cautions(sums, floor_n)
    if sums.counters["without_bonds"]:
        hint = ": --bonds lookup bonds both sides alike" if bonds == "file" else ""
        found.append(f"{sums.counters['without_bonds']:,} structures have no bonds by {bonds} and play no part{hint}")
    if sums.counters["lost"]:
        found.append(f"{sums.counters['lost']:,} structures could not be measured and play no part")
    if sums.counters["without_descriptors"]:
        found.append(
            f"{sums.counters['without_descriptors']:,} of {sums.n:,} structures are refused by RDKit and have no rings "
            f"and no descriptors; of the reference {reference.counters['without_descriptors']:,} of {reference.n:,}"
        )
    if sums.n > floor_n:
        found.append(f"the noise floor is that of {floor_n:,} structures, fewer than the {sums.n:,} that were scored")
    if set(sums.bonds) - set(reference.bonds):
        used = ", ".join(f"{source} {count:,}" for source, count in sums.bonds.items())
        found.append(f"bonds are not from the same source: of the structures {used}, of the reference {bonds}")
    if _one_sided(_aromatic_share(sums), _aromatic_share(reference)):
        found.append(
            "only one side has aromatic bonds: is the other kekulised? C:C and C=C are different types, so that "
            "distances of bonds and torsions mean little"
        )
    if _one_sided(_hydrogen_share(sums), _hydrogen_share(reference)):
        found.append("only one side has explicit hydrogens, so that distances of atoms, bonds and angles mean little")
    if sa_scorer() is None:
        found.append("no SA score: this RDKit was installed without Contrib")
    return found


def _crystal_cautions(sums: Sums, floor_n: int) -> list[str]:
    found = ["published Wasserstein distances are of 1,000 valid samples; these are of all that have a cell"]
    found.append("the distance of energies is not here: CDVAE's property model is not to be had")
    out = sums.counters["without_bonds"] + sums.counters["lost"]
    if out:
        found.append(f"{out:,} structures have no cell that can be reduced and play no part")
    if sums.n > floor_n:
        found.append(f"the noise floor is that of {floor_n:,} structures, fewer than the {sums.n:,} that were scored")
    return found


def _one_sided(a: float | None, b: float | None) -> bool:
    return a is not None and b is not None and min(a, b) == 0 and max(a, b) > _NOT_A_FEW


def _aromatic_share(sums: Sums) -> float | None:
    return _category_share(sums, "bond_type", lambda name: ":" in name)


def _hydrogen_share(sums: Sums) -> float | None:
    return _category_share(sums, "element", lambda name: name == "H")


def _category_share(sums: Sums, metric: str, is_meant: Callable[[str], bool]) -> float | None:
    """Share of a metric's values in the categories that are meant; None without values."""
    category_name = METRICS[metric].category_name
    assert category_name is not None
    histogram = sums.histograms(metric).get(0)
    if histogram is None:
        return None
    meant = [
        count
        for code, count in zip(histogram.bins, histogram.counts, strict=True)
        if is_meant(category_name(int(code) - 1))
    ]
    return float(sum(meant)) / histogram.total
