"""Structure types that make_embedded_crystals.py fills, as a table: cell shape and positions of a named compound.

Only ratios of lengths are used. Positions are those of the compound in the conventional cell of its space group
(Wyckoff, Crystal Structures, 2nd ed. 1963-1971; first choice of origin where there are two).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prototype:
    """A structure type.

    Attributes:
        name: Of the compound or mineral.
        group: Number of its space group.
        lengths: a, b, c in angstrom.
        hexagonal: Whether the third angle is 120 degrees; all others are 90.
        sites: Which element (0, 1, ...) sits where; one position of each orbit. The last element is the anion, if any.
        charges: Sets of oxidation states of the elements; empty for metals.
        neighbours: Coordination of each cation, for its Shannon radius.
        ratio: Range of the first cation's radius over the anion's in which the type is made (Pauling's rules, widened).
    """

    name: str
    group: int
    lengths: tuple[float, float, float]
    hexagonal: bool
    sites: tuple[tuple[int, float, float, float], ...]
    charges: tuple[tuple[int, ...], ...]
    neighbours: tuple[int, ...]
    ratio: tuple[float, float]


# name | group | a (b) c | element x y z; ... | oxidation states, ... | neighbours of the cations | radius ratio
_TABLE = """
rocksalt | 225 | 1 | 0 0 0 0; 1 1/2 1/2 1/2 | 1 -1, 2 -2, 3 -3 | 6 | 0.35 0.95
cesium chloride | 221 | 1 | 0 0 0 0; 1 1/2 1/2 1/2 | 1 -1 | 8 | 0.7 2
zincblende | 216 | 1 | 0 0 0 0; 1 1/4 1/4 1/4 | 1 -1, 2 -2, 3 -3 | 4 | 0.1 0.48
wurtzite | 186 | 1 1.633 | 0 1/3 2/3 0; 1 1/3 2/3 0.375 | 1 -1, 2 -2, 3 -3 | 4 | 0.1 0.48
nickel arsenide | 194 | 3.62 5.03 | 0 0 0 0; 1 1/3 2/3 1/4 | 2 -2, 3 -3 | 6 | 0.3 0.47
fluorite | 225 | 1 | 0 0 0 0; 1 1/4 1/4 1/4 | 2 -1, 4 -2 | 8 | 0.58 2
antifluorite | 225 | 1 | 0 1/4 1/4 1/4; 1 0 0 0 | 1 -2 | 4 | 0.2 1
rutile | 136 | 4.594 2.959 | 0 0 0 0; 1 0.305 0.305 0 | 2 -1, 4 -2 | 6 | 0.36 0.72
cadmium iodide | 164 | 4.24 6.84 | 0 0 0 0; 1 1/3 2/3 0.249 | 2 -1, 4 -2 | 6 | 0.28 0.62
molybdenite | 194 | 3.16 12.29 | 0 1/3 2/3 1/4; 1 1/3 2/3 0.621 | 4 -2 | 6 | 0.28 0.45
bismuth fluoride | 225 | 1 | 0 1/4 1/4 1/4; 0 1/2 1/2 1/2; 1 0 0 0 | 1 -3 | 6 | 0.3 0.9
rhenium oxide | 221 | 1 | 0 0 0 0; 1 1/2 0 0 | 3 -1, 6 -2 | 6 | 0.36 0.72
corundum | 167 | 4.76 12.99 | 0 0 0 0.352; 1 0.306 0 1/4 | 3 -2 | 6 | 0.35 0.65
lanthanum oxide | 164 | 3.94 6.13 | 0 1/3 2/3 0.246; 1 1/3 2/3 0.646; 1 0 0 0 | 3 -2 | 7 | 0.6 1
perovskite | 221 | 1 | 0 0 0 0; 1 1/2 1/2 1/2; 2 1/2 1/2 0 | 1 2 -1, 2 4 -2, 1 5 -2, 3 3 -2 | 12 6 | 0.6 2
gadolinium ferrite | 62 | 5.62 7.67 5.35 | 0 0.063 1/4 -0.016; 1 0 0 1/2; 2 0.467 1/4 0.101; 2 0.302 0.051 -0.302 | 2 4 -2, 3 3 -2, 1 2 -1 | 8 6 | 0.5 1
spinel | 227 | 1 | 0 0 0 0; 1 5/8 5/8 5/8; 2 0.3875 0.3875 0.3875 | 2 3 -2 | 4 6 | 0.2 0.6
layered rocksalt | 166 | 3.02 16.09 | 0 0 0 0; 1 0 0 1/2; 2 0 0 0.234 | 1 3 -2 | 6 6 | 0.4 1.1
delafossite | 166 | 2.86 16.96 | 0 0 0 0; 1 0 0 1/2; 2 0 0 0.110 | 1 3 -2 | 2 6 | 0.2 0.6
chalcopyrite | 122 | 1 1.97 | 0 0 0 0; 1 0 0 1/2; 2 1/4 1/4 1/8 | 1 3 -2, 2 4 -3 | 4 4 | 0.1 0.6
ilmenite | 148 | 5.09 14.09 | 0 0 0 0.355; 1 0 0 0.146; 2 0.317 0.023 0.245 | 2 4 -2, 1 5 -2 | 6 6 | 0.4 0.7
half-Heusler | 216 | 1 | 0 1/2 1/2 1/2; 1 1/4 1/4 1/4; 2 0 0 0 | 1 2 -3 | 6 4 | 0.3 0.9
Heusler | 225 | 1 | 0 1/4 1/4 1/4; 1 1/2 1/2 1/2; 2 0 0 0 | 1 1 -3 | 4 6 | 0.3 1
matlockite | 129 | 4.39 7.23 | 0 0 1/2 0.205; 1 0 1/2 0.647; 2 0 0 0 | 2 -1 -1, 3 -1 -2 | 8 | 0.6 1.2
potassium nickel fluoride | 139 | 4.01 13.08 | 0 0 0 0.352; 1 0 0 0; 2 1/2 0 0; 2 0 0 0.152 | 1 2 -1, 2 4 -2 | 9 6 | 0.7 2
elpasolite | 225 | 1 | 0 1/4 1/4 1/4; 1 1/2 1/2 1/2; 2 0 0 0; 3 0.23 0 0 | 1 1 3 -1 | 12 6 6 | 0.7 2
double perovskite | 225 | 1 | 0 1/4 1/4 1/4; 1 1/2 1/2 1/2; 2 0 0 0; 3 0.24 0 0 | 2 2 6 -2, 2 3 5 -2 | 12 6 6 | 0.7 2
hexachloroplatinate | 225 | 1 | 0 1/4 1/4 1/4; 1 0 0 0; 2 0.24 0 0 | 1 4 -1 | 12 6 | 0.7 2
copper | 225 | 1 | 0 0 0 0 | | 12 | 0 9
tungsten | 229 | 1 | 0 0 0 0 | | 8 | 0 9
magnesium | 194 | 1 1.62 | 0 1/3 2/3 1/4 | | 12 | 0 9
beta brass | 221 | 1 | 0 0 0 0; 1 1/2 1/2 1/2 | | 8 8 | 0 9
copper gold | 221 | 1 | 0 0 0 0; 1 1/2 1/2 0 | | 12 12 | 0 9
cubic Laves | 227 | 1 | 0 0 0 0; 1 5/8 5/8 5/8 | | 12 12 | 0 9
"""  # noqa: E501


def _number(word: str) -> float:
    top, slash, bottom = word.partition("/")
    return float(top) / float(bottom) if slash else float(top)


def _prototype(line: str) -> Prototype:
    name, group, cell, sites, charges, neighbours, ratio = (part.strip() for part in line.split("|"))
    lengths = [_number(word) for word in cell.split()]
    a, b, c = {1: lengths * 3, 2: [lengths[0], *lengths], 3: lengths}[len(lengths)]
    places = [site.split() for site in sites.split(";")]
    low, high = (float(word) for word in ratio.split())
    return Prototype(
        name=name,
        group=int(group),
        lengths=(a, b, c),
        hexagonal=143 <= int(group) <= 194,
        sites=tuple((int(k), _number(x), _number(y), _number(z)) for k, x, y, z in places),
        charges=tuple(tuple(int(word) for word in states.split()) for states in charges.split(",") if states.strip()),
        neighbours=tuple(int(word) for word in neighbours.split()),
        ratio=(low, high),
    )


PROTOTYPES = tuple(_prototype(line) for line in _TABLE.strip().splitlines())
