"""The report of the relevance study: which inputs a decision comes from."""

from os import PathLike
from pathlib import Path
from typing import Any

from analysis import runs
from analysis.claims import HOLDS, Claim
from analysis.formatting import enumerate_words
from analysis.numbers import Numbers
from analysis.reports import wording
from analysis.reports.writing import publish
from sweeps.studies.relevance.claims import judge
from sweeps.studies.relevance.figures import draw
from sweeps.studies.relevance.measures import demonstrations, ledger, nodes, supervised
from sweeps.studies.relevance.measures.deletion import best
from sweeps.studies.relevance.names import name_of, names_of
from sweeps.studies.relevance.numbers import numbers
from sweeps.studies.relevance.results import Results, measure
from sweeps.studies.relevance.tables import all_tables


def write(folder: str | PathLike[str]) -> Path:
    r"""Write tables, macros, figures and the page of a relevance study.

    Parameters
    ----------
    folder : str or path
        The run folder; see `analysis.reports.writing.publish`. Two calls on one store write the same bytes.

    Returns
    -------
    pathlib.Path
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
    found = numbers(results, claims)
    return publish(
        results.run,
        "sweeps.studies.relevance:report.md.jinja",
        found,
        all_tables(results, claims),
        draw(results),
        claims,
        **_facts(results),
        **_of_rules(results),
        **_of_deletion(results, claims),
        **_of_nodes(results, claims),
        **_of_trainings(results, claims, found),
    )


def _facts(results: Results) -> dict[str, Any]:
    task = {key: value for key, value in results["task"].attrs.items() if key != "complete"}
    return {
        "names": results.names,
        "named": lambda found: enumerate_words([results.names[key] for key in found]),
        "layers": results.layers,
        "task": task["name"],
        "task_settings": wording.listed(task),
        "same": [group for group in results.same if len(group) > 1],
        "tolerance": ledger.TOLERANCE,
    }


def _of_rules(results: Results) -> dict[str, Any]:
    consistent: dict[str, list[str]] = {}
    for one in demonstrations.pairs(results["consistency"]):
        consistent.setdefault(one.matrix, []).extend([one.nonlinearity] if one.agree else [])
    agreeing = demonstrations.agreeing(results["constants"])
    return {
        "consistent": consistent,
        "agreeing": [f"{name_of(maximum)} with {nonlinearity}" for maximum, nonlinearity in agreeing],
    }


def _of_deletion(results: Results, claims: dict[str, Claim]) -> dict[str, Any]:
    pairs, claim = results.pairs, claims["beats_random"]
    worse: dict[str, list[str]] = {name: [] for name in pairs}
    for case, verdict in claim.cases.items():
        if verdict != HOLDS:
            worse[claim.values[case]["replacement"]].append(claim.values[case]["method"])
    # Every method that compares with what is put in place against every rank elsewhere.
    own = [pairs[name].rank(f"deeplift_{name}") for name in pairs]
    other = [pairs[name].rank(f"deeplift_{one}") for name in pairs for one in pairs if one != name]
    return {
        "replacements": results.replacements,
        "best": {name: best(one, results.same) for name, one in pairs.items()},
        "not_better": worse,
        "turned": results.agreement.turned if results.agreement else [],
        "favours_baseline": bool(own) and max(own) < min(other),
    }


def _of_nodes(results: Results, claims: dict[str, Claim]) -> dict[str, Any]:
    if results.correlation is None:
        return {"extremes": {}}
    found = {one: nodes.extremes(results.correlation, results.relevances, one) for one in nodes.REMOVALS}
    gaps = claims["node_relevance"].values
    return {
        "measures": names_of(results["nodes"], "measure"),
        "removals": {"brute_force": "the effect of removal alone", "shapley": "the Shapley value"},
        "extremes": {name: one for name, one in found.items() if one},
        "ahead": {name: max(own, key=lambda key: own[key].mean) for name, own in gaps.items()},
        "convention": results["nodes"].attrs["convention"],
        "relevance_of": results["nodes"].attrs["relevance_of"],
    }


def _of_trainings(results: Results, claims: dict[str, Claim], found: Numbers) -> dict[str, Any]:
    if results.chosen is None:
        return {"ranked": []}
    data, names = results["supervised"], results.trainings
    ranked = supervised.ranked(results.chosen)

    def accuracy(key: str) -> str:
        strength = found(f"{key} strength").value
        at = f" at λ\u00a0=\u00a0{strength:g}" if strength else ""
        return wording.interval(found(f"{key} accuracy misleading"), unit="%") + at

    looked = supervised.best_misleading(data)
    better = {key: strength for key, strength in looked.items() if strength != results.strengths[key]}
    gamed = claims["gamed_somewhere"].values
    return {
        **{name: data.attrs[name] for name in ("patch", "measured_on", "chosen_by")},
        "trainings": names,
        "trained": lambda found: enumerate_words([names[key] for key in found]),
        "notes": list(zip(names.values(), map(str, data["note"].values), strict=True)),
        "ranked": ranked,
        "by_relevance": [key for key in ranked if key in supervised.relevance_trainings(data)],
        "accuracy": accuracy,
        "edges": supervised.at_the_edge(data, results.strengths),
        "better": [
            f"{names[key]} {wording.interval(found(f'{key} best accuracy'), unit='%')} (λ\u00a0=\u00a0{strength:g})"
            for key, strength in better.items()
        ],
        "gamed_at": {
            key: [f"{strength:g}" for strength, verdict in values["verdicts"].items() if verdict == HOLDS]
            for key, values in gamed.items()
        },
    }
