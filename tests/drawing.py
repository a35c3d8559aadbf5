"""Reports whose figures are drawn coarsely and once, for drawing is what takes their time, and what is wrong there."""

import json
import re
from unittest import mock

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.container import ErrorbarContainer
from PIL import Image

from analysis.figures import style
from sweeps._studies import registry
from tests import faults

#: What the caption of a figure with error bars or bands says.
PROMISE = re.compile(r"\bintervals?\b|\bstandard errors?\b")


def bars(ax):
    """Lengths of the error bars of axes, lying or standing, an array for each set of them, as they were drawn."""
    found = [one.lines[2] for one in ax.containers if isinstance(one, ErrorbarContainer)]
    # The bar of a mean that is not known has no ends.
    return [np.array([_length(bar) for lines in some for bar in lines.get_segments()]) for some in found]


def _length(bar):
    return np.ptp(bar, axis=0).max() if len(bar) else 0.0


def bands(ax):
    """Areas of the bands of axes, in the order they were drawn."""
    found = [one.get_paths() for one in ax.collections if isinstance(one, PolyCollection)]
    return [sum(_area(*path.vertices.T) for path in paths) for paths in found]


def _area(x, y):
    return abs(np.sum(np.roll(x, 1) * y - x * np.roll(y, 1))) / 2


def note(figure, folder, name):
    """Note, beside the folder of the figures, extents of bars and bands, and what one cannot make out."""
    longest = [float(np.nan_to_num(one).max(initial=0)) for ax in figure.axes for one in bars(ax)]
    areas = [float(one) for ax in figure.axes for one in bands(ax)]
    (folder.parent / "bars").mkdir(exist_ok=True, parents=True)
    (folder.parent / "bars" / f"{name}.json").write_text(json.dumps([longest + areas, faults.of(figure)]))


def without_bars(folder):
    """Names of the figures of a report that have bars or bands without extent, or promise some and have none."""
    page, found = (folder / "report.html").read_text("utf-8"), []
    for path in sorted((folder / "bars").iterdir()):
        caption = re.search(rf'id="figure-{path.stem}".*?<figcaption>(.*?)</figcaption>', page, re.S)[1]
        extents, _ = json.loads(path.read_text())
        if not all(one > 0 for one in extents) or (PROMISE.search(caption) and not extents):
            found.append(path.stem)
    return found


def unclear(folder):
    """List what one cannot make out in the figures and tables of a report; see `tests.faults`."""
    notes = {path.stem: json.loads(path.read_text())[1] for path in sorted((folder / "bars").iterdir())}
    found = [f"{name}: {words}" for name, some in notes.items() for words in some]
    return found + [f"table: {words}" for words in faults.in_tables((folder / "report.html").read_text("utf-8"))]


def coarse(figure, folder, name):
    """Save a figure as a small PNG alone."""
    folder.mkdir(exist_ok=True)
    note(figure, folder, name)
    path = folder / f"{name}.png"
    figure.set_dpi(40)
    # The canvas draws once: savefig draws twice where there is a layout.
    with style.context():
        FigureCanvasAgg(figure).print_png(path)
    return None, path


def fine(figure, folder, name, save=style.save):
    """Save a figure as the library does, with fewer dots, which take less time."""
    note(figure, folder, name)
    with mock.patch.object(style, "DPI", 80):
        return save(figure, folder, name)


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
