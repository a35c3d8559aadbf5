"""Error and accuracy against the nodes removed where others take over from them."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import _curves, style
from sweeps._studies.shrinking.figures import looks
from sweeps._studies.shrinking.measures.replacing import CORRELATED, PLAIN, Replacing, Way
from sweeps._studies.shrinking.names import STAND_IN_NAMES, method_name

#: Choices that are drawn, with the partner taking over.
DRAWN = ("brute_force", "second_order", "correlation", "random")
_SOLID, _DASHED, _DOTTED, _MIXED = "-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5))
_STAND_INS: dict[str, dict[str, Any]] = {
    "nothing": {"color": style.BLUE, "linestyle": _SOLID},
    "bias": {"color": style.GREY, "linestyle": _DOTTED},
    "partner": {"color": style.ORANGE, "linestyle": _DASHED},
    "rest": {"color": style.BLACK, "linestyle": _MIXED},
}
_CHOICES: dict[str, dict[str, Any]] = {
    "brute_force": {"color": style.BLUE, "linestyle": _SOLID},
    "second_order": {"color": style.GREEN, "linestyle": _DASHED},
    "correlation": {"color": style.VERMILLION, "linestyle": _MIXED},
    "random": {"color": style.GREY, "linestyle": _DOTTED},
}


def overview(found: Replacing, label: str) -> Figure:
    """Draw error and accuracy by what takes over, brute force choosing, and by choice, the partner taking over.

    Parameters
    ----------
    found : Replacing
    label : str
        Label of the axis of losses, with its unit.

    Returns
    -------
    matplotlib.figure.Figure
        Means over the networks, with 95 % intervals where there are several.
    """
    above = {PLAIN._replace(stand_in=name): (STAND_IN_NAMES[name], look) for name, look in _STAND_INS.items()}
    below = {CORRELATED._replace(choice=name): (method_name(name), _CHOICES[name]) for name in DRAWN}
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 4.9, 2, 2, sharex=True)
        rows = ((above, "brute force chooses", "what takes over"), (below, "the partner takes over", "which node goes"))
        for row, (ways, same, title) in enumerate(rows):
            pair = axes[2 * row : 2 * row + 2]
            for ax in pair:
                ax.set_title(same)
            for way, (name, look) in ways.items():
                _draw(pair, found, way, name, look)
            _curves.loss_axis(pair[0], found.paths["loss"].sel(choice=list(DRAWN)), label)
            _curves.accuracy_axis(pair[1])
            pair[1].legend(title=title, loc="lower left", title_fontsize=8, alignment="left")
        for ax in axes[2:]:
            looks.removed_axis(ax, found.nodes)
        style.letter(axes)
    return figure


def _draw(axes: Sequence[Axes], found: Replacing, way: Way, name: str, look: dict[str, Any]) -> None:
    data = found.paths.sel(way._asdict(), drop=True)
    for ax, curve in zip(axes, ("loss", "accuracy"), strict=True):
        _curves.banded(ax, data[curve], name, alpha=0.2, linewidth=1.2, **look)
