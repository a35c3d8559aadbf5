"""Whether what was published on the circle study holds for our networks: every claim judged by its rule."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from analysis.balance import BIAS, SLICING
from analysis.claims import (
    FAILS,
    HOLDS,
    NOT_COMPARABLE,
    NOT_MEASURED,
    UNDECIDED,
    Claim,
    above,
    by_share,
    everywhere,
    judged,
    within,
)
from analysis.intervals import NO_INTERVAL, Interval, interval
from analysis.lognormal import ks_distance_by_chance
from sweeps._studies.circle import published
from sweeps._studies.circle.measures import Results
from sweeps._studies.circle.measures.networks import chance_outside
from sweeps._studies.circle.statements import (
    ACCURATE,
    BARELY,
    CLOSE,
    COUNTS,
    HALF,
    MOST,
    NEAR,
    RARE,
    SOMETIMES,
    STATEMENTS,
)

Parts = dict[str, tuple[str, dict[str, Any]]]


def judge(results: Results) -> dict[str, Claim]:
    """Judge every claim, by name."""
    judges: Mapping[str, Callable[[Results], Claim]] = {
        "accurate": lambda of: _over("accurate", of.alike["full_accuracy"], ACCURATE, "%"),
        "full_loss": _full_loss,
        "which_nodes": lambda of: _over("which_nodes", _cubes(of, "within_sizes"), HALF, "%"),
        "one_flip": _one_flip,
        "mean_loss": lambda of: _in_range("mean_loss", of, ["mean_loss"]),
        "log_loss": lambda of: _in_range("log_loss", of, ["mean_log_loss", "sd_log_loss"]),
        "more_nodes": _more_nodes,
        "rises": _rises,
        "first_nodes": _first_nodes,
        "wiggles": _wiggles,
        "full_masks": _full_masks,
        "distinct_masks": _distinct_masks,
        "skewed": lambda of: _at_each("skewed", of.alike["skewness"]),
        "noise": _noise,
        "approximation": _approximation,
        "harmless": _harmless,
        "mean_gradients": lambda of: _gradients_in_range("mean_gradients", of, "mean"),
        "sd_gradients": lambda of: _gradients_in_range("sd_gradients", of, "sd"),
        "negative": lambda of: _at_each("negative", _gradients(of, "loss_gradient", "mean"), negative=True),
        "tails": lambda of: _at_each("tails", _gradients(of, "loss_gradient", "excess_kurtosis")),
        "check": _check,
        "trough": lambda of: _at_each("trough", _missing(of, "trough")),
        "states": _states,
        "two_laws": _two_laws,
        "unequal": _unequal,
        "reversal": _reversal,
        "decay": _decay,
        "opposite": _opposite,
        "good_opposites": lambda of: _over("good_opposites", _cubes(of, "good_opposites"), HALF, "%"),
        "balance": _balance,
        "whole_balance": _whole_balance,
        "explains": _explains,
        "bias_nodes": _bias_nodes,
        "slices": _slices,
        "edge": lambda of: _over("edge", None if of.many.plane is None else of.many.plane["loss"], HALF, "%"),
        "confident": lambda of: _over(
            "confident", None if of.many.plane is None else of.many.plane["gradient"], HALF, "%"
        ),
    }
    return {name: judges[name](results) for name in STATEMENTS}


def _cubes(results: Results, name: str, **at: Any) -> xr.DataArray | None:
    cubes = results.many.cubes
    return None if cubes is None else cubes[name].sel(at)


def _gradients(results: Results, quantity: str, name: str) -> xr.DataArray | None:
    data = results.many.gradients
    return None if data is None else data[name].sel(quantity=quantity)


def _shown(results: Results, data: xr.DataArray | None) -> xr.DataArray | None:
    """Return what is known at the p at which states and nodes are shown."""
    return None if data is None else data.sel(probability=results.gradients.shown)


def _missing(results: Results, name: str) -> xr.DataArray | None:
    """Return the share of the density of the log-loss gradient that is missing at 0."""
    trough = _gradients(results, "log_loss_gradient", name)
    return None if trough is None else 1 - trough


def _over(name: str, values: xr.DataArray | None, bound: float = 0.0, unit: str = "") -> Claim:
    """Judge that the mean over our networks is above a bound."""
    found = NO_INTERVAL if values is None else interval(values.values)
    return Claim(STATEMENTS[name], above(found, bound=bound), measured=found if found.networks else None, unit=unit)


def _part(found: Interval, bound: float = 0.0, below: bool = False) -> tuple[str, dict[str, Any]]:
    """Judge that a number of one part is above a bound, or below it."""
    return above(found.negated(), bound=-bound) if below else above(found, bound=bound), {"measured": found}


def _parts(name: str, parts: Parts, unit: str) -> Claim:
    return replace(judged(STATEMENTS[name], parts), unit=unit)


def _at_each(name: str, values: xr.DataArray | None, negative: bool = False) -> Claim:
    """Judge that a number is above 0, or below, at every p, by intervals over our networks."""
    if values is None:
        return Claim(STATEMENTS[name], NOT_MEASURED)
    at = {float(p): interval(values.sel(probability=p).values) for p in values["probability"]}
    parts = {f"p = {p:g}": _part(found, below=negative) for p, found in at.items()}
    return judged(STATEMENTS[name], parts)


def inside(networks: int, within_range: bool) -> str:
    """Judge one published number by the range of our networks."""
    if networks == 0:
        return NOT_MEASURED
    if within_range and networks > 1:
        return HOLDS
    return UNDECIDED if chance_outside(networks) > RARE else FAILS


def _by_range(values: xr.DataArray, theirs: float) -> str:
    """Judge a published number by the range of our networks."""
    known = values.values[np.isfinite(values.values)]
    return inside(known.size, bool(known.size and known.min() <= theirs <= known.max()))


def _rows(results: Results, quantity: str) -> Any:
    frame = results.comparison
    return frame[(frame["boundary"] == results.boundary) & (frame["quantity"] == quantity)].itertuples()


def _full_loss(results: Results) -> Claim:
    (row,) = _rows(results, "full_loss")
    found = interval(results.alike["full_loss"].values)
    return Claim(STATEMENTS["full_loss"], inside(row.networks, row.inside), measured=found, unit="nats")


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


def _gradients_in_range(name: str, results: Results, key: str) -> Claim:
    parts: Parts = {}
    for quantity in results.gradients.statistics:
        data = _gradients(results, quantity, key)
        for p, theirs in zip(results.probabilities, results.gradients.theirs(quantity, key), strict=True):
            if data is not None and np.isfinite(theirs):
                values = data.sel(probability=p)
                parts[f"{quantity} p = {p:g}"] = _by_range(values, theirs), {"measured": interval(values.values)}
    return judged(STATEMENTS[name], parts)


def _one_flip(results: Results) -> Claim:
    flips = _cubes(results, "significant_flips")
    if flips is None:
        return Claim(STATEMENTS["one_flip"], NOT_MEASURED)
    explained = results.many.correlation.sel(distance=1) ** 2
    parts = {
        "matters": _part(interval(flips.values), SOMETIMES),
        "does not change all": _part(interval(explained.values), HALF),
    }
    return _parts("one_flip", parts, "%")


def _more_nodes(results: Results) -> Claim:
    losses = results.alike["mean_loss"].sortby("probability")
    falls = -losses.diff("probability")
    parts = {f"up to p = {float(p):g}": _part(interval(falls.sel(probability=p).values)) for p in falls["probability"]}
    return judged(STATEMENTS["more_nodes"], parts, verdict=everywhere([verdict for verdict, _ in parts.values()]))


def _rises(results: Results) -> Claim:
    alone = _cubes(results, "alone_on")
    return _over("rises", None if alone is None else alone.mean("node", skipna=False), unit="nats")


def _first_nodes(results: Results) -> Claim:
    parts = {
        role: _part(interval(results.many.alone_by_role(role).values), below=role == SLICING)
        for role in (BIAS, SLICING)
        if results.many.nodes is not None and results.many.cubes is not None
    }
    return _parts("first_nodes", parts, "nats")


def _wiggles(results: Results) -> Claim:
    exact, drawn = (_cubes(results, name) for name in ("maxima", "drawn_maxima"))
    if exact is None or drawn is None:
        return Claim(STATEMENTS["wiggles"], NOT_MEASURED)
    found = interval((exact.sum("probability", skipna=False) / drawn.sum("probability", skipna=False)).values)
    return Claim(STATEMENTS["wiggles"], above(found.negated(), bound=-HALF), measured=found)


def _full_masks(results: Results) -> Claim:
    return judged(STATEMENTS["full_masks"], _drawn_again(results, "full_masks", "node_14_masks"))


def _distinct_masks(results: Results) -> Claim:
    return judged(STATEMENTS["distinct_masks"], _drawn_again(results, "distinct_masks"))


def _drawn_again(results: Results, *names: str) -> Parts:
    found = published.drawn_again()
    return {
        name: (HOLDS if found[name] == int(results.published[name]) else FAILS, {"measured": _exact(found[name])})
        for name in names
    }


def _exact(value: float) -> Interval:
    """Return a number that stands alone: an exact one, or that of one network."""
    return Interval(float(value), float("nan"), int(np.isfinite(value)))


def _noise(results: Results) -> Claim:
    distance, draws = results.alike["ks_distance"], int(results.alike["draws"].max())
    known = distance.notnull()
    if draws < 5 or not bool(known.any()):
        return Claim(STATEMENTS["noise"], NOT_MEASURED)
    close = (distance <= ks_distance_by_chance(draws)).where(known)
    share = interval(close.mean("probability").values)
    verdict = by_share(float(close.mean()), MOST, HALF) if share.known else UNDECIDED
    return Claim(STATEMENTS["noise"], verdict, measured=share, unit="%")


def _approximation(results: Results) -> Claim:
    found = interval(results.alike["ks_distance"].max("probability").values)
    return Claim(STATEMENTS["approximation"], above(found.negated(), bound=-CLOSE), measured=found)


def _harmless(results: Results) -> Claim:
    """Judge over our networks, or, where they lack it, say what it is of this run's network alone."""
    many = _cubes(results, "alone_off")
    if many is not None:
        found = interval((abs(many).min("node", skipna=False) / results.alike["full_loss"]).values)
    else:
        change = np.abs(results.nodes["change"].values)
        known = np.isfinite(change).any() and results.full_loss > 0
        found = _exact(float(np.nanmin(change)) / results.full_loss) if known else NO_INTERVAL
    return Claim(
        STATEMENTS["harmless"],
        above(found.negated(), bound=-BARELY),
        measured=found if found.networks else None,
        unit="%",
    )


