"""The page frame: what a template says, escaped; figures, tables and claims in their places; contents, links."""

import io
import re
from base64 import b64decode
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from jinja2 import UndefinedError
from PIL import Image

from analysis._reports.page import MOST_FIGURES, MOST_ROWS, Page
from analysis.claims import HOLDS, NOT_MEASURED, Claim, Statement
from analysis.claims import table as table_of
from analysis.intervals import interval
from analysis.numbers import Numbers
from analysis.tables import Column, Table

NAME = "<b>my_net_*1*</b> [x](y) `z` & co.'s"
CLAIMS = {
    "falls": Claim(
        Statement("The accuracy <falls>", "it holds where x < 0"), HOLDS, measured=interval([0.1, 0.11]), unit="points"
    ),
    "unknown": Claim(Statement("Nobody knows", "none"), NOT_MEASURED),
}


class Tree(HTMLParser):
    """Tags with their attributes, and whether each is inside a closed <details>."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes), [*self.open]))
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def having(self, tag):
        return [attributes for name, attributes, _ in self.tags if name == tag]


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("figures") / "first.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 3000, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def page(picture):
    run = SimpleNamespace(
        tree=SimpleNamespace(children=("task", "sweeps")),
        folder=picture.parent,
        command="sweeps <x>",
        device="a CPU",
        seeds={"a": 1},
        versions={"b": "2"},
        config={"c": 3},
    )
    numbers = Numbers("mine")
    numbers.add("networks", 1200)
    numbers.add_interval("fall", interval([0.1, 0.11]))
    numbers.add("mean loss", 0.5, 0.01, p=0.5)
    long = Table("long", "Long & wide.", [Column("a", "a", range(MOST_ROWS + 1)), Column("b", "<b>", ["x"] * 17)])
    tables = {
        "claims": table_of(CLAIMS, "Claims."),
        "long": long,
        "unused": Table("unused", "", [Column("a", "a", [1])]),
    }
    facts = {"name": NAME, "folded": []}
    return Page(run, "tests.analysis:page.md.jinja", numbers, tables, {"first": picture}, CLAIMS, facts)


def text_of(html):
    body = html[html.index("<body>") :]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_values_are_text_whatever_they_hold(page):
    html = page.to_html()
    shown = "&lt;b&gt;my_net_*1*&lt;/b&gt; [x](y) `z` &amp; co.'s"
    assert f"<h1>On {shown}</h1>" in html
    assert f"<em>caption</em> of {shown}." in html
    assert f"It falls by +10.5\u00a0±\u00a06.4\u00a0points in {shown}." in html
    assert "The accuracy &lt;falls&gt;" in html and "it holds where x &lt; 0" in html and "sweeps &lt;x&gt;" in html
    assert "my_net" in html and "<b>my" not in html
    assert "1,200 networks" in html and "0.500(10)" in html


def test_the_page_is_one_file_of_balanced_tags_with_distinct_anchors(page):
    tree = Tree(page.to_html())
    anchors = [attributes["id"] for _, attributes, _ in tree.tags if "id" in attributes]
    assert len(set(anchors)) == len(anchors)
    links = [attributes["href"] for attributes in tree.having("a")]
    assert {link[1:] for link in links if link.startswith("#")} <= set(anchors)
    assert {"in-short", "in-short-1", "settings", "to-do-it-again", "files"} <= set(anchors)
    assert {"figure-first", "table-long", "claim-falls", "claim-unknown"} <= set(anchors)
    assert not [one for one in links if "//" in one]
    assert all(attributes["src"].startswith("data:image/webp;base64,") for attributes in tree.having("img"))


def test_what_lies_beside_the_page_is_linked(page):
    links = [attributes["href"] for attributes in Tree(page.to_html()).having("a")]
    for file in ("figures/first.pdf", "tables/claims.csv", "tables/claims.tex", "tables/unused.csv", "numbers.tex"):
        assert file in links
    assert "explorer.html" not in links and "sweeps explore" in page.to_html()
    explorer = page.run.folder / "explorer.html"
    explorer.touch()
    assert "explorer.html" in [attributes["href"] for attributes in Tree(page.to_html()).having("a")]
    explorer.unlink()


def test_long_tables_and_marked_sections_are_folded(page):
    tree = Tree(page.to_html())
    inside = {attributes["id"]: parents.count("details") for _, attributes, parents in tree.tags if "id" in attributes}
    assert inside["T_claims"] == 0 and inside["T_long"] == 2 and inside["table-long"] == 1
    assert inside["figure-first"] == 0


def test_what_the_run_does_not_have_is_left_out(page):
    text = text_of(page.to_html())
    assert "Nobody knows not measured The rule: none." in text
    assert "Of 2 claims 1 holds and 1 was not measured here." in text
    assert text.count("Figure ") == 1


def test_a_picture_is_made_smaller_and_tables_numbered_through(page):
    html = page.to_html()
    assert len(html) < 900_000
    assert re.findall(r"<b>((?:Table|Figure) \d+)\.</b>", html) == ["Table 1", "Figure 1", "Table 2"]
    assert html == page.to_html()


def test_a_film_plays_when_asked_and_its_last_picture_stands_until_then(page, tmp_path):
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "first.gif", save_all=True, append_images=frames[1:], loop=0)
    page.pictures = {"first": tmp_path / "first.gif"}
    tree = Tree(page.to_html())
    found = {parents[-1]: attributes for tag, attributes, parents in tree.tags if tag == "img"}
    still, film = (Image.open(io.BytesIO(b64decode(found[on]["src"].partition(",")[2]))) for on in ("a", "details"))
    assert film.n_frames == 2 and not still.is_animated and still.getpixel((5, 5))[2] > 250
    assert (found["a"]["width"], found["a"]["height"]) == ("40", "30")
    assert {"class": "picture", "href": "figures/first.gif"} in tree.having("a")


def test_a_forgotten_figure_too_many_figures_and_unknown_names_are_errors(page, picture):
    page.pictures = {"first": picture, "second": picture}
    with pytest.raises(RuntimeError, match=r"page.md.jinja leaves out the figures \['second'\]"):
        page.to_html()
    names = [f"f{number}" for number in range(MOST_FIGURES + 3)]
    page.pictures = {"first": picture} | dict.fromkeys(names, picture)
    page.facts = {"name": NAME, "folded": names}
    assert page.to_html().count("Folded.") == 2 * len(names)  # as caption and as text in place of the picture
    page.facts = {"name": NAME, "folded": [], "first": names}
    with pytest.raises(RuntimeError, match=f"shows {MOST_FIGURES + 4} figures before the fold, {MOST_FIGURES} at most"):
        page.to_html()
    page.facts = {"folded": []}
    with pytest.raises(UndefinedError, match="'name' is undefined"):
        page.to_html()


def test_claims_have_their_verdict_in_words_and_class(page):
    html = page.to_html()
    assert '<span class="verdict holds">holds</span>' in html
    assert '<span class="verdict not-measured">not measured</span>' in html
