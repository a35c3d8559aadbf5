"""Patterns of paths: ``*`` stands for anything within a level, ``**`` for any number of levels."""

import re
from collections.abc import Iterable
from functools import cache

# What a pattern is made of: levels, anything, one character, one of some characters, or itself.
PIECES = re.compile(r"(?P<levels>\*\*/)|(?P<all>\*\*)|(?P<any>\*)|(?P<one>\?)|\[(?P<no>!?)(?P<some>\]?[^\]]*)\]|(?s:.)")


def fits(path: str, pattern: str) -> bool:
    """Whether a path is named by a pattern, or is the pattern itself.

    Parameters
    ----------
    path : str
        Levels with slashes between, such as ``blocks/0/up``.
    pattern : str
        ``*`` stands for any characters but a slash, ``?`` for one of them, ``[ab]`` for an a or a b, ``[!ab]`` for any
        other; ``**/`` for any number of levels, none too, and ``**`` for any characters.

    Examples
    --------
    >>> fits("blocks/0/up", "blocks/*/up"), fits("blocks/0/up", "*/up"), fits("blocks/0/up", "**/up")
    (True, False, True)
    """
    return path == pattern or _compiled(pattern).fullmatch(path) is not None


def hint(pattern: str, paths: Iterable[str]) -> str:
    """Return the pattern that was meant, in words, for one that fits no path: across levels, or of what is within."""
    paths = list(paths)
    for meant in (re.sub(r"\*+", "**", pattern), f"{pattern}/**", f"**/{pattern.removeprefix('**/')}"):
        if meant != pattern and any(fits(path, meant) for path in paths):
            why = "* stays within a level of a path: " if meant.count("/") == pattern.count("/") else ""
            return f"; {why}did you mean {meant!r}?"
    return ""


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile("".join(map(_translated, PIECES.finditer(pattern))))
    except re.error:  # [b-a] names no character
        return re.compile(re.escape(pattern))


def _translated(piece: re.Match[str]) -> str:
    match piece.lastgroup:
        case "levels":
            return "(?:.*/)?"
        case "all":
            return "(?s:.*)"
        case "any":
            return "[^/]*"
        case "one":
            return "[^/]"
        case "some":
            some = piece["some"].replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]").replace("^", r"\^")
            return f"(?!/)[{'^' * bool(piece['no'])}{some}]" if some else re.escape(piece.group())
    return re.escape(piece.group())
