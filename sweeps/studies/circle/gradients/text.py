"""The sentences on gate gradients; every number and every verdict in them comes from the data."""

import numpy as np
import xarray as xr
from scipy import stats

from analysis.formatting import short_labels
from analysis.reports.wording import at, capitalised, enumerate_words, number, percent, whole
from sweeps.studies.circle import published as published_module
from sweeps.studies.circle.gradients.results import LABELS, GradientResults

#: A difference is said to be there when it is more than so many standard errors.
CLEAR = 3.0
#: Share of a normal law that is farther than 3 standard deviations from its mean.
NORMAL_TAIL = 2 * float(stats.norm.sf(3))


def _quoted(values: list[float], decimals: int) -> str:
    """Put published numbers into brackets; nothing where there are none."""
    known = [number(value, decimals=decimals) for value in values if np.isfinite(value)]
    return f" (published: {enumerate_words(known)})" if known else ""


def _each(data: xr.Dataset, key: str) -> str:
    pairs = zip(data[key].values, data[f"{key}_error"].values, strict=True)
    return enumerate_words([number(float(value), float(error)) for value, error in pairs])


def explanation(results: GradientResults) -> str:
    """Say what a gate gradient is, and where its errors come from."""
    data = results.statistics["loss_gradient"]
    nodes = data.sizes["node"]
    text = (
        "The gate gradient of a node is d loss / d gate at a mask, the other gates as they are; that of the log loss "
        "is it divided by the loss. Positive means that the loss rises as the gate opens."
    )
    if results.summary:
        return (
            f"{text} A summary keeps moments by node and by state, and no draws: what its {nodes} nodes do together "
            "has no standard error here."
        )
    text += (
        f" The {nodes} entries of a draw are correlated and the draws are not, so every standard error here is of "
        "whole draws, by the jackknife, and every interval by a bootstrap of whole draws."
    )
    effective = data["effective_entries"].values
    if not np.isfinite(effective).any():
        return text
    # In the middle of what was measured, one number is enough.
    place = int(np.nanargmin(np.abs(np.asarray(results.probabilities) - results.shown) + 0 * effective))
    have, worth = int(data["entries"][place]), float(effective[place])
    compared = "more than there are, because entries of a draw offset each other" if worth > have else "fewer"
    return (
        f"{text} Of the {whole(have)} entries{at([results.probabilities[place]])} the mean is as certain as that of "
        f"{whole(int(round(worth, -2)))} independent ones ({compared})."
    )


def moments(results: GradientResults, name: str) -> str:
    """Say what mean and standard deviation are, and how many entries were left out."""
    data = results.statistics[name]
    unit = f" {results.unit}" if name == "loss_gradient" else ""
    text = (
        f"{capitalised(at(results.probabilities).strip())} the mean {LABELS[name]} is {_each(data, 'mean')}"
        f"{unit}{_quoted(results.theirs(name, 'mean'), 4)}, its standard deviation "
        f"{_each(data, 'sd')}{_quoted(results.theirs(name, 'sd'), 3)}."
    )
    missing = int(data["nonfinite"].sum())
    return f"{text} {whole(missing)} entries that are not finite were left out." if missing else text


def tails(results: GradientResults, name: str) -> str:
    """Say how much heavier the tails are than those of a normal law."""
    data = results.statistics[name]
    value, error = data["excess_kurtosis"].values, data["excess_kurtosis_error"].values
    known = np.isfinite(value) & np.isfinite(error)
    if not known.any():
        return ""
    verdicts = [
        (known & (value > CLEAR * error), "heavier tails than a normal law"),
        (known & (value < -CLEAR * error), "lighter tails than a normal law"),
        (known & (np.abs(value) <= CLEAR * error), "tails that cannot be told from those of a normal law"),
    ]
    parts = []
    for chosen, verdict in verdicts:
        places = np.flatnonzero(chosen)
        if places.size:
            numbers = enumerate_words([number(float(value[i]), float(error[i])) for i in places])
            beyond = enumerate_words([percent(float(data["tail_share"][i]), 2) for i in places])
            parts.append(
                f"{verdict}{at([results.probabilities[i] for i in places])}: excess kurtosis {numbers}, and {beyond} "
                f"of the entries are more than 3 standard deviations from the mean"
            )
    text = f"The {LABELS[name]} has {'; it has '.join(parts)} ({percent(NORMAL_TAIL, 2)} of a normal law)."
    return text


