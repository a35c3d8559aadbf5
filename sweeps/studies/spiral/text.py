"""The sentences of the page "train first, or prune first?"."""

import numpy as np

from analysis.intervals import Interval, interval
from analysis.reports.wording import enumerate_words, percent, whole
from sweeps.studies.spiral.measures import CHOSEN, RANDOM, nodes_name
from sweeps.studies.spiral.measures.compare import COMMUTES, DIFFERS, MARGINS, OPEN, UNDECIDED
from sweeps.studies.spiral.results import ARMS, Results

#: A training counts as failed below this accuracy on the test set.
FAILED = 0.9
#: The 95 % interval is written behind each mean; this is said once.
INTERVALS = (
    "Numbers in square brackets are 95 % intervals of the mean over seeds, by Student's t; the random choices of a "
    "seed are averaged first, so that a seed counts once. A seed is another start, with the same data. Where "
    "most seeds are close to 100 %, an interval may reach beyond."
)
_QUANTITIES = ("accuracy", "decisions", "weights")


def share(interval: Interval, decimals: int = 1) -> str:
    """Write a mean share in per cent with its interval.

    Examples
    --------
    >>> share(Interval(0.5, 0.02, 9, error=0.01)).replace(chr(160), " ")
    '50.0 % [48.0, 52.0]'
    """
    if not np.isfinite(interval.mean):
        return "not known"
    ends = f" [{_plain(100 * interval.low, decimals)}, {_plain(100 * interval.high, decimals)}]"
    return _plain(100 * interval.mean, decimals) + "\u00a0%" + (ends if np.isfinite(interval.low) else "")


def points(interval: Interval, sign: bool = True) -> str:
    """Write a difference of shares in percentage points with its interval."""
    if not np.isfinite(interval.mean):
        return "not known"
    ends = f" [{_plain(100 * interval.low, 1, sign)}, {_plain(100 * interval.high, 1, sign)}]"
    said = f"{_plain(100 * interval.mean, 1, sign)} percentage points"
    return said + (ends if np.isfinite(interval.low) else "")


def value(interval: Interval, decimals: int = 3) -> str:
    """Write a mean with its interval."""
    if not np.isfinite(interval.mean):
        return "not known"
    ends = f" [{_plain(interval.low, decimals)}, {_plain(interval.high, decimals)}]"
    return _plain(interval.mean, decimals) + (ends if np.isfinite(interval.low) else "")


def _plain(one: float, decimals: int, sign: bool = False) -> str:
    text = f"{one:{'+' if sign else ''}.{decimals}f}"
    # What rounds to zero has no sign.
    text = text.lstrip("+-") if float(text) == 0 else text
    return text.replace("-", "−")


def lead(results: Results) -> str:
    """Say what was asked."""
    sizes = "-".join(str(int(size)) for size in results.full.attrs["sizes"])
    removed = results.run.config.get("share")
    half = f"{percent(float(removed), 0)} of each hidden layer" if isinstance(removed, int | float) else "A part"
    ways = {RANDOM: "at random", CHOSEN: "the nodes of smallest activation standard deviation in the trained network"}
    by = ", or ".join(ways.get(kind, nodes_name(kind)) for kind in results.kinds)
    return (
        "Does it matter whether a network is trained and then loses nodes, or loses the same nodes first and is then "
        f"trained? {half} of a {sizes} network is removed: {by}. All arms of a seed share one start. {_seeds(results)}"
    )


def _seeds(results: Results) -> str:
    count = len(results.kinds.get(RANDOM, []))
    choices = f", {count} random choice{'s' if count > 1 else ''} each" if count else ""
    if results.networks == 1:
        return f"There is one seed{choices}: nothing here has an interval over seeds, and no verdict."
    return f"There are {whole(results.networks)} seeds{choices}."


