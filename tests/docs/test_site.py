"""The site: links lead somewhere, in the repository too, and the reference has every public name."""

import re
from pydoc import locate

import pytest

import analysis
import sweeps
from docs import blocks, names

DOCS, REFERENCE = blocks.TOP / "docs", blocks.TOP / "docs" / "reference"
PAGES = [*blocks.pages(), blocks.TOP / "CONTRIBUTING.md", blocks.TOP / "CHANGELOG.md"]
SOURCES = "\n".join(
    path.read_text("utf-8") for room in ("sweeps", "analysis") for path in (blocks.TOP / room).rglob("*.py")
)
DIRECTIVES = {
    name for page in REFERENCE.glob("*.md") for name in re.findall(r"^::: ([\w.]+)$", page.read_text("utf-8"), re.M)
}


def anchors(page):
    text = page.read_text("utf-8")
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    headings = (re.sub(r"[^\w\- ]", "", one.lower()).strip() for one in re.findall(r"^#+ (.*)$", prose, re.M))
    return {re.sub(r" ", "-", one) for one in headings} | set(re.findall(r'id="([^"]+)"', text))


def is_there(page, link):
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not anchor:
        return target.exists()
    return anchor in anchors(target) or any(f"{anchor}.".startswith(f"{name}.") for name in DIRECTIVES)


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(blocks.TOP)) for page in PAGES])
def test_links_lead_somewhere(page):
    text = re.sub(r"^ *```.*?^ *```|`[^`\n]+`", "", page.read_text("utf-8"), flags=re.M | re.S)
    links = re.findall(r"\]\(([^)\s]+)\)|(?:href|src)=\"([^\"]+)\"", text)
    found = [one for pair in links for one in pair if one and not re.match(r"\w+:", one)]
    assert [link for link in found if not is_there(page, link)] == []


def test_every_page_is_in_the_navigation():
    text = (blocks.TOP / "mkdocs.yml").read_text("utf-8")
    listed = re.findall(r"[\w./-]+\.md", re.search(r"^nav:\n(.*?)\n\n", text, re.M | re.S)[1])
    assert sorted(set(listed)) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(blocks.TOP)) for page in PAGES])
def test_names_in_sentences_exist(page):
    prose = re.sub(r"^ *```.*?^ *```", "", page.read_text("utf-8"), flags=re.M | re.S)
    spans = " ".join(re.findall(r"`([^`\n]+)`", prose))
    heads = {**{name.rpartition(".")[2]: name for name in names.public()}, "sweeps": "sweeps", "analysis": "analysis"}
    dotted = re.findall(rf"(?<![\w/.\"])({'|'.join(heads)})((?:\.[A-Za-z_]\w*)+)(?!\S*:)", spans)
    full = [heads[head] + rest for head, rest in dotted if not re.search(r"\.(tex|md|py|csv|toml|html)$", rest)]
    constants = [one for one in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", spans) if not re.match("JAX|XLA|CUDA", one)]
    missing = [one for one in constants if not re.search(rf"^ *(class )?{one}\b", SOURCES, re.M)]
    assert [one for one in full if locate(one) is None] + missing == []


def test_the_reference_has_every_public_name():
    modules = {f"{package.__name__}.{name}" for package in (sweeps, analysis) for name in package.__all__}
    figures = {f"analysis.figures.{name}" for name in analysis.figures.__all__}
    assert modules - {"analysis.figures"} | figures <= DIRECTIVES
