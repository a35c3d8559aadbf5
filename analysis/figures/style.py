"""One look for all figures: sizes, colours, fonts, names as they are, and how a figure is saved."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from cycler import cycler
from matplotlib import rc_context, rcParams
from matplotlib import style as mpl_style
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from PIL import Image

from analysis._errors import InputError, InputTypeError

__all__ = [
    "BLACK",
    "BLUE",
    "CYCLE",
    "DOUBLE",
    "FAMILIES",
    "GREEN",
    "GREY",
    "HELPS",
    "LIGHT_GREY",
    "MARKERS",
    "ORANGE",
    "PINK",
    "RC",
    "SINGLE",
    "SKY",
    "VERMILLION",
    "axes_or_new",
    "colour_bar",
    "context",
    "figure_of",
    "legend_above",
    "letter",
    "marked",
    "new_figure",
    "save",
    "unit_of",
]

#: Widths of one and of two columns of a journal page, in inches.
SINGLE, DOUBLE = 3.4, 7.0
#: Dots per inch of the PNG files.
_DPI = 220

# M. Okabe, K. Ito (2008), Color Universal Design: told apart with all common kinds of colour blindness.
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
PINK, ORANGE, SKY = "#CC79A7", "#E69F00", "#56B4E9"
BLACK, GREY, LIGHT_GREY = "#000000", "#6B6B6B", "#D9D9D9"
CYCLE = (BLUE, VERMILLION, GREEN, PINK, ORANGE, SKY)
#: A marker for each colour of the cycle.
MARKERS = ("o", "s", "^", "D", "v", "P")
#: Blue where a node helps, white where it does nothing, yellow where it hurts.
HELPS = LinearSegmentedColormap.from_list("helps", [BLUE, "#A9CCE3", "#FBFBFB", "#F5E08A", "#C9A400"])

# STIX and DejaVu come with matplotlib, so the figures look the same on every machine. The others, with Chinese,
# Japanese and Korean, serve for what is in neither, where they are installed.
_ASIAN = ("Arial Unicode MS", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Droid Sans Fallback")
_INSTALLED = {font.name for font in fontManager.ttflist}
FAMILIES = ("STIXGeneral", "DejaVu Sans", *(name for name in _ASIAN if name in _INSTALLED))
#: Text stays text: TrueType fonts in PDF and PostScript, characters in SVG.
_EMBEDDED: Any = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none"}

RC: dict[str, Any] = {
    "font.family": list(FAMILIES),
    "mathtext.fontset": "stix",
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.unicode_minus": True,
    "axes.prop_cycle": cycler(color=CYCLE),
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "lines.linewidth": 1.2,
    "patch.linewidth": 0.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": _DPI,
    "svg.hashsalt": "gatesweep",
    # Letters are as wide in pictures as in PDF files, so that one layout serves for both.
    "text.hinting": "none",
    **_EMBEDDED,
}


@contextmanager
def context() -> Iterator[None]:
    """Apply the style to what is drawn inside a ``with`` block, and to nothing after it.

    It starts from the defaults of matplotlib, so that a user's own settings do not change a paper's figures.

    Yields
    ------
    None
        Nothing.

    See Also
    --------
    new_figure : A figure that keeps the style when it is saved.

    Examples
    --------
    >>> from matplotlib import rcParams
    >>> from analysis.figures import style
    >>> with style.context():
    ...     inside = rcParams["font.size"]
    >>> inside
    9.0
    """
    # On top of the library's defaults, so that a user's matplotlibrc does not change a paper's figures.
    with mpl_style.context(["default", RC]):
        yield


class _StyledFigure(Figure):
    """A figure that looks the same, and embeds its fonts as text, wherever it is drawn or saved."""

    def draw(self, renderer: Any) -> None:
        """Draw in the style of the library: ticks are made no sooner than here."""
        # Fonts are embedded as in the file that is being written.
        kinds: Any = {name: kind for name, kind in rcParams.items() if name in _EMBEDDED}
        with context(), rc_context(kinds):
            super().draw(renderer)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save with fonts as text; the arguments are those of matplotlib."""
        # A PDF of several pages writes its fonts when it is closed, out of reach: they stay as the user has them.
        with rc_context({} if hasattr(fname, "get_pagecount") else _EMBEDDED):
            super().savefig(fname, **options)


