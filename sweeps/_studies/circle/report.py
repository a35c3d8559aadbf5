"""The report of the circle study: the loss of a small network under random node removal."""

from os import PathLike

from analysis import _explorer, claims, runs
from analysis._places import Place
from analysis._reports import plane, sweep
from analysis._reports.writing import publish
from sweeps._studies.circle import figures, published
from sweeps._studies.circle.claims import judge
from sweeps._studies.circle.measures import Results, measure, ranked_families
from sweeps._studies.circle.measures.gradients import LABELS
from sweeps._studies.circle.measures.networks import LABELS as STATISTICS
from sweeps._studies.circle.numbers import collect
from sweeps._studies.circle.tables import all_tables


def write(folder: str | PathLike[str]) -> Place:
    r"""Write tables, macros, figures, the page and the interactive page of a circle study.

    Parameters
    ----------
    folder : str or path
        The run folder; see `analysis._reports.writing.publish`. Two calls on one store write the same bytes.

    Returns
    -------
    pathlib.Path or Address
        The page.

    Raises
    ------
    FileNotFoundError
        If there is no run in the folder.
    ValueError
        If the store cannot be read or is no circle study.
    """
    results = measure(runs.open_run(folder, study="circle"))
    _explorer.explore(folder)
    return write_results(results)


def write_results(results: Results) -> Place:
    """Write the report of the results of a circle study into the folder of its run; return the page."""
    judged = judge(results)
    caption = "What was published, the verdict, and what was measured, with ± over our networks, otherwise on one."
    return publish(
        results.run,
        "sweeps._studies.circle:report.md.jinja",
        collect(results, judged),
        [claims.table(judged, caption), *all_tables(results)],
        figures.draw(results),
        judged,
        plane.films(results.plane),
        **sweep.facts(results),
        quantities=LABELS,
        statistics=STATISTICS,
        source=published.SOURCE,
        explorer=(results.run.folder / "explorer.html").exists(),
        split=published.split_quantity(results.gradients.published),
        families=None if results.families is None else ranked_families(results.families),
    )
