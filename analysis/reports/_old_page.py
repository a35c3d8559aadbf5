"""A report page: one HTML file that needs no network, prints well and reads well on a phone."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analysis._templates import environment
from analysis.tables import Table


@dataclass(frozen=True)
class Text:
    """A paragraph of plain text."""

    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Points:
    """A list of sentences, plain text each."""

    items: Sequence[str]
    kind: str = "points"


@dataclass(frozen=True)
class Command:
    """A line to type."""

    text: str
    kind: str = "command"


@dataclass(frozen=True)
class Picture:
    """A figure: a PNG or GIF file, a caption, and whether it takes the page's full width."""

    path: Path
    caption: str
    wide: bool = False
    kind: str = "picture"

    @property
    def data(self) -> str:
        """The file as a data URI."""
        return f"data:image/{self.path.suffix[1:]};base64," + b64encode(self.path.read_bytes()).decode("ascii")


@dataclass(frozen=True)
class Tabular:
    """A table with its caption, and optionally a note below it."""

    table: Table
    note: str = ""
    kind: str = "table"


Block = Text | Points | Command | Picture | Tabular


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    heading: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A whole page.

    Attributes
    ----------
    title, lead : str
        Heading, and the paragraph that says what was asked.
    sections : sequence of Section
        In reading order; figures and tables are numbered through.
    footer : str
        Last line.
    """

    title: str
    lead: str
    sections: Sequence[Section] = field(default_factory=tuple)
    footer: str = ""

    def to_html(self) -> str:
        """Render the page; all text is escaped."""
        return environment("analysis.reports").get_template("old_page.html.jinja").render(page=self)

    def write(self, path: Path) -> Path:
        """Write the page to a file and return its path."""
        path.write_text(self.to_html(), encoding="utf-8", errors="backslashreplace", newline="\n")
        return path
