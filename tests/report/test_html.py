"""What is not markup is escaped, wherever it stands."""

import json
from html.parser import HTMLParser

import pytest

from molgen.report.html import Html, el, join, json_script, table

NASTY = ["<b>", "&amp;", '"><img src=x onerror=alert(1)>', "</script>", "' onload='x", "a\u2028b", "\ud800"]


@pytest.mark.parametrize("text", NASTY)
def test_text_and_attributes_come_back_as_they_were(text):
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            found.append((tag, attributes))

        def handle_data(self, data):
            found.append(data)

    reader = Reader(convert_charrefs=True)
    reader.feed(el("p", text, title=text))
    reader.close()
    assert found[0] == ("p", [("title", text)])
    assert "".join(found[1:]) == text


def test_markup_is_kept_and_lists_are_opened():
    assert el("ul", [el("li", n) for n in (1, 2)], None, class_="x") == '<ul class="x"><li>1</li><li>2</li></ul>'
    assert el("input", type="checkbox", open=True, hidden=False, aria_label=None) == '<input type="checkbox" open>'
    assert isinstance(join(["<", Html("<br>")]), Html)
    assert join(["<", Html("<br>")]) == "&lt;<br>"


@pytest.mark.parametrize("text", NASTY)
def test_data_of_scripts_cannot_end_the_script(text):
    block = json_script("data", {"x": [text]})
    body = block.partition(">")[2].removesuffix("</script>")
    assert "<" not in body
    assert json.loads(body) == {"x": [text]}


def test_data_of_scripts_is_strict_json():
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_script("data", float("nan"))


def test_table_names_its_columns_and_rows():
    made = table(("a", "b"), [("x", 1)], caption="what <it> is")
    assert "<caption>what &lt;it&gt; is</caption>" in made
    assert '<th scope="col">a</th><th scope="col">b</th>' in made
    assert '<tr><th scope="row">x</th><td>1</td></tr>' in made
