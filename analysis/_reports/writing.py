"""Writing a report: its tables, numbers, figures and page, into a run folder."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from analysis._places import Place, below, made_in
from analysis._reports.page import Page
from analysis.claims import Claim
from analysis.figures import style
from analysis.numbers import Numbers
from analysis.runs import Run
from analysis.tables import Table


def publish(
    run: Run,
    template: str,
    numbers: Numbers,
    tables: Sequence[Table],
    figures: Mapping[str, Figure],
    claims: Mapping[str, Claim] | None = None,
    films: Mapping[str, Callable[[Path], Path]] | None = None,
    **facts: Any,
) -> Place:
    r"""Write everything that a report consists of.

    ``tables/*.tex`` and ``*.csv``, ``numbers.tex``, ``figures/*.pdf``, ``*.png`` and ``*.gif``, and ``report.html`` are
    written into the run's folder.

    Parameters
    ----------
    run : Run
    template : str
        Package and name of the page's Markdown template, as in "sweeps._studies.spiral:report.md.jinja".
    numbers : Numbers
        Every number of the text; the template knows them as `n`.
    tables : sequence of Table
    figures : mapping of str to matplotlib.figure.Figure
        By file name.
    claims : mapping of str to Claim, optional
    films : mapping of str to callable, optional
        By file name, what writes an animation to a path.
    **facts
        What else the template names.

    Returns
    -------
    pathlib.Path or Address
        The page.
    """
    with made_in(run.folder) as folder:
        for table in tables:
            table.write(folder / "tables")
        numbers.write(folder / "numbers.tex")
        pictures = {name: style.save(figure, folder / "figures", name)[1] for name, figure in figures.items()}
        for name, film in (films or {}).items():
            pictures[name] = film(folder / "figures" / f"{name}.gif")
        made = {table.name: table for table in tables}
        page = Page(run, template, numbers, made, pictures, claims or {}, facts).write(folder / "report.html")
    return run.folder / below(folder, page)
