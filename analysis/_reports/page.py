"""A report page: a Markdown template with the sentences in it, put into one HTML file that needs no network."""

import io
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup, escape
from PIL import Image

from analysis import claims as claims_module
from analysis._reports import wording
from analysis._templates import environment
from analysis.claims import Claim
from analysis.numbers import Numbers
from analysis.runs import Run
from analysis.tables import Table

#: Where the page frame ends a section that is folded: the heading's text has this behind it.
FOLD = "{fold}"
#: Figures that stand on a page before the fold, at most.
MOST_FIGURES = 8
#: Rows of a table from which on it is folded.
MOST_ROWS = 16
#: Pixels across a picture in the page, at most; the files beside the page have all of them.
MOST_PIXELS = 1400
#: Marks of the place of a block in the Markdown, from Unicode's private area.
_OPEN, _CLOSE = "\ue000", "\ue001"
_MARKDOWN = MarkdownIt("commonmark", {"html": False})


@dataclass
class Page:
    """What a page is made of.

    Attributes
    ----------
    run : Run
        Its folder, command, settings, seeds and versions stand at the end of the page.
    template : str
        Package and name of the Markdown template, as in "sweeps._studies.spiral:report.md.jinja".
    numbers : Numbers
        The template knows them as `n`.
    tables : dict of str to Table
        By name; ``table("name")`` puts one into the page.
    pictures : dict of str to pathlib.Path
        PNG and GIF files by name; ``figure("name")`` puts one into the page.
    claims : mapping of str to Claim
        By name; ``claim("name")`` puts one into the page.
    facts : dict
        What else the template names: lists that it goes through, settings.
    """

    run: Run
    template: str
    numbers: Numbers
    tables: Mapping[str, Table]
    pictures: Mapping[str, Path]
    claims: Mapping[str, Claim] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    _blocks: list[Markup] = field(default_factory=list, init=False)
    _shown: dict[str, list[str]] = field(default_factory=dict, init=False)

    def figure(self, name: str, wide: bool = False, caller: Callable[[], str] | None = None) -> Markup:
        """Place a figure whose caption is the body of the call; nothing where the report has none of this name."""
        if name not in self.pictures:
            return Markup("")
        caption = Markup(_MARKDOWN.renderInline(" ".join(caller().split()))) if caller else Markup("")
        path = self.pictures[name]
        return self._place(
            "figure",
            name,
            wide=wide,
            caption=caption,
            picture=_still(path),
            film=_film(path),
            full=f"figures/{path.name}",
            file=_file(path),
        )

    def table(self, name: str, caller: Callable[[], str] | None = None) -> Markup:
        """Place a table; the body of the call, if any, is the note below it. Nothing where there is no such table."""
        if name not in self.tables:
            return Markup("")
        note = Markup(_MARKDOWN.renderInline(" ".join(caller().split()))) if caller else Markup("")
        table = self.tables[name]
        return self._place("table", name, table=table, note=note, long=len(table.columns[0].values) > MOST_ROWS)

    def claim(self, name: str, caller: Callable[[], str] | None = None) -> Markup:
        """Place a claim with its verdict and rule; the body says what was measured, and is left out where nothing was.

        Nothing where the report has no claim of this name.
        """
        if name not in self.claims:
            return Markup("")
        one = self.claims[name]
        evidence = caller() if caller and one.known else ""
        return self._block("claim", name=name, claim=one, evidence=Markup(_MARKDOWN.render(evidence)))

    def _place(self, kind: str, name: str, **values: Any) -> Markup:
        self._shown[kind].append(name)
        return self._block(kind, name=name, number=len(self._shown[kind]), **values)

    def _block(self, kind: str, **values: Any) -> Markup:
        macro = getattr(environment("analysis._reports").get_template("blocks.html.jinja").module, kind)
        self._blocks.append(macro(**values))
        # On lines of its own, so that Markdown takes it for a paragraph.
        return Markup(f"\n\n{_OPEN}{len(self._blocks) - 1}{_CLOSE}\n\n")

    def to_html(self) -> str:
        """Render the page; all values are escaped.

        Raises
        ------
        RuntimeError
            If the template leaves out a figure, or shows more than `MOST_FIGURES` before the fold.
        """
        self._blocks, self._shown = [], {"figure": [], "table": []}
        package, _, name = self.template.partition(":")
        names = {"n": self.numbers, "claims": self.claims, "config": self.run.config, **self.facts}
        placing = {"figure": self.figure, "table": self.table, "claim": self.claim, "tally": self._tally}
        tables, figures = list(self.tables), list(self.pictures)
        text = _sentences(package).get_template(name).render(names, **placing, tables=tables, figures=figures)
        title, lead, sections = _parts(text)
        sections = [one._replaced(self._blocks) for one in sections]
        if forgotten := set(self.pictures) - set(self._shown["figure"]):
            raise RuntimeError(f"{self.template} leaves out the figures {sorted(forgotten)}")
        first = "".join(one.body for one in sections if not one.folded)
        if (count := first.count('<figure id="figure-')) > MOST_FIGURES:
            raise RuntimeError(f"{self.template} shows {count} figures before the fold, {MOST_FIGURES} at most")
        frame = environment("analysis._reports").get_template("page.html.jinja")
        settings = wording.settings_table("settings", "Settings.", self.run.config)
        return frame.render(
            title=title,
            lead=lead,
            sections=sections,
            run=self.run,
            settings=settings,
            tables=self.tables,
            files={name: _file(path) for name, path in self.pictures.items()},
            explorer=(self.run.folder / "explorer.html").exists(),
            in_line=wording.in_line,
        )

    def _tally(self) -> str:
        return claims_module.tally(self.claims)

    def write(self, path: Path) -> Path:
        """Write the page to a file and return its path."""
        path.write_text(self.to_html(), encoding="utf-8", errors="backslashreplace", newline="\n")
        return path


