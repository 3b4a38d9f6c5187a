"""Makes data/embedded-crystals: known structure types filled with elements, their size from ionic or metallic radii.

    python scripts/make_embedded_crystals.py --out data/embedded-crystals

For each type of crystal_prototypes.py, each combination of elements with balanced oxidation states is scaled so that
its neighbours are at the sums of Shannon radii (metals: metallic radii), and kept where all kinds of neighbours agree
with that scale and no two atoms come too close. No quantum chemistry is done. data/README.md has the counts.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import cache, reduce
from itertools import product
from math import gcd
from pathlib import Path

import numpy as np
from crystal_prototypes import PROTOTYPES, Prototype
from pymatgen.core import Element, Lattice
from pymatgen.core import Structure as Crystal

from molgen.convert import from_pymatgen
from molgen.datasets.crystal_cleaning import SPACE_GROUP, RawCrystal, clean
from molgen.datasets.crystal_prepare import CELL
from molgen.datasets.genes import GeneSet
from molgen.datasets.packed import PackedDataset
from molgen.datasets.packing import PackWriter
from molgen.datasets.prepare import random_split
from molgen.elements import COVALENT_RADII, NUMBERS
from molgen.structure import Structure

IONS = {
    1: "Li Na K Rb Cs Cu Ag Tl",
    2: "Be Mg Ca Sr Ba Mn Fe Co Ni Cu Zn Cd Hg Sn Pb Eu Yb",
    3: "Al Ga In Tl Sc Y La Ce Pr Nd Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Ti V Cr Mn Fe Co Rh Sb Bi",
    4: "Si Ge Sn Pb Ti Zr Hf Ce Th U V Nb Ta Mo W Mn Re Ru Os Ir Pd Pt Te",
    5: "V Nb Ta Sb Mo Re Os",
    6: "Mo W Re Te",
    -1: "F Cl Br I",
    -2: "O S Se Te",
    -3: "N P As Sb",
}
"""Elements by oxidation state."""
PNICTIDES = {"N": 1.46, "P": 1.90, "As": 2.00, "Sb": 2.20}
"""Radii of the pnictide ions in angstrom: nitrogen's is Shannon's; the others make GaP, GaAs, GaSb with his gallium."""
METALS = (
    "Li Na K Rb Cs Be Mg Ca Sr Ba Sc Y La Ce Pr Nd Gd Dy Er Lu Ti Zr Hf V Nb Ta Cr Mo W Mn Re Fe Ru Os Co Rh Ir Ni Pd "
    "Pt Cu Ag Au Zn Cd Al Ga In Tl"
)
EARLY = "Li Mg Ca Sc Y La Ce Nd Gd Dy Er Lu Ti Zr Hf Nb Ta Al Ga In Zn Cd"
LATE = "Mn Fe Ru Os Co Rh Ir Ni Pd Pt Cu Ag Au"
ROMAN = {2: "II", 4: "IV", 6: "VI", 7: "VII", 8: "VIII", 9: "IX", 12: "XII"}
AGREEMENT = (0.9, 1.15)
"""Distance to the nearest anions over the sum of radii, for every cation, after scaling."""
CLOSEST, CLOSEST_ANIONS = 0.75, 1.6
"""Least distance of any two atoms over the sum of covalent radii; of two like anions over their ionic radius."""
LARGE = 10.0
"""Skeletons are this much larger than their table says, so that pymatgen's tolerance of 0.25 A joins no two sites."""
LAVES_RATIO = (1.05, 1.4)
MOST = 170
"""Compounds of one type; where more are possible, evenly spaced ones of the list in alphabetical order are taken."""


@cache
def ionic_radius(symbol: str, charge: int, neighbours: int) -> float | None:
    """Shannon's radius in angstrom for the nearest coordination that he lists (high spin first); None without one."""
    if charge < 0 and symbol in PNICTIDES:
        return PNICTIDES[symbol]
    by_number = Element(symbol).data.get("Shannon radii", {}).get(str(charge), {})
    for number in sorted(ROMAN, key=lambda n: (abs(n - neighbours), n)):
        if spins := by_number.get(ROMAN[number]):
            found = spins.get("High Spin") or spins.get("") or next(iter(spins.values()))
            return float(found["ionic_radius"])
    return None