def new_figure(
    width: float = SINGLE, height: float = 2.4, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, Sequence[Axes]]:
    """Make a figure with its panels that ``matplotlib.pyplot`` knows nothing of.

    It is neither shown nor kept in memory by pyplot; `save` writes it.

    Parameters
    ----------
    width, height : float
        In inches.
    rows, columns : int
        Number of panels.
    **options : object
        Options of ``matplotlib.figure.Figure.subplots``, such as ``sharex=True``.

    Returns
    -------
    figure : matplotlib.figure.Figure
        It looks the same wherever it is drawn, and embeds its fonts as text wherever it is saved.
    axes : sequence of matplotlib.axes.Axes
        The panels, row by row.

    See Also
    --------
    context : The style of what is drawn into the panels.
    save : Writes the figure.

    Examples
    --------
    >>> from analysis.figures import style
    >>> with style.context():
    ...     figure, axes = style.new_figure(style.DOUBLE, 2.4, rows=1, columns=2)
    >>> len(axes)
    2
    """
    figure = _StyledFigure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(panels.ravel())


def axes_or_new(ax: Axes | None, *, width: float = SINGLE, height: float = 2.4) -> Axes:
    """Return the axes that were given, or those of a new figure.

    Functions that draw take ``ax=None`` and begin with this.

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

    See Also
    --------
    new_figure : Several panels.

    Examples
    --------
    >>> from analysis.figures import style
    >>> ax = style.axes_or_new(None, width=style.SINGLE, height=2.0)
    >>> style.axes_or_new(ax) is ax
    True
    """
    if not isinstance(ax, Axes | None):
        raise InputTypeError(f"ax must be matplotlib axes, got {type(ax).__name__}")
    return ax if ax is not None else new_figure(width, height)[1][0]


def unit_of(data: Any) -> str:
    """Return the unit of the loss that labelled data state.

    Parameters
    ----------
    data : xarray.DataArray or xarray.Dataset
        A sweep, or part of one.

    Returns
    -------
    str
        Its attribute `unit`; nats, the unit of cross-entropy, where it states none.

    See Also
    --------
    analysis.removal.losses : Statistics in that unit.

    Examples
    --------
    >>> import xarray as xr
    >>> from analysis.figures import style
    >>> style.unit_of(xr.Dataset(attrs={"unit": "squared units"})), style.unit_of(xr.Dataset())
    ('squared units', 'nats')
    """
    return str(data.attrs.get("unit") or data.attrs.get("units") or "nats")


_ABOVE = "above"


