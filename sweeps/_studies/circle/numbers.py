"""Every number that the page of the circle study says, and a paper would quote."""

from typing import Any

import numpy as np
import xarray as xr

from analysis import _ranks, hypercube
from analysis import claims as claims_module
from analysis._formatting import enumerate_words, short_labels
from analysis._reports import numbers
from analysis.balance import BIAS, DEAD, SLICING
from analysis.claims import Claim
from analysis.gradients import STATES
from analysis.intervals import interval
from analysis.numbers import Numbers
from sweeps._studies.circle import published
from sweeps._studies.circle.measures import Results
from sweeps._studies.circle.measures.gradients import GradientResults
from sweeps._studies.circle.measures.hypercube import CubeResults, HypercubeResults, PathResults
from sweeps._studies.circle.measures.many import CHANCES, ManyResults
from sweeps._studies.circle.measures.networks import LABELS as STATISTICS
from sweeps._studies.circle.measures.networks import between, chance_outside, published_at
from sweeps._studies.circle.measures.parts import contributions
from sweeps._studies.circle.tables.hypercube import inside


def collect(results: Results, claims: dict[str, Claim]) -> Numbers:
    """Collect every number of the study."""
    n = Numbers("circle")
    numbers.add(n, results)
    _add_published(n, results)
    _add_networks(n, results)
    add_gradients(n, results.gradients)
    add_hypercube(n, results.hypercube, results.probabilities)
    _add_roles(n, results.roles)
    if results.balance is not None:
        _add_balance(n, results.balance)
    _add_many(n, results.many)
    claims_module.add_numbers(n, claims)
    return n


def _add_published(n: Numbers, results: Results) -> None:
    theirs = results.published
    for key in ("distinct_masks", "full_masks"):
        n.add(f"published {key.replace('_', ' ')}", int(theirs[key]), comment="at p = 0.75")
    again = published.drawn_again()
    for key, count in again.items():
        n.add(f"drawn again {key.replace('_', ' ')}", count, comment="at p = 0.75, as the source's code draws")
    n.add("published nodes", int(theirs.attrs["nodes"]))
    n.add("published full loss", float(theirs["full_loss"]), digits=None, comment="nats")
    cost = float(theirs["smallest_single_removal_loss"] - theirs["full_loss"])
    n.add("published cheapest removal", cost, digits=1, comment="nats")
    for key in ("mean_loss", "mean_log_loss", "sd_log_loss"):
        for p in results.published_probabilities:
            n.add(f"published {key.replace('_', ' ')}", published_at(theirs, key, p), digits=None, p=p)
    n.add("radius", float(results.task.attrs["radius"]))
    n.add("share inside the circle", float(np.pi * results.task.attrs["radius"] ** 2 / 4), digits=3)


def _add_networks(n: Numbers, results: Results) -> None:
    """Add how networks from different seeds differ, and where the published numbers lie among them."""
    many, frame = results.spread, results.comparison
    n.add("networks", many.sizes["network"])
    for row in frame.itertuples():
        at: dict[str, Any] = {} if np.isnan(row.probability) else {"p": float(row.probability)}
        name = f"spread {row.boundary} {row.quantity.replace('_', ' ')}"
        for word, key in (("median", "median"), ("lowest", "min"), ("highest", "max")):
            n.add(f"{name} {word}", getattr(row, key), digits=3, **at)
        n.add(f"{name} published rank", row.rank, digits=2, **at)
    for place in results.places:
        n.add(f"spread {place.boundary} published numbers", place.total)
        n.add(f"spread {place.boundary} published numbers inside", place.inside)
        n.add(f"spread {place.boundary} published farthest", place.farthest, digits=2, comment="standard deviations")
    for word, count in zip(("between circles", "beside circles"), between(frame), strict=True):
        n.add(f"published losses {word}", count)
    if results.many.both is not None:
        for word, count in zip(("between circles", "beside circles"), _gradients_between(results), strict=True):
            n.add(f"published gradients {word}", count)
    fewest = int(frame["networks"].min())
    n.add("fewest networks compared", fewest)
    if fewest:
        n.add("chance outside", chance_outside(fewest), digits=1)
    for word, value in (("lowest", many["full_accuracy"].min()), ("highest", many["full_accuracy"].max())):
        n.add(f"spread accuracy {word}", float(value), digits=3)
    n.add("spread losses", int(many["draws"].sum()))
    n.add("spread losses left out", int(many["nonpositive"].sum() + many["nonfinite"].sum()))
    _add_alike(n, results)


