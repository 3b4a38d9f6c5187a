"""The whole page: numbers are those of the summary, nothing in it comes from elsewhere, no text becomes markup."""

import base64
import hashlib
import json
import re
from importlib.resources import files

import pytest

from molgen.errors import OutputError
from molgen.report.page import write_report
from tests.report.parsed import Page
from tests.report.scored import STRUCTURES, rows, summary, write_rows, write_scored

ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=//evil.example/x onerror=alert(1)>',
    "</style></script>",
    "' onclick='x",
]
ATTACK = " ".join(ATTACKS)
FETCHING = {"src", "srcset", "data", "poster", "background", "action", "formaction", "ping", "cite", "xlink:href"}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(write_scored(folder), folder / "r.html", molecules=8)
    return Page((folder / "r.html").read_text(encoding="utf-8"))


def own_text(page):
    """The page without the viewer library, which is another's, and without the licence that names addresses."""
    text = page.text.replace(files("molgen.report").joinpath("assets/3Dmol-min.js").read_text(encoding="utf-8"), "")
    return re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL)


def assert_closed(page):
    """Nothing that a browser would fetch or run, but for the page's own two scripts."""
    assert page.unclosed == []
    for tag, attributes in page.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form", "audio", "video", "image", "use"}
        assert not FETCHING & set(attributes), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert attributes.get("href", "#").startswith("#")
        assert "style" not in attributes
    for tag, _, content in page.contents:
        if tag == "style":
            assert "url(" not in content
            assert "@import" not in content
    kinds = [(tag, attributes.get("type")) for tag, attributes, _ in page.contents]
    assert kinds == [("style", None), ("script", "application/json"), ("script", None), ("script", None)]
    scripts = [content for tag, attributes, content in page.contents if tag == "script" and "type" not in attributes]
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    assert f"default-src 'none'; script-src 'sha256-{hashes[0]}' 'sha256-{hashes[1]}';" in policy


def test_the_page_refers_to_nothing_outside(page):
    assert_closed(page)
    assert "http" not in own_text(page).replace("http-equiv", "")


