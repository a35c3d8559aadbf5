"""LaTeX macros of the relevance study."""

from analysis.intervals import Interval, interval
from analysis.numbers import Numbers
from sweeps.studies.relevance.measures import demonstrations, heat, ledger, nodes, supervised
from sweeps.studies.relevance.names import keys
from sweeps.studies.relevance.results import Results


def numbers(results: Results) -> Numbers:
    """Collect every number that a paper on the study would quote."""
    macros = Numbers("relevance")

    def add(name: str, one: Interval, factor: float = 1.0, over: str = "networks") -> None:
        found = one.times(factor)
        macros.add(name, found.mean, comment=f"mean over {found.networks} {over}")
        macros.add(f"{name} half width", found.half, digits=2, comment="half of the 95 % t-interval")

    for name, claim in results.claims.items():
        macros.add(f"claim {name}", claim.verdict)
    for name in ("parameters", "test_accuracy", "test_loss"):
        if name in results.network.attrs:
            macros.add(name, float(results.network.attrs[name]))
    macros.add("groups of equal maps", len(results.same), comment=f"largest difference {heat.SAME:g} of the largest")
    if "ledger" in results.groups:
        shares = ledger.shares(results["ledger"])
        for key in keys(shares):
            macros.add(f"{key} inputs share", float(shares.sel({"attributed_by": key, "part": "inputs"})))
    if "conservation" in results.groups:
        for key, one in ledger.worst(results["conservation"]).items():
            macros.add(f"{key} largest error", one.error, digits=2, comment=f"over the output, at {one.step}")
    for replacement in results.replacements:
        assert results.scores is not None
        for key in results.order:
            values = results.scores["between"].sel({"attributed_by": key, "replacement": replacement}).values
            add(f"{key} area {replacement}", interval(values), over="images")
    for agreement in results.agreements:
        macros.add(
            f"rank correlation {agreement.one} {agreement.other}",
            agreement.correlation,
            comment="bootstrap over images",
        )
        macros.add(f"rank correlation {agreement.one} {agreement.other} low", agreement.low)
        macros.add(f"rank correlation {agreement.one} {agreement.other} high", agreement.high)
    if "two_objects" in results.groups:
        macros.add("radial less slope", demonstrations.two_objects(results["two_objects"]).size)
    for name, dim in (("instability", "eps"), ("instability_toy", "difference")):
        if name in results.groups:
            for variable, rule in demonstrations.rules_of(results[name]).items():
                grown = demonstrations.growth(results[name], variable, dim)
                macros.add(f"{name} {rule} times", grown.times, comment="largest relevance, last over first")
    if results.correlation is not None:
        for reference in nodes.references(results["nodes"]):
            for key in keys(results["nodes"], "measure"):
                if key != reference:
                    add(f"{key} with {reference}", nodes.mean_of(results.correlation, key, reference))
    if results.chosen is not None:
        for key in keys(results.chosen, "training"):
            macros.add(f"{key} strength", results.strengths[key])
            for name in ("accuracy_clean", "accuracy_misleading"):
                add(f"{key} {name}", interval(results.chosen[name].sel(training=key).values.astype(float)), 100)
            measured = supervised.measured_on(results.chosen)
            for name in measured or ():
                add(f"{key} {name}", interval(results.chosen[name].sel(training=key).values.astype(float)), 100)
    return macros
