"""The numbers of the sparsity study: what the sentences of its page say, and what a paper would quote."""

from collections.abc import Mapping

import numpy as np

from analysis.claims import Claim, add_numbers
from analysis.intervals import interval
from analysis.numbers import Numbers
from sweeps._studies.sparsity import further_numbers
from sweeps._studies.sparsity.claims import PUBLISHED_ENDS, PUBLISHED_SIZES
from sweeps._studies.sparsity.measures import (
    DROPS,
    KINDS,
    MAIN_DROP,
    PUBLISHED,
    Results,
    extremes,
    less_published,
    mean_of,
    methods,
    paired,
    ranking,
    weights_gone,
)


def all_numbers(results: Results, claims: Mapping[str, Claim]) -> Numbers:
    """Collect the numbers.

    Parameters
    ----------
    results : Results
    claims : mapping of str to Claim
        The judged claims of `results`.

    Returns
    -------
    analysis.numbers.Numbers
    """
    numbers = Numbers("sparsity")
    _add_setting(numbers, results)
    _add_methods(numbers, results)
    for kind in KINDS:
        _add_published(numbers, results, kind)
    _add_claims(numbers, claims)
    _add_equal_weights(numbers, results, claims)
    _add_layers(numbers, results)
    _add_finetuned(numbers, results)
    _add_cost(numbers, results)
    further_numbers.add(numbers, results)
    return numbers


def _add_setting(numbers: Numbers, results: Results) -> None:
    examples, steps = results.task.sizes["test_example"], np.diff(results.curves["percent"].values)
    numbers.add("networks", results.networks)
    numbers.add("classes", results.sizes[-1])
    numbers.add("parameters", int(results.training.attrs["parameters"]))
    numbers.add("prunable parameters", int(results.training.attrs["prunable"]))
    numbers.add("test examples", examples)
    numbers.add("points of one test example", 100 / examples, digits=2)
    numbers.add("smallest step", int(steps.min()), comment="per cent between two sparsities")
    numbers.add("largest step", int(steps.max()), comment="per cent between two sparsities")


def _add_methods(numbers: Numbers, results: Results) -> None:
    end, mean = results.numbers["end"], results.numbers["mean_accuracy"]
    for one in methods(results.curves):
        for drop in DROPS:
            numbers.add_interval(f"{one.key} end {1000 * drop:g} permille", mean_of(end.sel(fall=drop), one.key))
        numbers.add_interval(f"{one.key} mean accuracy", mean_of(mean, one.key).times(100))
    for kind in KINDS:
        for across in ("by", "scope"):
            for key, gap in less_published(mean, kind, across).items():
                numbers.add_interval(f"{key} mean accuracy difference", gap.times(100))
            for key, gap in less_published(end.sel(fall=MAIN_DROP), kind, across).items():
                numbers.add_interval(f"{key} end difference", gap)
        for key, gap in ranking(mean, kind).less_random.items():
            numbers.add_interval(f"{key} mean accuracy less random", gap.times(100))
        over = paired(mean, PUBLISHED[kind], f"{kind}_random_layer")
        numbers.add_interval(f"{kind} mean accuracy less random", over.times(100))


def _add_published(numbers: Numbers, results: Results, kind: str) -> None:
    """Add what the published way of pruning one kind has beside the numbers of every method."""
    own = results.numbers.sel({"pruned_by": PUBLISHED[kind], "fall": MAIN_DROP})
    numbers.add_interval(f"{kind} end", interval(own["end"].values))
    numbers.add_interval(f"{kind} lasting end", interval(own["lasting"].values))
    numbers.add(f"{kind} networks that recover", int(own["recovers"].sum()))
    numbers.add(f"{kind} networks that never fall", int((~own["fallen"]).sum()))
    ends = results.summary["end"].sel({"pruned_by": PUBLISHED[kind], "fall": MAIN_DROP})
    for count in results.epochs:
        numbers.add_interval(f"{kind} end after {count} epochs", interval(ends.sel(epochs=count).values))
    gone = results.equal.numbers["end"].sel(kind=kind, fall=MAIN_DROP)
    numbers.add_interval(f"{kind} end in weights gone", interval(gone.values))
    accuracy = results.last["accuracy"].sel({"pruned_by": PUBLISHED[kind]})
    for at in dict.fromkeys(PUBLISHED_ENDS[kind]):
        if at in accuracy["percent"].values:
            lost = interval(accuracy.sel(percent=0).values - accuracy.sel(percent=at).values)
            numbers.add_interval(f"{kind} accuracy lost at {at:g} percent", lost.times(100))