def test_the_viewer_is_the_library_that_its_readme_names(page):
    library = files("molgen.report").joinpath("assets/3Dmol-min.js").read_bytes()
    readme = files("molgen.report").joinpath("assets/README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(library).hexdigest() in readme
    assert "BSD-3-Clause" in readme
    assert "University of Pittsburgh" in page.visible  # its licence asks for that


def test_rates_and_quantities_are_those_of_the_summary(page):
    validity, novelty = page.tables["Rates of edm"][1:]
    assert validity[:4] == ["validity", "62.50 %", "5 / 8", "30.57 to 86.32 %"]
    assert validity[5] == "structures that RDKit sanitises / all records"
    assert novelty[:4] == ["novelty", "\u2013", "\u2013", "\u2013"]
    assert page.tables["Quantities of mmff94s"][1][:7] == [
        "energy gain",
        "kcal/mol",
        "5",
        "1.5",
        "0.1 to 12",
        "4.17",
        "0.5 to 8.25",
    ]
    label = next(a["aria-label"] for a in page.all("svg") if a.get("class") == "interval")
    assert label == "62.50 %, interval 30.57 to 86.32 %"


def test_failures_are_counted_with_examples(page):
    edm, energies = (page.tables[f"Records by their first failure under {name}, of 8"] for name in ("edm", "mmff94s"))
    assert [row[:2] for row in edm[1:]] == [["unstable", "2"], ["sanitisation", "1"], ["unreadable", "1"]]
    assert [row[:2] for row in energies[1:]] == [["no result", "1"], ["timeout", "1"], ["unreadable", "1"]]
    assert "unstable: atom 0 C has valence 3, allowed 4" in page.visible
    assert page.tables["All of them"][1][0] == "7"


@pytest.mark.parametrize(
    "text",
    [
        "edm-lookup-1",
        "lookup of interatomic distances",
        "rdkit-mmff94s-1",
        "a note of the run",
        "a note of the protocol",
        "a note of the distributions",
        "1 (12.50 %)",  # could not be read
        "edm-lookup-1, 98,052 different SMILES, from qm9",
        "Every rate is printed with its numerator and denominator",
        "asked for: auto; used: lookup (7)",
        "rows.csv, written",
        "5 structures",
        "energy gain (meaning of energy_gain)",
        "0 of 3 checks passed",
        "mmff94s: energy gain 0.25 kcal/mol",
        "edm: valid, molecule stable",
        "No drawing",
    ],
)
def test_the_page_says(page, text):
    assert (text in page.visible) is (text != "No drawing")


def test_3d_views_have_the_structures(page):
    data = json.loads(next(content for tag, a, content in page.contents if a.get("type") == "application/json"))
    assert [molecule["index"] for molecule in data] == [1, 0, 3, 4, 5, 2]
    for molecule in data:
        structure = STRUCTURES[molecule["index"]]
        assert len(molecule["elements"]) == len(structure)
        assert molecule["positions"] == pytest.approx(structure.positions.round(4), abs=2e-4)
    assert len(data[0]["bonds"]) == 12  # benzene
    views = [a["href"] for a in page.all("a") if a.get("class") == "view"]
    assert views == [f"#molecule={molecule['index']}" for molecule in data]
    assert {a["id"] for a in page.all("article") if "id" in a} == {f"record-{m['index']}" for m in data}


def test_ids_are_unique_and_links_lead_somewhere(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [a["href"][1:] for a in page.all("a") if not a["href"].startswith("#molecule=")]
    assert targets
    assert set(targets) <= set(ids)


def test_hostile_text_stays_text(tmp_path):
    source = str(tmp_path / f"{ATTACK.replace('/', '%')}.sdf")
    document, table = summary(source), rows(source)
    edm = document["protocols"]["edm"]
    document |= {"notes": [ATTACK], "molgen": ATTACK, "reference": {"spec": ATTACK, "sets": [{ATTACK: ATTACK}]}}
    document["bonds"] = {"asked": ATTACK, "used": {ATTACK: 1}}
    document["unreadable"]["first"][0] |= {"source": ATTACK, "reason": ATTACK}
    edm |= {"version": ATTACK, "bond_source": ATTACK, "notes": [ATTACK], "failures": {ATTACK: 3}}
    edm["metrics"][ATTACK] = dict(edm["metrics"]["validity"], meaning=ATTACK)
    document["protocols"]["mmff94s"]["metrics"]["energy_gain"] |= {"unit": ATTACK, "meaning": ATTACK}
    document["protocols"]["mmff94s"]["columns"]["energy_gain"]["meaning"] = ATTACK
    parts = document["distributions"]
    parts |= {"notes": [ATTACK], "bonds": ATTACK}
    for metric in parts["metrics"].values():
        metric |= {"label": ATTACK, "unit": ATTACK, "meaning": ATTACK}
    parts["metrics"]["bond_length"]["by_type"][ATTACK] = parts["metrics"]["bond_length"]["by_type"]["C-H"]
    parts["histograms"]["bond_length"][ATTACK] = parts["histograms"]["bond_length"]["C-C"]
    parts["histograms"]["element"]["all"]["categories"][0] = ATTACK
    for row in table:
        row |= {"name": ATTACK, "edm.smiles": ATTACK, "edm.reason": f"{ATTACK}: {ATTACK}", "bonds": ATTACK}
        row["formula"] += ATTACK
    write_scored(tmp_path, document, table)
    write_report(tmp_path / "rows.csv", tmp_path / "r.html", title=ATTACK)
    made = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert_closed(made)
    assert made.visible.count(ATTACK) > 30
    data = json.loads(next(content for tag, a, content in made.contents if a.get("type") == "application/json"))
    assert data == []  # the formula is not that of the structures any more


def test_without_structures_smiles_are_drawn(tmp_path):
    path = write_scored(tmp_path)
    (tmp_path / "a.sdf").unlink()
    write_report(path, tmp_path / "r.html")
    made = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "are not to be had" in made.visible
    assert [a for a in made.all("a") if a.get("class") == "view"] == []
    assert len([a for a in made.all("svg") if a.get("class") == "depiction"]) == 4  # 4 and 5 have no SMILES
    assert made.visible.count("No drawing") == 2


def test_other_files_give_the_structures(tmp_path):
    path = write_scored(tmp_path)
    (tmp_path / "a.sdf").rename(tmp_path / "moved.sdf")
    write_report(path, tmp_path / "r.html", structures=[str(tmp_path / "moved.sdf")])
    made = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert len([a for a in made.all("a") if a.get("class") == "view"]) == 6


def test_an_empty_scoring_and_no_gallery_make_a_page(tmp_path):
    document = summary() | {"n": 0, "sources": {}, "distributions": None}
    document["unreadable"] = {"count": 0, "first": []}
    path = write_rows(tmp_path / "rows.csv", document, rows())
    header = path.read_text().splitlines()[0]
    path.write_text(header + "\n")
    write_report(path, tmp_path / "r.html")
    made = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert made.unclosed == []
    assert made.all("script") == []
    assert any("script-src 'none'" in a.get("content", "") for a in made.all("meta"))
    assert "3Dmol" not in made.text
    assert made.all("dialog") == []
    write_report(write_scored(tmp_path), tmp_path / "r.html", molecules=0)
    assert "Best and worst" not in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_progress_is_reported(tmp_path):
    calls = []
    write_report(
        write_scored(tmp_path), tmp_path / "r.html", molecules=0, progress=lambda done, n: calls.append((done, n))
    )
    assert calls == [(8, 8)]


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        write_report(write_scored(tmp_path), tmp_path / "no" / "r.html")
    assert not list(tmp_path.glob(".partial*"))
