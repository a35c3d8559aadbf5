"""The report of the relevance study: which inputs a decision comes from."""

from os import PathLike
from typing import Any

from analysis import runs
from analysis._formatting import enumerate_words
from analysis._places import Place
from analysis._reports import wording
from analysis._reports.writing import publish
from sweeps._studies.relevance.claims import judge
from sweeps._studies.relevance.figures import draw
from sweeps._studies.relevance.measures import deletion, demonstrations, ledger, nodes, supervised
from sweeps._studies.relevance.names import keys, names_of
from sweeps._studies.relevance.numbers import numbers
from sweeps._studies.relevance.results import Results, measure
from sweeps._studies.relevance.tables import all_tables


def write(folder: str | PathLike[str]) -> Place:
    r"""Write tables, macros, figures and the page of a relevance study.

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
        If the store cannot be read or is no relevance study.
    """
    results = measure(runs.open_run(folder, study="relevance"))
    claims = judge(results)
    return publish(
        results.run,
        "sweeps._studies.relevance:report.md.jinja",
        numbers(results, claims),
        all_tables(results, claims),
        draw(results),
        claims,
        **_of_methods(results),
        **_of_nodes(results),
        **_of_trainings(results),
    )


def _of_methods(results: Results) -> dict[str, Any]:
    task = wording.own_attributes(results["task"])
    names = results.names | (results.trainings if results.chosen is not None else {})
    return {
        "names": names,
        "named": lambda found: enumerate_words([names[key] for key in found]),
        "layers": results.layers,
        "task": task,
        "same": [group for group in results.same if len(group) > 1],
        "tolerance": ledger.TOLERANCE,
        "rules": demonstrations.pairs(results["consistency"]),
        "best": {name: deletion.best(one, results.same) for name, one in results.pairs.items()},
        "favours_baseline": deletion.favours_baseline(results.pairs),
    }


def _of_nodes(results: Results) -> dict[str, Any]:
    if results.correlation is None:
        return {"extremes": {}}
    found = {one: nodes.extremes(results.correlation, results.relevances, one) for one in nodes.REMOVALS}
    return {
        "measures": names_of(results["nodes"], "measure"),
        "extremes": {name: one for name, one in found.items() if one},
    }


def _of_trainings(results: Results) -> dict[str, Any]:
    if results.chosen is None:
        return {"ranked": [], "gamed": {}}
    data, ranked = results["supervised"], supervised.ranked(results.chosen)
    best = supervised.best_misleading(data)
    return {
        "patch": data.attrs["patch"],
        "notes": dict(zip(keys(data, "training"), map(str, data["note"].values), strict=True)),
        "ranked": ranked,
        "gamed": results.gamed,
        "by_relevance": [key for key in ranked if key in supervised.relevance_trainings(data)],
        "edges": supervised.at_the_edge(data, results.strengths),
        "better": [key for key, strength in best.items() if strength != results.strengths[key]],
    }
