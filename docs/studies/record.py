"""Record what the studies found: the numbers and pages of their runs, and the texts that quote them.

``python -m docs.studies.record runs`` takes the reports in ``runs/circle``, ``runs/shrinking`` and so on, which were
made with default settings, and writes this folder's ``*.tex``, ``*.md``, pictures and interactive pages, and the texts
anew. ``make studies`` runs them all before.
"""

import io
import json
import re
import shutil
import sys
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from docs import texts

HERE = Path(__file__).parent
#: Pixels across a recorded picture, at most, and of a film.
MOST_PIXELS, FILM_PIXELS = 1000, 640
QUALITY = 70

_FIGURE = re.compile(r'<figure id="figure-(\w+)".*?</figure>', re.DOTALL)
_DATA = re.compile(r'src="data:image/\w+;base64,([^"]+)"')
_FOLDER = re.compile(r"--out \S+?(?=<|\s)")


def main(folder: Path) -> None:
    """Record the runs in a folder, and write the texts."""
    for study, picture in texts.STUDIES.items():
        run = folder / study
        shutil.copyfile(run / "numbers.tex", HERE / f"{study}.tex")
        shutil.copyfile(run / "figures" / f"{picture}.png", HERE / f"{study}.png")
        shutil.rmtree(HERE / study, ignore_errors=True)
        (HERE / study).mkdir()
        if (run / "explorer.html").exists():
            explorer = (run / "explorer.html").read_text("utf-8")
            explorer = _FOLDER.sub(f"--out runs/{study}", explorer)
            (HERE / study / "explorer.html").write_text(explorer, "utf-8", newline="\n")
        (HERE / f"{study}.md").write_text(page(study, run), "utf-8")
    texts.write()


def page(study: str, run: Path) -> str:
    """Return a run's report as a page of the site, in its own look; write its pictures.

    Lines have no indent and none is empty, so that every reader of Markdown takes all of it for HTML.
    """
    report = (run / "report.html").read_text("utf-8")
    about = json.loads((run / "run.json").read_text("utf-8"))["attributes"]
    report = _FIGURE.sub(lambda match: _with_files(study, match), report)
    [title] = re.findall(r"<h1>(.*?)</h1>", report, re.DOTALL)
    [lead] = re.findall(r'<div class="lead">(.*?)</div>', report, re.DOTALL)
    [body] = re.findall(r"<main[^>]*>(.*?)</main>", report, re.DOTALL)
    # What lies beside the page of a run does not lie here.
    body = re.sub(r'<section id="files">.*?</section>', "", body, flags=re.DOTALL)
    body = body.replace('href="explorer.html"', f'href="{study}/explorer.html"')
    body = re.sub(r'\s*<a href="(?:figures|tables)/[^>]*>.*?</a>', "", body)
    body = _FOLDER.sub(f"--out runs/{study}", body)
    # Headings have the anchors, for the table of contents; cells say their column only, for its width.
    body = re.sub(r'<(section|details)( class="section")? id="([^"]+)">(\s*(?:<summary>)?\s*)<h2>', _with_anchor, body)
    body = re.sub(r'class="(?:data|col_heading) [\w ]*?(col\d+)" *', r'class="\1"', body)
    lines = [line.strip() for line in f"{lead}{_when(study, run, about)}{body}".splitlines()]
    return f'# {title}\n\n<div class="study">\n' + "\n".join(filter(None, lines)) + "\n</div>\n"


def _with_anchor(match: re.Match[str]) -> str:
    element, folded, anchor, between = match.groups()
    return f'<{element}{folded or ""}>{between}<h2 id="{anchor}">'


def _with_files(study: str, match: re.Match[str]) -> str:
    """Write the picture of a figure, and its film if it has one; return the figure with their names."""
    picture, film = (f"{study}/{match[1]}{kind}.webp" for kind in ("", "_playing"))
    names = iter((picture, film))

    def written(data: re.Match[str]) -> str:
        _shrink(b64decode(data[1]), HERE / (name := next(names)))
        return f'src="{name}"'

    return re.sub(r'class="picture" href="[^"]*"', f'class="picture" href="{picture}"', _DATA.sub(written, match[0]))


def _shrink(data: bytes, path: Path) -> None:
    with Image.open(io.BytesIO(data)) as opened:
        if getattr(opened, "is_animated", False):
            frames, duration = [], opened.info.get("duration", 100)
            for number in range(opened.n_frames):
                opened.seek(number)
                frames.append(_at_most(opened.convert("RGB"), FILM_PIXELS))
            film = dict(save_all=True, append_images=frames[1:], duration=duration, loop=0, quality=QUALITY // 2)
            frames[0].save(path, **film)
        else:
            _at_most(opened.convert("RGB"), MOST_PIXELS).save(path, quality=QUALITY, method=6)


def _at_most(picture: Image.Image, pixels: int) -> Image.Image:
    picture.thumbnail((pixels, 10 * pixels), Image.Resampling.LANCZOS)
    return picture


def _when(study: str, run: Path, about: dict[str, str]) -> str:
    day = datetime.fromtimestamp((run / "run.json").stat().st_mtime, UTC).strftime("%Y-%m-%d")
    version = json.loads(about["versions"])["gatesweep"]
    settings = '<a href="#settings">default settings</a>'
    again = f"<code>sweeps study {study} --out runs/{study}</code>"
    return (
        f'<p class="when">As run on {day} with gatesweep {version} and {settings}. {again} makes this page anew, '
        "with figures as PDF files, tables as CSV and LaTeX, and every number as a LaTeX macro.</p>"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