def trough(results: GradientResults, name: str) -> str:
    """Say whether the density has a trough at 0."""
    data = results.statistics[name]
    value, error = data["trough"].values, data["trough_error"].values
    known = np.isfinite(value) & np.isfinite(error)
    if not known.any():
        return ""
    there = known & (1 - value > CLEAR * error)
    absent = known & ~there
    chances = np.asarray(results.probabilities)
    parts = []
    if there.any():
        depths = enumerate_words([number(float(v), float(e)) for v, e in zip(value[there], error[there], strict=True)])
        parts.append(
            f"the density of the {LABELS[name]} has a trough at 0{at(chances[there].tolist())}: there it is {depths} "
            "of the lower of the maxima on both sides"
        )
    if absent.any():
        subject = "it shows none" if parts else f"the density of the {LABELS[name]} shows no trough at 0"
        parts.append(f"{subject}{at(chances[absent].tolist())}")
    return f"{capitalised('; '.join(parts))} (Gaussian kernel of width {data.attrs['width']:.3g})."


def beside_published(results: GradientResults) -> str:
    """Say where signs differ from the published ones, and what such a comparison is worth."""
    if results.published is None:
        return ""
    differ, same = [], 0
    for name, data in results.statistics.items():
        ours, errors = data["mean"].values, data["mean_error"].values
        for index, theirs in enumerate(results.theirs(name, "mean")):
            if not (np.isfinite(theirs) and np.isfinite(ours[index])):
                continue
            if theirs * ours[index] < 0:
                mine = number(float(ours[index]), float(errors[index]))
                differ.append(
                    f"the {LABELS[name]}{at([results.probabilities[index]])} ({mine}, published "
                    f"{number(theirs, decimals=4)})"
                )
            else:
                same += 1
    if not differ and not same:
        return ""
    total = same + len(differ)
    text = (
        f"Of {total} published means {same} have the sign of ours"
        if differ
        else f"All {total} published means have the sign of ours"
    )
    if differ:
        text += f"; it differs for {enumerate_words(differ)}"
    return (
        f"{text}. The published numbers are of another network; the standard errors are of the masks drawn and do not "
        "cover how networks differ."
    )


def split(results: GradientResults) -> str:
    """Say which quantity the published split by state is of."""
    if results.published is None:
        return ""
    name = published_module.split_quantity(results.published)
    if not name:
        return "The published means of nodes that are on and off add up to the mean of neither quantity."
    return (
        "The published mean and standard deviation of the nodes that are on and of those that are off add up to those "
        f"published for the {LABELS[name]}{at([float(results.published.attrs['state_probability'])])} and of no other "
        "quantity, so they stand beside it."
    )


def slope(results: GradientResults) -> str:
    """Hold the mean gradient to the change of the mean loss."""
    data = results.slope
    if data is None or not np.isfinite([float(data["predicted"]), float(data["change"])]).all():
        return ""
    low, middle, high = (data.attrs[key] for key in ("low", "middle", "high"))
    ours = [number(float(data[key]), float(data[f"{key}_error"])) for key in ("predicted", "change")]
    theirs = ""
    if results.published is not None and np.allclose((low, middle, high), (0.25, 0.5, 0.75)):
        known = [number(float(results.published[key]), decimals=3) for key in ("predicted", "change")]
        theirs = f" (published: {known[0]} against {known[1]})"
    text = (
        f"{data.attrs['nodes']} nodes × {high - low:g} × the mean loss gradient{at([middle])} is {ours[0]} "
        f"{results.unit}; the mean loss{at([high])} less that{at([low])} is {ours[1]} {results.unit}{theirs}."
    )
    apart = float(data["standard_errors"])
    if np.isfinite(apart):
        far = abs(apart) > CLEAR
        text += f" They {'differ by' if far else 'agree within'} {abs(apart):.1f} standard errors."
    return text


