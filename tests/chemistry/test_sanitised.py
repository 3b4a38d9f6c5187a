import numpy as np
import pytest
from rdkit import Chem

from molgen.chemistry.perception import Perceived, perceive
from molgen.chemistry.sanitised import is_zwitterion, largest_fragment, sanitised
from molgen.structure import Structure
from tests.scoring.golden import SMILES, golden, smiles_of
from tests.scoring.molecules import beside


@pytest.mark.parametrize("name", SMILES)
def test_smiles_radicals_and_charge_are_those_of_the_smiles_it_was_made_from(name):
    molecule = sanitised(perceive(golden(name), "file"))
    source = Chem.MolFromSmiles(SMILES[name])
    assert molecule.smiles == smiles_of(name)
    assert molecule.net_charge == Chem.GetFormalCharge(source)
    assert molecule.radical_electrons == sum(atom.GetNumRadicalElectrons() for atom in source.GetAtoms())
    assert (molecule.fragments, molecule.reason) == (1, "")


def test_zwitterion_needs_charges_apart_in_one_piece():
    zwitterions = {name for name in SMILES if is_zwitterion(golden(name))}
    assert zwitterions == {"glycine zwitterion"}
    ammonium, acetate = golden("ammonium"), golden("acetate")
    salt = beside(ammonium, acetate).replace(
        charges=np.concatenate([ammonium.charges, acetate.charges]),
        bonds=np.concatenate([ammonium.bonds, acetate.bonds + np.array([5, 5, 0])]),
    )
    assert not is_zwitterion(salt)
    joined = salt.replace(bonds=np.concatenate([salt.bonds, [[1, 5, 1]]]))
    assert is_zwitterion(joined)


def test_a_charge_next_to_two_opposite_ones_counts_with_both():
    """Nitrate beside ammonium on one chain: the nitrate group sums to -1."""
    structure = Structure(
        numbers=[8, 7, 8, 8, 6, 7],
        positions=np.arange(18).reshape(6, 3),
        charges=[-1, 1, -1, 0, 0, 1],
        bonds=[[0, 1, 1], [1, 2, 1], [1, 3, 1], [3, 4, 1], [4, 5, 1]],
    )
    assert is_zwitterion(structure)
    assert not is_zwitterion(structure.replace(charges=[-1, 1, 0, 0, 0, 1]))


def test_what_cannot_be_sanitised_says_why_and_keeps_what_is_known():
    molecule = sanitised(perceive(golden("aromatic water"), "file"))
    assert molecule.mol is None
    assert molecule.reason == "sanitisation: non-ring atom 0 marked aromatic"
    assert (molecule.fragments, molecule.net_charge, molecule.radical_electrons, molecule.smiles) == (1, 0, None, "")
    unknown = sanitised(Perceived(golden("water"), "xyz2mol", "bond orders not found: no"))
    assert (unknown.reason, unknown.fragments, unknown.net_charge) == ("bond orders not found: no", None, None)


def test_atom_with_more_bonds_than_rdkit_can_count():
    hub = Structure(numbers=[6] + [1] * 200, positions=np.zeros((201, 3)), bonds=[[0, k, 1] for k in range(1, 201)])
    molecule = sanitised(perceive(hub, "file"))
    assert molecule.mol is None
    assert molecule.reason.startswith("sanitisation: ")
    assert "\n" not in molecule.reason


def test_largest_fragment_keeps_its_bonds_and_charges():
    largest = largest_fragment(perceive(golden("two fragments"), "file")).structure
    assert largest.numbers.tolist() == [6, 1, 1, 1, 1]
    assert largest.bonds.tolist() == [[0, k, 1] for k in range(1, 5)]
    assert len(largest.charges) == 5
    whole = perceive(golden("benzene"), "file")
    assert largest_fragment(whole).structure.bonds.tolist() == whole.structure.bonds.tolist()
