"""Rules on what is chosen: layers, error surfaces, nodes that cancel each other, the optimum, retraining."""

from dataclasses import replace

from analysis._reports.wording import percent
from analysis.claims import NOT_MEASURED, Claim, Statement, above, graded, judged, within
from analysis.intervals import Interval, interval
from sweeps._studies.shrinking.measures import Results
from sweeps._studies.shrinking.measures.layers import BEGINNING
from sweeps._studies.shrinking.measures.pairs import CANCELLED, FIFTH
from sweeps._studies.shrinking.measures.surfaces import convex, own_missed
from sweeps._studies.shrinking.names import TAYLOR, method_name
from sweeps._studies.shrinking.rules.judging import CHANCE, CONSISTENT, at, claim_of

#: No preference: the mean place of the outer layer is so close to that of a random order.
INDIFFERENT = 0.1
#: Shares of the nodes that have a partner which cancels them: most, and few.
MOST_CANCEL, FEW_CANCEL = 0.5, 0.1
#: Retraining leaves a weak relation where agreement is below the one and the spread that is left below the other.
AGREEMENT, SPREAD = 0.75, 0.5
#: A prediction is accurate where it misses the true change by less than so much of it, in the median.
ACCURATE = 0.25
#: What the costliest fifth of the nodes has of the cost: uneven at so much; even would be that fifth itself.
UNEVEN, EVEN = 0.5, 0.25


def taylor_layers(results: Results) -> Claim:
    """Judge by the mean place of the outer layer in the order of the removals."""
    low, high = 0.5 - INDIFFERENT, 0.5 + INDIFFERENT
    statement = Statement(
        "First and second order prefer neither of two layers",
        f"with places from 0 for the first removal to 1 for the last, it holds where the mean place of the outer layer "
        f"is between {low:g} and {high:g}, and does not hold where it is outside; a random order has 0.5",
    )
    parts = {
        method_name(method): interval(one.layers["place"].isel(layer=-1).sel(at(method)).values)
        for one in results.only("2")
        for method in TAYLOR
    }
    return claim_of(statement, parts, lambda found: within(found, low, high))


def outer_layer(results: Results) -> Claim:
    """Judge by how many of the first quarter of the removals are of the last hidden layer."""
    statement = Statement(
        "Brute force takes the outer layer first",
        f"it holds where more than half of the first {percent(BEGINNING, 0)} of the removals are of the last of two "
        "hidden layers, and does not hold where fewer are",
    )
    parts = {
        one.name: interval(one.layers["early"].isel(layer=-1).sel(at("brute_force")).values)
        for one in results.only("2")
    }
    return claim_of(statement, parts, lambda found: above(found, bound=0.5), unit="%")


def convexity(results: Results) -> Claim:
    """Judge by the share of brute force's choices whose error surface is convex."""
    statement = Statement(
        "The error surfaces of brute force's choices are convex",
        f"it holds where the second derivative is above zero at {percent(CONSISTENT, 0)} of the choices or more, and "
        f"does not hold where it is at {percent(CHANCE, 0)} or fewer",
    )
    parts = {results.networks[key].name: convex(data, "brute_force") for key, data in results.surfaces.items()}
    return claim_of(statement, parts, lambda found: graded(found, CONSISTENT, CHANCE), unit="%")


def accurate(results: Results) -> Claim:
    """Judge by how far first-order predictions of its own choices are off."""
    statement = Statement(
        "First order is accurate where it chooses",
        f"it holds where the predicted change of the error by its own choices misses the true one by less than "
        f"{percent(ACCURATE, 0)} of it in the median, and does not hold where it misses it by more",
    )
    parts = {results.networks[key].name: own_missed(data, "first_order") for key, data in results.surfaces.items()}
    return claim_of(statement, parts, lambda found: above(found.negated(), bound=-ACCURATE), unit="%")


def poor_choices(results: Results) -> Claim:
    """Judge by the share of first order's choices that were the best."""
    statement = Statement(
        "First order decides poorly all the same",
        f"it holds where fewer than {percent(CHANCE, 0)} of its choices are the best ones, and does not hold where "
        "more are",
    )
    parts = {one.name: one.number("share_best", "first_order") for one in results.paper}
    return claim_of(statement, parts, lambda found: above(found.negated(), bound=-CHANCE), unit="%")


