"""The parts of a page on stability: numbers are those of rows and summary made by hand."""

import csv
import json
import re

import pytest

from molgen import io
from molgen.errors import ConfigError, MissingError
from molgen.report.charts import MARGIN, PLOT
from molgen.report.page import write_report
from molgen.report.stability_options import StabilityOptions
from molgen.scoring.hull_file import read_hull
from tests.report.parsed import Page
from tests.report.scored import write_rows, write_scored
from tests.report.stable import HULL, generated, relaxed, write_stable
from tests.report.test_page import ATTACK, assert_closed


@pytest.fixture(autouse=True)
def _fresh():
    read_hull.cache_clear()


def made(folder, gallery=0, reference=True, **options):
    rows = write_stable(folder, reference)
    given = {name: str(folder / value) if name != "system" else value for name, value in options.items()}
    write_report(rows, folder / "r.html", molecules=gallery, stability=StabilityOptions(**given))
    return Page((folder / "r.html").read_text(encoding="utf-8"))


def labels(page, start):
    return [a["aria-label"] for a in page.all("svg") if a.get("aria-label", "").startswith(start)]


def test_rows_alone_give_histogram_and_funnels(tmp_path):
    page = made(tmp_path)
    (label,) = labels(page, "Histogram of the energy above the hull")
    assert "6 of 7 records have a known energy, 1 have none" in label
    assert labels(page, "S.U.N. funnel") == [
        "S.U.N. funnel, stable: all records 7, energy known 6, stable 2, stable, unique 2, stable, unique, novel 1",
        "S.U.N. funnel, metastable: all records 7, energy known 6, metastable 4, metastable, unique 3, "
        "metastable, unique, novel 2",
    ]
    assert page.visible.count("6 (85.71 %)") == 2
    assert "1 (14.29 %)" in page.visible
    bars = [float(a["width"]) for a in page.all("rect") if a.get("class") == "bars"]
    assert bars == pytest.approx([300 * n / 7 for n in (7, 6, 2, 2, 1, 7, 6, 4, 3, 2)], abs=0.01)
    assert "Convex hull" not in page.visible
    assert "Before and after" not in page.visible
    assert page.all("script") == []
    assert "sun: e above hull" not in page.visible  # drawn once


def test_marks_stand_at_the_limits(tmp_path):
    page = made(tmp_path)
    svg = re.search(r'<svg[^>]*aria-label="Histogram of the energy above.*?</svg>', page.text)[0]
    marks = [float(x) for x in re.findall(r'<line x1="([\d.]+)"[^>]*class="limit"', svg)]
    # Of 6 energies from -0.2 to 1 eV/atom none is cut off; 1.2 eV fit 40 bins of 0.05; -0.2 is in that from -0.25.
    width = PLOT[0] - MARGIN["left"] - MARGIN["right"]
    assert marks == pytest.approx([8 + width * (limit + 0.25) / 1.25 for limit in (0, 0.1)], abs=0.01)
    ticks = dict(re.findall(r'<text x="([\d.]+)"[^>]*>([^<]*)</text>', svg))
    assert float(next(x for x, text in ticks.items() if text == "0")) == pytest.approx(marks[0], abs=0.02)


def test_without_a_reference_the_last_step_is_not_defined(tmp_path):
    page = made(tmp_path, reference=False)
    assert labels(page, "S.U.N. funnel, stable") == [
        "S.U.N. funnel, stable: all records 7, energy known 6, stable 2, stable, unique 2"
    ]
    assert page.visible.count("Novelty is not defined without a reference") == 2


def test_the_system_of_most_samples_is_drawn(tmp_path):
    page = made(tmp_path, hull="hull.csv")
    assert labels(page, "Convex hull") == ["Convex hull of Li-O: 3 known phases, 4 samples"]
    assert "made of these elements: 4; of all 2 of them: 3." in page.visible
    assert len([a for a in page.all("circle") if a.get("class", "").startswith("level")]) == 4


def test_the_system_asked_for_is_drawn(tmp_path):
    page = made(tmp_path, hull="hull.csv", system="Li-Fe-O")
    assert labels(page, "Convex hull") == ["Convex hull of Li-Fe-O: 5 known phases, 6 samples"]
    assert "the lowest is on top" in page.visible
    assert "of all 3 of them: 1." in page.visible
    page = made(tmp_path, hull="hull.csv", system="Li-Fe")
    assert "made of these elements: 1; of all 2 of them: 0." in page.visible