def trainings(results: Results) -> str:
    """Say how well the full networks train, and how many of all trainings fail."""
    accuracy = results.full["accuracy"].sel(arm="trained").values.astype(float)
    known = accuracy[np.isfinite(accuracy)]
    if not known.size:
        return "The accuracy of the full networks is not known."
    failed = int((known < FAILED).sum())
    said = (
        f"The full networks answer {share(results.reference('accuracy', 'trained'))} of the test set rightly, the "
        f"best {percent(float(known.max()))} and the worst {percent(float(known.min()))}"
    )
    said += (
        f". {whole(failed)} of {whole(known.size)} trainings stay below {percent(FAILED, 0)}"
        if failed
        else f", and no training stays below {percent(FAILED, 0)}"
    )
    parts = []
    for kind in results.kinds:
        some = results.pruned["accuracy"].sel(arm="prune_first", compensation=results.compensation)
        found = some.sel(choice=results.kinds[kind]).values.astype(float).ravel()
        found = found[np.isfinite(found)]
        if found.size:
            part = f"{whole(int((found < FAILED).sum()))} of {whole(found.size)} with {nodes_name(kind)} removed"
            rest = found[found >= FAILED]
            parts.append(part + (f" (the others answer {percent(float(rest.mean()))} rightly)" if rest.size else ""))
    return said + (f"; pruned first, {enumerate_words(parts)} do." if parts else ".")


def outcomes(results: Results) -> str:
    """Say what each order of the two steps gives."""
    parts = []
    for kind in results.kinds:
        found = [results.outcome("accuracy", arm, kind) for arm in ARMS]
        parts.append(
            f"With {nodes_name(kind)} removed the accuracy is {share(found[0])} after pruning, {share(found[1])} after "
            f"fine-tuning, and {share(found[2])} if pruned first."
        )
    return " ".join(parts)


def agreement(results: Results) -> str:
    """Say what agreement is held against."""
    same, others = results.reference("agreement", "reshuffled"), results.reference("agreement", "others")
    said = (
        "Agreement is the share of a grid's points, in the square that just holds the training data, at which two "
        f"networks decide alike. Two trainings from one start with another order of the examples agree on "
        f"{share(same)}: training itself varies so much."
    )
    if np.isfinite(others.mean):
        said += f" Trained networks of two different seeds agree on {share(others)}"
        said += ", with an interval by jackknife over seeds." if np.isfinite(others.low) else "."
    return said


def commuting(results: Results) -> str:
    """Say, for each kind of nodes, in which sense pruning commutes with training."""
    parts = []
    for kind in results.kinds:
        verdicts = {name: results.commuting[kind, "pruned", name].verdict for name in _QUANTITIES}
        said = [
            f"{word} in {enumerate_words(names)}"
            for verdict, word in (
                (COMMUTES, "it commutes"),
                (DIFFERS, "it does not commute"),
                (UNDECIDED, "it is undecided"),
                (OPEN, "it was not measured"),
            )
            if (names := [name for name, found in verdicts.items() if found == verdict])
        ]
        parts.append(f"With {nodes_name(kind)}: {enumerate_words(said)}.")
    parts.append("Decisions and weights are held against two trainings in different order, not against equality.")
    return " ".join(parts)


def without_failures(results: Results) -> str:
    """Say what is left of the differences in accuracy where no training failed."""
    trained = results.full["accuracy"].sel(arm="trained", drop=True)
    cut = results.pruned["accuracy"].sel(compensation=results.compensation, drop=True)
    parts = []
    for kind, choices in results.kinds.items():
        one, first = (cut.sel(arm=arm, choice=choices, drop=True) for arm in ("pruned", "prune_first"))
        kept = (first >= FAILED) & (trained >= FAILED)
        difference = (one - first).where(kept).transpose("network", "choice").values.astype(float)
        # Of each seed the choices that remain; a seed of which none does is left out.
        seeds = [row[np.isfinite(row)].mean() for row in difference if np.isfinite(row).any()]
        if seeds:
            found = interval(seeds)
            parts.append(f"{points(found)} with {nodes_name(kind)} ({whole(len(seeds))} seeds)")
    if not parts:
        return ""
    return (
        f"Where neither the full network nor the one pruned first stays below {percent(FAILED, 0)}, train first less "
        f"prune first is {enumerate_words(parts)} in accuracy. These seeds are chosen by their outcome: no verdict "
        "rests on them."
    )


