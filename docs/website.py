"""What the site makes of pages and docstrings: formulas, and links from the names of the library to their reference.

MkDocs calls the functions, and Griffe, which reads the sources, the class. Formulas become MathML, which browsers draw
by themselves: the site loads nothing from elsewhere.
"""

import html
import re
from typing import Any, Literal

import griffe
from latex2mathml.converter import convert
from mkdocs.structure.pages import Page
from mkdocs.structure.toc import get_toc

_HEADING = re.compile(r'<h2 id="([^"]+)">([^<]*)</h2>')
_MODULE = re.compile(r"<h2[^>]*>((?:sweeps|analysis)[\w.]*)<.*?(?=<h2|\Z)", re.DOTALL)
_FORMULA = re.compile(r'<(span|div) class="arithmatex">(.*?)</\1>', re.DOTALL)
# Code, links and headings stay as they are.
_NAME = re.compile(
    r"<pre.*?</pre>|<a .*?</a>|<h\d.*?</h\d>|<code>((?:sweeps|analysis)(?:\.\w+)+)(\([^<]*\))?</code>", re.DOTALL
)


def on_page_content(content: str, page: Page, **_: Any) -> str:
    """Put formulas and links into a page, and list the sections of a study's page, whose headings are HTML."""
    found = [dict(level=2, id=one[1], name=one[2], html=one[2], children=[]) for one in _HEADING.finditer(content)]
    if len(page.toc.items) == 1 and not page.toc.items[0].children and found:
        page.toc.items[0].children.extend(get_toc(found).items)
    if page.file.src_uri == "reference/index.md":
        content = _MODULE.sub(_with_links, content)
    return _NAME.sub(_linked, _FORMULA.sub(_drawn, content))


def _with_links(match: re.Match[str]) -> str:
    """Link the names of the list of names, which stand below their module."""
    link = rf'\1<autoref optional identifier="{match[1]}.\2"><code>\2</code></autoref>'
    return re.sub(r"(<li>\s*(?:<p>)?)<code>(\w+)</code>", link, match[0])


def _drawn(match: re.Match[str]) -> str:
    display: Literal["inline", "block"] = "block" if match[1] == "div" else "inline"
    # Arithmatex writes \\(...\\) and \\[...\\].
    return convert(html.unescape(match[2]).strip()[2:-2], display=display)


def _linked(match: re.Match[str]) -> str:
    if match[1] is None:
        return match[0]
    return f'<autoref optional identifier="{match[1]}">{match[0]}</autoref>'


class Docstrings(griffe.Extension):
    """Turns what docstrings say into what a page shows.

    The names under See Also become links. Types stay the words that they are, unless one is a name.
    """

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Go through all docstrings of a package once it is read."""
        self._translate(pkg)

    def _translate(self, of: Any) -> None:
        if of.docstring:
            of.docstring.value = _see_also(of, of.docstring.value)
            for section in of.docstring.parsed:
                for one in section.value if isinstance(section.value, list) else ():
                    _as_words(one)
        for member in list(of.members.values()):
            if not member.is_alias:
                self._translate(member)


def _as_words(described: Any) -> None:
    """Undo what reads a type such as ``array_like, (nodes,)`` as a tuple of Python."""
    annotation = getattr(described, "annotation", None)
    if isinstance(annotation, griffe.Expr) and not isinstance(annotation, griffe.ExprName | griffe.ExprAttribute):
        text = str(annotation)
        described.annotation = text[1:-1] if isinstance(annotation, griffe.ExprTuple) else text


def _see_also(of: Any, text: str) -> str:
    head, mark, rest = text.partition("See Also\n--------\n")
    if not mark:
        return text
    entries, blank, after = rest.partition("\n\n")
    entries = re.sub(r"\n\s+", " ", entries)
    return head + mark + "\n".join(_entry(of, line) for line in entries.splitlines() if line.strip()) + blank + after


def _entry(of: Any, line: str) -> str:
    names, _, words = line.partition(" : ")
    links = ", ".join(f"[`{name.strip()}`][{_path(of, name.strip())}]" for name in names.split(","))
    return f"- {links}: {words}" if words else f"- {links}"


def _path(of: Any, name: str) -> str:
    first, dot, rest = name.partition(".")
    try:
        return f"{of.resolve(first)}{dot}{rest}"
    except griffe.NameResolutionError:
        return name
