"""Small GEOM-Drugs: molecules with known geometries, and archives and pickles of the published forms."""

import pickle
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.Chem import AllChem

SMILES = (
    "CCO",
    "c1ccccc1",
    "CC(=O)O",
    "CN",
    "C[N+](C)(C)C",
    "CS(C)(=O)=O",
    "FC(Cl)Br",
    "C1CC1",
    "c1cc[nH]c1",
    "OP(O)(O)=O",
)


def embedded(smiles, seed=1):
    """An RDKit molecule with hydrogens and MMFF geometry."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=seed) == 0
    AllChem.MMFFOptimizeMolecule(mol)
    return mol


def moved(mol, scale, seed=0):
    """A copy whose atoms are shifted at random, in angstrom."""
    mol = Chem.Mol(mol)
    conformer = mol.GetConformer()
    shift = np.random.default_rng(seed).normal(0, scale, (mol.GetNumAtoms(), 3))
    conformer.SetPositions(conformer.GetPositions() + shift)
    return mol


def molecule(smiles, count=3, mols=None):
    """The dictionary of one molecule as GEOM's archive holds it; conformer k has energy ``-10 - k``."""
    base = embedded(smiles)
    mols = mols or [moved(base, 0.01, k) for k in range(count)]
    conformers = [
        {
            "geom_id": k,
            "set": k + 1,
            "degeneracy": 2,
            "totalenergy": -10.0 - k,
            "relativeenergy": 627.5 * (len(mols) - 1 - k),
            "boltzmannweight": 0.5**k,
            "conformerweights": [0.1, 0.2],
            "rd_mol": mol,
        }
        for k, mol in enumerate(mols)
    ]
    return {
        "conformers": conformers,
        "totalconfs": 2 * len(mols),
        "smiles": smiles,
        "charge": 0,
        "temperature": 298.15,
        "datasets": ["aid1706"],
    }


def write_archive(path, members, mode="w:gz"):
    """A tar of (name, bytes)."""
    with tarfile.open(path, mode) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, BytesIO(data))
    return path


def rdkit_folder(path, molecules, mode="w:gz", protocol=3, more=()):
    """GEOM's archive with these molecules, and with what else it holds."""
    members = [("rdkit_folder/summary_drugs.json", b"{}"), ("rdkit_folder/qm9/C.pickle", b"not read")]
    for entry in molecules:
        name = entry["smiles"].replace("/", "_")
        members.append((f"rdkit_folder/drugs/{name}.pickle", pickle.dumps(entry, protocol)))
    return write_archive(Path(path), [*members, *more], mode)


def split_pickles(folder, splits, protocol=4):
    """The three pickles of the MiDi family: ``{"train": [(smiles, [mol, ...]), ...], ...}``."""
    folder.mkdir(exist_ok=True)
    for split, molecules in splits.items():
        (folder / f"{split}_data.pickle").write_bytes(pickle.dumps(molecules, protocol))
    return folder
