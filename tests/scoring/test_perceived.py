import numpy as np
import pytest
from rdkit import Chem, rdBase
from rdkit.Chem import rdDetermineBonds

from molgen.convert import to_rdkit
from molgen.datasets.find import open_dataset
from molgen.errors import MissingError
from molgen.scoring.protocols import make_protocol
from molgen.scoring.subject import Subject
from molgen.structure import Structure

from .golden import EDGES, bare, golden, names, smiles_of
from .molecules import beside

# What becomes of a bare geometry: valid, SMILES. None: as it was drawn.
XYZ2MOL = {
    "pyridinium": (False, None),  # no charge is stated, and none of 0
    "acetate": (False, None),
    "ammonium": (False, None),
    "DMSO": (True, "C[S+](C)[O-]"),
    "isopropyl radical": (False, None),
    "methyl radical": (False, "[CH3]"),
    "phenylazide": (True, "N#[N+]N=c1cc[cH-]cc1"),  # RDKit's own answer, a zwitterion
    "water": (True, "O"),
    "H2S": (True, "S"),
    "SF6": (True, "FS(F)(F)(F)(F)F"),
    "aromatic water": (True, "O"),
    "two fragments": (True, "C.O"),
}
OPENBABEL = {
    "pyridinium": (True, "[CH]1C=CC=CN1"),  # a radical, unless the charge is stated
    "acetate": (True, "CC([O])=O"),
    "ammonium": (False, None),
    "DMSO, charges apart": (True, "CS(C)=O"),
    "methyl radical": (True, "[CH3]"),
    "water": (True, "O"),
    "H2S": (True, "S"),
    "SF6": (True, "FS(F)(F)(F)(F)F"),
    "aromatic water": (True, "O"),
    "two fragments": (True, "C.O"),
}


def check(protocol: str, structure: Structure, bonds: str = "auto") -> dict:
    return make_protocol(protocol).check(Subject(structure, bonds))


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize(("protocol", "special"), [("xyz2mol", XYZ2MOL), ("openbabel", OPENBABEL)])
def test_golden_geometries(name, protocol, special):
    if protocol == "openbabel":
        pytest.importorskip("openbabel")
    row = check(protocol, bare(golden(name)))
    is_valid, smiles = special.get(name, (True, None))
    assert row["valid"] is is_valid
    assert row["perceived"]
    assert row["sanitised"]
    assert row["smiles"] == (Chem.CanonSmiles(smiles) if smiles else smiles_of(name))
    assert (row["reason"] == "") is is_valid
    assert row["reason"] == row["note"]
    assert (row["fragments"], row["connected"]) == ((2, False) if name == "two fragments" else (1, True))
    atoms = Chem.MolFromSmiles(row["smiles"]).GetAtoms()
    assert row["radical_electrons"] == sum(atom.GetNumRadicalElectrons() for atom in atoms)
    assert row["net_charge"] == sum(atom.GetFormalCharge() for atom in atoms)


@pytest.mark.parametrize("protocol", ["xyz2mol", "openbabel"])
@pytest.mark.parametrize("name", ["pyridinium", "acetate", "ammonium"])
def test_ions_are_valid_at_their_stated_charge(protocol, name):
    if protocol == "openbabel":
        pytest.importorskip("openbabel")
    row = check(protocol, golden(name))
    assert (row["valid"], row["note"], row["smiles"]) == (True, "", smiles_of(name))
    assert row["net_charge"] == golden(name).charges.sum()


@pytest.mark.parametrize("bonds", ["auto", "file", "lookup", "xyz2mol"])
def test_bonds_of_file_and_command_line_play_no_part(bonds):
    wrong = golden("water").replace(bonds=[[1, 2, 3]])
    assert check("xyz2mol", wrong, bonds) == check("xyz2mol", golden("water"))


def test_atoms_far_apart_are_not_valid():
    neon = Structure(numbers=[10], positions=[[0, 0, 0]])
    row = check("xyz2mol", beside(neon, neon))
    assert (row["valid"], row["reason"]) == (False, "no bonds: all atoms are far apart")
    assert row["fragments"] == 2


def test_what_cannot_be_perceived():
    five_hydrogens = 1.09 * np.array(EDGES[:5])
    crowded = Structure(numbers=[6] + [1] * 5, positions=np.concatenate([np.zeros((1, 3)), five_hydrogens]))
    row = check("xyz2mol", crowded)
    assert (row["perceived"], row["valid"], row["sanitised"]) == (False, False, False)
    assert row["reason"] == "too many neighbours: atom 0 C has 5"
    assert (row["fragments"], row["smiles"]) == (None, None)


def test_open_babel_is_asked_for_before_the_first_structure(monkeypatch):
    import sys

    from molgen.chemistry.perception_openbabel import openbabel

    openbabel.cache_clear()
    monkeypatch.setitem(sys.modules, "openbabel", None)
    with pytest.raises(MissingError, match="Open Babel"):
        make_protocol("openbabel")
    monkeypatch.undo()
    openbabel.cache_clear()


def test_validity_is_that_of_rdkit_called_as_symphony_does():
    """Valid: DetermineBonds at charge 0 raises nothing and finds a bond."""
    data = open_dataset("embedded")
    compared = 0
    for k in range(0, len(data), 6):
        structure = bare(data.structure(k))
        mol = to_rdkit(structure)
        with rdBase.BlockLogs():
            try:
                rdDetermineBonds.DetermineBonds(mol, charge=0)
                is_valid = mol.GetNumBonds() > 0
            except ValueError:
                is_valid = False
        assert check("xyz2mol", structure)["valid"] is is_valid
        compared += is_valid
    assert compared > 300
