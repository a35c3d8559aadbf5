"""Writing a report: its tables, macros, figures and page, into a run folder."""

from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from analysis.figures import style
from analysis.numbers import Numbers
from analysis.reports._old_page import Page
from analysis.tables import Table


def publish(
    folder: Path,
    tables: dict[str, Table],
    numbers: Numbers,
    figures: dict[str, Figure],
    page: Callable[[dict[str, Path]], Page],
    films: Mapping[str, Callable[[Path], Path]] | None = None,
) -> Path:
    r"""Write everything a report consists of.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder. ``tables/*.tex`` and ``*.csv``, ``numbers.tex``, ``figures/*.pdf`` and ``*.png``, and
        ``report.html`` are written into it.
    tables : dict of str to Table
    numbers : Numbers
    figures : dict of str to matplotlib.figure.Figure
        By file name.
    page : callable
        Makes the page from the PNG and GIF files, by name.
    films : mapping of str to callable, optional
        By file name, what writes an animation to a path: ``figures/*.gif``.

    Returns
    -------
    pathlib.Path
        The page.
    """
    for table in tables.values():
        table.write(folder / "tables")
    numbers.write(folder / "numbers.tex")
    pictures = {name: style.save(figure, folder / "figures", name)[1] for name, figure in figures.items()}
    for name, film in (films or {}).items():
        pictures[name] = film(folder / "figures" / f"{name}.gif")
    return page(pictures).write(folder / "report.html")