def closer(results: Results) -> Claim:
    """Judge by how many more of second order's choices are the best ones."""
    statement = Statement(
        "Second order chooses more like brute force than first does",
        "it holds where more of its choices are the best ones than of first order's, and does not hold where fewer are",
    )
    parts = {
        one.name: interval(one.values("share_best", TAYLOR[1]) - one.values("share_best", TAYLOR[0]))
        for one in results.paper
    }
    return claim_of(statement, parts, above, unit="points")


def cancelling(results: Results) -> Claim:
    """Judge by the share of the costly nodes that have a partner which cancels them."""
    statement = Statement(
        "Nodes group together to cancel each other",
        f"it holds where {percent(MOST_CANCEL, 0)} or more of the nodes that cost something alone have a partner with "
        f"which they cost at most {CANCELLED:g} times what the costlier of the two costs alone, and does not hold "
        f"where {percent(FEW_CANCEL, 0)} or fewer have one",
    )
    parts = _of_pairs(results, "cancelling")
    return claim_of(statement, parts, lambda found: graded(found, MOST_CANCEL, FEW_CANCEL), unit="%")


def uneven(results: Results) -> Claim:
    """Judge by what the costliest fifth of the nodes has of the cost of all."""
    statement = Statement(
        "What was learned is not evenly distributed over the nodes",
        f"it holds where the costliest {percent(FIFTH, 0)} of the nodes have {percent(UNEVEN, 0)} or more of the "
        f"summed cost of single removals, and does not hold where they have {percent(EVEN, 0)} or less",
    )
    return claim_of(statement, _of_pairs(results, "concentrated"), lambda one: graded(one, UNEVEN, EVEN), unit="%")


def _of_pairs(results: Results, name: str) -> dict[str, Interval]:
    return {results.networks[key].name: interval(one[name].values) for key, one in results.pair_summaries.items()}


def greedy(results: Results) -> Claim:
    """Judge by the share of the sizes at which greedy removal has the best mask of all."""
    statement = Statement(
        "Brute force, one node at a time, finds the best networks of every size",
        f"it holds where brute force has the best of all masks at {percent(CONSISTENT, 0)} of the sizes or more, and "
        f"does not hold where it has it at {percent(CHANCE, 0)} or fewer (small networks, all masks evaluated)",
        source="ours",
    )
    parts = {}
    if results.gaps is not None:
        found = results.gaps["is_optimal"].sel(at("brute_force")).isel(step=slice(1, -1)).mean("step")
        parts = {"small": interval(found.values)}
    return claim_of(statement, parts, lambda one: graded(one, CONSISTENT, CHANCE), unit="%")


def smooth(results: Results) -> Claim:
    """Judge by how much less of the movement of the accuracy goes upwards with retraining."""
    statement = Statement(
        "With retraining brute force's curve is smooth",
        "it holds where less of the movement of the test accuracy goes upwards with retraining than without, and does "
        "not hold where more does",
        published="expected",
    )
    parts = {}
    if results.retrained is not None:
        never, often = (
            results.retrained.values("wrong_way", "brute_force", every) for every in (0, results.retrained.often)
        )
        parts = {f"every {results.retrained.often}": interval(never - often)}
    return claim_of(statement, parts, above, unit="points")


def retraining(results: Results) -> Claim:
    """Judge by agreement with and without retraining, and by what retraining leaves of the spread of the methods."""
    statement = Statement(
        "Ranks say little of accuracy after retraining",
        f"it holds where the better of two methods without retraining is the better one with it in fewer than "
        f"{percent(AGREEMENT, 0)} of the cases, and retraining leaves less than {percent(SPREAD, 0)} of the distance "
        "of the best from the worst; it holds partly where one of the two is so",
        published="weakly related",
        source="literature",
    )
    one = results.retrained
    if one is None:
        return Claim(statement, NOT_MEASURED)
    parts = {"agreement": one.agreement, "distance left": one.spread_left}
    bounds = {"agreement": AGREEMENT, "distance left": SPREAD}
    verdicts = {name: above(found.negated(), bound=-bounds[name]) for name, found in parts.items()}
    values = {name: {"found": found, "measured": found} for name, found in parts.items()}
    return replace(judged(statement, {name: (verdicts[name], values[name]) for name in parts}), unit="%")