@cache
def skeleton(prototype: Prototype) -> Structure:
    """The type in its primitive cell; the number of an atom is that of its element in the table, plus one."""
    a, b, c = prototype.lengths
    lattice = Lattice.from_parameters(*(LARGE * x for x in (a, b, c)), 90, 90, 120 if prototype.hexagonal else 90)
    species = [Element.from_Z(k + 1) for k, *_ in prototype.sites]
    crystal = Crystal.from_spacegroup(prototype.group, lattice, species, [place for _, *place in prototype.sites])
    return from_pymatgen(crystal.get_primitive_structure())


@cache
def nearest(prototype: Prototype) -> np.ndarray:
    """Mean distance of each element's atoms (rows) to their nearest of another (columns), those a tenth further too."""
    structure = skeleton(prototype)
    apart = _distances(structure)
    kinds = structure.numbers - 1
    k = int(kinds.max()) + 1
    result = np.zeros((k, k))
    for i, j in product(range(k), range(k)):
        rows = apart[np.ix_(kinds == i, kinds == j)].reshape(int((kinds == i).sum()), -1)
        result[i, j] = np.mean([row[row < 1.1 * row.min()].mean() for row in rows])
    return result


def _distances(structure: Structure) -> np.ndarray:
    """From each atom to all images of each other, shape (N, N, 125), infinite for the atom itself."""
    shifts = np.array(list(product((-2, -1, 0, 1, 2), repeat=3))) @ structure.lattice
    apart = np.linalg.norm(structure.positions[None, :, None] - structure.positions[:, None, None] + shifts, axis=-1)
    apart[apart < 1e-8] = np.inf
    return apart


def fill(prototype: Prototype, symbols: tuple[str, ...], scale: float) -> Structure:
    """The type with these elements, every length multiplied."""
    base = skeleton(prototype)
    numbers = np.array([NUMBERS[symbol] for symbol in symbols])[base.numbers - 1]
    formula = "".join(
        f"{symbol}{count if count > 1 else ''}"
        for symbol, count in zip(symbols, formula_counts(prototype), strict=True)
    )
    name = f"{formula} {prototype.name}"
    return base.replace(numbers=numbers, positions=base.positions * scale, lattice=base.lattice * scale, name=name)


