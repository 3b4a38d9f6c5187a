"""PoseBusters (Buttenschoen, Morris and Deane 2024): its checks of a molecule on its own, called as a library."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Any

from rdkit import Chem

from molgen.convert import to_rdkit
from molgen.errors import MissingError
from molgen.scoring.protocol import REASON, Column, Protocol, Row, Share
from molgen.scoring.subject import Subject

ENERGY = "internal_energy"
CHECKS = {
    "mol_pred_loaded": "a molecule could be made",
    "sanitization": "RDKit finds no chemistry problem",
    "inchi_convertible": "InChI can be made and read again",
    "all_atoms_connected": "one fragment",
    "no_radicals": "no radical electrons after sanitisation",
    "bond_lengths": "heavy-atom bonds within 25 % of RDKit's distance bounds",
    "bond_angles": "heavy-atom 1,3-distances within 25 % of RDKit's distance bounds",
    "internal_steric_clash": "other heavy-atom distances at least 70 % of RDKit's lower bounds",
    "aromatic_ring_flatness": "aromatic rings of 5 and 6 atoms flat within 0.25 angstrom",
    "non_aromatic_ring_non_flatness": "saturated rings of 6 atoms not flat within 0.05 angstrom",
    "double_bond_flatness": "C=C double bonds flat within 0.25 angstrom",
    ENERGY: "UFF energy at most 100 times the mean of 50 relaxed ETKDG conformers",
}
"""Checks in the order in which PoseBusters makes them, by its own names with ``_`` for ``-``."""
KEPT_ENSEMBLES = 1000
"""Molecules whose conformer energies are remembered, in case they come again."""


class PoseBusters(Protocol):
    """All checks of PoseBusters' configuration ``mol``, from the molecule before sanitisation.

    A check that PoseBusters could not compute is None. As in ``bust(...).all(axis=1)``, which published rows use, it
    does not count against the molecule; ``complete`` tells.
    """

    name = "posebusters"
    bond_source = "those stated by the file or perceived, with formal charges"
    columns = (
        *(Column(name, "bool", meaning) for name, meaning in CHECKS.items()),
        Column("valid", "bool", "no check fails; one that could not be computed does not count"),
        Column("valid_without_energy_ratio", "bool", f"no check but {ENERGY} fails"),
        Column("complete", "bool", "every check could be computed"),
        REASON,
    )
    metrics = (
        Share("valid", ("valid",), "no check failed / all records"),
        Share("valid_without_energy_ratio", ("valid_without_energy_ratio",), f"none but {ENERGY} failed / all records"),
        Share("valid_of_sanitised", ("valid",), "no check failed / sanitised", ("sanitization",)),
        Share("valid_and_complete", ("valid", "complete"), "all checks computed and true / all records"),
        *(Share(name, (name,), f"{meaning} / all records") for name, meaning in CHECKS.items()),
    )
    notes = (
        "a check that could not be computed (often the energy ratio of cages, which cannot be embedded) does "
        "not count towards its own rate but does not make a molecule invalid either, as in PoseBusters",
        f"FlowMol leaves {ENERGY} out: valid_without_energy_ratio",
    )

    @property
    def version(self) -> str:  # type: ignore[override]  # known only where the package is installed
        """Of the installed package, whose configuration it is."""
        return f"posebusters-{version_of('posebusters')}"

    def require(self) -> None:
        try:
            version_of("posebusters")
        except PackageNotFoundError as error:
            raise MissingError("posebusters is not installed", hint="pip install posebusters") from error

    def check(self, subject: Subject) -> Row:
        row: Row = dict.fromkeys(column.name for column in self.columns)
        if subject.perceived.reason:
            row["reason"] = subject.perceived.reason
            return row
        mol = to_rdkit(subject.perceived.structure.replace(lattice=None, properties={}))
        errors: dict[str, str] = {}
        with _quiet():
            for function, outputs in _modules():
                try:
                    results = function(mol_pred=mol)["results"]
                except Exception as error:  # PoseBusters would stop here for all molecules
                    words = " ".join(f"{type(error).__name__}: {error}".split())
                    errors |= dict.fromkeys(outputs.values(), words)
                    continue
                row |= {column: _truth(results[output]) for output, column in outputs.items()}
        row["valid"] = all(row[name] is not False for name in CHECKS)
        row["valid_without_energy_ratio"] = all(row[name] is not False for name in CHECKS if name != ENERGY)
        row["complete"] = all(row[name] is not None for name in CHECKS)
        row["reason"] = _reason(row, errors)
        return row


def _reason(row: Row, errors: dict[str, str]) -> str:
    """The first check that is not true as the kind, all of them in the detail."""
    failed = [name for name in CHECKS if row[name] is False]
    missing = [f"{name} ({errors[name]})" if name in errors else name for name in CHECKS if row[name] is None]
    words = ([f"failed {', '.join(failed)}"] if failed else []) + (
        [f"could not compute {', '.join(missing)}"] if missing else []
    )
    first = failed[0] if failed else next((name for name in CHECKS if row[name] is None), "")
    return f"{first}: {'; '.join(words)}" if first else ""


def _truth(value: Any) -> bool | None:
    """NaN and pandas' NA stand for a check that was not computed."""
    return bool(value) if value is True or value is False or type(value).__name__ == "bool" else None


