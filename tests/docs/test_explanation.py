"""What the pages of docs/explanation show is what their code prints and draws."""

import pytest

from docs import blocks

PAGES = sorted((blocks.TOP / "docs" / "explanation").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_page_shows_what_its_code_does(page, tmp_path):
    assert "\n".join(blocks.check(page, tmp_path)) == ""
