"""One look for all figures: sizes, colours and fonts, for figures of your own too, and how a figure is saved."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib import rc_context, rcParams
from matplotlib import style as mpl_style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from analysis.figures._look import (
    ABOVE,
    BLACK,
    BLUE,
    CYCLE,
    DOUBLE,
    DPI,
    EMBEDDED,
    GREEN,
    GREY,
    HELPS,
    LIGHT_GREY,
    MARKERS,
    ORANGE,
    PINK,
    RC,
    SINGLE,
    SKY,
    VERMILLION,
)

__all__ = [
    "BLACK",
    "BLUE",
    "CYCLE",
    "DOUBLE",
    "GREEN",
    "GREY",
    "HELPS",
    "LIGHT_GREY",
    "MARKERS",
    "ORANGE",
    "PINK",
    "SINGLE",
    "SKY",
    "VERMILLION",
    "context",
    "letter",
    "marked",
    "new_figure",
    "save",
]


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
        kinds: Any = {name: kind for name, kind in rcParams.items() if name in EMBEDDED}
        with context(), rc_context(kinds):
            super().draw(renderer)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save with fonts as text; the arguments are those of matplotlib."""
        # A PDF of several pages writes its fonts when it is closed, out of reach: they stay as the user has them.
        with rc_context({} if hasattr(fname, "get_pagecount") else EMBEDDED):
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
    new_figure : A figure for the curves.

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


def letter(axes: Sequence[Axes]) -> None:
    """Put (a), (b), ... in front of the titles of panels, for the caption to speak of.

    Parameters
    ----------
    axes : sequence of matplotlib.axes.Axes
        The panels, in reading order, with their titles and legends.

    See Also
    --------
    new_figure : Makes the panels.

    Examples
    --------
    >>> from analysis.figures import style
    >>> figure, axes = style.new_figure(columns=2)
    >>> style.letter(axes)
    >>> [ax.get_title(loc="left") for ax in axes]
    ['(a)', '(b)']
    """
    legends: list[Any] = [ax.get_legend() for ax in axes]
    rows = [-(-len(one.get_texts()) // one._ncols) for one in legends if one is not None and one.get_gid() == ABOVE]
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
        figure.set_layout_engine(None)  # what has its place keeps it: layout takes longer than drawing
        figure.savefig(pixels, dpi=DPI, format="rgba")
    size = tuple(int(inches * DPI) for inches in figure.get_size_inches())
    image = Image.frombytes("RGBA", size, pixels.getvalue()).convert("RGB")  # type: ignore[arg-type]
    # 256 colours take a third of the bytes; even areas keep theirs, and shades of edges move to the nearest.
    image.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(png, dpi=(DPI, DPI))
    return pdf, png