def _check(results: Results) -> Claim:
    means, at = _gradients(results, "loss_gradient", "mean"), results.gradients.slope
    if means is None or at is None:
        return Claim(STATEMENTS["check"], NOT_MEASURED)
    low, middle, high = (at.attrs[name] for name in ("low", "middle", "high"))
    loss = results.alike["mean_loss"]
    change = loss.sel(probability=high) - loss.sel(probability=low)
    predicted = at.attrs["nodes"] * (high - low) * means.sel(probability=middle)
    found = interval((predicted / change.where(change != 0) - 1).values)
    return Claim(STATEMENTS["check"], within(found, -NEAR, NEAR), measured=found if found.networks else None, unit="%")


def _states(results: Results) -> Claim:
    means = _shown(results, _gradients(results, "log_loss_gradient", "state_mean"))
    if means is None:
        return Claim(STATEMENTS["states"], NOT_MEASURED)
    found = {state: interval(means.sel(state=state).values) for state in ("off", "on")}
    return judged(STATEMENTS["states"], {state: _part(one, below=state == "off") for state, one in found.items()})


def _two_laws(results: Results) -> Claim:
    missing = _shown(results, _missing(results, "state_trough"))
    if missing is None:
        return Claim(STATEMENTS["two_laws"], NOT_MEASURED)
    found = {state: interval(missing.sel(state=state).values) for state in ("off", "on")}
    return _parts("two_laws", {state: _part(one) for state, one in found.items()}, "%")


