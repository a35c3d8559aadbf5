"""Figures of relevance: one module a kind, each function takes data, and an optional axes or none."""

from matplotlib.figure import Figure

from analysis.figures import _axes
from sweeps._studies.relevance.figures import deletion, gamed, heat, ledger, nodes, rules, supervised
from sweeps._studies.relevance.measures import heat as maps
from sweeps._studies.relevance.measures import ledger as ledgers
from sweeps._studies.relevance.measures.nodes import REMOVALS, extremes
from sweeps._studies.relevance.measures.supervised import PLAIN, relevance_trainings
from sweeps._studies.relevance.names import names_of
from sweeps._studies.relevance.results import Results

__all__ = ["deletion", "draw", "gamed", "heat", "ledger", "nodes", "rules", "supervised"]


def draw(results: Results) -> dict[str, Figure]:
    """Draw every figure of the report.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        By file name.
    """
    names, own = results.names, results["heat"]
    drawn = {"heat": heat.all_methods(own)}
    if len(maps.of_each_class(own)) > 1:
        drawn["classes"] = heat.several_classes(own)
    return drawn | {
        "alike": _axes.figure_of(deletion.alike(maps.correlations(own), names)),
        "ledger": ledger.overview(ledgers.shares(results["ledger"]), names, results.conserving),
        "conservation": _axes.figure_of(ledger.conservation(results["conservation"], names)),
        **_draw_deletion(results),
        "instability": rules.instability(results["instability"], results["instability_toy"]),
        "drawn": rules.drawn(results["drawn"]),
        "maxima": rules.maxima(results["two_objects"], results["forms"]),
        **_draw_nodes(results),
        **_draw_supervised(results),
    }


def _draw_deletion(results: Results) -> dict[str, Figure]:
    if results.scores is None:
        return {}
    return {
        "deletion": deletion.overview(results["deletion"], *results.lines()),
        "ranking": deletion.ranking(results.scores, results.order, results.names),
        "pairs": deletion.matrices(results.pairs, results.names),
    }


def _draw_nodes(results: Results) -> dict[str, Figure]:
    if results.correlation is None:
        return {}
    data, correlation = results["nodes"], results.correlation
    names = names_of(data, "measure")
    drawn = {"nodes": _axes.figure_of(nodes.correlations(correlation, names))}
    shown: list[tuple[str, str]] = []
    for reference in REMOVALS:
        if found := extremes(correlation, results.relevances, reference):
            shown += [(reference, key) for key in dict.fromkeys((*found, "gate_gradient"))]
    if shown:
        drawn["node_pairs"] = nodes.panels(data, shown, names, correlation)
    return drawn


def _draw_supervised(results: Results) -> dict[str, Figure]:
    if results.chosen is None:
        return {}
    names, data, strongest = results.trainings, results["supervised"], results.gamed
    drawn = {}
    if strongest:
        at = {PLAIN: results.strengths[PLAIN]} | strongest
        drawn["gamed"] = gamed.maps(results["supervised_maps"], names, at)
    # Of trainings that do the same, the one that counts biases as outside is left to the table.
    shown = [key for key in relevance_trainings(data) if key != "relevance_biases"]
    return drawn | {
        "mechanism": gamed.mechanism(data, names, strongest, shown),
        "supervised": supervised.overview(data, names, results.strengths),
        "examples": supervised.examples(results["supervised_examples"], names),
        "history": supervised.history(results["supervised_history"], names),
    }
