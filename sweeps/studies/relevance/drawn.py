"""Which figures the report of the relevance study has."""

from matplotlib.figure import Figure

from analysis import figures
from sweeps.studies.relevance import figures as own
from sweeps.studies.relevance.measures import heat, ledger, names_of, nodes
from sweeps.studies.relevance.results import Results


def draw(results: Results) -> dict[str, Figure]:
    """Draw every figure that the store allows.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        By file name.
    """
    of, groups, names = own, results.groups, results.names
    drawn = {"heat": of.heat.all_methods(results.heat)}
    if "target" in results.heat and len(heat.of_each_class(results.heat)) > 1:
        drawn["classes"] = of.heat.several_classes(results.heat)
    if results.heat.sizes["attributed_by"] > 1:
        alike = of.deletion.alike(heat.correlations(results.heat), names)
        drawn["alike"] = figures.style.figure_of(alike)
    if "ledger" in groups:
        drawn["ledger"] = of.ledger.overview(ledger.shares(results["ledger"]), names, results.conserving)
    if "conservation" in groups and ledger.worst(results["conservation"]):
        drawn["conservation"] = figures.style.figure_of(of.ledger.conservation(results["conservation"], names))
    drawn |= _draw_deletion(results) | _draw_rules(results) | _draw_nodes(results) | _draw_supervised(results)
    return drawn


def _draw_deletion(results: Results) -> dict[str, Figure]:
    if results.scores is None or not results.order:
        return {}
    of = own.deletion
    drawn = {
        "deletion": of.overview(results["deletion"], *results.shown()),
        "ranking": of.ranking(results.scores, results.order, results.names),
    }
    if len(results.order) > 1:
        drawn["pairs"] = of.matrices(results.pairs, results.names)
    return drawn


def _draw_rules(results: Results) -> dict[str, Figure]:
    drawn, get = {}, results.groups.get
    if "instability" in results.groups or "instability_toy" in results.groups:
        drawn["instability"] = own.rules.instability(get("instability"), get("instability_toy"))
    if "two_objects" in results.groups or "forms" in results.groups:
        drawn["maxima"] = own.rules.maxima(get("two_objects"), get("forms"))
    return drawn


def _draw_nodes(results: Results) -> dict[str, Figure]:
    if results.correlation is None:
        return {}
    of, data, correlation = own.nodes, results["nodes"], results.correlation
    names = names_of(data, "measure")
    drawn = {"nodes": figures.style.figure_of(of.correlations(correlation, names))}
    shown: list[tuple[str, str]] = []
    for reference in ("brute_force", "shapley"):
        if reference in names:
            chosen = nodes.telling(correlation, nodes.relevances(data), reference)
            chosen += ["gate_gradient"] if "gate_gradient" in names else []
            shown += [(reference, key) for key in chosen]
    if shown:
        drawn["node_pairs"] = of.panels(data, shown, names, correlation)
    return drawn


def _draw_supervised(results: Results) -> dict[str, Figure]:
    if results.chosen is None:
        return {}
    of, data = own.supervised, results["supervised"]
    names, level = names_of(data, "training"), float(data.attrs.get("chance", 0.0))
    drawn = {"supervised": of.overview(data, names, results.strengths, level)}
    if "supervised_examples" in results.groups:
        drawn["examples"] = of.examples(results["supervised_examples"], names)
    if "supervised_history" in results.groups:
        drawn["history"] = of.history(results["supervised_history"], names)
    return drawn
