"""What was published on the circle study, and whether it holds for our networks."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from analysis.claims import (
    FAILS,
    HOLDS,
    NOT_COMPARABLE,
    NOT_MEASURED,
    UNDECIDED,
    Claim,
    Statement,
    above,
    by_share,
    everywhere,
    judged,
    within,
)
from analysis.intervals import Interval, interval
from analysis.lognormal import ks_distance_by_chance
from sweeps.studies.circle.measures import Results
from sweeps.studies.circle.measures.gradients import CLEAR
from sweeps.studies.circle.measures.networks import chance_outside

#: A published number outside the range of our networks counts if one of them would lie there this rarely.
RARE = 0.1
#: Largest difference of distribution functions at which a law is called a good approximation.
CLOSE = 0.1
#: Share of the full network's loss that is called barely noticeable.
BARELY = 0.05
#: Part of the change by which its prediction may be off and still be called close.
NEAR = 1 / 3
#: Level of the test that a log-normal sample fails one time in twenty; the shares of networks that decide.
MOST, HALF = 0.9, 0.5

_RANGE = (
    "a published number holds if it lies within the range of our networks with the same circle as this run's, and does "
    "not hold outside; with fewer than 19 networks, whose range one more network leaves more than one time in ten, a "
    "number outside decides nothing"
)
_CLEAR = f"by more than {CLEAR:g} standard errors of the masks drawn, of this run's network alone"

STATEMENTS = {
    "full_loss": Statement("With every node on, the loss is 0.117", _RANGE, "0.117"),
    "mean_loss": Statement(
        "The mean loss with nodes removed at random",
        f"at each p {_RANGE}",
        "1.028, 0.878, 0.584 at p = 0.25, 0.5, 0.75",
    ),
    "log_loss": Statement(
        "The mean and the standard deviation of the log loss",
        f"for each mean and each standard deviation, {_RANGE}",
        "means −0.080, −0.285, −0.729; standard deviations 0.448, 0.554, 0.613",
    ),
    "more_nodes": Statement(
        "Networks with more nodes missing have a higher loss",
        "it holds if the mean loss falls from each p to the next, by an interval over our networks above 0, and fails "
        "if one interval is below 0",
        "networks with more nodes missing generally have higher loss",
    ),
    "skewed": Statement(
        "The loss is skewed to the right",
        "it holds if the skewness, by its interval over our networks, is above 0 at every p",
        "the data looks rightward skewed",
    ),
    "noise": Statement(
        "The log loss departs from a bell curve by noise only",
        "over networks and p, the share of samples that lie as close to the normal law of best fit as 95 of 100 normal "
        f"samples do: it holds from {100 * MOST:g} % on, and fails at {100 * HALF:g} % or less",
        "the variation could well be written off as noise",
    ),
    "approximation": Statement(
        "A log-normal law is a good approximation",
        "it holds if the largest difference of the distribution functions, at the p where it is largest, has an "
        f"interval over our networks below {CLOSE:g}",
        "assuming a log-normal distribution is a reasonably good approximation",
    ),
    "harmless": Statement(
        "One node can go at hardly any cost",
        f"it holds if one node of this run's network changes the loss by less than {100 * BARELY:g} % of it",
        "0.119 without node 14, 0.117 with it: barely noticeable",
    ),
    "mean_gradients": Statement(
        "The mean gate gradients",
        "one network stands against one network, and how far networks differ is not known: undecided",
        "loss −0.0693, −0.0475, 0.0270; log loss −0.0747, −0.0584, −0.0467",
    ),
    "tails": Statement(
        "The loss gradient has heavier tails than a normal law",
        f"it holds if the excess kurtosis is above 0 at every p, {_CLEAR}",
        "more pointy topped and heavy tailed than their bell curves",
    ),
    "check": Statement(
        "Ten times the mean loss gradient at p = 0.5 is close to the change of the mean loss",
        f"it holds if the prediction is off by less than a third of the change, with {1.96:g} standard errors of the "
        "masks drawn, of this run's network alone",
        "−0.475 against −0.443",
    ),
    "trough": Statement(
        "The density of the log-loss gradient has a trough at 0",
        f"it holds if, at every p, the density at 0 is below the lower of the maxima on both sides, {_CLEAR}; it fails "
        "where there is no minimum",
        "consistent trough at 0",
    ),
    "states": Statement(
        "The log-loss gradient is below 0 for nodes that are off, above 0 for nodes that are on",
        f"it holds if both means are so, {_CLEAR}",
        "off −0.1726, on 0.0558 at p = 0.5",
    ),
    "decay": Statement(
        "After 5 or 6 flips a network is no longer correlated with the start",
        "more paths resolve smaller correlations, and the source does not say how many it has: not comparable",
        "around 5 or 6 flips",
    ),
    "opposite": Statement(
        "A mask and its opposite have positively correlated log losses",
        "it holds if the correlation is above 0, exactly where all masks were evaluated, otherwise by 1.96 standard "
        "errors of the paths; of this run's network alone",
        "significant positive correlation",
    ),
    "edge": Statement(
        "Most of the loss lies around the edge of the circle",
        "it holds if more than half of the loss over the square lies where the network is uncertain, the probability "
        "of either class above 0.05",
        "most of the predictive loss occurs around the edge",
    ),
}


def judge(results: Results) -> dict[str, Claim]:
    """Judge every claim, by name."""
    judges: Mapping[str, Callable[[Results], Claim]] = {
        "full_loss": _full_loss,
        "mean_loss": lambda of: _in_range("mean_loss", of, ["mean_loss"]),
        "log_loss": lambda of: _in_range("log_loss", of, ["mean_log_loss", "sd_log_loss"]),
        "more_nodes": _more_nodes,
        "skewed": _skewed,
        "noise": _noise,
        "approximation": _approximation,
        "harmless": _harmless,
        "mean_gradients": _mean_gradients,
        "tails": _tails,
        "check": _check,
        "trough": _trough,
        "states": _states,
        "decay": _decay,
        "opposite": _opposite,
        "edge": _edge,
    }
    return {name: judges[name](results) for name in STATEMENTS}


def inside(networks: int, within_range: bool) -> str:
    """Judge one published number by the range of our networks."""
    if networks == 0:
        return NOT_MEASURED
    if within_range and networks > 1:
        return HOLDS
    return UNDECIDED if chance_outside(networks) > RARE else FAILS


def _rows(results: Results, quantity: str) -> Any:
    frame = results.comparison
    return frame[(frame["boundary"] == results.boundary) & (frame["quantity"] == quantity)].itertuples()


def _full_loss(results: Results) -> Claim:
    (row,) = _rows(results, "full_loss")
    found = interval(results.alike["full_loss"].values)
    return Claim(STATEMENTS["full_loss"], inside(row.networks, row.inside), found, "nats")


def _in_range(name: str, results: Results, quantities: list[str]) -> Claim:
    parts = {
        f"{quantity} p = {row.probability:g}": (
            inside(row.networks, row.inside),
            {"measured": interval(results.alike[quantity].sel(probability=row.probability).values)},
        )
        for quantity in quantities
        for row in _rows(results, quantity)
    }
    return judged(STATEMENTS[name], parts)


def _more_nodes(results: Results) -> Claim:
    losses = results.alike["mean_loss"].sortby("probability")
    falls = -losses.diff("probability")
    parts = {
        f"up to p = {float(p):g}": _part(above, interval(falls.sel(probability=p).values)) for p in falls["probability"]
    }
    cases = [verdict for verdict, _ in parts.values()]
    return judged(STATEMENTS["more_nodes"], parts, everywhere(cases))


def _part(rule: Callable[[Interval], str], found: Interval) -> tuple[str, dict[str, Any]]:
    return rule(found), {"measured": found}


def _skewed(results: Results) -> Claim:
    skewness = results.alike["skewness"]
    parts = {f"p = {p:g}": _part(above, interval(skewness.sel(probability=p).values)) for p in results.probabilities}
    return judged(STATEMENTS["skewed"], parts)


def _noise(results: Results) -> Claim:
    distance, draws = results.alike["ks_distance"], int(results.alike["draws"].max())
    known = distance.notnull()
    if draws < 5 or not bool(known.any()):
        return Claim(STATEMENTS["noise"], NOT_MEASURED)
    close = (distance <= ks_distance_by_chance(draws)).where(known)
    share = interval(close.mean("probability").values)
    return Claim(STATEMENTS["noise"], by_share(float(close.mean()), MOST, HALF), share, "%")


def _approximation(results: Results) -> Claim:
    found = interval(results.alike["ks_distance"].max("probability").values)
    return Claim(STATEMENTS["approximation"], above(found.negated(), -CLOSE), found)


def _harmless(results: Results) -> Claim:
    change = np.abs(results.nodes["change"].values)
    if not np.isfinite(change).any() or not results.full_loss > 0:
        return Claim(STATEMENTS["harmless"], NOT_MEASURED)
    least = float(np.nanmin(change)) / results.full_loss
    return Claim(STATEMENTS["harmless"], HOLDS if least < BARELY else FAILS, _alone(least), "%")


def _alone(value: float, half: float = float("nan")) -> Interval:
    """Return a number of one network, with the half-width that its masks give it."""
    return Interval(value, half, int(np.isfinite(value)))


def _at_each(results: Results, name: str, rule: Callable[[float, float], str], key: str) -> Claim:
    data = results.gradients.statistics
    quantity = "log_loss_gradient" if name == "trough" else "loss_gradient"
    values, errors = (data[quantity][f"{key}{end}"].values for end in ("", "_error"))
    parts = {
        f"p = {p:g}": (rule(float(value), float(error)), {"value": float(value), "error": float(error)})
        for p, value, error in zip(results.probabilities, values, errors, strict=True)
    }
    return judged(STATEMENTS[name], parts)


def _clear(value: float, error: float) -> Interval:
    """Return a number of one network; masks that give it no error say nothing of it."""
    return _alone(value, CLEAR * error if error > 0 else float("nan"))


def _mean_gradients(results: Results) -> Claim:
    return Claim(STATEMENTS["mean_gradients"], UNDECIDED if results.published_probabilities else NOT_MEASURED)


def _tails(results: Results) -> Claim:
    return _at_each(results, "tails", lambda value, error: above(_clear(value, error)), "excess_kurtosis")


def _trough(results: Results) -> Claim:
    def rule(depth: float, error: float) -> str:
        return FAILS if depth == 1 else above(_clear(1 - depth, error))

    return _at_each(results, "trough", rule, "trough")


def _check(results: Results) -> Claim:
    data = results.gradients.slope
    if data is None or not float(data["change"]):
        return Claim(STATEMENTS["check"], NOT_MEASURED)
    predicted, change = float(data["predicted"]), float(data["change"])
    error = float(np.hypot(data["predicted_error"], data["change_error"]))
    off = _alone(predicted / change - 1, 1.96 * error / abs(change))
    return Claim(STATEMENTS["check"], within(off, -NEAR, NEAR), off, "%")


def _states(results: Results) -> Claim:
    data = results.gradients.at_shown("log_loss_gradient")
    off, on = (_clear(float(data["state_mean"][state]), float(data["state_mean_error"][state])) for state in (0, 1))
    parts = {"off": (above(off.negated()), {"value": off.mean}), "on": (above(on), {"value": on.mean})}
    return judged(STATEMENTS["states"], parts, None if off.networks and on.networks else NOT_MEASURED)


def _decay(results: Results) -> Claim:
    paths = results.hypercube.paths
    if paths is None:
        return Claim(STATEMENTS["decay"], NOT_MEASURED)
    first = float(paths.sampled["first_insignificant"])
    return Claim(STATEMENTS["decay"], NOT_COMPARABLE, _alone(first) if np.isfinite(first) else None, "flips")


def _opposite(results: Results) -> Claim:
    statement, cube, paths = STATEMENTS["opposite"], results.hypercube.cube, results.hypercube.paths
    if cube is not None:
        exact = cube.opposite.correlation
        verdict = NOT_MEASURED if np.isnan(exact) else HOLDS if exact > 0 else FAILS
        return Claim(statement, verdict, _alone(exact))
    if paths is None:
        return Claim(statement, NOT_MEASURED)
    value, error = (float(paths.sampled[f"opposite_correlation{end}"]) for end in ("", "_error"))
    found = _alone(value, 1.96 * error)
    return Claim(statement, above(found), found)


def _edge(results: Results) -> Claim:
    share = None if results.plane is None else results.plane.loss_where_uncertain
    if share is None:
        return Claim(STATEMENTS["edge"], NOT_MEASURED)
    return Claim(STATEMENTS["edge"], HOLDS if share > HALF else FAILS, _alone(share), "%")