@cache
def _modules() -> list[tuple[Callable[..., Any], dict[str, str]]]:
    """Functions of the installed configuration with their parameters, and the column of each output."""
    from posebusters import PoseBusters as Front
    from posebusters.posebusters import module_dict

    modules: list[tuple[Callable[..., Any], dict[str, str]]] = []
    for module in Front(config="mol").config["modules"]:
        renamed = module.get("rename_outputs", {})
        outputs = {
            output: renamed.get(output, output).lower().replace(" ", "_").replace("-", "_")
            for output in module.get("chosen_binary_test_output", [])
        }
        if not outputs:  # version 0.6 computes the energy ratio twice
            continue
        parameters = dict(module.get("parameters", {}))
        function = module_dict[module["function"]]
        if module["function"] == "energy_ratio":
            parameters["num_threads"] = 1  # the workers share the cores already; the result does not depend on it
            function = _energy_ratio
        modules.append((partial(function, **parameters), outputs))
    found = [column for _, outputs in modules for column in outputs.values()]
    if sorted(found) != sorted(CHECKS):
        raise MissingError(
            f"posebusters {version_of('posebusters')} makes other checks than those known here: {', '.join(found)}",
            hint='pip install "posebusters>=0.6,<0.7"',
        )
    return modules


def _energy_ratio(mol_pred: Chem.Mol, **parameters: Any) -> Any:
    """PoseBusters' energy ratio with its result unchanged, but limits to its memory and to its time."""
    from posebusters.modules.energy_ratio import check_energy_ratio, get_energies

    if get_energies.cache_info().currsize >= KEPT_ENSEMBLES:  # it would keep every molecule it has seen
        get_energies.cache_clear()
    if not _can_be_embedded(mol_pred):
        return {"results": {"energy_ratio_passes": float("nan")}}
    return check_energy_ratio(mol_pred=mol_pred, **parameters)


def _can_be_embedded(mol: Chem.Mol) -> bool:
    """Whether the first conformer of the ensemble can be made.

    If it cannot, PoseBusters tries the others in vain, for seconds, before it gives up: it needs all of them. The first
    is the same whatever their number, because the seed is fixed and counts on from conformer to conformer.
    """
    from posebusters.modules.energy_ratio import new_conformation
    from posebusters.tools.inchi import get_inchi
    from posebusters.tools.molecules import add_hydrogens_with_uff_positions

    try:
        filled = add_hydrogens_with_uff_positions(Chem.Mol(mol))[0]
        new_conformation(Chem.MolFromInchi(get_inchi(filled)), n_confs=1, num_threads=1, energy_minimization=False)
    except AssertionError:  # how new_conformation says so
        return False
    except Exception:
        return True  # not for want of conformers: the check itself knows what to make of it
    return True


@contextmanager
def _quiet() -> Iterator[None]:
    """No log lines: PoseBusters turns RDKit's messages on and sends them, and its own, to Python's logging."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