def figure_of(ax: Axes) -> Figure:
    """Return the whole figure that axes belong to.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        One of its panels.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, also where `ax` lies in a part of it.

    Raises
    ------
    ValueError
        If the axes were removed from their figure.

    See Also
    --------
    new_figure : Makes figures.

    Examples
    --------
    >>> from analysis.figures import style
    >>> figure, axes = style.new_figure()
    >>> style.figure_of(axes[0]) is figure
    True
    """
    figure = ax.get_figure(root=True)
    if figure is None:
        raise InputError("ax must be axes of a figure, got axes that were removed from theirs")
    return figure


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

    See Also
    --------
    legend_above : Explains lines.

    Examples
    --------
    >>> from analysis.figures import style
    >>> figure, axes = style.new_figure()
    >>> style.colour_bar(axes[0].imshow([[0, 1]]), axes, "loss (nats)").ax.get_ylabel()
    'loss (nats)'
    """
    beside = [axes] if isinstance(axes, Axes) else list(axes)
    bar = figure_of(beside[0]).colorbar(image, ax=beside, label=label, **options)
    outline: Any = bar.outline
    outline.set_visible(False)
    return bar


def marked(number: int, points: int) -> dict[str, Any]:
    """Return how curve `number` of several looks: a colour, and markers apart, for those who cannot tell the colours.

    Parameters
    ----------
    number : int
        From 0; the colours repeat after six.
    points : int
        Points of the curve; a few of them, not those of the other curves, have a marker.

    Returns
    -------
    dict of str to object
        Options of ``matplotlib.axes.Axes.plot``.

    See Also
    --------
    legend_above : Explains the curves.

    Examples
    --------
    >>> from analysis.figures import style
    >>> style.marked(1, points=80)["color"] == style.VERMILLION, style.marked(1, points=80)["marker"]
    (True, 's')
    """
    step = max(points // 8, 1)
    every = (number * step // len(CYCLE)) % step, step
    of_cycle = number % len(CYCLE)
    return dict(color=CYCLE[of_cycle], marker=MARKERS[of_cycle], markevery=every, markersize=3.2, markeredgewidth=0)


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

    See Also
    --------
    letter : Makes room for such legends.

    Examples
    --------
    >>> from analysis.figures import style
    >>> figure, (ax,) = style.new_figure()
    >>> style.legend_above(ax, {name: ax.plot([0, 1])[0] for name in ("one", "two")}, columns=2)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['one', 'two']
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
    legend.set_gid(_ABOVE)


def letter(axes: Sequence[Axes]) -> None:
    """Put (a), (b), ... in front of the titles of panels, for the caption to speak of.

    Parameters
    ----------
    axes : sequence of matplotlib.axes.Axes
        The panels, in reading order, with their titles and legends.

    See Also
    --------
    legend_above : Legends that the letters stand above.

    Examples
    --------
    >>> from analysis.figures import style
    >>> figure, axes = style.new_figure(columns=2)
    >>> style.letter(axes)
    >>> [ax.get_title(loc="left") for ax in axes]
    ['(a)', '(b)']
    """
    legends: list[Any] = [ax.get_legend() for ax in axes]
    rows = [-(-len(one.get_texts()) // one._ncols) for one in legends if one is not None and one.get_gid() == _ABOVE]
    pad = RC["axes.titlesize"] / 2 + 1.5 * RC["legend.fontsize"] * max(rows, default=0)
    for number, ax in enumerate(axes):
        mark = rf"({chr(ord('a') + number)})"
        ax.set_title(f"{mark} {ax.get_title(loc='left')}".rstrip(), loc="left", pad=pad if rows else None)


def save(figure: Figure, folder: str | Path, name: str) -> tuple[Path, Path]:
    """Save a figure as PDF for the paper and as PNG for the screen.

    The files depend on the figure alone: they hold no time stamp.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to save, such as ``ax.figure`` of what the functions that draw return.
    folder : str or os.PathLike
        Where to, made if need be.
    name : str
        Stem of the file names.

    Returns
    -------
    pdf : pathlib.Path
        ``<name>.pdf``, with its fonts as text.
    png : pathlib.Path
        ``<name>.png``, of 220 dots per inch and 256 colours.

    See Also
    --------
    new_figure : Makes figures.

    Examples
    --------
    >>> import tempfile
    >>> from analysis.figures import style
    >>> pdf, png = style.save(style.new_figure()[0], tempfile.mkdtemp(), "empty")
    >>> pdf.name, png.name
    ('empty.pdf', 'empty.png')
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pdf, png = folder / f"{name}.pdf", folder / f"{name}.png"
    pixels = BytesIO()
    with context():
        figure.savefig(pdf, metadata={"CreationDate": None})
        figure.set_layout_engine("none")  # what has its place keeps it: layout takes as long as drawing
        figure.savefig(pixels, dpi=_DPI, format="rgba")
    size = tuple(int(inches * _DPI) for inches in figure.get_size_inches())
    image = Image.frombytes("RGBA", size, pixels.getvalue()).convert("RGB")  # type: ignore[arg-type]
    # 256 colours take a third of the bytes; even areas keep theirs, and shades of edges move to the nearest.
    image.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(png, dpi=(_DPI, _DPI))
    return pdf, png