def _add_claims(numbers: Numbers, claims: Mapping[str, Claim]) -> None:
    """Add the verdicts and the numbers that only claims have."""
    add_numbers(numbers, claims)
    for name in ("equal_percent", "equal_weights"):
        parts = claims[name].values
        for drop, one in parts["end"]["differences"].items():
            at = "" if drop == MAIN_DROP else f" {1000 * drop:g} permille"
            numbers.add_interval(f"{name} end difference{at}", one)
        numbers.add_interval(f"{name} mean difference", parts["mean"]["measured"].times(100))
    for kind, values in claims["falling"].values.items():
        numbers.add_interval(f"{kind} movement upwards", values["measured"].times(100))
    along = claims["variable"].values["along"]["measured"]
    numbers.add_interval("movement upwards difference", along.times(100))
    ratio = claims["variable"].values["networks"]["measured"]
    for name, value in (("", ratio.mean), (" low", ratio.low), (" high", ratio.high)):
        numbers.add(f"spread ratio{name}", float(np.exp(value)), digits=3)
    for name in ("epochs_accuracy", "epochs_end"):
        for part, values in claims[name].values.items():
            numbers.add_interval(f"{name} difference {part}", values["measured"].times(100))
    for part, values in claims["criteria"].values.items():
        numbers.add_interval(f"criteria {part}", values["measured"].times(100))
    for values in claims["largest"].values.values():
        numbers.add_interval("largest less norm", values["measured"].times(100))
    if claims["logits"].measured is not None:
        numbers.add_interval("accuracy lost with the outputs pruned", claims["logits"].measured.times(100))


def _add_equal_weights(numbers: Numbers, results: Results, claims: Mapping[str, Claim]) -> None:
    numbers.add("published weights gone with half of the nodes", weights_gone(PUBLISHED_SIZES, 0.5))
    measured = results.equal.measured.mean("network")
    if 50 in measured["percent"].values:
        numbers.add("weights gone with half of the nodes", float(measured.sel(percent=50)))
    plain, gap = (claims[name].values["end"]["differences"][MAIN_DROP] for name in ("equal_percent", "equal_weights"))
    # A share of a distance that is not told apart from nothing says nothing.
    if plain.low > 0 and gap.low > 0:
        numbers.add("distance left at equal weights", gap.mean / plain.mean)
    difference = results.equal.curves["difference"].transpose("gone", "network").values
    found = [interval(column) for column in difference]
    if all(one.known for one in found):
        numbers.add("weights ahead at equal weights", float(np.mean([one.low > 0 for one in found])))
        numbers.add("weights behind at equal weights", float(np.mean([one.high < 0 for one in found])))


def _add_layers(numbers: Numbers, results: Results) -> None:
    for one in extremes(results.layers):
        key, gone = one.method.key, one.empty_from[np.isfinite(one.empty_from)]
        for name, (_, left) in (("least", one.least), ("most", one.most)):
            numbers.add_interval(f"{key} {name} left of a layer", left.times(100))
        numbers.add(f"{key} networks with an empty layer", gone.size)
        if gone.size:
            numbers.add(f"{key} empty from", float(gone.min()), comment="per cent, the earliest of the networks")


def _add_finetuned(numbers: Numbers, results: Results) -> None:
    if results.finetuned is None:
        return
    data, before, after = results.finetuned
    numbers.add("finetune epochs", int(data.attrs["epochs"]))
    for one in methods(data):
        was, now = (mean_of(numbers_of["end"].sel(fall=MAIN_DROP), one.key) for numbers_of in (before, after))
        numbers.add_interval(f"finetuned {one.key} end", now)
        numbers.add_interval(f"finetuned {one.key} end before", was)
        numbers.add_interval(f"finetuned {one.key} mean accuracy", mean_of(after["mean_accuracy"], one.key).times(100))
    for kind in KINDS:
        for key, gap in less_published(after["mean_accuracy"], kind).items():
            numbers.add_interval(f"finetuned {key} mean accuracy difference", gap.times(100))
    change = mean_of(after["start"] - before["start"], PUBLISHED["weights"])
    numbers.add_interval("finetuned accuracy gained unpruned", change.times(100))


def _add_cost(numbers: Numbers, results: Results) -> None:
    last, rest = results.cost.isel(percent=-1), results.cost["of_full"].sel(how="zeroed")[1:]
    zeroed, removed = (last.sel(how=how) for how in ("zeroed", "removed"))
    numbers.add("time zeroed over whole", float(zeroed["of_full"]), digits=3)
    numbers.add("time removed over whole", float(removed["of_full"]), digits=3)
    numbers.add("time removed over zeroed", float(removed["median"] / zeroed["median"]), digits=2)
    numbers.add("bytes removed over zeroed", float(removed["bytes"] / zeroed["bytes"]), digits=2)
    numbers.add("highest timed sparsity", int(last["percent"]))
    if rest.size:
        numbers.add("least time zeroed over whole", float(rest.min()), digits=3)
        numbers.add("most time zeroed over whole", float(rest.max()), digits=3)
    if "difference" in results.cost:
        numbers.add("largest difference of an output", float(results.cost["difference"].max()), digits=2)
    if "training_seconds" in results.cost:
        seconds = results.cost["training_seconds"].median("repeat")
        whole, gone = (float(seconds.sel(network=name)) for name in ("whole", "removed"))
        numbers.add("training time removed over whole", gone / whole, digits=2)
        numbers.add("sparsity of timed training", int(results.cost.attrs["trained"]))
    numbers.add("timed examples", int(results.cost.attrs["examples"]))
    numbers.add("timed repeats", int(results.cost.attrs["repeats"]))
