"""How well CHGNet's energies and its hull agree with those of the Materials Project that come with MP-20.

    python scripts/hull_agreement.py mp20        # writes docs/data/hull_agreement.csv and docs/chgnet_parity.svg

Energies are those of the shipped hulls (data/hulls), for the crystals as they are in the data. Formation energies need
energies of the elements: fitted by least squares to the train part, or the lowest pure crystals of all of MP-20.
Energies above the hull are those in the hull of the train part and in that of all three parts, beside the data's own,
which are relative to all of the Materials Project and at most 0.08 eV/atom.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from table_parts import ROOT, save, write_csv

from molgen.chemistry.composition import Composition, reduced_composition
from molgen.datasets.find import open_dataset
from molgen.errors import InputError
from molgen.scoring.hull_file import HullReference, read_hull

HULLS = {"train": "mp20_chgnet", "all of MP-20": "mp20_all_chgnet"}
COLUMNS = (
    "quantity",
    "of",
    "count",
    "mae",
    "median",
    "rmse",
    "bias",
    "pearson",
    "spearman",
    "same_at_0.1",
    "same_at_0",
)
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """One part of the data.

    Attributes:
        compositions: Reduced.
        shares: Of each element among the atoms, shape ``(N, 119)``.
        energies: CHGNet's, eV/atom, shape ``(N,)``.
        formation: The data's formation energies, eV/atom, shape ``(N,)``; NaN where they state none.
        above: The data's energies above the hull, eV/atom, shape ``(N,)``; NaN where they state none.
    """

    compositions: list[Composition]
    shares: Numbers
    energies: Numbers
    formation: Numbers
    above: Numbers


def part_of(dataset: Any, name: str, energies: dict[str, float]) -> Part:
    """Crystals of a split whose energy is known."""
    found = [dataset.structure(int(row)) for row in dataset.indices(name)]
    crystals = [crystal for crystal in found if crystal.name in energies]
    shares = np.zeros((len(crystals), 119))
    for row, crystal in zip(shares, crystals, strict=True):
        np.add.at(row, crystal.numbers, 1 / len(crystal))
    stated = {key: np.array([c.properties.get(key, np.nan) for c in crystals], float) for key in
              ("formation_energy_per_atom", "energy_above_hull")}  # fmt: skip
    compositions = [reduced_composition(c.numbers.tolist()) for c in crystals]
    own = np.array([energies[c.name] for c in crystals])
    return Part(compositions, shares, own, *stated.values())


def pure_energies(known: HullReference) -> Numbers:
    """Lowest energy of each pure element, NaN where there is none, shape ``(119,)``."""
    found = np.full(119, np.nan)
    for entry in known.entries:
        if len(entry.composition) == 1:
            number = entry.composition[0][0]
            found[number] = np.fmin(found[number], entry.energy)
    return found


def above(part: Part, known: HullReference) -> Numbers:
    """Energies above a hull, NaN where it says nothing, shape ``(N,)``."""
    values = np.full(len(part.energies), np.nan)
    for row in np.flatnonzero(np.isfinite(part.above)):
        try:
            values[row] = known.hull.above(part.compositions[row], float(part.energies[row])).energy
        except InputError:
            continue
    return values


def compared(quantity: str, of: str, ours: Numbers, theirs: Numbers) -> list[str]:
    """A row of ``COLUMNS``."""
    known = np.isfinite(ours) & np.isfinite(theirs)
    a, b = ours[known], theirs[known]
    error = a - b
    values = [np.abs(error).mean(), np.median(np.abs(error)), np.sqrt(np.square(error).mean()), error.mean()]
    values += [np.corrcoef(a, b)[0, 1], spearmanr(a, b).statistic]
    same = [f"{np.mean((a <= mark + 1e-6) == (b <= mark + 1e-6)):.4f}" for mark in (0.1, 0.0)]
    return [quantity, of, str(len(a)), *(f"{value:.4f}" for value in values),
            *(same if quantity == "energy above hull" else ("", ""))]  # fmt: skip


def draw(ours: Numbers, theirs: Numbers) -> None:
    """The parity plot of formation energies."""
    import matplotlib.pyplot as plt

    known = np.isfinite(ours) & np.isfinite(theirs)
    a, b = theirs[known], ours[known]
    figure, axes = plt.subplots(figsize=(4.2, 3.8), layout="constrained", dpi=150)
    drawn = axes.hexbin(a, b, gridsize=80, bins="log", cmap="viridis", mincnt=1, linewidths=0.1, rasterized=True)
    ends = (min(a.min(), b.min()), max(a.max(), b.max()))
    axes.plot(ends, ends, "k-", lw=0.5)
    axes.set(xlabel="formation energy of MP-20, eV/atom", ylabel="CHGNet's, eV/atom")
    axes.set_title(f"{len(a):,} crystals of the test part, MAE {np.abs(a - b).mean():.3f} eV/atom", fontsize=9)
    figure.colorbar(drawn, label="crystals")
    save(figure, ROOT / "docs" / "chgnet_parity.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="mp20")
    dataset = open_dataset(parser.parse_args().dataset)
    hulls = {name: read_hull(file) for name, file in HULLS.items()}
    energies = {entry.name: entry.energy for entry in hulls["all of MP-20"].entries}
    parts = {name: part_of(dataset, name, energies) for name in ("train", "test")}
    train, test = parts["train"], parts["test"]
    stated = np.isfinite(train.formation)
    fitted = np.linalg.lstsq(train.shares[stated], (train.energies - train.formation)[stated], rcond=None)[0]
    pure = pure_energies(hulls["all of MP-20"])
    lacking = (test.shares[:, np.isnan(pure)] > 0).any(1)
    formation = {
        "test, elements fitted on train": test.energies - test.shares @ fitted,
        "test, lowest pure crystals": np.where(lacking, np.nan, test.energies - test.shares @ np.nan_to_num(pure)),
    }
    rows = [compared("formation energy", of, ours, test.formation) for of, ours in formation.items()]
    for name, part in parts.items():
        rows += [compared("energy above hull", f"{name}, hull of {of}", above(part, known), part.above)
                 for of, known in hulls.items()]  # fmt: skip
    write_csv("hull_agreement", list(COLUMNS), rows)
    draw(formation["test, elements fitted on train"], test.formation)
    for row in rows:
        print("  ".join(row))


if __name__ == "__main__":
    main()