def _gradients_between(results: Results) -> tuple[int, int]:
    """Count published means and standard deviations of gradients between the means of the networks of both circles."""
    inside, known = 0, 0
    for key in ("mean", "sd"):
        for quantity in results.gradients.statistics:
            of = results.many.both[key].sel(quantity=quantity).mean("network")  # type: ignore[index]
            low, high = (bound.values for bound in (of.min("boundary"), of.max("boundary")))
            theirs = np.array(results.gradients.theirs(quantity, key))
            inside += int(np.count_nonzero((low <= theirs) & (theirs <= high)))
            known += int(np.isfinite(theirs).sum())
    return inside, known


def _add_alike(n: Numbers, results: Results) -> None:
    """Add means over the networks that learned the same circle as this run's."""
    alike = results.alike
    # This run's network is one of them, computed again in another batch: equal but for float32 rounding.
    lower = (alike["mean_loss"] < results.losses["mean_loss"] * (1 - 1e-5)).sum("network")
    n.add_interval("networks full loss", interval(alike["full_loss"].values))
    for p in results.probabilities:
        n.add("networks of lower mean loss", int(lower.sel(probability=p)), p=p)
        for key in (*(key for key in STATISTICS if key != "full_loss"), "skewness", "ks_distance"):
            found = interval(alike[key].sel(probability=p).values)
            n.add_interval(f"networks {key.replace('_', ' ')}", found, p=p)


def _add_roles(n: Numbers, roles: xr.Dataset) -> None:
    """Name the nodes of each role."""
    names, _ = short_labels([str(label) for label in roles["node"].values])
    for role in (BIAS, SLICING, DEAD):
        chosen = np.flatnonzero(roles["role"].values == role)
        n.add(f"{role} nodes", len(chosen))
        if chosen.size:
            n.add(f"{role} nodes named", enumerate_words([names[node] for node in chosen]))
    slicing = roles["active"].values[roles["role"].values == SLICING]
    if slicing.size:
        n.add("slicing nodes active least", float(slicing.min()), digits=2, comment="share of the test points")
        n.add("slicing nodes active most", float(slicing.max()), digits=2, comment="share of the test points")


def _add_balance(n: Numbers, own: xr.Dataset) -> None:
    """Add what the balance of this network's nodes explains, over all masks."""
    for part in own["part"].values:
        n.add(f"balance explained by {part}", float(own["r_squared"].sel(part=part)), digits=3, comment="R squared")
    n.add("balance explained by any numbers", float(own["any_numbers"]), digits=3, comment="R squared")
    for source, value in contributions(own).items():
        n.add(f"opposites {source}", float(value), digits=3, comment="of their correlation")
    for name in ("whole_imbalance", "mean_imbalance"):
        n.add(name.replace("_", " "), float(own[name]), digits=2)
    n.add("imbalance slope", float(own["slope"]), digits=3, comment="log loss, from no imbalance to all of it")


def _add_many(n: Numbers, many: ManyResults) -> None:
    """Add what the networks that learned this circle say together."""
    if many.nodes is not None:
        n.add_interval("networks bias nodes", interval((many.nodes["role"] == BIAS).sum("node").values))
        n.add_interval("networks dead nodes", interval((many.nodes["role"] == DEAD).sum("node").values))
    if many.plane is not None:
        for name in many.plane.data_vars:
            n.add_interval(f"networks uncertain {name}", interval(many.plane[name].values))
    if many.both is not None:
        for key in ("mean", "sd"):
            for rule, quantity, p in many.both[key].stack(at=("boundary", "quantity", "probability"))["at"].values:
                found = interval(many.both[key].sel(boundary=rule, quantity=quantity, probability=p).values)
                n.add_interval(f"networks {rule} {quantity.replace('_', ' ')} {key}", found, p=float(p))
    if many.cubes is None:
        return
    _add_cubes(n, many, many.cubes)
    if many.nodes is not None:
        for role in (BIAS, SLICING):
            n.add_interval(f"networks {role} node alone", interval(many.alone_by_role(role).values))