def silent(results: Results) -> str:
    """Say in one sentence what the nodes of smallest deviation were; nothing where there are none."""
    if CHOSEN not in results.kinds:
        return ""
    constant = interval(results.removed["constant"].sel(kind=CHOSEN).values)
    return (
        f"Of the nodes removed for their small deviation {share(constant)} never vary on the training data: to remove "
        "those, with compensation, changes nothing there by construction."
    )


def rules() -> str:
    """State the rules of the verdicts on commuting."""
    return (
        f"The rules. Accuracy commutes where the interval of the difference, train first less prune first, lies within "
        f"±{100 * MARGINS['accuracy']:g} percentage point, and does not where it lies wholly beyond. Decisions commute "
        "where the agreement of train first with prune first is not below that of two trainings in different order by "
        f"more than {100 * MARGINS['decisions']:g} percentage point, with its whole interval, and do not where the "
        "whole interval is below that. Weights: the same for the correlation of the changes from the shared start, "
        f"with a margin of {MARGINS['weights']:g}. Between these it is undecided. Differences are paired by seed and "
        "choice. That weights commute says only that they differ no more than two trainings do, not that they are "
        "alike."
    )


def compensation(results: Results) -> str:
    """Say what bias compensation changes."""
    if len(results.compensations) < 2:
        return f"The run has networks {results.compensations[0]} bias compensation only, so there is no difference."
    parts = []
    for kind in results.kinds:
        for arm, name in zip(ARMS, ("pruned", "fine-tuned", "pruned first"), strict=True):
            found = results.compensated("accuracy", arm, kind)
            if not np.isfinite(found.low):
                continue
            better = "raises" if found.low > 0 else "lowers" if found.high < 0 else ""
            if better:
                size = found if found.low > 0 else found.negated()
                parts.append(f"{better} the accuracy with {nodes_name(kind)} {name} by {points(size, False)}")
    clear = enumerate_words(parts) if parts else "changes no accuracy by more than its interval allows for"
    if results.networks == 1:
        clear = "is compared in one network only, without intervals"
    return (
        "Compensation puts the mean activation of a removed node into the next biases: that of the trained network "
        "where nodes go after training, that of the untrained one where they go first. Paired by seed and choice, it "
        f"{clear}."
    )


def deviations(results: Results) -> str:
    """Say what the nodes of smallest deviation were."""
    layers = [
        f"{share(interval(results.constant.sel(layer=layer).values))} in hidden layer {place + 1}"
        for place, layer in enumerate(results.constant["layer"].values.tolist())
    ]
    said = "Of the nodes of the trained networks these have an activation that never varies on the training data: "
    said += f"{enumerate_words(layers)}."
    if CHOSEN not in results.kinds:
        return said
    removed = results.removed.sel(kind=CHOSEN)
    constant, variance = (interval(removed[name].values) for name in ("constant", "variance"))
    alone = removed["constant"].values
    alone = alone[np.isfinite(alone)]
    all_silent = int((alone == 1).sum())
    said += (
        f" Of the nodes removed for their small deviation {share(constant)} are such, and in {whole(all_silent)} of "
        f"{whole(alone.size)} networks all are. Together they had {share(variance, 2)} of the variance of all "
        "activations."
    )
    return said + (
        " Removing a node that is constant on the data, with compensation, changes nothing there by construction: as "
        "far as the removed nodes are constant, an unchanged image after pruning is no finding about pruning, but one "
        "about how many nodes training silences. What is left to test is whether the rest trains alike without them."
    )


def caution(results: Results) -> str:
    """Say what the pictures and films are of."""
    return "Pictures, plots of weights and films are of network 0 and the first random choice; tables are of all seeds."
