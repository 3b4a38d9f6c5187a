"""Flat drawings of molecules as SVG that follows the page's colours."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from molgen.report.cell import draw_cell
from molgen.report.html import Html

if TYPE_CHECKING:
    from rdkit import Chem

    from molgen.structure import Structure

SIZE = (260, 200)
COLOURS = {"#0000FF": "n", "#FF0000": "o", "#33CCCC": "f", "#CCCC00": "s", "#00CC00": "cl", "#7F4C19": "br"}
COLOURS |= {"#FF7F00": "p"}
"""RDKit's colours -> names in the style sheet, which has them for light and dark pages; the rest is ``ink``."""
MOST_ATOMS = 300
"""Heavy atoms beyond which a flat drawing shows nothing."""
SECONDS = 30.0
"""Per molecule: the worst ones are those that programs get stuck on."""


@dataclass(frozen=True)
class Sketch:
    """What to draw.

    Attributes:
        structure: None where it is not to be had.
        bonds: Bond source; see ``molgen.chemistry.perception.perceive``.
        smiles: Drawn where there is no structure.
        label: Read aloud in place of the drawing.
        noted: Atoms of the structure to mark with their number.
    """

    structure: Structure | None
    bonds: str
    smiles: str
    label: str
    noted: tuple[int, ...] = ()


@dataclass(frozen=True)
class Drawn:
    """What came of a sketch.

    Attributes:
        structure: With the bonds that were drawn.
        svg: Empty where RDKit cannot draw it.
    """

    structure: Structure | None
    svg: str


def draw_all(sketches: list[Sketch]) -> list[Drawn]:
    """Draw in a process of its own: what hangs or crashes costs one drawing, not the report."""
    from molgen.guard import Guard

    guard = Guard(_drawer, SECONDS)
    try:
        answers = list(guard.map(sketches)) if sketches else []
    finally:
        guard.close()
    return [
        answer if isinstance(answer, Drawn) else Drawn(sketch.structure, "")
        for sketch, answer in zip(sketches, answers, strict=True)
    ]


def _drawer() -> Callable[[Sketch], Drawn]:
    from rdkit import RDLogger

    RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]
    return draw


def draw(sketch: Sketch) -> Drawn:
    """One drawing."""
    from rdkit import Chem

    if sketch.structure is None:
        mol = Chem.MolFromSmiles(sketch.smiles) if sketch.smiles else None
        return Drawn(None, _svg(mol, sketch.label) if mol is not None else "")
    if sketch.structure.lattice is not None:
        return Drawn(sketch.structure, draw_cell(sketch.structure, sketch.label))
    bonded = _with_bonds(sketch.structure, sketch.bonds)
    return Drawn(bonded, _svg(_flat(bonded, sketch.noted), sketch.label))


def _with_bonds(structure: Structure, source: str) -> Structure:
    from molgen.chemistry.perception import perceive
    from molgen.errors import MolgenError

    try:
        return perceive(structure, source).structure
    except MolgenError:  # the rows were made where a package is installed that this machine lacks
        return perceive(structure).structure


def _flat(structure: Structure, noted: Collection[int]) -> Chem.Mol:
    """Bonds and charges that a structure has, whatever rule they break; hydrogens are left out where they can be."""
    from rdkit import Chem

    from molgen.convert import to_rdkit

    full = to_rdkit(structure.replace(lattice=None))
    for atom in full.GetAtoms():
        if atom.GetIdx() in noted:
            atom.SetProp("atomNote", str(atom.GetIdx()))
    mol = Chem.RemoveHs(full, sanitize=False)
    clean = Chem.Mol(mol)
    accepted = Chem.SanitizeMol(clean, catchErrors=True) == Chem.SanitizeFlags.SANITIZE_NONE
    return clean if accepted else mol


def _svg(mol: Chem.Mol, label: str) -> str:
    from rdkit.Chem import rdDepictor
    from rdkit.Chem.Draw import rdMolDraw2D

    if not 0 < mol.GetNumAtoms() <= MOST_ATOMS:
        return ""
    drawer = rdMolDraw2D.MolDraw2DSVG(*SIZE)
    options: Any = drawer.drawOptions()
    options.clearBackground = False
    options.bondLineWidth = 1.6
    options.fixedBondLength = 28
    options.padding = 0.06
    options.annotationFontScale = 0.65
    mol.UpdatePropertyCache(strict=False)
    rdDepictor.Compute2DCoords(mol)
    try:
        drawable = rdMolDraw2D.PrepareMolForDrawing(mol, addChiralHs=False)
    except ValueError:  # aromatic bonds that no double bonds fit
        drawable = rdMolDraw2D.PrepareMolForDrawing(mol, kekulize=False, addChiralHs=False)
    options.prepareMolsBeforeDrawing = False
    drawer.DrawMolecule(drawable)
    drawer.FinishDrawing()
    return _page_svg(drawer.GetDrawingText(), label)


def _page_svg(text: str, label: str) -> Html:
    """RDKit's document as an element of a page: no declaration, no name spaces, classes for colours."""
    body = text[text.index("<svg") :]
    inside = body[body.index(">") + 1 :]
    inside = re.sub(r"<!--.*?-->|\s+class='[^']*'", "", inside, flags=re.DOTALL)
    inside = re.sub(r"style='fill:none;[^']*stroke:(#\w{6});stroke-width:([\d.]+)px[^']*'", _stroke, inside)
    inside = re.sub(r"style='fill:(#\w{6});[^']*'", _fill, inside)
    inside = re.sub(r"fill='(#\w{6})'", _fill, inside)
    width, height = SIZE
    opening = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}" class="depiction">'
    return Html(opening + inside.strip())


def _stroke(match: re.Match[str]) -> str:
    return f"class='stroke-{COLOURS.get(match[1], 'ink')}' stroke-width='{match[2]}'"


def _fill(match: re.Match[str]) -> str:
    return f"class='fill-{COLOURS.get(match[1], 'ink')}'"
