"""What a reader cannot make out in a figure or a table, found in all that the reports draw and write."""

import re

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.container import ErrorbarContainer

#: Two colours that differ by this much in lightness, from 0 to 1, are told apart in grey.
LIGHTNESS = 0.15
#: The map of pictures that are no measurements.
PLAIN = "Greys"


def of(figure):
    """List what one cannot make out in a figure."""
    bars = [ax for ax in figure.axes if ax.get_label() == "<colorbar>"]
    panels = [ax for ax in figure.axes if ax not in bars and ax.axison and ax.get_visible()]
    scales = {ax._colorbar.mappable.cmap.name: ax._colorbar.mappable.cmap for ax in bars}
    shades = {to_hex(color) for cmap in scales.values() for color in cmap(np.linspace(0, 1, cmap.N))}
    found = [f"panel {place}: {words}" for place, ax in enumerate(panels) for words in _of_axes(ax, shades)]
    found += [] if _addressed(panels) else ["panels without letters or names of their own"]
    maps = {one.cmap.name for ax in panels for one in ax.get_children() if _is_map(one)}
    return found + [f"no colour bar for {name}" for name in sorted(maps - set(scales) - {PLAIN})]


def _addressed(panels):
    """Whether a caption can name every panel: by a letter, a title, or, of a picture, by its row and column."""
    titled = [ax for ax in panels if not (ax.images and not ax.get_xticklabels())]
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in titled]
    lettered = all(re.match(rf"\({chr(ord('a') + place)}\)", title) for place, title in enumerate(titles))
    return len(titled) < 2 or lettered or (all(titles) and len(set(titles)) == len(titles))


def _is_map(one):
    values = one.get_array() if isinstance(one, ScalarMappable) else None
    return values is not None and np.ndim(values) < 3 and np.size(values) > 1


def _of_axes(ax, shades):
    """Lines and points that differ in nothing but colour, and that no text in that colour or colour bar explains."""
    named = {to_hex(text.get_color()) for text in ax.texts if text.get_text()} | shades
    caps = [line for one in ax.containers if isinstance(one, ErrorbarContainer) for line in one.lines[1]]
    marked = {to_hex(line.get_color()) for line in ax.lines if line.get_marker() not in ("None", None, "", " ")}
    looks = {}
    for line in ax.lines:
        # A line without a name is a fit over the marked curve of its colour.
        fit = line.get_label().startswith("_") and to_hex(line.get_color()) in marked
        if len(line.get_xdata()) > 2 and line not in caps and not fit:
            looks.setdefault(_look(line), set()).add(to_hex(line.get_color()))
    for points in ax.collections:
        if isinstance(points, PathCollection) and points.get_array() is None and len(points.get_offsets()) > 1:
            shape = len(points.get_paths()[0].vertices), round(float(points.get_sizes()[0]), 1)
            looks.setdefault(("points", shape), set()).update(to_hex(color) for color in points.get_facecolors())
    alike = {look: sorted(colors - named, key=_lightness) for look, colors in looks.items()}
    near = [
        (one, other)
        for colors in alike.values()
        for one, other in zip(colors, colors[1:], strict=False)
        if _lightness(other) - _lightness(one) < LIGHTNESS
    ]
    names = {line.get_label() for line in [*ax.lines, *ax.collections]}
    found = ["the upright axis and a curve share a name"] if ax.get_ylabel() in names - {""} else []
    return found + [f"lines or points differ in colour alone: {one}, {other}" for one, other in near]


def _lightness(color):
    return float(np.dot(to_rgb(color), (0.299, 0.587, 0.114)))


def _look(line):
    dashes = line._dash_pattern[1]
    marker = line.get_marker() if line.get_marker() not in ("None", None, "", " ") else ""
    style = "" if line.get_linestyle() == "None" else tuple(np.round(dashes, 1)) if dashes else "-"
    return style, str(marker), line.get_markerfacecolor() == "none" if marker else "", round(line.get_linewidth(), 1)


def in_tables(page):
    """List the headings that two columns of one table share, and numbers of more digits than an error can have."""
    text = re.sub(r"data:[^\"]*", "", page)
    found = re.findall(r"[\d.]{14,}\(\d+\)", text)
    for row in re.findall(r"<thead.*?</thead>", text, re.S):
        # What is headed ± belongs to the column before it.
        heads = [re.sub("<.*?>", "", one).strip() for one in re.findall(r"<th\b.*?</th>", row, re.S)]
        found += sorted({one for one in heads if heads.count(one) > 1 and one != "±"})
    return found
