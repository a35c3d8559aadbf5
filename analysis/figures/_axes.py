"""What the figures here share: axes to draw into, their legends and colour bars, the unit of what they show."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure

from analysis._errors import InputError, InputTypeError
from analysis.figures import style
from analysis.figures._look import ABOVE


def axes_or_new(ax: Axes | None, *, width: float = style.SINGLE, height: float = 2.4) -> Axes:
    """Return the axes that were given, or those of a new figure; functions that draw begin with it.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None
        What the caller gave.
    width, height : float
        Size of a new figure, in inches.

    Returns
    -------
    matplotlib.axes.Axes
        `ax` itself, or new axes.

    Raises
    ------
    TypeError
        If `ax` is something else.
    """
    if not isinstance(ax, Axes | None):
        raise InputTypeError(f"ax must be matplotlib axes, got {type(ax).__name__}")
    return ax if ax is not None else style.new_figure(width, height)[1][0]


def figure_of(ax: Axes) -> Figure:
    """Return the whole figure of axes, also where they lie in a part of it; ValueError if they were removed from it."""
    figure = ax.get_figure(root=True)
    if figure is None:
        raise InputError("ax must be axes of a figure, got axes that were removed from theirs")
    return figure


def unit_of(data: Any) -> str:
    """Return the unit of the loss that labelled data state: nats, the unit of cross-entropy, where they state none."""
    return str(data.attrs.get("unit") or data.attrs.get("units") or "nats")


def colour_bar(image: Any, axes: Axes | Sequence[Axes], label: str, **options: Any) -> Colorbar:
    """Put a colour bar without an outline beside axes of one figure.

    Parameters
    ----------
    image : matplotlib.cm.ScalarMappable
        Whose colours it explains.
    axes : matplotlib.axes.Axes or sequence of matplotlib.axes.Axes
        From which it takes its room.
    label : str
        What the colours say, with the unit.
    **options : object
        Options of ``matplotlib.figure.Figure.colorbar``, such as ``ticks=[0, 1]``.

    Returns
    -------
    matplotlib.colorbar.Colorbar
        The bar; its own axes are ``bar.ax``.
    """
    beside = [axes] if isinstance(axes, Axes) else list(axes)
    bar = figure_of(beside[0]).colorbar(image, ax=beside, label=label, **options)
    outline: Any = bar.outline
    outline.set_visible(False)
    return bar


def legend_above(ax: Axes, entries: Mapping[str, Any], columns: int, *, right: bool = False) -> None:
    """Put a legend above `ax`, read row by row.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where no curve can be under the legend.
    entries : mapping of str to object
        Labels and the lines, bars or areas that they explain, in reading order.
    columns : int
        Entries beside each other, at most.
    right : bool
        Whether it ends where the axes end, over long tick labels if need be, in place of starting where they start.
    """
    names = list(entries)
    # matplotlib fills a legend column by column
    rows = [names[i : i + columns] for i in range(0, len(names), columns)]
    order = [row[c] for c in range(columns) for row in rows if c < len(row)]
    legend = ax.legend(
        [entries[name] for name in order],
        order,
        loc="lower right" if right else "lower left",
        bbox_to_anchor=(int(right), 1),
        ncols=min(columns, len(names)),
        borderaxespad=0.2,
        borderpad=0,
        columnspacing=1.2,
    )
    legend.set_gid(ABOVE)
