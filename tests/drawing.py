"""Reports whose figures are drawn coarsely and once, for drawing is what takes their time."""

import re
from unittest import mock

from PIL import Image

from analysis.figures import style
from sweeps.studies import registry


def coarse(figure, folder, name):
    """Save a figure as a small PNG alone."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.png"
    with style.context():
        figure.savefig(path, dpi=40)
    return None, path


def blank(figure, folder, name):
    """Save one pixel in place of a figure."""
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / f"{name}.png"
    Image.new("RGB", (1, 1)).save(path)
    return None, path


def text_of(page):
    """Return the text of a page with its tags, on one line, without styles, scripts and pictures."""
    text = re.sub(r"<style.*?</style>|<script.*?</script>|data:[^\"]*", "", page.read_text("utf-8"), flags=re.S)
    return " ".join(text.replace("\u00a0", " ").split())


def write_report(folder):
    """Write the report of a run with coarse figures; the circle's, of a synthetic run, is written in full."""
    with mock.patch.object(style, "save", coarse):
        return registry.write_report(folder)
