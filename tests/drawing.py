"""Reports whose figures are drawn coarsely and once, for drawing is what takes their time."""

from unittest import mock

from analysis.figures import style
from sweeps.studies import registry


def coarse(figure, folder, name):
    """Save a figure as a small PNG alone."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.png"
    with style.context():
        figure.savefig(path, dpi=40)
    return None, path


def write_report(folder):
    """Write the report of a run with coarse figures; the circle's, of a synthetic run, is written in full."""
    with mock.patch.object(style, "save", coarse):
        return registry.write_report(folder)
