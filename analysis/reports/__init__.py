"""Reports: tables, figures and one page for each study, made from a run folder."""

from importlib import import_module
from os import PathLike
from pathlib import Path

from analysis import runs
from analysis.errors import InputError

#: Which module writes the report of which study.
STUDIES = {
    "circle": "analysis.reports.circle",
    "relevance": "analysis.reports.relevance",
    "shrinking": "analysis.reports.shrinking",
    "sparsity": "analysis.reports.sparsity",
    "spiral": "analysis.reports.spiral",
    "sweep": "analysis.reports.sweep",
}


def write(folder: str | PathLike[str]) -> Path:
    """Write tables, figures and the report page of a run, whatever its study.

    Parameters
    ----------
    folder : str or path
        The run folder; ``tables``, ``figures``, ``numbers.tex`` and ``report.html`` in it are written anew.

    Returns
    -------
    pathlib.Path
        The report page.

    Raises
    ------
    FileNotFoundError
        If there is no run in the folder.
    ValueError
        If the store cannot be read, or there is no report for its study.
    """
    run = runs.open_run(folder)
    if run.study not in STUDIES:
        raise InputError(
            f"folder: expected a run of a study among {sorted(STUDIES)}, got a run of {run.study!r} in {folder}"
        )
    page: Path = import_module(STUDIES[run.study]).write(folder)
    return page
