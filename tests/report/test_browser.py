"""The report in headless Chromium: it renders, its console stays empty, it asks the network for nothing."""

import re
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from molgen.report.page import write_report
from molgen.report.stability_options import StabilityOptions
from tests.report import chromium
from tests.report.scored import write_scored
from tests.report.stable import write_stable

pytestmark = pytest.mark.skipif(chromium.PROGRAM is None, reason="no Chromium here")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    write_report(write_scored(folder), folder / "r.html")
    return (folder / "r.html").as_uri()


@pytest.fixture(scope="module")
def relaxed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("relaxed")
    asked = StabilityOptions(str(folder / "hull.csv"), "Li-Fe-O", str(folder / "samples.extxyz"))
    write_report(write_stable(folder), folder / "r.html", stability=asked)
    return (folder / "r.html").as_uri()


def test_the_check_itself_notices_requests_and_errors(tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<img src='http://example.invalid/x.png'><script>fetch('https://example.invalid/y'); boom()</script>"
    )
    seen = chromium.visit(bad.as_uri(), tmp_path)
    assert {"http://example.invalid/x.png", "https://example.invalid/y"} <= set(seen.requests)
    assert any("boom" in line for line in seen.console)


def test_the_page_renders_in_silence(report, tmp_path):
    seen = chromium.visit(report, tmp_path)
    assert seen.console == []
    assert seen.requests == []
    assert 'id="molecules"' in seen.dom
    assert not re.search(r"<dialog[^>]* open", seen.dom)
    assert "<canvas" not in seen.dom  # no 3D view before someone asks for one


def test_a_link_opens_a_3d_view(report, tmp_path):
    seen = chromium.visit(f"{report}#molecule=2", tmp_path)
    assert seen.console == []
    assert seen.requests == []
    assert re.search(r"<dialog[^>]* open", seen.dom)
    assert seen.dom.count("<canvas") == 1
    assert "no WebGL" not in seen.dom.partition("<script>")[0]
    assert "Record 2 CH3" in seen.dom
    assert "<p>edm: unstable: atom 0 C has valence 3, allowed 4</p>" in seen.dom


def test_a_link_to_a_record_that_is_not_there_says_so(report, tmp_path):
    seen = chromium.visit(f"{report}#molecule=99", tmp_path)
    assert seen.console == []
    assert ">This record is not among the molecules of this report.</div>" in seen.dom


def test_without_webgl_the_view_says_so(report, tmp_path):
    seen = chromium.visit(f"{report}#molecule=2", tmp_path, chromium.NO_WEBGL)
    assert seen.requests == []
    assert ">This browser has no WebGL, which 3D views need.</div>" in seen.dom


CLICKS = """<script>
addEventListener("load", () => setTimeout(() => {
  const at = () => document.getElementById("viewer-title").textContent;
  const press = (key) => document.querySelector("dialog").dispatchEvent(new KeyboardEvent("keydown", { key }));
  const said = [];
  document.querySelector("a.view").click();
  setTimeout(() => {
    said.push(at(), location.hash);
    document.getElementById("numbers").click();
    document.getElementById("spin").click();
    document.getElementById("next").click();
    said.push(at(), location.hash);
    press("ArrowLeft");
    press("ArrowLeft");
    said.push(at());
    document.getElementById("close").click();
    setTimeout(() => {
      said.push(location.hash, document.querySelector("dialog").open, document.querySelectorAll("canvas").length);
      document.title = said.join("|");
    }, 100);
  }, 100);
}, 100));
</script>"""


def test_views_follow_one_another_in_one_canvas(report, tmp_path):
    text = Path(unquote(urlparse(report).path)).read_text(encoding="utf-8")
    without_policy = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)  # it forbids other scripts
    clicked = without_policy.replace("</body>", f"{CLICKS}</body>")
    (tmp_path / "clicked.html").write_text(clicked, encoding="utf-8")
    seen = chromium.visit((tmp_path / "clicked.html").as_uri(), tmp_path)
    assert seen.console == []
    title = re.search("<title>(.*?)</title>", seen.dom)[1]
    # Benzene comes first, then methane, and before the first the last; closing clears the address.
    first, second, last = "Record 1 C6H6|#molecule=1", "Record 0 CH4|#molecule=0", "Record 2 CH3"
    assert title == f"{first}|{second}|{last}||false|1"


def test_a_crystal_is_shown_beside_what_it_was(relaxed, tmp_path):
    seen = chromium.visit(f"{relaxed}#molecule=3", tmp_path)
    assert seen.console == []
    assert seen.requests == []
    assert seen.dom.count("<canvas") == 2
    assert "<figcaption>as generated</figcaption>" in seen.dom
    assert "<figcaption>relaxed</figcaption>" in seen.dom
    assert "Convex hull of Li-Fe-O" in seen.dom


def test_a_crystal_that_was_not_relaxed_is_shown_alone(relaxed, tmp_path):
    seen = chromium.visit(f"{relaxed}#molecule=2", tmp_path)  # it is in the gallery only
    assert seen.console == []
    assert seen.dom.count("<canvas") == 1
    assert '<figure hidden=""><figcaption hidden="">as generated' in seen.dom
    assert '<figcaption hidden="">relaxed' in seen.dom
