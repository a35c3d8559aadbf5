"""What the pages shows that have no test file of their own is what their code prints and draws."""

import pytest

from docs import blocks

DOCS = blocks.TOP / "docs"
# Files are tested side by side, so these stand in files of their own.
ELSEWHERE = ("README.md", "gallery.md", "how-to", "explanation")
PAGES = [page for page in blocks.pages() if page.relative_to(blocks.TOP).parts[0] != "README.md"]
PAGES = [page for page in PAGES if page.relative_to(DOCS).parts[0] not in ELSEWHERE]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(DOCS)) for page in PAGES])
def test_page_shows_what_its_code_does(page, tmp_path):
    assert "\n".join(blocks.check(page, tmp_path)) == ""