def _unequal(results: Results) -> Claim:
    weakest = _shown(results, _gradients(results, "log_loss_gradient", "weakest"))
    found = NO_INTERVAL if weakest is None else interval(weakest.values)
    return Claim(
        STATEMENTS["unequal"], above(found.negated(), bound=-HALF), measured=found if found.networks else None, unit="%"
    )


def _reversal(results: Results) -> Claim:
    paths = results.hypercube.paths
    p_value = float("nan") if paths is None else float(paths.sampled["reversal_p_value"])
    if np.isnan(p_value):
        return Claim(STATEMENTS["reversal"], NOT_MEASURED)
    return Claim(
        STATEMENTS["reversal"], HOLDS if p_value >= 0.05 else FAILS, measured=_exact(p_value), unit="(p-value)"
    )


def _decay(results: Results) -> Claim:
    if results.many.cubes is None:
        return Claim(STATEMENTS["decay"], NOT_MEASURED)
    found = results.many.decayed
    return Claim(STATEMENTS["decay"], NOT_COMPARABLE, measured=interval(found), unit="flips")


def _opposite(results: Results) -> Claim:
    """Judge over our networks, or, where they lack it, say what the paths say of this run's network alone."""
    if results.many.cubes is not None:
        return _over("opposite", results.many.cubes["correlation"])
    cube, paths = results.hypercube.cube, results.hypercube.paths
    if cube is not None:
        found = _exact(cube.opposite.correlation)
    else:
        found = NO_INTERVAL if paths is None else _exact(float(paths.sampled["opposite_correlation"]))
    return Claim(STATEMENTS["opposite"], above(found), measured=found if found.networks else None)


