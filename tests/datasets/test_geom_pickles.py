import pickle
from io import BytesIO

import numpy as np
import pytest
from rdkit import Chem

from molgen.datasets.geom_pickles import archive_molecule, split_molecules
from molgen.datasets.pickle_instructions import DamagedPickleError, ForbiddenPickleError
from tests.datasets.geom import embedded, molecule, moved


def positions(data):
    return Chem.Mol(data).GetConformer().GetPositions()


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_archive_molecule_gives_the_lowest(protocol):
    entry = molecule("CCO", 5)
    raw = archive_molecule(pickle.dumps(entry, protocol), 3)
    assert raw.smiles == "CCO"
    assert [conformer.energies["total_energy"] for conformer in raw.conformers] == [-14.0, -13.0, -12.0]
    for conformer, original in zip(raw.conformers, entry["conformers"][::-1], strict=False):
        np.testing.assert_allclose(
            positions(conformer.data), original["rd_mol"].GetConformer().GetPositions(), atol=1e-6
        )
        assert conformer.energies["boltzmann_weight"] == original["boltzmannweight"]


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_numpy_numbers_count_as_numbers(protocol):
    entry = molecule("CCO", 2)
    for conformer, kind in zip(entry["conformers"], (np.float64, np.float32), strict=True):
        conformer["totalenergy"] = kind(conformer["totalenergy"])
        conformer["geom_id"] = np.int64(conformer["geom_id"])
    raw = archive_molecule(pickle.dumps(entry, protocol), 5)
    assert [conformer.energies["total_energy"] for conformer in raw.conformers] == [-11.0, -10.0]


def test_other_byte_order_and_arrays():
    entry = molecule("CCO", 1)
    entry["conformers"][0]["totalenergy"] = np.array(-7.5, dtype=">f8")[()]
    entry["conformers"][0]["conformerweights"] = np.arange(3.0)
    raw = archive_molecule(pickle.dumps(entry, 4), 5)
    assert raw.conformers[0].energies["total_energy"] == -7.5


def test_pickles_of_rdkit_before_states():
    """Older RDKit pickled a molecule as a call alone; newer ones add a state."""
    data = embedded("CCO").ToBinary()
    old = b"\x80\x03]crdkit.Chem.rdchem\nMol\nB" + len(data).to_bytes(4, "little") + data + b"\x85Ra."
    pair = b"\x80\x03](X\x03\x00\x00\x00CCO" + old[2:-1] + b"ta."
    assert next(split_molecules(BytesIO(pair), 5)).conformers[0].data == data


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_split_molecules(protocol):
    base = embedded("CCO")
    entries = [(f"C{'C' * k}O", [moved(base, 0.1, j) for j in range(4)]) for k in range(5)]
    found = list(split_molecules(BytesIO(pickle.dumps(entries, protocol)), 3))
    assert [raw.smiles for raw in found] == [smiles for smiles, _ in entries]
    for raw, (_, mols) in zip(found, entries, strict=True):
        assert len(raw.conformers) == 3
        for conformer, mol in zip(raw.conformers, mols, strict=False):
            np.testing.assert_allclose(positions(conformer.data), mol.GetConformer().GetPositions(), atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {},
        "CCO",
        {"smiles": "CCO"},
        {"smiles": 3, "conformers": []},
        {"smiles": "", "conformers": []},
        {"smiles": "CCO", "conformers": {}},
        {"smiles": "CCO", "conformers": [3]},
        {"smiles": "CCO", "conformers": [{"totalenergy": 1.0}]},
        {"smiles": "CCO", "conformers": [{"rd_mol": b"bytes", "totalenergy": 1.0}]},
        {"smiles": "CCO", "conformers": [{"rd_mol": Chem.MolFromSmiles("C")}]},
        {"smiles": "CCO", "conformers": [{"rd_mol": Chem.MolFromSmiles("C"), "totalenergy": float("nan")}]},
        {"smiles": "CCO", "conformers": [{"rd_mol": Chem.MolFromSmiles("C"), "totalenergy": "low"}]},
    ],
)
def test_pickles_of_other_things(wrong):
    with pytest.raises(DamagedPickleError, match="no molecule of GEOM"):
        archive_molecule(pickle.dumps(wrong), 5)


@pytest.mark.parametrize("wrong", [[3], [("CCO",)], [("CCO", None)], [(3, [])], [("CCO", [b"x"])], [["CCO", []]]])
def test_lists_of_other_things(wrong):
    with pytest.raises(DamagedPickleError, match="no pair"):
        list(split_molecules(BytesIO(pickle.dumps(wrong)), 5))


def test_other_rdkit_objects_are_refused():
    with pytest.raises(ForbiddenPickleError, match="ExplicitBitVect"):
        archive_molecule(pickle.dumps(Chem.RDKFingerprint(Chem.MolFromSmiles("C"))), 5)