def _add_cubes(n: Numbers, many: ManyResults, cubes: xr.Dataset) -> None:
    """Add what all masks of these networks say."""
    for part in cubes["part"].values:
        n.add_interval(f"networks explained by {part}", interval(cubes["r_squared"].sel(part=part).values))
    n.add_interval("networks explained by any numbers", interval(cubes["any_numbers"].values))
    for source, value in contributions(cubes).items():
        n.add_interval(f"networks opposites {source}", interval(value))
    for name in ("within_sizes", "good_opposites", "significant_flips", "slope", "whole_imbalance", "mean_imbalance"):
        n.add_interval(f"networks {name.replace('_', ' ')}", interval(cubes[name].values))
    n.add_interval("networks correlation after one flip", interval(many.correlation.sel(distance=1).values))
    for flips in (5, 6):
        if flips < cubes.sizes["distance"]:
            after = interval(many.correlation.sel(distance=flips).values)
            n.add_interval("networks correlation", after, flips=flips)
    n.add_interval("networks flips until insignificant", interval(many.decayed))
    whole, directions = cubes["whole_imbalance"].values, cubes["carried"].sel(source="imbalance").values
    n.add("imbalance rank correlation", float(_ranks.correlation(whole, directions)), digits=2, comment="over networks")
    curves = many.curves
    for name, values in (("empty", curves[:, 0]), ("peak", curves.max(axis=1)), ("peak p", many.peaks)):
        n.add_interval(f"networks mean loss {name}", interval(values))
    # Those with no peak inside fall from p = 0 on.
    n.add("networks whose mean loss rises", int(np.count_nonzero(many.peaks > 0)))
    n.add("networks with all masks", int(np.count_nonzero(np.isfinite(curves[:, 0]))))


def add_gradients(n: Numbers, results: GradientResults) -> None:
    """Add what gate gradients are, beside what was published."""
    for name, data in results.statistics.items():
        words = name.replace("_", " ")
        for index, p in enumerate(results.probabilities):
            one = data.isel(probability=index)
            for key in ("mean", "sd", "excess_kurtosis", "trough"):
                n.add(f"{words} {key.replace('_', ' ')}", float(one[key]), float(one[f"{key}_error"]), p=p)
            for state, word in enumerate(STATES):
                for key in ("mean", "sd"):
                    value, error = (float(one[f"state_{part}"][state]) for part in (key, f"{key}_error"))
                    n.add(f"{words} {word} {key}", value, error, p=p)
            n.add(f"{words} tail share", float(one["tail_share"]), digits=2, p=p)
            for key in ("mean", "sd"):
                theirs = results.theirs(name, key)[index]
                if np.isfinite(theirs):
                    n.add(f"published {words} {key}", theirs, digits=None, p=p)
        n.add(f"{words} entries left out", int(data["nonfinite"].sum()))
        n.add(f"{words} width", float(data.attrs["width"]), digits=3, comment="of the kernel")
        shown = results.at_shown(name)
        error = float(shown["state_difference_error"])
        apart = float(shown["state_difference"]) / error if error > 0 else float("nan")
        n.add(f"{words} states apart", apart, digits=2, comment="standard errors; on less off")
    _add_effective(n, results)
    _add_nodes(n, results)
    if results.slope is not None:
        _add_slope(n, results.slope)
        if np.allclose([results.slope.attrs[key] for key in ("low", "middle", "high")], (0.25, 0.5, 0.75)):
            for key in ("predicted", "change"):
                n.add(f"published gradient check {key}", float(results.published[key]), digits=3)


def _add_effective(n: Numbers, results: GradientResults) -> None:
    """Add what a mean over dependent entries is worth, at the known probability in the middle."""
    data = results.statistics["loss_gradient"]
    effective = data["effective_entries"].values
    if np.isfinite(effective).any():
        place = int(np.nanargmin(np.abs(np.asarray(results.probabilities) - results.shown) + 0 * effective))
        n.add("gradient entries", int(data["entries"][place]))
        n.add("gradient entries worth", int(round(float(effective[place]), -2)))
        n.add("gradient entries p", results.probabilities[place], digits=None)


