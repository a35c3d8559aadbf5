"""Every number that the report says and a paper on the study would quote."""

from analysis import claims as claims_module
from analysis.claims import Claim
from analysis.numbers import Numbers
from sweeps.studies.shrinking.claims import LEVEL
from sweeps.studies.shrinking.measures import Network, Results
from sweeps.studies.shrinking.measures.paths import DROPS
from sweeps.studies.shrinking.measures.surfaces import missed
from sweeps.studies.shrinking.names import METHODS, RANKINGS, TAYLOR, macro_prefix

#: Accuracies that the networks of the paper started from, on MNIST, to three digits.
PUBLISHED_ACCURACY = {"1": 0.998, "2": 1.0}


def make(results: Results, claims: dict[str, Claim]) -> Numbers:
    """Collect the numbers of a run.

    Parameters
    ----------
    results : Results
    claims : dict of str to analysis.claims.Claim

    Returns
    -------
    analysis.numbers.Numbers
    """
    numbers = Numbers("shrinking")
    for network in results.networks.values():
        _network(numbers, network)
    _accuracies(numbers, results)
    claims_module.add_numbers(numbers, claims)
    for name, claim in claims.items():
        for case, values in claim.values.items():
            for key, value in values.items():
                numbers.add(f"{macro_prefix(case)} {name} {key}", value)
    _choices(numbers, results)
    _pairs(numbers, results)
    _layers(numbers, results)
    _retraining(numbers, results)
    _optimum(numbers, results)
    return numbers


def _network(numbers: Numbers, network: Network) -> None:
    prefix = network.prefix
    numbers.add(f"{prefix} nodes", network.nodes)
    for name in ("loss", "accuracy", "test_loss", "test_accuracy"):
        numbers.add(f"{prefix} {name}", float(network.attrs[name]))
    for ranking in RANKINGS:
        for method in network.methods:
            path = f"{prefix} {ranking} {method}"
            for drop in DROPS:
                count = network.removable(method, ranking, drop)
                numbers.add(f"{path} removable", count, digits=None, drop=drop)
            for name in ("mean_loss", "mean_accuracy", "risen", "share_best", "mean_regret", "spearman"):
                numbers.add(f"{path} {name}", network.number(name, method, ranking), digits=3)
    numbers.add(f"{prefix} lowest loss", network.number("lowest_loss", "brute_force"), digits=3)
    for name in ("lowest_step", "cheap"):
        numbers.add(f"{prefix} {name}", int(network.number(name, "brute_force")), comment="brute force, re-ranked")
    for method in TAYLOR:
        numbers.add(f"{prefix} {method} sign_agreement", network.number("sign_agreement", method), digits=3)


def _accuracies(numbers: Numbers, results: Results) -> None:
    """Accuracies at the start: the published ones, whether ours are the same, and the range over all depths."""
    ours = {network.key: float(network.attrs["accuracy"]) for network in results.depths}
    numbers.add("least accuracy", min(ours.values()))
    numbers.add("most accuracy", max(ours.values()))
    for network in results.paper:
        numbers.add(f"{network.prefix} published accuracy", PUBLISHED_ACCURACY[network.key])
    same = all(abs(ours[network.key] - PUBLISHED_ACCURACY[network.key]) < 0.0005 for network in results.paper)
    numbers.add("accuracies as published", same)


def _choices(numbers: Numbers, results: Results) -> None:
    for key, data in results.surfaces.items():
        numbers.add(f"{key} layers surfaces", data.sizes["removed"], comment="choices of each method that are drawn")
        for method, share in missed(data).items():
            comment = "median error of the predicted change, as a share of the true one"
            numbers.add(f"{key} layers missed {method}", share, digits=3, comment=comment)


def _pairs(numbers: Numbers, results: Results) -> None:
    for key, pair in results.pair_summaries.items():
        for name in ("pairs", "costly_nodes", "cancelling_pairs", "cancelling_nodes"):
            numbers.add(f"{key} layers {name}", getattr(pair, name))
        numbers.add(f"{key} layers negative interactions", pair.negative, comment="share of the pairs")
        comment = "rank correlation with that of the activations"
        numbers.add(f"{key} layers interaction correlation", pair.signed, digits=3, comment=comment)
        numbers.add(f"{key} layers interaction p value", pair.signed_p_value, digits=2, comment="Mantel's test")


def unequal(results: Results) -> list[tuple[Network, str]]:
    """List the network and method of each order that treats the layers so unequally that chance does not explain it."""
    return [(network, method) for network in results.several for method in METHODS if network.p_value(method) < LEVEL]


def _layers(numbers: Numbers, results: Results) -> None:
    for network in results.several:
        for method in METHODS:
            numbers.add(f"{network.prefix} {method} layers p value", network.p_value(method), digits=2)
    tests = len(results.several) * len(METHODS)
    numbers.add("layer orders", tests)
    numbers.add("layer orders beyond chance", len(unequal(results)))
    numbers.add("layer orders by chance", LEVEL * tests)


def _retraining(numbers: Numbers, results: Results) -> None:
    if results.retrained is None or results.retraining is None:
        return
    data, often = results.retrained.data, results.retrained.often
    numbers.add("retraining agreement", results.retrained.agreement, digits=3)
    numbers.add("retraining spread left", results.retrained.spread_left, digits=3)
    numbers.add("retraining every", often)
    numbers.add("retraining epochs", int(results.retraining.attrs["epochs"]))
    numbers.add("retraining compared", int(data["compared"].sel(every=often)))
    for name, every in (("never retrained", 0), ("retrained", often)):
        one = data.sel({"ranked_by": "brute_force", "every": every})
        numbers.add(f"{name} brute force removable", int(one["removable"].sel(fall=DROPS[0])))
        numbers.add(f"{name} brute force wrong way", float(one["wrong_way"]), digits=3)


def _optimum(numbers: Numbers, results: Results) -> None:
    data = results.gaps
    if data is None:
        return
    one = data.sel({"ranked_by": "brute_force", "ranking": "reranked"})
    worst = int(one["gap"].argmax("step"))
    numbers.add("greedy largest gap", float(one["gap"][worst]), digits=3)
    numbers.add("greedy largest gap step", worst)
    numbers.add("greedy largest gap ratio", float(one["loss"][worst] / one["best"][worst]), digits=3)
    inner = slice(1, -1)
    numbers.add("small masks", 2 ** (data.sizes["step"] - 1))
    numbers.add("small sizes", data.sizes["step"] - 2, comment="sizes other than all nodes on and all off")
    numbers.add("greedy optimal sizes", int(one["is_optimal"][inner].sum()))
    numbers.add("nested sizes", int(data["nested"][inner].sum()))
