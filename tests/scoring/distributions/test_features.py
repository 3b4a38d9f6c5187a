"""Features of one structure against RDKit called directly, and what happens to structures that have none."""

import pickle

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import QED, Crippen, Descriptors, rdMolDescriptors
from rdkit.Contrib.SA_Score import sascorer

from molgen.chemistry import perception
from molgen.chemistry.perception import Perceived, perceive
from molgen.chemistry.sanitised import sanitised
from molgen.datasets.find import open_structures
from molgen.errors import ConfigError
from molgen.scoring.distributions import features as features_module
from molgen.scoring.distributions.descriptors import descriptors
from molgen.scoring.distributions.features import features
from molgen.scoring.distributions.histograms import Sums
from molgen.scoring.distributions.metrics import METRICS
from molgen.scoring.subject import Subject
from molgen.structure import Structure
from tests.scoring.molecules import ACETYLENE, AMMONIUM, METHANE, beside, ring

SMILES = [
    *("C", "CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "C12C3C4C1C5C2C3C45", "O=[N+]([O-])c1ccccc1"),
    *("C1CC2CCC1C2", "CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O", "[NH3+]CC(=O)[O-]", "N#CC#N", "[H][H]", "O", "CS(C)=O"),
    *("[Na+].[Cl-]", "FS(F)(F)(F)(F)F", "c1cc[nH]c1", "CC.O"),
]


def shown(found, metric):
    """Values of one metric, as the middles of their bins."""
    sums = Sums()
    sums.add(found)
    kind = METRICS[metric]
    return {
        code: np.repeat([kind.edge(int(b)) + kind.width / 2 for b in h.bins], h.counts).tolist()
        for code, h in sums.histograms(metric).items()
    }


@pytest.mark.parametrize("smiles", SMILES)
def test_descriptors_are_rdkits_own(smiles):
    mol = Chem.MolFromSmiles(smiles)
    expected = {
        "ring_size": [float(len(r)) for r in Chem.GetSymmSSSR(mol)],
        "weight": [Descriptors.MolWt(mol)],
        "logp": [Crippen.MolLogP(mol)],
        "qed": [QED.qed(mol)],
        "tpsa": [rdMolDescriptors.CalcTPSA(mol)],
        "sa": [sascorer.calculateScore(mol)],
    }
    for given in (mol, Chem.AddHs(mol)):
        found = descriptors(given)
        assert set(found) == set(expected)
        for name, values in expected.items():
            assert sorted(found[name]) == pytest.approx(sorted(values), abs=1e-9), name


def test_features_hold_every_value_of_a_molecule():
    found = features(Subject(ring(1.40)), "lookup")
    assert found.bonds == "lookup"
    assert shown(found, "n_atoms") == {0: [12]}
    assert shown(found, "element")[0] == [1] * 6 + [6] * 6
    assert shown(found, "formal_charge") == {0: [0] * 12}
    assert shown(found, "ring_size") == {0: [6]}
    assert [len(v) for v in shown(found, "bond_length").values()] == [6, 6]
    assert shown(found, "angle")[6] == pytest.approx([120] * 18, abs=0.1)
    assert shown(found, "torsion") != {}
    assert shown(found, "weight")[0] == pytest.approx([6 * (12.011 + 1.008)], abs=0.01)


def test_bonds_and_charges_are_those_of_the_source():
    ammonium = AMMONIUM.replace(charges=[1, 0, 0, 0, 0], bonds=[[0, k, 1] for k in range(1, 5)])
    stated, found = features(Subject(ammonium)), features(Subject(ammonium), "lookup")
    assert (stated.bonds, stated.without_descriptors) == ("file", False)
    assert shown(stated, "formal_charge") == {0: [0] * 4 + [1]}
    assert (found.bonds, found.without_descriptors) == ("lookup", True), "lookup knows no charges: N with four bonds"
    assert shown(found, "formal_charge") == {0: [0] * 5}
    assert "weight" not in found.cells
    assert len(shown(found, "angle")[7]) == 6


def test_what_the_subject_has_computed_is_used(monkeypatch):
    calls = []

    class Counting(Subject):
        @property
        def sanitised(self):
            calls.append(self.bonds)
            return super().sanitised

    monkeypatch.setattr(features_module, "Subject", Counting)
    features(Subject(METHANE, "auto"), "lookup")
    assert not calls, "auto is lookup here, so that no other subject is needed"
    features(Subject(METHANE, "file"), "lookup")
    assert calls == ["lookup"] * len(calls)
    assert calls


def test_structures_without_bonds_contribute_nothing():
    found = features(Subject(METHANE), "file")
    assert found.without_bonds
    assert found.cells == {}
    with pytest.raises(ConfigError, match="unknown bond source"):
        features(Subject(METHANE), "guess")


@pytest.mark.parametrize("error", [ValueError, OverflowError, ZeroDivisionError, RuntimeError])
def test_a_molecule_that_rdkit_cannot_describe_keeps_its_geometry(monkeypatch, error):
    def refuse(mol):
        raise error("no")

    monkeypatch.setattr(features_module, "descriptors", refuse)
    found = features(Subject(METHANE))
    assert found.without_descriptors
    assert len(shown(found, "bond_length")) == 1


def test_salt_of_five_hundred_ions_overflows_in_qed_and_is_no_error():
    salt = Structure(
        numbers=[11, 17] * 250,
        positions=np.arange(1500).reshape(-1, 3),
        charges=[1, -1] * 250,
        bonds=np.zeros((0, 3), np.int64),
    )
    found = features(Subject(salt))
    assert shown(found, "n_atoms") == {0: [500]}


def test_five_hundred_atoms_on_one_spot_take_no_time():
    found = features(Subject(Structure(numbers=[6] * 500, positions=np.zeros((500, 3))), "lookup"))
    assert found.without_descriptors
    assert len(found.cells["bond_length"]) == 500 * 499 // 2
    assert len(found.cells["angle"]) == 0


def test_features_are_small_and_travel():
    found = features(Subject(next(iter(open_structures("embedded:test")))))
    assert len(pickle.dumps(found)) < 10_000
    again = pickle.loads(pickle.dumps(found))
    assert all((again.cells[name] == cells).all() for name, cells in found.cells.items())


def test_pieces_are_described_together():
    two = features(Subject(beside(METHANE, ACETYLENE)), "lookup")
    assert shown(two, "weight")[0] == pytest.approx([16.043 + 26.038], abs=0.02)
    assert sanitised(perceive(beside(METHANE, ACETYLENE), "lookup")).fragments == 2


def test_a_reason_counts_as_no_bonds(monkeypatch):
    refused = Perceived(METHANE.replace(bonds=[]), "lookup", "too far: nothing fits")
    monkeypatch.setitem(perception.BOND_SOURCES, "lookup", lambda structure: refused)
    assert features(Subject(METHANE), "lookup").without_bonds
