"""The report of the shrinking study: which node to remove next."""

from os import PathLike

from analysis import runs
from analysis._places import Place
from analysis._reports import wording
from analysis._reports.writing import publish
from sweeps._studies.shrinking import figures, numbers, tables
from sweeps._studies.shrinking.claims import all_claims
from sweeps._studies.shrinking.measures import measure
from sweeps._studies.shrinking.measures.budgets import sources
from sweeps._studies.shrinking.measures.early import FIRST
from sweeps._studies.shrinking.measures.paths import DROPS, TOLERATED
from sweeps._studies.shrinking.names import LEVEL_NAMES, METHODS, TAYLOR, method_name


def write(folder: str | PathLike[str]) -> Place:
    r"""Write tables, macros, figures and the page of a shrinking study.

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
        If the store cannot be read or is no shrinking study.
    """
    run = runs.open_run(folder, study="shrinking")
    results = measure(run)
    claims = all_claims(results)
    made, first, data = numbers.make(results, claims), results.networks["1"], results.budgets
    return publish(
        run,
        "sweeps._studies.shrinking:report.md.jinja",
        made,
        tables.all_tables(results, claims),
        figures.draw(results),
        claims,
        paper=results.paper,
        depths=results.depths,
        several=results.several,
        networks=results.networks,
        of=lambda network, *words, **parameters: made(" ".join([network.prefix, *words]), **parameters),
        from_lowest=sorted(first.methods, key=lambda method: first.number("mean_loss", method).mean),
        task=str(results.task.attrs["name"]),
        task_settings=wording.own_attributes(results.task),
        method_name=method_name,
        methods=METHODS,
        taylor=TAYLOR,
        near=DROPS[0],
        far=DROPS[1],
        tolerated=TOLERATED,
        replacing=results.replacing,
        grown=results.grown,
        level_names=LEVEL_NAMES,
        early=results.early,
        first=FIRST,
        budgets=[] if data is None else [{"bytes": int(one), "nodes": int(one["nodes"])} for one in data["budget"]],
        sources=[] if data is None else sources(data),
    )