def formula_counts(prototype: Prototype) -> list[int]:
    counts = np.bincount(skeleton(prototype).numbers - 1).tolist()
    return [count // reduce(gcd, counts) for count in counts]


def ionic(prototype: Prototype) -> Iterator[Structure]:
    """All compounds of an ionic type that agree with the radii."""
    counts, distances = formula_counts(prototype), nearest(prototype)
    for states in prototype.charges:
        assert sum(count * state for count, state in zip(counts, states, strict=True)) == 0, prototype.name
        cations = [k for k, state in enumerate(states) if state > 0]
        anions = [k for k, state in enumerate(states) if state < 0]
        pairs = [(i, j) for i in cations for j in anions if distances[i, j] < 1.6 * distances[i].min()]
        there = np.array([distances[pair] for pair in pairs])
        around = dict(zip(cations, prototype.neighbours, strict=True))
        for symbols in product(*(IONS[state].split() for state in states)):
            radii = [ionic_radius(symbols[k], state, around.get(k, 6)) for k, state in enumerate(states)]
            if len(set(symbols)) < len(symbols) or any(radius is None or radius <= 0 for radius in radii):
                continue
            ratio = radii[cations[0]] / radii[anions[-1]]
            wanted = np.array([radii[i] + radii[j] for i, j in pairs])
            if prototype.ratio[0] <= ratio <= prototype.ratio[1] and (scale := scale_to(wanted, there)):
                yield fill(prototype, symbols, scale)


def scale_to(wanted: np.ndarray, there: np.ndarray) -> float | None:
    """Factor that brings the distances nearest to those wanted; None where one of them does not agree then."""
    scale = float((wanted * there).sum() / np.square(there).sum())
    fit = scale * there / wanted
    return scale if AGREEMENT[0] <= fit.min() and fit.max() <= AGREEMENT[1] else None


def metallic(prototype: Prototype) -> Iterator[Structure]:
    """Elements, and alloys of an early with a late metal, at the mean of the distances that metallic radii ask for."""
    kinds, first = len(formula_counts(prototype)), nearest(prototype)
    for symbols in product(*([METALS.split()] if kinds == 1 else [EARLY.split(), LATE.split()])):
        radii = np.array([float(Element(symbol).metallic_radius) for symbol in symbols])
        if prototype.name == "cubic Laves" and not LAVES_RATIO[0] <= radii[0] / radii[1] <= LAVES_RATIO[1]:
            continue
        i, j = np.nonzero(first < 1.05 * first.min())
        yield fill(prototype, symbols, float(np.mean((radii[i] + radii[j]) / first[i, j])))


def too_close(structure: Structure, anions: dict[int, float]) -> str:
    """Why atoms are nearer than is plausible; empty where none are."""
    apart = _distances(structure).min(axis=-1)
    covalent = np.array([COVALENT_RADII[z] for z in structure.numbers.tolist()])
    if (apart < CLOSEST * (covalent[:, None] + covalent)).any():
        return "two atoms too close"
    radius = np.array([anions.get(z, 0.0) for z in structure.numbers.tolist()])
    alike = structure.numbers[:, None] == structure.numbers
    return "two anions too close" if (alike & (apart < CLOSEST_ANIONS * radius)).any() else ""


def anion_radii() -> dict[int, float]:
    """Radius by atomic number of every anion of :data:`IONS`; those that are cations elsewhere, too, but Sb and Te."""
    found = {}
    for state in (-1, -2, -3):
        for symbol in IONS[state].split():
            if (radius := ionic_radius(symbol, state, 6)) and symbol not in ("Sb", "Te"):
                found[NUMBERS[symbol]] = radius
    return found


def crystals(prototype: Prototype, left_out: Counter[str]) -> list[Structure]:
    """The compounds of a type that pass, in order of their formulas; at most ``MOST``."""
    anions, passed = anion_radii() if prototype.charges else {}, {}
    for structure in ionic(prototype) if prototype.charges else metallic(prototype):
        if reason := too_close(structure, anions):
            left_out[f"{prototype.name}: {reason}"] += 1
        else:
            passed[structure.name] = structure
    names = sorted(passed)
    return [
        passed[names[k]] for k in np.unique(np.linspace(0, len(names) - 1, min(len(names), MOST)).round().astype(int))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("data/embedded-crystals"))
    parser.add_argument("--types", nargs="*", help="only these structure types")
    parser.add_argument("--overwrite", action="store_true")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    made, left_out = Counter[str](), Counter[str]()
    with PackWriter(arguments.out, name=arguments.out.name, overwrite=arguments.overwrite) as writer:
        for prototype in PROTOTYPES:
            if arguments.types and prototype.name not in arguments.types:
                continue
            for structure in crystals(prototype, left_out):
                cleaned = clean(RawCrystal(structure, prototype.name))
                if cleaned.structure is None:
                    raise SystemExit(f"{structure.name}: {cleaned.reason}")
                if cleaned.structure.properties[SPACE_GROUP] != prototype.group:
                    raise SystemExit(f"{structure.name}: space group {cleaned.structure.properties[SPACE_GROUP]}")
                writer.add(cleaned.structure)
                made[prototype.name] += 1
            print(f"{prototype.name}: {made[prototype.name]}", flush=True)
        meta = {
            "kind": "crystals",
            "about": {
                "title": "prototype crystals: known structure types filled by ionic and metallic radii",
                "level": "cell sizes from radii, positions of the type's namesake; not quantum chemistry",
                "licence": "MIT, as this repository",
                "split": "random, 0.8/0.1/0.1, seed 0",
                "cell": CELL,
            },
            "source": "scripts/make_embedded_crystals.py",
            "hydrogens": True,
            "by_type": dict(made),
            "units": {SPACE_GROUP: "at 0.1 A"},
            "skipped": {"total": 0, "reasons": {}, "examples": []},
        }
        fingerprint = writer.finish(random_split(len(writer), (0.8, 0.1, 0.1), seed=0), meta)
    genes = GeneSet.open(PackedDataset.open(arguments.out), workers=-1)  # kept beside the data
    print(f"{made.total()} crystals, {len(genes)} genes, left out {dict(left_out)}, fingerprint {fingerprint}")


if __name__ == "__main__":
    main()
