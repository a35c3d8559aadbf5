"""The sentences on flip paths and the whole hypercube; every number and every verdict in them comes from the data."""

import numpy as np
import xarray as xr

from analysis import ranks
from analysis.formatting import short_labels
from analysis.reports.wording import at, capitalised, enumerate_words, number, percent, whole
from sweeps.studies.circle.cube.results import CubeResults, PathResults

#: Below this p-value two things are said to differ.
LEVEL = 0.05


def explanation(nodes: int) -> str:
    """Say what the cube and a flip path are."""
    return (
        f"The masks of {nodes} nodes are the corners of a {nodes}-cube; an edge flips one node. A flip path starts at "
        "a random corner, every node on with probability 0.5, and flips every node once in random order: "
        f"{nodes + 1} masks, of which the last is the opposite of the first."
    )


def _p_value(value: float) -> str:
    return "p\u00a0<\u00a00.001" if value < 1e-3 else f"p\u00a0=\u00a0{value:.2g}"


def decay(paths: PathResults) -> str:
    """Say after how many flips a mask has forgotten where it came from."""
    data = paths.sampled
    text = f"Over {whole(int(data['paths']))} paths the log loss"
    left_out = int(data["left_out"])
    first = float(data["first_insignificant"])
    one = float(data["correlation_from_start"][1])
    text += f" keeps a correlation of {one:.2f} with the start after one flip"
    if np.isnan(first):
        text += "; it is significant at every step (two-sided, level 0.05)."
    else:
        text += (
            f"; after {int(first)} flips it is no longer significant (two-sided, level 0.05; the published study says "
            "after 5 or 6). More paths would resolve smaller correlations: this number speaks of the paths as much as "
            "of the network."
        )
    if left_out:
        text += f" {whole(left_out)} paths with a loss that is zero or not finite were left out."
    return text


def reversal(paths: PathResults) -> str:
    """Say whether both ends of the paths agree, as reversal demands."""
    data = paths.sampled
    p = float(data["reversal_p_value"])
    start = (
        "A path read backwards is as likely as the path itself, so the covariances with the start and with the end are "
        "equal but for sampling"
    )
    if np.isnan(p):
        return f"{start}; there are too few paths to test it."
    largest = float(np.nanmax(np.abs(data["reversal_standard_errors"])))
    found = "They agree" if p >= LEVEL else "They do not agree"
    return (
        f"{start}. {found}: their difference is {number(largest, decimals=1)} standard errors at most, and over all "
        f"distances at once {_p_value(p)} (Hotelling's T² of {int(data['reversal_degrees'])} differences; all errors "
        "are from whole paths, by the jackknife)."
    )


def against_exact(paths: PathResults) -> str:
    """Say whether sampled and exact covariances agree."""
    if paths.comparison is None:
        return ""
    data = paths.comparison
    p = float(data["p_value"])
    if np.isnan(p):
        return "There are too few paths to hold the sampled covariances to the exact ones."
    return (
        f"Sampled and exact covariances {'agree' if p >= LEVEL else 'do not agree'}: over all distances at once "
        f"{_p_value(p)}; of {int(data['entries'])} entries of the matrix the worst is off by "
        f"{number(float(data['largest']), decimals=1)} standard errors ({_p_value(float(data['largest_p_value']))} for "
        "the largest of so many, by Bonferroni)."
    )


def opposite(cube: CubeResults | None, paths: PathResults | None) -> str:
    """Say in one sentence why a mask and its opposite are correlated, or what the sample says of it."""
    if cube is None:
        if paths is None:
            return ""
        value, error = (float(paths.sampled[f"opposite_correlation{end}"]) for end in ("", "_error"))
        return f"The log losses of a mask and its opposite have correlation {number(value, error)}."
    exact = cube.opposite
    variance = exact.even + exact.odd
    if not variance > 0:
        return "The log loss does not vary over the cube."
    sign = "positively" if exact.correlation > 0 else "negatively"
    text = (
        f"A mask and its opposite are {sign} correlated ({number(exact.correlation, decimals=3)}) because flipping "
        "every node keeps the even orders and turns the sign of the odd ones, and even orders hold "
        f"{percent(exact.even / variance)} of the variance of the log loss, odd ones {percent(exact.odd / variance)}"
    )
    if paths is not None and paths.steps == cube.nodes + 1:
        value, error = (float(paths.sampled[f"opposite_correlation{end}"]) for end in ("", "_error"))
        text += f"; the paths say {number(value, error)}"
    return f"{text}."


def additivity(cube: CubeResults) -> str:
    """Say how additive the log loss is, and what that means for the log-normal law."""
    shares = cube.shares(0.5)
    if np.isnan(shares).any():
        return ""
    pairs = f", pairs of nodes {percent(float(shares[2]))}" if cube.nodes > 1 else ""
    return (
        f"Single nodes (order 1) hold {percent(float(shares[1]))} of the variance of the log loss over all "
        f"{whole(cube.loss.size)} masks{pairs}. A sum of one term a node would have all of it in order 1, "
        "and would be close to normal by the central limit theorem; "
        + (
            "here most of the variance is in what nodes do together, so additivity does not explain why the loss looks "
            "log-normal."
            if shares[1] < 0.5
            else "that is most of why the loss looks log-normal here."
        )
    )