def test_a_missing_pure_element_is_said(tmp_path):
    rows = write_stable(tmp_path)
    (tmp_path / "hull.csv").write_text(HULL.replace("lithium,Li,-2\n", ""))
    summary = json.loads((tmp_path / "rows.csv.json").read_text())
    new = read_hull(str(tmp_path / "hull.csv")).fingerprint[:12]
    summary["protocols"]["sun"]["version"] = f"sun-1 (hull hull.csv {new})"
    (tmp_path / "rows.csv.json").write_text(json.dumps(summary))
    asked = StabilityOptions(str(tmp_path / "hull.csv"))
    write_report(rows, tmp_path / "r.html", molecules=0, stability=asked)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "no energy of pure Li: energies are relative to the phases at the ends" in page


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"hull": "hull.csv", "system": "Na-O"}, ConfigError, "--system Na-O: no compound of Na is in"),
        ({"hull": "hull.csv", "system": "Li-Xx"}, ConfigError, "'Xx' is not an element"),
        ({"hull": "hull.csv", "system": "Li-Fe-O-C"}, ConfigError, "has 4 elements"),
        ({"system": "Li-O"}, ConfigError, "needs the known phases"),
        ({"hull": "other.csv"}, ConfigError, "scored with another one"),
        ({"hull": "gone.csv"}, MissingError, "gone.csv"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, options, error, said):
    (tmp_path / "other.csv").write_text(HULL + "more,LiO,-4\n")
    with pytest.raises(error, match=said):
        made(tmp_path, **options)
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize("options", [{"hull": "a"}, {"system": "Li-O"}, {"before": "a"}])
def test_rows_without_sun_take_none_of_it(tmp_path, options):
    with pytest.raises(ConfigError, match=f"--{next(iter(options))} goes with rows of protocol sun"):
        write_report(write_scored(tmp_path), tmp_path / "r.html", stability=StabilityOptions(**options))


def views(page):
    return json.loads(next(content for tag, a, content in page.contents if a.get("type") == "application/json"))


def test_crystals_stand_beside_what_they_were(tmp_path):
    page = made(tmp_path, before="samples.extxyz")
    assert_closed(page)
    data = views(page)
    assert [view["index"] for view in data] == [3, 0, 5, 1, 4]  # by RMSD; record 2 did not converge
    for view in data:
        was, became = generated()[view["index"] + 1], relaxed()[view["index"]]
        assert view["before"]["positions"] == pytest.approx(was.positions.round(4), abs=2e-4)
        assert view["positions"] == pytest.approx(became.positions.round(4), abs=2e-4)
        assert (view["before"]["cell"][0][0], view["cell"][0][0]) == (4.0, 4.5)
    drawn = labels(page, "Record 3")
    assert drawn == ["Record 3 Fe2O3, as generated", "Record 3 Fe2O3, relaxed"]
    links = [a["href"] for a in page.all("a") if a.get("class") == "view"]
    assert links == [f"#molecule={view['index']}" for view in data]
    for text in ("RMSD 0.7 angstrom, volume change \u22121.5 %", "space group 1 to unknown", "no known energy above"):
        assert text in page.visible


def test_a_record_of_the_gallery_too_has_one_view(tmp_path):
    page = made(tmp_path, gallery=8, before="samples.extxyz")
    assert_closed(page)
    data = views(page)
    assert len({view["index"] for view in data}) == len(data)
    assert {view["index"] for view in data if view["before"]} == {0, 1, 3, 4, 5}
    assert any(view["before"] is None for view in data)


def test_what_is_not_the_crystal_before_is_not_shown(tmp_path):
    rows = write_stable(tmp_path)
    io.write(tmp_path / "samples.extxyz", relaxed()[::-1])
    io.write(tmp_path / "relaxed.extxyz", [*relaxed()[:1], relaxed()[1].replace(properties={}), *relaxed()[2:]])
    asked = StabilityOptions(before=str(tmp_path / "samples.extxyz"))
    write_report(rows, tmp_path / "r.html", molecules=0, stability=asked)
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "Record 1 does not say which record it was before" in page.visible
    assert "record 1 is not the structure that was scored" in page.visible
    assert all(len(view["elements"]) == len(view["before"]["elements"]) for view in views(page))


def test_before_needs_one_relaxed_file(tmp_path):
    rows = write_stable(tmp_path)
    summary = json.loads((tmp_path / "rows.csv.json").read_text())
    summary["sources"]["b.extxyz"] = 0
    (tmp_path / "rows.csv.json").write_text(json.dumps(summary))
    with pytest.raises(ConfigError, match="one file of relaxed crystals, and these rows are of 2"):
        write_report(rows, tmp_path / "r.html", stability=StabilityOptions(before="a.extxyz"))


def test_hostile_text_stays_text(tmp_path):
    rows = write_stable(tmp_path)
    with rows.open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    for row in table:
        row |= {"name": ATTACK, "sun.reason": ATTACK}
    table[2]["formula"] += f"Xx{ATTACK}"  # an element that is none
    with (tmp_path / "hull.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "formula", "energy"), (ATTACK, "LiO", -10), ("a", "Li", -1), ("b", "O", -1)])
    summary = json.loads((tmp_path / "rows.csv.json").read_text())
    version = f"{ATTACK} {read_hull(str(tmp_path / 'hull.csv')).fingerprint[:12]}"
    summary["protocols"]["sun"]["version"] = version
    write_rows(rows, summary, table)
    asked = StabilityOptions(str(tmp_path / "hull.csv"), "", str(tmp_path / "samples.extxyz"))
    write_report(rows, tmp_path / "r.html", stability=asked)
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert_closed(page)
    assert page.visible.count(ATTACK) > 10
    assert labels(page, "Convex hull") == ["Convex hull of Li-O: 3 known phases, 3 samples"]
