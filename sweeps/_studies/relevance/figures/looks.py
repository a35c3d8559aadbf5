"""Colours, scales and labels that the figures of relevance share."""

from collections.abc import Iterable, Mapping
from textwrap import fill
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_hex
from matplotlib.figure import Figure

from analysis._formatting import cut_middle
from analysis.figures import _names, style
from analysis.figures._curves import plain_powers

#: Blue against, white for nothing, vermillion for.
SIGNED = LinearSegmentedColormap.from_list(
    "signed", ["#003F66", style.BLUE, "#B5D3E7", "#FBFBFB", "#F3C3A5", style.VERMILLION, "#7A2F00"]
)
#: Lines that are told apart by colour and by dashes.
LINES: tuple[dict[str, Any], ...] = (
    {"color": style.BLUE, "linestyle": "-"},
    {"color": style.VERMILLION, "linestyle": (0, (5, 1.5))},
    {"color": style.GREEN, "linestyle": (0, (3, 1, 1, 1))},
    {"color": style.PINK, "linestyle": (0, (7, 1.5, 1, 1.5, 1, 1.5))},
    {"color": style.ORANGE, "linestyle": (0, (5, 1.5))},
    {"color": style.SKY, "linestyle": (0, (3, 1, 1, 1))},
    # P. Tol (2021), Colour schemes: two of the muted ones that are told apart from the six.
    {"color": "#882255", "linestyle": "-"},
    {"color": "#999933", "linestyle": (0, (5, 1.5))},
)
#: Replacements, in the store's order.
MARKS: tuple[dict[str, Any], ...] = (
    {"color": style.BLUE, "fmt": "o", "markerfacecolor": style.BLUE},
    {"color": style.VERMILLION, "fmt": "s", "markerfacecolor": "white"},
    {"color": style.GREEN, "fmt": "D", "markerfacecolor": "white"},
)
TRAININGS: dict[str, dict[str, Any]] = {
    "plain": {"color": style.BLACK, "linestyle": "-"},
    "gradient_penalty": {"color": style.GREY, "linestyle": (0, (2.5, 1, 2.5, 2.5))},
    "replaced": {"color": style.BLACK, "linestyle": (0, (1, 1.2))},
    # The same in every figure, whichever of them it shows.
    "relevance_slope": LINES[0],
    "relevance_all_amount": LINES[1],
    "relevance_all": LINES[2],
    "relevance_amount": LINES[3],
    "relevance_biases": LINES[4],
}


def training(key: str, others: list[str]) -> dict[str, Any]:
    """Return the options of a training's line; those without relevance black or grey."""
    if key in TRAININGS:
        return TRAININGS[key]
    return LINES[others.index(key) % len(LINES)] if key in others else LINES[0]


def wrapped(text: str, width: int) -> str:
    """Break a name into lines of so many letters."""
    lines = fill(cut_middle(text, _names.PHRASE), width, break_long_words=False).splitlines()
    return "\n".join(map(_names.as_is, lines))


def named(keys: Iterable[str], names: Mapping[str, str]) -> list[str]:
    """Return what methods or measures are called, as a figure shows it."""
    return [_names.as_is(names.get(key, key), most=_names.PHRASE) for key in keys]


def heat_map(ax: Axes, relevance: npt.ArrayLike, pixel: npt.ArrayLike | None = None) -> float:
    """Draw one heat map on its own scale, with the outline of what the image shows.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    relevance : array_like, (rows, columns)
    pixel : array_like, (rows, columns), optional
        The image: its half-way level is outlined.

    Returns
    -------
    float
        The largest relevance in size: where the colours end; 0 where there is none.
    """
    values = np.asarray(relevance, float)
    size = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.0
    ax.imshow(values, cmap=SIGNED, vmin=-(size or 1), vmax=size or 1, interpolation="nearest")
    if pixel is not None:
        outline(ax, pixel)
    bare(ax)
    return size


def outline(ax: Axes, pixel: npt.ArrayLike) -> None:
    """Draw where an image is brighter than half-way between its darkest and its brightest pixel."""
    image = np.asarray(pixel, float)
    low, high = np.nanmin(image), np.nanmax(image)
    if high > low:
        ax.contour(image, [(low + high) / 2], colors=[style.BLACK], linewidths=0.5, alpha=0.45)


def picture(ax: Axes, pixel: npt.ArrayLike) -> None:
    """Draw an image, dark on light."""
    ax.imshow(np.asarray(pixel, float), cmap="Greys", interpolation="nearest")
    bare(ax)


def bare(ax: Axes) -> None:
    """Leave a frame without ticks."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set(visible=True, linewidth=0.4, color=style.GREY)


def scale_bar(figure: Figure, axes: Any, label: str = "relevance / its largest size in the map") -> None:
    """Draw the colours of all heat maps, each on its own scale, below them."""
    bar = figure.colorbar(
        ScalarMappable(Normalize(-1, 1), SIGNED), ax=axes, orientation="horizontal", shrink=0.35, aspect=35, pad=0.02
    )
    bar.set_ticks([-1, 0, 1], labels=["−1 (against)", "0", "1 (for)"])
    bar.ax.tick_params(labelsize=7, length=2)
    bar.set_label(label, fontsize=7.5)
    bar.outline.set_linewidth(0.4)


def short(value: float) -> str:
    """Write a size in two digits.

    Examples
    --------
    >>> short(0.01234), short(12.3), short(1.2e-5)
    ('0.012', '12', '1.2e−5')
    """
    if value and not 1e-3 <= abs(value) < 1e4:
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    return f"{value:#.2g}".removesuffix(".").replace("-", "−")


def layer_colors(count: int) -> list[str]:
    """Return colours of so many layers, light to dark, that print apart from blue and green."""
    return [to_hex(colormaps["YlOrBr"](0.28 + 0.6 * place / max(count - 1, 1))) for place in range(count)]


def log_axis(ax: Axes, values: Any) -> None:
    """Scale the vertical axis by powers where the values allow it and span more than tenfold."""
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    if known.size and known.min() > 0 and known.max() > 10 * known.min():
        ax.set_yscale("log")
        plain_powers(ax)
    else:
        ax.set_ylim(bottom=0)