def moments(data: xr.Dataset) -> str:
    """Say how far sampled means are from the exact ones."""
    errors = np.abs(data["standard_errors"].values)
    if not np.isfinite(errors).any():
        return ""
    return (
        f"The {int(np.isfinite(errors).sum())} sampled means lie within {number(float(np.nanmax(errors)), decimals=1)} "
        "standard errors of the exact ones."
    )


def _named(cube: CubeResults, nodes: np.ndarray) -> str:
    names, _ = short_labels(list(cube.labels))
    return enumerate_words([names[node] for node in nodes])


def optimum(cube: CubeResults) -> str:
    """Say where greedy removal lands against the best mask of every size."""
    greedy = cube.greedy
    inside = greedy.gap[1:-1]
    if not inside.size:
        return ""
    # Equal but for rounding: the same mask.
    equal = int(np.count_nonzero(greedy.mask[1:-1] == cube.best.mask[::-1][1:-1]))
    text = (
        f"Removing one node after another, each time the one that costs least, finds the best mask of its size for "
        f"{equal} of {inside.size} sizes"
    )
    worst = int(np.argmax(inside)) + 1
    if greedy.gap[worst] > 0:
        on = cube.nodes - worst
        text += (
            f". It is farthest off with {on} node{'' if on == 1 else 's'} on, by {greedy.gap[worst]:.2f} in log loss "
            f"(loss {number(float(np.exp(greedy.value[worst])), digits=3)}, best "
            f"{number(float(np.exp(cube.best.value[on])), digits=3)})"
        )
    lowest = int(np.argmin(cube.best.value))
    every = float(cube.loss[-1])
    text += f". The lowest loss of all masks is {number(float(np.exp(cube.best.value[lowest])), digits=3)}"
    if lowest == cube.nodes:
        return f"{text}, with every node on."
    return f"{text}, with {lowest} of {cube.nodes} nodes on; with every node on it is {number(every, digits=3)}."


def worth(cube: CubeResults) -> str:
    """Say which nodes are worth most, and whether three ways of asking agree."""
    shapley = cube.worth["shapley"].values
    banzhaf = cube.worth["banzhaf"].values
    most = _named(cube, np.argsort(shapley, kind="stable")[:1])
    harmful = int(np.count_nonzero(shapley > 0))
    text = f"By Shapley value, node {most} lowers the log loss most ({number(float(shapley.min()), decimals=2)})"
    if harmful:
        text += f"; {harmful} of {cube.nodes} nodes raise it on average"
    agreements = [
        f"{value:.2f} with {what}"
        for value, what in (
            (ranks.correlation(shapley, banzhaf), "the Banzhaf values"),
            (ranks.correlation(-shapley, cube.alone), "what single removals from the full network cost"),
        )
        if np.isfinite(value)
    ]
    if agreements:
        text += f". Ranked by it, the nodes have a rank correlation of {enumerate_words(agreements)}"
    return f"{text}. Together the Shapley values make up the log loss of the full network less that of the empty one."


def pairs(cube: CubeResults) -> str:
    """Say which two nodes interact most."""
    strength = np.triu(cube.interaction, 1)
    if cube.nodes < 2 or not np.abs(strength).max() > 0:
        return ""
    one, other = np.unravel_index(int(np.argmax(np.abs(strength))), strength.shape)
    value = float(strength[one, other])
    change = f"{'raise' if value > 0 else 'lower'} it by {abs(value):.2f} more than each by itself does in sum"
    total = float(cube.worth["sobol_total"].sum())
    return (
        f"The two nodes that interact most are {_named(cube, np.array([one, other]))}: switched on together they "
        f"{change}, on average over the masks of the others. The total Sobol indices sum to {total:.2f}; for an "
        "additive function they would sum to 1."
    )


def biased(cube: CubeResults, probabilities: list[float]) -> str:
    """Say how the share of order 1 changes with the probability that a node stays."""
    inside = [p for p in probabilities if 0 < p < 1]
    shares = [percent(float(cube.shares(p)[1])) + at([p]) for p in inside]
    return capitalised(f"order 1 holds {enumerate_words(shares)}.") if shares else ""


def estimated(data: xr.Dataset) -> str:
    """Say what the samples tell where there is no table of all masks, and what they cannot."""
    text = (
        f"From {whole(int(data['paths']))} flip paths come estimates of Banzhaf values and total Sobol indices, with "
        "standard errors from whole paths."
    )
    if "additive_share" in data and np.isfinite(data["additive_share"]):
        share, error = float(data["additive_share"]), float(data["additive_share_error"])
        text += (
            f" Order 1 holds a share of {number(share, error)} of the variance of the log loss"
            f"{at([float(data['probability'])])}, from the sampled masks."
        )
    return (
        f"{text} Higher orders and Shapley values need other samples, and there is no estimator of the best mask of "
        "a size."
    )
