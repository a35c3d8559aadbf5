"""Take the picture of the interactive page: ``python -m docs.explorer`` writes images/explorer.png."""

import io
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from tests.browser import Browser, find

HERE = Path(__file__).parent
PAGE, PICTURE = HERE / "studies" / "circle" / "explorer.html", HERE / "images" / "explorer.png"
SIZE, COLOURS = (1200, 760), 256
#: Some nodes are off and one in between, node 11 is selected, and the maps show what the data fill.
STATE = """zoom.click(), explorer.select(11), explorer.setGates([...'11111111011110110101'].map(
    (gain, node) => node === 13 ? 0.4 : Number(gain))), explorer.draw()"""


def main() -> None:
    """Open the page of the circle study, switch some nodes, and take the picture."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(find(), profile)
        browser.size(*SIZE)
        browser.send("Emulation.setScrollbarsHidden", hidden=True)
        browser.open(PAGE.as_uri())
        browser.value(STATE)
        taken = browser.picture()
        browser.close()
    picture = Image.open(io.BytesIO(taken)).convert("RGB")
    # Dithered: maps have more colours than a palette.
    picture.quantize(palette=picture.quantize(COLOURS)).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
