"""The numbers of the relevance study: what its page says, and the LaTeX macros of the same."""

import xarray as xr

from analysis import claims as claims_module
from analysis.claims import FAILS, HOLDS, Claim
from analysis.intervals import interval
from analysis.numbers import Numbers
from sweeps._studies.relevance.measures import deletion, demonstrations, gamed, heat, ledger, nodes, supervised
from sweeps._studies.relevance.names import keys
from sweeps._studies.relevance.results import Results
from sweeps._studies.relevance.statements import MATCH

#: Unit of shares that are given in per cent.
PERCENT = 100


def numbers(results: Results, claims: dict[str, Claim]) -> Numbers:
    """Collect every number that the page says and a paper would quote.

    Parameters
    ----------
    results : Results
    claims : dict of str to Claim

    Returns
    -------
    Numbers
    """
    found = Numbers("relevance")
    claims_module.add_numbers(found, claims)
    _add_network(found, results, claims)
    _add_ledger(found, results, claims)
    _add_rules(found, results)
    _add_instability(found, results)
    if results.scores is not None:
        _add_deletion(found, results, claims)
    if results.correlation is not None:
        _add_nodes(found, results, claims)
    if results.chosen is not None:
        _add_trainings(found, results, results.chosen)
        _add_gains(found, results.chosen, claims)
        _add_gamed(found, results)
    return found


def _add_gamed(found: Numbers, results: Results) -> None:
    """Add what is seen at the strongest strength at which each training is gamed, and in plain training."""
    data, plain = results["supervised"], {supervised.PLAIN: results.strengths[supervised.PLAIN]}
    found.add("trainings gamed", len(results.gamed))
    found.add("even share", float(data.attrs["chance"]), comment="of a patch that leaves the mean of all outputs alone")
    seen = gamed.seen(data)
    shares = {name: seen[name] for name in ("cancelling", "others", "biases", "alone")}
    shares |= {"outside": 1 - data[supervised.TRAINED], "occlusion": data["outside_occlusion_margin"]}
    shares |= {"reliance": supervised.reliance(data)}
    for key, strength in (plain | results.gamed).items():
        at = {"training": key, "strength": strength}
        for name, values in shares.items():
            found.add_interval(f"{key} gamed {name}", interval(values.sel(at).values).times(PERCENT))
        found.add_interval(f"{key} gamed amount", interval(seen["amount"].sel(at).values))
    for key, strength in results.gamed.items():
        numbers = supervised.at(data, plain | {key: strength})
        found.add(f"{key} gamed strength", strength)
        found.add_interval(f"{key} gamed hidden", gamed.hidden(numbers, key).times(PERCENT))
        found.add_interval(
            f"{key} gamed outside before", interval(supervised.plains(numbers, key)["trained"]).times(PERCENT)
        )
        found.add_interval(f"{key} gamed times inside", gamed.times(gamed.seen(numbers), key))
        for name in ("cancelling", "biases"):
            more = gamed.rise(gamed.seen(numbers), name, key)
            found.add_interval(f"{key} gamed {name} more", more.times(PERCENT))


def _add_network(found: Numbers, results: Results, claims: dict[str, Claim]) -> None:
    for name in ("parameters", "test_accuracy", "test_loss", "epochs"):
        found.add(name, float(results["network"].attrs[name]))
    found.add("images with maps", results["heat"].sizes["image"])
    found.add("groups of equal maps", len(results.same), comment=f"largest difference {heat.SAME:g} of the largest")
    for key, values in claims["one_method"].values.items():
        found.add(f"{key} difference", values["difference"], digits=2, comment="of the largest relevance")


def _add_ledger(found: Numbers, results: Results, claims: dict[str, Claim]) -> None:
    shares, errors = ledger.shares(results["ledger"]), ledger.worst(results["conservation"])
    biases = ledger.biases_by_layer(shares)
    taken = {key: float(biases.sel(attributed_by=key).sum()) for key in keys(shares)}
    for key in keys(shares):
        found.add(f"{key} inputs share", float(shares.sel({"attributed_by": key, "part": "inputs"})))
        found.add(f"{key} biases share", taken[key])
    for key, one in errors.items():
        found.add(f"{key} largest error", one.error, digits=2, comment=f"over the output, at {one.step}")
    worst = max(errors, key=lambda key: errors[key].error)
    found.add("largest error", errors[worst].error, digits=2, comment="over the output")
    found.add("largest error method", results.names[worst])
    found.add("largest error step", errors[worst].step)
    found.add("methods that conserve", len(errors))
    found.add("methods within the bound", sum(one == HOLDS for one in claims["conserved"].cases.values()))
    for name, choose in (("least", min), ("most", max)):
        key = choose(results.conserving, key=lambda key: taken[key])
        found.add(f"{name} biases share", taken[key], comment="of the methods that promise to conserve relevance")
        found.add(f"{name} biases method", results.names[key])
    lost = shares.sel(part="not conserved").drop_sel(attributed_by=results.conserving)
    key = str(abs(lost).idxmax("attributed_by").item())
    comment = "inputs and biases, over what came in"
    found.add("farthest from conserving", 1 - float(lost.sel(attributed_by=key)), digits=3, comment=comment)
    found.add("farthest method", results.names[key])
    own = biases.sel(attributed_by="lrp")
    if own.size:
        layer = str(abs(own).idxmax("layer").item())
        found.add("lrp largest biases share", float(own.sel(layer=layer)))
        found.add("lrp largest biases layer", layer)


