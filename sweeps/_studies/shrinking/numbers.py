"""Every number that the report says and a paper on the study would quote."""

from analysis import claims as claims_module
from analysis.claims import Claim
from analysis.intervals import Interval, interval
from analysis.numbers import Numbers
from sweeps._studies.shrinking.measures import Network, Results
from sweeps._studies.shrinking.measures.budgets import sources
from sweeps._studies.shrinking.measures.early import FIRST, accuracy_change, error_change
from sweeps._studies.shrinking.measures.paths import DROPS
from sweeps._studies.shrinking.measures.replacing import CORRELATED, PLAIN
from sweeps._studies.shrinking.measures.surfaces import missed
from sweeps._studies.shrinking.names import METHODS, TAYLOR

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
        Means over networks, each with half the width of its 95 % interval, where not said otherwise.
    """
    numbers = Numbers("shrinking")
    numbers.add("networks", results.networks["1"].count)
    for network in results.networks.values():
        _network(numbers, network)
    _accuracies(numbers, results)
    claims_module.add_numbers(numbers, claims)
    for name, claim in claims.items():
        for part, values in claim.values.items():
            if isinstance(found := values.get("found"), Interval):
                numbers.add_interval(f"{name} of {part}", found, digits=3)
    _choices(numbers, results)
    _retraining(numbers, results)
    _optimum(numbers, results)
    _replacing(numbers, results)
    _cascade(numbers, results)
    _sizes(numbers, results)
    return numbers


def _network(numbers: Numbers, network: Network) -> None:
    prefix = network.prefix
    numbers.add(f"{prefix} nodes", network.nodes)
    for name in ("loss", "accuracy", "test_loss", "test_accuracy"):
        numbers.add_interval(f"{prefix} {name}", network.start(name), digits=3)
    for ranking in network.rankings:
        for method in network.methods:
            path = f"{prefix} {ranking} {method}"
            for drop in DROPS:
                found = network.number("removable", method, ranking, fall=drop)
                numbers.add_interval(f"{path} removable", found, digits=3, drop=drop)
            for name in ("test_removable", "mean_loss", "mean_accuracy", "risen", "share_best", "spearman"):
                where = {"fall": DROPS[0]} if name == "test_removable" else {}
                numbers.add_interval(f"{path} {name}", network.number(name, method, ranking, **where), digits=3)
    for name in ("lowest_loss", "lowest_step", "cheap"):
        numbers.add_interval(f"{prefix} {name}", network.number(name, "brute_force"), digits=3)
    for method in [one for one in TAYLOR if one in network.methods]:
        numbers.add_interval(f"{prefix} {method} sign_agreement", network.number("sign_agreement", method), digits=3)


def _accuracies(numbers: Numbers, results: Results) -> None:
    """Accuracies at the start: the published ones, whether ours are the same, and the range over all depths."""
    ours = {network.key: network.start("accuracy").mean for network in results.depths}
    numbers.add("least accuracy", min(ours.values()))
    numbers.add("most accuracy", max(ours.values()))
    for network in results.paper:
        numbers.add(f"{network.prefix} published accuracy", PUBLISHED_ACCURACY[network.key])
    same = all(abs(ours[network.key] - PUBLISHED_ACCURACY[network.key]) < 0.0005 for network in results.paper)
    numbers.add("accuracies as published", same)


def _choices(numbers: Numbers, results: Results) -> None:
    for key, data in results.surfaces.items():
        prefix = results.networks[key].prefix
        numbers.add(f"{prefix} surfaces", data.sizes["removed"], comment="choices of each method that are drawn")
        for method, share in missed(data).items():
            numbers.add_interval(f"{prefix} missed {method}", share, digits=3)
    for key, pair in results.pair_summaries.items():
        for name in ("costly", "negative", "signed"):
            numbers.add_interval(f"{results.networks[key].prefix} pairs {name}", interval(pair[name].values), digits=3)
    for network in results.several:
        for method in METHODS:
            outer = network.layers.isel(layer=-1).sel({"ranked_by": method, "ranking": "reranked"})
            for name in ("place", "early"):
                numbers.add_interval(f"{network.prefix} {method} outer {name}", interval(outer[name].values), digits=3)


def _retraining(numbers: Numbers, results: Results) -> None:
    if results.retrained is None or results.retraining is None:
        return
    one, often = results.retrained, results.retrained.often
    numbers.add("retraining every", often)
    numbers.add("retraining epochs", int(results.retraining.attrs["epochs"]))
    for name, every in (("never retrained", 0), ("retrained", often)):
        found = one.values("removable", "brute_force", every, fall=DROPS[0])
        numbers.add_interval(f"{name} brute force removable", interval(found), digits=3)
        found = one.values("wrong_way", "brute_force", every)
        numbers.add_interval(f"{name} brute force wrong way", interval(found), digits=3)


def _sizes(numbers: Numbers, results: Results) -> None:
    for network in results.early:
        for method in METHODS:
            for share in FIRST:
                found = interval(error_change(network, method, share))
                numbers.add_interval(f"{network.prefix} {method} error change", found, digits=3, share=share)
            found = interval(accuracy_change(network, method, FIRST[1]))
            numbers.add_interval(f"{network.prefix} {method} accuracy change", found, digits=3)
    data = results.budgets
    if data is None:
        return
    numbers.add("budgets epochs", int(data.attrs["epochs"]))
    for place, name in enumerate(("", " trained on")):
        for source in ("trained", *sources(data)):
            for one in data["test_accuracy"].isel(trained_on=place).sel(source=source).transpose("budget", "network"):
                prefix = f"{source} {int(one['nodes'])} nodes{name} test accuracy"
                numbers.add_interval(prefix, interval(one.values), digits=3)


def _optimum(numbers: Numbers, results: Results) -> None:
    data = results.gaps
    if data is None:
        return
    one = data.sel({"ranked_by": "brute_force", "ranking": "reranked"})
    inner = slice(1, -1)
    numbers.add("small masks", 2 ** (data.sizes["step"] - 1))
    numbers.add("small sizes", data.sizes["step"] - 2, comment="sizes other than all nodes on and all off")
    for name, flags in (("greedy optimal sizes", one["is_optimal"]), ("nested sizes", data["nested"])):
        numbers.add_interval(name, interval(flags.isel(step=inner).sum("step").values), digits=3)
    numbers.add_interval("greedy worst ratio", interval((one["loss"] / one["best"]).max("step").values), digits=3)


def _replacing(numbers: Numbers, results: Results) -> None:
    """Add what every choice with everything that takes over can remove; nothing where there is none."""
    found = results.replacing
    if found is None:
        return
    for way in found.ways:
        for name in ("removable", "test_removable", "mean_loss"):
            key = f"replacing {way.choice} {way.stand_in} {name}"
            numbers.add_interval(key, found.mean(way, name), digits=3)
    bias, correlated = PLAIN._replace(stand_in="bias"), CORRELATED
    for name in ("removable", "test_removable"):
        numbers.add_interval(f"bias less nothing {name}", found.difference(bias, PLAIN, name), digits=3)
    pairs = {"contribution less brute_force": ("contribution", "brute_force")}
    pairs |= {f"correlation less {other}": ("correlation", other) for other in ("random", "brute_force")}
    for name, pair in pairs.items():
        ways = [correlated._replace(choice=one) for one in pair]
        numbers.add_interval(name, found.difference(ways[0], ways[1]), digits=3)


def _cascade(numbers: Numbers, results: Results) -> None:
    """Add the nodes and parameters at each level; nothing where there are none."""
    for key, one in results.grown.items():
        for name in ("candidates", "steps"):
            numbers.add(f"cascade {key} {name}", int(one.data.attrs[name]))
        for name in one.names:
            for direct, words in ((1, "published"), (0, "nodes alone")):
                level = one.level(name, direct)
                prefix = f"cascade {key} {name} {words}"
                found: dict[str, Interval] = {"needed": level.nodes_needed, "ratio": level.ratio}
                found["parameter ratio"] = level.parameter_ratio
                for number, value in found.items():
                    numbers.add_interval(f"{prefix} {number}", value, digits=3)
                numbers.add(f"{prefix} reached", level.reached, comment="networks that came as far")
        numbers.add_interval(f"cascade {key} pruned", one.level(one.names[0]).nodes_left, digits=3)