@dataclass(frozen=True)
class Section:
    """A heading, its anchor, the HTML below it, and whether it is folded."""

    heading: Markup
    anchor: str
    body: Markup
    folded: bool

    def _replaced(self, blocks: list[Markup]) -> "Section":
        body = re.sub(f"(?:<p>)?{_OPEN}(\\d+){_CLOSE}(?:</p>)?", lambda match: blocks[int(match[1])], self.body)
        return Section(self.heading, self.anchor, Markup(body), self.folded)


def _parts(text: str) -> tuple[Markup, Markup, list[Section]]:
    """Split Markdown into its title, the paragraphs below it, and its sections."""
    head, *rest = re.split(r"^## +(.+)$", text, flags=re.MULTILINE)
    title, _, lead = head.strip().removeprefix("# ").partition("\n")
    sections: list[Section] = []
    for heading, body in zip(rest[::2], rest[1::2], strict=True):
        folded = heading.rstrip().endswith(FOLD)
        words = Markup(_MARKDOWN.renderInline(heading.rstrip().removesuffix(FOLD).rstrip()))
        anchor = "-".join(re.findall(r"\w+", words.striptags().lower()))
        taken = sum(one.anchor == anchor for one in sections)
        anchor = f"{anchor}-{len(sections)}" if taken else anchor
        sections.append(Section(words, anchor, Markup(_MARKDOWN.render(body)), folded))
    return Markup(_MARKDOWN.renderInline(title)), Markup(_MARKDOWN.render(lead)), sections


def _sentences(package: str) -> Environment:
    """Return the environment of Markdown templates: values are escaped, and one that is missing is an error."""
    found = Environment(
        # What reports say of any sweep lies here, for the pages of studies to include.
        loader=ChoiceLoader([PackageLoader(package, "."), PackageLoader("analysis._reports", "templates")]),
        autoescape=True,
        finalize=_as_text,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= wording.FILTERS
    return found


def _as_text(value: Any) -> Markup:
    """Escape a value, so that neither HTML nor Markdown takes a letter of it for a mark."""
    if hasattr(value, "__html__"):
        return Markup(value)
    # Markdown first: it takes no letter of HTML's references for a mark.
    return escape(re.sub(r"([\\`*_{}\[\]()#+\-.!|~])", r"\\\1", str(value)))


def _file(path: Path) -> str:
    """Where the print version of a picture lies, beside the page."""
    return f"figures/{path.name if path.suffix == '.gif' else path.with_suffix('.pdf').name}"


def _still(path: Path) -> Markup:
    """Source and size of a picture, or of the last one of a film: a data URI, without loss where that is smaller."""
    with Image.open(path) as opened:
        opened.seek(getattr(opened, "n_frames", 1) - 1)
        picture = opened.convert("RGB")
        picture.thumbnail((MOST_PIXELS, 10 * MOST_PIXELS))
        source = min(_webp(picture, quality=82), _webp(picture, lossless=True), key=len)
        return Markup(f'src="{source}" width="{picture.width}" height="{picture.height}"')


def _film(path: Path) -> str:
    """A film as a data URI; nothing for a picture."""
    with Image.open(path) as opened:
        return (
            _webp(opened, quality=60, save_all=True, minimize_size=True)
            if getattr(opened, "is_animated", False)
            else ""
        )


def _webp(picture: Image.Image, **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "webp", **options)
    return "data:image/webp;base64," + b64encode(buffer.getvalue()).decode("ascii")
