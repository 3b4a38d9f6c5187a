"""Free parameters of orbits, found in crystals that were made of them."""

import numpy as np
import pytest

from molgen.chemistry.genes import gene_of_symmetry
from molgen.chemistry.orbit_parameters import parameters_of
from molgen.chemistry.unit_cell import canonical_cell, symmetry
from molgen.convert import to_pymatgen
from molgen.errors import InputError
from molgen.structure import Structure
from molgen.symmetry.cell import conventional_cell
from molgen.symmetry.gene import Gene
from molgen.symmetry.placement import place
from molgen.symmetry.random_atoms import random_crystal

GENES = [
    Gene(1, ((6, 0), (8, 0))),
    Gene(14, ((55, 4), (8, 4), (8, 4))),
    Gene(62, ((22, 2), (8, 2), (8, 3))),
    Gene(129, ((11, 2), (17, 0), (8, 2))),  # two origin choices, as the next three have
    Gene(141, ((22, 0), (8, 4))),
    Gene(227, ((12, 0), (13, 3), (8, 4))),
    Gene(70, ((14, 0), (8, 7))),
    Gene(166, ((83, 2), (34, 0), (34, 2))),
    Gene(186, ((30, 1), (16, 1))),
    Gene(216, ((30, 0), (16, 2))),
]


@pytest.mark.parametrize("gene", GENES, ids=lambda gene: str(gene.number))
def test_the_crystal_comes_back(gene):
    """From another cell, origin and orientation."""
    rng = np.random.default_rng(gene.number)
    crystal = random_crystal(gene, rng)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    moved = crystal.replace(positions=(crystal.positions + rng.normal(size=3)) @ turn, lattice=crystal.lattice @ turn)
    moved = canonical_cell(moved)
    found = symmetry(moved, 1e-3)
    again = gene_of_symmetry(moved, found, 1e-3)
    assert again.fingerprint == gene.fingerprint
    parameters = parameters_of(found, again)
    assert ((parameters >= 0) & (parameters < 1)).all()
    placed = place(again, conventional_cell(again))
    made = Structure(
        numbers=np.array(again.numbers),
        positions=np.mod(placed.fractional(parameters), 1) @ placed.lattice,
        lattice=placed.lattice,
    )
    from pymatgen.analysis.structure_matcher import StructureMatcher

    match = StructureMatcher(ltol=0.01, stol=0.01, angle_tol=0.5)
    assert match.get_rms_dist(to_pymatgen(made), to_pymatgen(crystal))[0] < 1e-3


def test_atoms_that_are_not_where_they_belong():
    crystal = random_crystal(GENES[2], np.random.default_rng(0))
    found = symmetry(crystal, 1e-3)
    with pytest.raises(InputError, match="broken orbit: atoms are not on the positions of space group 62"):
        parameters_of(found, Gene(62, ((22, 0), (8, 2), (8, 3))))
