"""The report of the spiral study: whether pruning commutes with training."""

from itertools import product
from os import PathLike
from typing import Any

from analysis import claims, runs
from analysis._places import Place
from analysis._reports import wording
from analysis._reports.writing import publish
from sweeps._studies.spiral import figures, tables
from sweeps._studies.spiral.claims import all_claims
from sweeps._studies.spiral.measures import Results, measure
from sweeps._studies.spiral.measures.commuting import MARGINS, in_words
from sweeps._studies.spiral.names import ARMS, NODES
from sweeps._studies.spiral.numbers import numbers

TEMPLATE = "sweeps._studies.spiral:report.md.jinja"


def write(folder: str | PathLike[str]) -> Place:
    r"""Write tables, macros, figures, films and the page of a spiral study.

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
        If the store cannot be read or is no spiral study.
    """
    run = runs.open_run(folder, study="spiral")
    results = measure(run)
    judged = all_claims(results)
    found = numbers(results, judged)
    made = [
        claims.table(judged, "Claims of the publication, and some of ours, judged over all seeds."),
        *tables.all_tables(results),
    ]
    drawn, films = figures.draw(results), figures.films(results)
    return publish(run, TEMPLATE, found, made, drawn, judged, films, **_facts(results))


def _facts(results: Results) -> dict[str, Any]:
    """Give the template the words and lists that it goes through."""
    commuting: dict[str, dict[str, list[str]]] = {kind: {} for kind in NODES}
    for kind, quantity in product(NODES, MARGINS):
        verdict = in_words(results.commuting[kind, "pruned", quantity].verdict)
        commuting[kind].setdefault(verdict, []).append(quantity)
    changed = [
        (kind, arm)
        for kind, arm in product(NODES, ARMS)
        if (one := results.compensated("accuracy", arm, kind)).low > 0 or one.high < 0
    ]
    return {
        "nodes": NODES,
        "arms": ARMS,
        "sizes": "-".join(map(str, results.full.attrs["sizes"])),
        "commuting_in": commuting,
        "compensated": changed,
        "layers": [str(place) for place in range(1, len(results.constant) + 1)],
        "task": wording.in_line(wording.own_attributes(results.task)),
        **_rates(results),
    }


def _rates(results: Results) -> dict[str, Any]:
    """List the learning rates, and those at which enough nodes of every layer are constant."""
    if results.rates is None:
        return {"rates": [], "enough": [], "smallest": ""}
    share = results.rates.data["constant"].mean("network").min("layer")
    values = results.rates.data["learning_rate"].values
    enough = values[share.values >= results.run.config["share"]]
    names, smallest = [f"{rate:g}" for rate in values], f"{results.rates.smallest:g}"
    return {"rates": names, "enough": [f"{rate:g}" for rate in enough], "smallest": smallest}