def _add_nodes(n: Numbers, results: GradientResults) -> None:
    """Add the nodes with the strongest and the weakest gradient, and of how many it is higher when they are on."""
    strength, (names, _) = results.strength("loss_gradient"), short_labels(results.labels)
    if len(strength) > 1 and np.nanmax(strength, initial=0) > 0:
        for word, node in (("strongest", int(np.nanargmax(strength))), ("weakest", int(np.nanargmin(strength)))):
            n.add(f"{word} node", names[node])
            n.add(f"{word} node gradient", float(strength[node]), digits=3, comment="root mean square")
    means = results.at_shown("loss_gradient")["node_mean"].values
    known = np.isfinite(means).all(axis=0)
    n.add("nodes with a gradient in both states", int(known.sum()))
    n.add("nodes with a higher gradient when on", int(np.count_nonzero(means[1, known] > means[0, known])))


def _add_slope(n: Numbers, found: xr.Dataset) -> None:
    """Add how the mean gradient predicts the change of the mean loss."""
    for key, comment in (("predicted", "nodes x reach x mean gradient"), ("change", "of the mean loss")):
        n.add(f"gradient check {key}", float(found[key]), float(found[f"{key}_error"]), comment=comment)
    n.add("gradient check standard errors", float(found["standard_errors"]), digits=2)
    for key in ("low", "middle", "high"):
        n.add(f"gradient check {key}", found.attrs[key], digits=None, comment="p")
    n.add("gradient check reach", found.attrs["high"] - found.attrs["low"], digits=None)
    if "slope" not in found:
        return
    for key in ("exact_predicted", "exact_change"):
        n.add(f"gradient check {key.replace('_', ' ')}", float(found[key]), comment="from all masks")
    error = float(found["change_error"])
    off = abs(float(found["change"] - found["exact_change"])) / error if error > 0 else float("nan")
    n.add("gradient check change off", off, digits=2, comment="standard errors")
    distance = np.abs(found["tangent"].values - found["slope"].values)
    if np.isfinite(distance).any():
        worst = found.isel(probability=int(np.nanargmax(distance)))
        for key in ("tangent", "trapezoid"):
            n.add(f"worst {key}", float(worst[key]), float(worst[f"{key}_error"]))
        n.add("worst tangent slope", float(worst["slope"]), comment="from all masks")
        n.add("worst tangent p", float(worst["probability"]), digits=None)


def add_hypercube(n: Numbers, results: HypercubeResults, probabilities: list[float]) -> None:
    """Add what flip paths and the whole cube show, at these probabilities that a node stays."""
    if results.paths is not None:
        _add_paths(n, results.paths)
    if results.bad:
        n.add("masks without a log loss", results.bad)
    if results.cube is not None:
        _add_cube(n, results.cube, probabilities)
    if results.moments is not None:
        _add_moments(n, results.moments)
    if results.estimates is not None:
        data = results.estimates
        n.add("paths of the estimates", int(data["paths"]))
        if "additive_share" in data and np.isfinite(data["additive_share"]):
            n.add("additive share", float(data["additive_share"]), float(data["additive_share_error"]))
            n.add("additive share p", float(data["probability"]), digits=None)


def _add_paths(n: Numbers, paths: PathResults) -> None:
    data = paths.sampled
    n.add("paths", int(data["paths"]))
    n.add("paths left out", int(data["left_out"]))
    n.add("path first insignificant", float(data["first_insignificant"]), digits=None, comment="flips")
    n.add("path correlation after one flip", float(data["correlation_from_start"][1]), digits=2)
    value, error = (float(data[f"opposite_correlation{end}"]) for end in ("", "_error"))
    n.add("opposite correlation sampled", value, error)
    n.add("path reversal p value", float(data["reversal_p_value"]), digits=2)
    if np.isfinite(data["reversal_p_value"]):
        n.add("path reversal degrees", int(data["reversal_degrees"]))
        largest = float(np.nanmax(np.abs(data["reversal_standard_errors"])))
        n.add("path reversal difference", largest, digits=2, comment="standard errors")
    if paths.comparison is not None:
        exact = paths.comparison
        n.add("path exact p value", float(exact["p_value"]), digits=2)
        n.add("path exact entries", int(exact["entries"]))
        n.add("path exact largest", float(exact["largest"]), digits=2, comment="standard errors")
        n.add("path exact largest p value", float(exact["largest_p_value"]), digits=2)