def _add_rules(found: Numbers, results: Results) -> None:
    found.add("alpha", float(results["consistency"].attrs["alpha"]), digits=None)
    for rule, factor in demonstrations.factors(results["consistency"], "matrix").items():
        found.add(f"{rule} matrix factor", factor, digits=2)
    gap = demonstrations.two_objects(results["two_objects"], MATCH)
    found.add("radial less slope", gap.size)
    found.add("radial less slope ratio", gap.at, digits=2)
    found.add("slope share there", gap.slope)
    found.add("radial share there", gap.radial)
    found.add("radial matches slope", gap.near, comment=f"share of the ratios, within {MATCH:g}")
    found.add("forms difference", demonstrations.forms(results["forms"]))
    for key, value in zip(keys(results["sentences"], "maximum"), results["sentences"]["doubled"].values, strict=True):
        found.add(f"{key} doubled", float(value), digits=2, comment="share of a in max(a, c) less that in max(a, c, c)")
    found.add("eps drawn", float(results["drawn"].attrs["eps"]), digits=None)
    worst = max(demonstrations.radial_errors(results["drawn"]).values())
    found.add("radial cases difference", worst, digits=2, comment="of shares, from what was published")
    for name in ("inputs", "biases", "swapped"):
        found.add(f"solutions {name}", float(results["sentences"].attrs[name]), digits=2, comment="of the largest")


def _add_instability(found: Numbers, results: Results) -> None:
    for name in ("instability", "instability_toy"):
        for rule, grown in demonstrations.growths(results[name]).items():
            found.add(f"{name} {rule} times", grown.times, comment="largest relevance, last over first")
            found.add(f"{name} {rule} first", grown.first, digits=2, comment="largest relevance")
            found.add(f"{name} {rule} last", grown.last, digits=2, comment="largest relevance")


def _add_deletion(found: Numbers, results: Results, claims: dict[str, Claim]) -> None:
    assert results.scores is not None and results.agreement is not None
    data = results["deletion"]
    found.add("deletion images", data.sizes["example"])
    for name in ("region", "regions", "random_orders"):
        found.add(name, int(data.attrs[name]))
    cases = claims["beats_random"]
    for name in results.replacements:
        for key in results.order:
            values = results.scores["between"].sel({"attributed_by": key, "replacement": name}).values
            found.add_interval(f"{key} area {name}", interval(values), over="images")
            found.add(f"{key} rank {name}", results.pairs[name].rank(key))
        own = [key for key, part in cases.values.items() if part["replacement"] == name]
        found.add(f"better than random {name}", sum(cases.cases[key] == HOLDS for key in own))
    for part in cases.values.values():
        name = f"{part['method']} less random {part['replacement']}"
        found.add_interval(name, part["difference"], over="images")
    found.add("methods ranked", results.agreement.methods)
    _add_agreement(found, results.agreement)


def _add_agreement(found: Numbers, one: deletion.Agreement) -> None:
    name = f"rank correlation {one.one} {one.other}"
    found.add(name, one.correlation, comment="bootstrap over images")
    found.add(f"{name} low", one.low)
    found.add(f"{name} high", one.high)
    found.add("pairs turned", len(one.turned), comment="told apart in opposite ways")


def _add_nodes(found: Numbers, results: Results, claims: dict[str, Claim]) -> None:
    assert results.correlation is not None
    found.add("node networks", results["nodes"].sizes["network"])
    for reference in nodes.REFERENCES:
        for key in keys(results["nodes"], "measure"):
            if key != reference:
                found.add_interval(f"{key} with {reference}", nodes.mean_of(results.correlation, key, reference))
    for reference, gaps in claims["node_relevance"].values.items():
        for key, gap in gaps.items():
            found.add_interval(f"{key} ahead with {reference}", gap)


def _add_trainings(found: Numbers, results: Results, chosen: xr.Dataset) -> None:
    data = results["supervised"]
    found.add("trained networks", chosen.sizes["network"])
    names = ("accuracy_clean", "accuracy_misleading", supervised.TRAINED, supervised.OTHER)
    best = supervised.best_misleading(data)
    for key in keys(chosen, "training"):
        found.add(f"{key} strength", results.strengths[key])
        for name in names:
            found.add_interval(f"{key} {name}", interval(chosen[name].sel(training=key).values).times(PERCENT))
        if key in best:
            values = data["accuracy_misleading"].sel(training=key, strength=best[key]).values
            found.add(f"{key} best strength", best[key], comment="chosen with a look at the misleading images")
            found.add_interval(f"{key} best accuracy", interval(values).times(PERCENT))


def _add_gains(found: Numbers, chosen: xr.Dataset, claims: dict[str, Claim]) -> None:
    for name, base in (("helps", supervised.PLAIN), ("beats_penalty", supervised.PENALTY)):
        for key, values in claims[name].values.items():
            found.add_interval(f"{key} over {base}", values["difference"].times(PERCENT))
    every = supervised.gains(chosen, "accuracy_misleading", supervised.PLAIN, keys(chosen, "training"))
    if every:
        found.add_interval("largest gain", max(every.values(), key=lambda one: one.mean).times(PERCENT))
    verdicts = list(claims["gamed"].cases.values())
    found.add("trainings judged", len(verdicts))
    found.add("trainings not gamed", verdicts.count(FAILS))
