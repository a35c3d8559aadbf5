"""The picture of the scaling: masks a second along each axis, with a line for the arithmetic alone."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Two colours of Okabe and Ito, which colour-blind readers can distinguish; line styles differ, too.
OURS, LIMIT = "#0072B2", "#D55E00"


def scaling(evidence: dict[str, list[dict[str, Any]]], device: str, path: Path) -> None:
    """Draw masks a second against examples, nodes and masks, and save it.

    Parameters
    ----------
    evidence : axis -> points, as the scaling benchmark stores them
    device : name of the machine, for the title
    path : where the picture goes; the ending names the format
    """
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(evidence), sharey=True, squeeze=False)[0]
    for panel, (name, points) in zip(panels, evidence.items(), strict=True):
        _panel(panel, name, points)
    panels[0].set_ylabel("masks per second, 1/s")
    panels[0].legend(frameon=False)
    figure.suptitle(f"Loss and gate gradients, {device}")
    figure.savefig(path, dpi=150)


def _panel(panel: Axes, name: str, points: list[dict[str, Any]]) -> None:
    sizes = [point[name] for point in points]
    panel.loglog(sizes, [point["masks"] / point["seconds"] for point in points], "o-", color=OURS, label="gatesweep")
    limit = [point["masks"] / point["least"] for point in points]
    panel.loglog(sizes, limit, "--", color=LIMIT, label="arithmetic alone")
    fixed = {"examples": "20 nodes", "nodes": "1,000 examples", "masks": "20 nodes, 1,000 examples"}[name]
    panel.set_xlabel({"examples": "examples", "nodes": "gated nodes", "masks": "masks in the sweep"}[name])
    panel.set_title(fixed, fontsize="medium")
    panel.grid(alpha=0.3)