def _add_cube(n: Numbers, cube: CubeResults, probabilities: list[float]) -> None:
    n.add("cube masks", cube.loss.size)
    n.add("opposite correlation", cube.opposite.correlation, digits=3, comment="exact")
    variance = cube.opposite.even + cube.opposite.odd
    if variance > 0:
        n.add("even share", cube.opposite.even / variance, digits=3, comment="of the variance of the log loss")
        n.add("odd share", cube.opposite.odd / variance, digits=3, comment="of the variance of the log loss")
    for p in inside(probabilities):
        shares = cube.shares(p)
        for order in range(1, min(3, cube.nodes) + 1):
            n.add(f"order {order} share", float(shares[order]), digits=3, p=p)
    curve = hypercube.moments(cube.loss, probability=CHANCES).mean
    for name, value in (("empty", curve[0]), ("peak", curve.max()), ("peak p", CHANCES[np.argmax(curve)])):
        n.add(f"cube mean loss {name}", float(value), digits=3, comment="exact")
    _add_optimum(n, cube)
    _add_worth(n, cube)


def _add_optimum(n: Numbers, cube: CubeResults) -> None:
    """Add where greedy removal lands against the best mask of every size."""
    greedy, best = cube.greedy, cube.best
    n.add("largest greedy gap", float(greedy.gap.max()), digits=3, comment="in log loss")
    if cube.nodes > 1:
        # Masks, not losses: equal losses may differ by rounding.
        equal = np.count_nonzero(greedy.mask[1:-1] == best.mask[::-1][1:-1])
        n.add("sizes", cube.nodes - 1, comment="without the full and the empty mask")
        n.add("sizes at which greedy removal is best", int(equal))
        worst = int(np.argmax(greedy.gap[1:-1])) + 1
        n.add("greedy gap", float(greedy.gap[worst]), digits=2, comment="in log loss")
        n.add("greedy gap nodes on", cube.nodes - worst)
        n.add("greedy gap loss", float(np.exp(greedy.value[worst])), digits=3)
        n.add("greedy gap best loss", float(np.exp(best.value[cube.nodes - worst])), digits=3)
    lowest = int(np.argmin(best.value))
    n.add("cube lowest loss", float(np.exp(best.value[lowest])), digits=3)
    n.add("cube lowest loss nodes on", lowest)
    n.add("cube full loss", float(cube.loss[-1]), digits=3)


def _add_worth(n: Numbers, cube: CubeResults) -> None:
    """Add what nodes are worth, alone and in pairs."""
    names, _ = short_labels(list(cube.labels))
    shapley, banzhaf = (cube.worth[key].values for key in ("shapley", "banzhaf"))
    n.add("most useful node", names[int(np.argmin(shapley))])
    n.add("lowest shapley", float(shapley.min()), digits=2, comment="in log loss")
    n.add("harmful nodes", int(np.count_nonzero(shapley > 0)))
    for name, other in (("banzhaf", banzhaf), ("single removals", -cube.alone)):
        n.add(f"shapley rank correlation {name}", float(_ranks.correlation(shapley, other)), digits=2)
    n.add("sobol total sum", float(cube.worth["sobol_total"].sum()), digits=3)
    strength = np.triu(cube.interaction, 1)
    if cube.nodes > 1 and np.abs(strength).max() > 0:
        pair = np.unravel_index(int(np.argmax(np.abs(strength))), strength.shape)
        n.add("interacting nodes", " and ".join(names[node] for node in pair))
        n.add("strongest interaction", float(strength[pair]), digits=2, comment="in log loss")


def _add_moments(n: Numbers, exact: xr.Dataset) -> None:
    for quantity in exact["quantity"].values:
        for p in exact["probability"].values:
            one: Any = exact.sel(quantity=quantity, probability=p)
            n.add(f"exact mean {quantity}", float(one["exact_mean"]), digits=5, p=float(p))
            n.add(f"exact sd {quantity}", float(one["exact_sd"]), digits=4, p=float(p))
    errors = np.abs(exact["standard_errors"].values)
    if np.isfinite(errors).any():
        n.add("sampled means", int(np.isfinite(errors).sum()))
        n.add("sampled means off", float(np.nanmax(errors)), digits=2, comment="standard errors at most")