def exact_slope(results: GradientResults) -> str:
    """Say what the exact statement behind the check is, and how far a tangent is from it."""
    data = results.slope
    if data is None or not slope(results):
        return ""
    text = (
        "They need not agree: the derivative of the mean loss in p is the sum over nodes of the mean of loss(on) less "
        "loss(off), a difference over the whole gate, and a gate gradient is the slope at one end of it."
    )
    if "slope" not in data:
        return text
    low, middle, high = (data.attrs[key] for key in ("low", "middle", "high"))
    exact = [number(float(data[key]), decimals=3) for key in ("exact_change", "exact_predicted")]
    off = float("nan")
    if float(data["change_error"]) > 0:
        off = abs(float(data["change"] - data["exact_change"])) / float(data["change_error"])
    text += (
        f" From all masks, without sampling error, the mean loss changes by {exact[0]} {results.unit}"
        + (f" (the sampled change is {off:.1f} standard errors off)" if np.isfinite(off) else "")
        + f", and {high - low:g} × its derivative{at([middle])} is {exact[1]}."
    )
    distance = np.abs(data["tangent"].values - data["slope"].values)
    if not np.isfinite(distance).any():
        return text
    worst = int(np.nanargmax(distance))
    one = data.isel(probability=worst)
    tangent, trapezoid = (number(float(one[key]), float(one[f"{key}_error"])) for key in ("tangent", "trapezoid"))
    return (
        f"{text} Nodes × mean gradient is farthest from the derivative{at([results.probabilities[worst]])}: {tangent} "
        f"against {number(float(one['slope']), decimals=3)}. The mean of both ends, nodes off and nodes on weighed "
        f"alike (the trapezoidal rule), gives {trapezoid} there."
    )


def states(results: GradientResults) -> str:
    """Say how the gradients of nodes that are on differ from those of nodes that are off."""
    parts = []
    for name in LABELS:
        data = results.at_shown(name)
        off, on = (number(float(data["state_mean"][state]), float(data["state_mean_error"][state])) for state in (0, 1))
        if not np.isfinite(data["state_mean"].values).all():
            continue
        value, error = float(data["state_difference"]), float(data["state_difference_error"])
        text = f"the mean {LABELS[name]} is {on} where the node is on and {off} where it is off"
        if error > 0:
            text += f", {abs(value) / error:.0f} standard errors {'higher' if value > 0 else 'lower'}"
        parts.append(text)
    if not parts:
        return ""
    text = capitalised(f"{at([results.shown]).strip()} {'; '.join(parts)}.")
    return f"{text} {_signs(results)}".strip()


def _signs(results: GradientResults) -> str:
    means = results.at_shown("loss_gradient")["node_mean"].values
    known = np.isfinite(means).all(axis=0)
    if not known.any():
        return ""
    higher = int(np.count_nonzero(means[1, known] > means[0, known]))
    text = f"The loss gradient is higher where the node is on for {higher} of {int(known.sum())} nodes."
    if results.convex:
        text += (
            " But for sampling error it cannot be lower: outputs are affine in the gates and the loss is convex in the "
            "outputs, so the slope along a gate never falls as the gate opens."
        )
    return text


def nodes(results: GradientResults) -> str:
    """Say which nodes are strongest and weakest."""
    strength = results.strength("loss_gradient")
    if len(strength) < 2 or not np.nanmax(strength, initial=0) > 0:
        return ""
    names, _ = short_labels(results.labels)
    weak, strong = int(np.nanargmin(strength)), int(np.nanargmax(strength))
    return (
        f"By the root mean square of its loss gradient{at([results.shown])} node {names[strong]} is the strongest "
        f"({number(float(strength[strong]), digits=3)} {results.unit}) and node {names[weak]} the weakest "
        f"({number(float(strength[weak]), digits=3)} {results.unit}). A weak node is a narrow peak at 0, on or off."
    )
