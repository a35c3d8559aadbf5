"""Names in figures: as they are, whatever is in them, along an axis, in a legend."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.ticker import MaxNLocator

from analysis._formatting import cut_middle, visible
from analysis.figures._look import FAMILIES

#: Nodes that are named along one axis, and letters of a name there, at most; and of a method's name, which is a phrase.
NAMED, LETTERS, PHRASE = 40, 28, 56


@cache
def _glyphs() -> frozenset[int]:
    """Every character that one of the fonts has."""
    fonts = [fontManager.findfont(FontProperties(family=name)) for name in FAMILIES]
    return frozenset(code for font in fonts for code in get_font(font).get_charmap())


def as_is(text: Any, *, most: int = LETTERS) -> str:
    r"""Write a name so that a figure shows it as it is, whatever is in it.

    Every name of a node, layer, task or method, and every unit, goes through here on its way into a figure. Labels of
    our own do not: what stands between two dollars in them is mathematics.

    Parameters
    ----------
    text : object
        The name; what is no text is written as ``str`` does.
    most : int
        Letters, at most; the middle of a longer name is left out.

    Returns
    -------
    str
        Line breaks and other control characters, and those that no font has, are written as Python does.

    See Also
    --------
    entry : For the entry of a legend.

    Examples
    --------
    >>> from analysis.figures import _names
    >>> print(_names.as_is(r"cost $\x$"), _names.as_is("two\nlines"), _names.as_is("a_very_long_name", most=10))
    cost \$\x\$ two\nlines a_v…g_name
    """
    # Cut before anything else, since the name may be long, and again, since replaced characters take more letters.
    glyphs, short = _glyphs(), visible(cut_middle(str(text), most))
    drawn = (char if ord(char) in glyphs else char.encode("unicode_escape").decode("ascii") for char in short)
    return cut_middle("".join(drawn), most).replace("$", r"\$")


def entry(text: Any) -> str:
    """Write a name as `as_is` does, for the label of a line.

    One that begins with an underscore would have no entry in a legend; it gets a space in front.

    Parameters
    ----------
    text : object
        The name.

    Returns
    -------
    str
        The label.

    See Also
    --------
    as_is : For other places.

    Examples
    --------
    >>> from analysis.figures import _names
    >>> _names.entry("_hidden")
    ' _hidden'
    """
    shown = as_is(text, most=PHRASE)
    return f" {shown}" if shown.startswith("_") else shown


def room_for(names: Sequence[str]) -> float:
    """Give the height that upright names of nodes take below an axis, beyond that of a number.

    Parameters
    ----------
    names : sequence of str
        Names of the nodes.

    Returns
    -------
    float
        In inches; 0 for more names than are written.

    See Also
    --------
    name_nodes : Writes the names.

    Examples
    --------
    >>> from analysis.figures import _names
    >>> _names.room_for(["0", "1"]), round(_names.room_for(["attention head 0"]), 2)
    (0.0, 0.66)
    """
    longest = max((len(as_is(name)) for name in names), default=0) if len(names) <= NAMED else 0
    return 0.06 * max(longest - 5, 0)


def name_nodes(ax: Axes, names: Sequence[str]) -> None:
    """Name the nodes at 0, 1, ... along the horizontal axis; more than 40 are only counted.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        With a bar or a point at each node.
    names : sequence of str
        Names of the nodes, from the left.

    See Also
    --------
    room_for : The height that they take.
    of_nodes : The label of the axis.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from analysis.figures import _names
    >>> ax = Figure().subplots()
    >>> _names.name_nodes(ax, ["unit 0", "unit 1"])
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['unit 0', 'unit 1']
    """
    count, names = len(names), [as_is(name) for name in names]
    if count <= NAMED:
        ax.set_xticks(range(count), names, rotation=90 if max(map(len, names), default=0) > 2 else 0)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.tick_params(axis="x", length=0, labelsize=6 if 25 < count <= NAMED else 7 if count > 12 else 8)
    ax.set_xlim(-0.7, count - 0.3)


def of_nodes(words: str, head: str) -> str:
    """Write the label of an axis of nodes, with what their names have in common, if anything.

    Parameters
    ----------
    words : str
        What the axis shows.
    head : str
        The beginning of all names; may be empty.

    Returns
    -------
    str
        The label.

    See Also
    --------
    name_nodes : Writes the rest of the names.

    Examples
    --------
    >>> from analysis.figures import _names
    >>> _names.of_nodes("node", "layers/0 unit"), _names.of_nodes("node", "")
    ('node (layers/0 unit)', 'node')
    """
    return f"{words} ({as_is(head)})" if head else words
