"""The look of all figures: sizes, colours, fonts. What is public of it is in ``style``."""

from typing import Any

from cycler import cycler
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.font_manager import fontManager

#: Widths of one and of two columns of a journal page, in inches.
SINGLE, DOUBLE = 3.4, 7.0
#: Dots per inch of the PNG files.
DPI = 220

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
EMBEDDED: Any = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none"}

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
    "savefig.dpi": DPI,
    "svg.hashsalt": "gatesweep",
    # Letters are as wide in pictures as in PDF files, so that one layout serves for both.
    "text.hinting": "none",
    **EMBEDDED,
}
#: Mark of a legend above the axes, which the letters of panels make room for.
ABOVE = "above"