def _balance(results: Results) -> Claim:
    cubes = results.many.cubes
    if cubes is None:
        return Claim(STATEMENTS["balance"], NOT_MEASURED)
    explained = cubes["r_squared"]
    whole = explained.sel(part="imbalance")
    parts = {
        "explained": _part(interval(whole.values), HALF),
        "by the imbalance": _part(interval((whole - explained.sel(part="products")).values), COUNTS),
        "slope": _part(interval(cubes["slope"].values)),
    }
    return judged(STATEMENTS["balance"], parts)


def _whole_balance(results: Results) -> Claim:
    cubes = results.many.cubes
    if cubes is None:
        return Claim(STATEMENTS["whole_balance"], NOT_MEASURED)
    found = interval((cubes["whole_imbalance"] / cubes["mean_imbalance"]).values)
    return Claim(STATEMENTS["whole_balance"], above(found.negated(), bound=-HALF), measured=found, unit="%")


def _explains(results: Results) -> Claim:
    cubes = results.many.cubes
    if cubes is None:
        return Claim(STATEMENTS["explains"], NOT_MEASURED)
    carried = cubes["carried"]
    products, directions = (carried.sel(source=source) for source in ("products", "imbalance"))
    parts = {
        "products": _part(interval(products.values)),
        "imbalance": _part(interval(directions.values)),
        "without both": _part(interval((cubes["correlation"] - products - directions).values), below=True),
    }
    return judged(STATEMENTS["explains"], parts)


def _share_of(chosen: xr.DataArray, among: xr.DataArray) -> tuple[str, dict[str, Any]]:
    """Judge that nearly all of some nodes of all networks are as claimed."""
    count = int(among.sum())
    share = float((chosen & among).sum()) / count if count else float("nan")
    return by_share(share, MOST, HALF), {"share": share, "nodes": count}


def _bias_nodes(results: Results) -> Claim:
    nodes = results.many.nodes
    if nodes is None:
        return Claim(STATEMENTS["bias_nodes"], NOT_MEASURED)
    bias = nodes["role"] == BIAS
    number = bias.sum("node")
    parts: Parts = {
        "number": (_by_range(number, 4), {"bias nodes": interval(number.values)}),
        "inside": _share_of(nodes["effect"] < 0, bias),
    }
    return judged(STATEMENTS["bias_nodes"], parts)


def _slices(results: Results) -> Claim:
    nodes = results.many.nodes
    if nodes is None:
        return Claim(STATEMENTS["slices"], NOT_MEASURED)
    others = nodes["role"] != BIAS
    verdict, numbers = _share_of((nodes["effect"] > 0) & (nodes["active"] < HALF) & (nodes["active"] > 0), others)
    return Claim(STATEMENTS["slices"], verdict, measured=_exact(numbers["share"]), unit="%")
