"""Numbers of a whole sanitised molecule: rings, weight, logP, QED, SA score, TPSA."""

from __future__ import annotations

from functools import cache
from types import ModuleType

from rdkit import Chem, rdBase
from rdkit.Chem import QED


def descriptors(mol: Chem.Mol) -> dict[str, list[float]]:
    """Values by metric of a sanitised molecule, which is described whole, pieces and all.

    ``ring_size`` has one value per ring of RDKit's symmetrised smallest set of smallest rings, the others have one.
    ``logp`` is that of Wildman and Crippen (1999), ``qed`` that of Bickerton et al. (2012) with mean weights, ``tpsa``
    that of Ertl et al. (2000) of N and O, ``sa`` that of Ertl and Schuffenhauer (2009) in RDKit's Contrib, absent where
    RDKit was installed without it.

    Args:
        mol: With explicit or implicit hydrogens; the values do not depend on it.

    Raises:
        ValueError, ArithmeticError, RuntimeError: RDKit cannot describe it.
    """
    with rdBase.BlockLogs():
        heavy = Chem.RemoveHs(mol)
        properties = QED.properties(heavy)
        values = {
            "ring_size": [float(len(ring)) for ring in mol.GetRingInfo().AtomRings()],
            "weight": [properties.MW],
            "logp": [properties.ALOGP],
            "qed": [QED.qed(heavy, qedProperties=properties)],
            "tpsa": [properties.PSA],
        }
        if (sascorer := sa_scorer()) is not None:
            values["sa"] = [sascorer.calculateScore(heavy)]
    return values


@cache
def sa_scorer() -> ModuleType | None:
    """RDKit's module of the SA score, or None where it is not installed."""
    try:
        from rdkit.Contrib.SA_Score import sascorer
    except ImportError:
        return None
    return sascorer  # type: ignore[no-any-return]
