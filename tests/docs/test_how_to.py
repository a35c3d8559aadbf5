"""What the pages of docs/how-to show is what their code prints and draws."""

import pytest

from docs import blocks

PAGES = sorted((blocks.TOP / "docs" / "how-to").glob("*.md"))


# What ArviZ says of importance weights, pandas of ArviZ, and xarray of a store that is still written.
@pytest.mark.filterwarnings("default:Estimated shape parameter:UserWarning")
@pytest.mark.filterwarnings("default:The inplace keyword:DeprecationWarning")
@pytest.mark.filterwarnings("default:Failed to open Zarr store with consolidated metadata:RuntimeWarning")
@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_page_shows_what_its_code_does(page, tmp_path):
    assert "\n".join(blocks.check(page, tmp_path)) == ""
