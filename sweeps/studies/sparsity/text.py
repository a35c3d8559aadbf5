"""The sentences of the sparsity report beside its claims; every number in them comes from the data."""

from collections import Counter

import numpy as np

from analysis.intervals import LEVEL
from analysis.reports.wording import enumerate_words, percent, whole
from sweeps.studies.shrinking.claims import FAILS, HOLDS, OPEN, PARTLY
from sweeps.studies.sparsity.answers import in_points, points, said
from sweeps.studies.sparsity.claims import PUBLISHED_ENDS, UNDECIDED, differences
from sweeps.studies.sparsity.measures import (
    KINDS,
    MAIN_DROP,
    PUBLISHED,
    Interval,
    by_name,
    emptied,
    interval,
    layer_name,
    left_at,
    methods,
    paired,
    scope_name,
    weights_gone,
)
from sweeps.studies.sparsity.results import Results

#: The network that the published experiment pruned, on MNIST.
PUBLISHED_SIZES = (784, 1000, 1000, 500, 200, 10)
BAND = "Dark band: 95 % t-interval of the mean, at each point by itself; light: range over networks."


def lead(results: Results) -> str:
    """Say what was asked."""
    return (
        "How much of a trained network can go before it gets worse? Its smallest weights were set to zero, or its "
        "units of smallest weights, layer by layer; then other choices, other lengths of training, and fine-tuning. "
        "The study follows “Sparsifying Neural Networks”, which found that weights can go to about 70 to 75 % and "
        f"units to just under 50 %; here on {results.task_name} with {_networks(results)}."
    )


def _networks(results: Results) -> str:
    shape = "-".join(map(str, results.sizes))
    count = results.networks
    return f"one network {shape}" if count == 1 else f"{count} networks {shape}, which differ in the seed"


def tally(results: Results) -> str:
    """Count the verdicts."""
    found = Counter(claim.verdict for claim in results.claims.values())
    words = {
        HOLDS: ("holds", "hold"),
        PARTLY: ("holds partly", "hold partly"),
        FAILS: ("does not hold", "do not hold"),
        UNDECIDED: ("is undecided", "are undecided"),
        OPEN: ("was not measured", "were not measured"),
    }
    parts = [f"{found[one]} {word[found[one] > 1]}" for one, word in words.items() if found[one]]
    alone = (
        " With one network there is no interval, so no claim on networks is decided." if results.networks == 1 else ""
    )
    return f"Of {len(results.claims)} claims {enumerate_words(parts)} here, by rules that are stated with each.{alone}"


def differences_of_setting(results: Results) -> str:
    """Say in what this differs from the published experiment, where it does."""
    parts = []
    if "mnist" not in results.task_name.lower():
        parts.append(f"the task ({results.task_name}, theirs MNIST)")
    if tuple(results.sizes) != PUBLISHED_SIZES:
        parts.append(f"the network ({'-'.join(map(str, results.sizes))}, theirs {'-'.join(map(str, PUBLISHED_SIZES))})")
    parts.append("how the end is read (theirs by eye, from the curve of one network)")
    return f"What differs from the published experiment: {enumerate_words(parts)}."


def ends(results: Results) -> str:
    """Say where the two published plateaus end."""
    parts, notes = [], []
    for kind in KINDS:
        one = results.numbers.sel({"pruned_by": PUBLISHED[kind], "fall": MAIN_DROP})
        low, high = PUBLISHED_ENDS[kind]
        theirs = f"{low:g} to {high:g}\u00a0%" if low < high else f"just under {high:g}\u00a0%"
        parts.append(f"{said(interval(one['end'].values), unit=' %')} for {kind} (published: {theirs})")
        recovers, never = int(one["recovers"].sum()), int((~one["fallen"] & one["end"].notnull()).sum())
        if recovers:
            later = said(interval(one["lasting"].values), unit=" %")
            notes.append(
                f"With {kind} {recovers} of {results.networks} networks recover once or more, and in the mean the "
                f"accuracy stays below from {later} on."
            )
        if never:
            notes.append(
                f"With {kind} {never} of {results.networks} networks never fall so far; they count with the last "
                "sparsity, so the mean is too low."
            )
    return " ".join(
        [
            f"The accuracy first falls by more than {points(MAIN_DROP)} at {enumerate_words(parts)}, after "
            f"{results.epochs[-1]} epochs.",
            *notes,
        ]
    )


def at_published_ends(results: Results) -> str:
    """Say how far the accuracy has fallen where the published plateaus end."""
    parts = []
    for kind in KINDS:
        accuracy = results.last["accuracy"].sel({"pruned_by": PUBLISHED[kind]}).transpose("percent", "network")
        for at in dict.fromkeys(PUBLISHED_ENDS[kind]):
            if at in accuracy["percent"].values:
                fall = interval(accuracy.sel(percent=0).values - accuracy.sel(percent=at).values)
                parts.append(f"{in_points(fall, signed=False)} with {at:g}\u00a0% of the {kind}")
    if not parts:
        return ""
    return f"Where the published plateaus end, the accuracy here has fallen by {enumerate_words(parts)}."


def rule(results: Results) -> str:
    """State the rule of the plateaus and what it can resolve."""
    examples = results.task.sizes.get("test_example", 0)
    grain = f" One of the {whole(examples)} test examples is {100 / examples:.2g} points." if examples else ""
    steps = np.diff(results.curves["percent"].values)
    grid = f"{steps.min():g}" if steps.min() == steps.max() else f"{steps.min():g} to {steps.max():g}"
    return (
        f"The rule: a plateau ends at the sparsity at which the test accuracy first is more than {points(MAIN_DROP)} "
        "below that of the same network unpruned, by linear interpolation between the sparsities evaluated, which are "
        f"{grid} per cent apart; one number a network, then mean and t-interval over networks. A later recovery does "
        "not count; the lasting end, beyond which the accuracy stays below, is given beside it. The first fall comes "
        f"early where a curve is rough, and the last one late: the truth lies between them.{grain}"
    )


def law(results: Results) -> str:
    """Say what units take along, here and in the published network."""
    theirs = weights_gone(PUBLISHED_SIZES, 0.5)
    low, high = PUBLISHED_ENDS["weights"]
    half = results.equal.measured
    ours = ""
    if 50 in half["percent"].values:
        ours = f" Here it is {percent(float(half.sel(percent=50).mean()))}."
    return (
        "A weight stays only where the units at both its ends do: k of the units of two layers take 1 − (1 − k)² of "
        "the weights between them, and k of those from the inputs, which all stay. Half of the units of the published "
        f"network take {percent(theirs)} of its prunable weights along (75\u00a0% between two hidden layers).{ours} So "
        f"the published ends, {low:g} to {high:g}\u00a0% and just under 50\u00a0%, are {low - 50:g} to {high - 50:g} "
        f"points apart in sparsity and {low - 100 * theirs:.0f} to {high - 100 * theirs:.0f} or a little more in "
        "weights gone. The weights to the outputs are never pruned and not counted here, though those of units that "
        "are gone do nothing."
    )


def equal(results: Results) -> str:
    """Say where the plateaus end in weights, and whether weight pruning stays ahead."""
    ends = results.equal.numbers["end"].sel(fall=MAIN_DROP)
    parts = [f"{said(interval(ends.sel(kind=kind).values), unit=' %')} for {kind}" for kind in KINDS]
    gap = results.claims["equal_weights"].values["end"]["difference"]
    plain = results.claims["equal_percent"].values["end"]["difference"]
    text = f"Counted in prunable weights that are gone, the plateaus end at {enumerate_words(parts)}."
    if plain.networks and gap.networks:
        text += (
            f" Between them are {said(gap, unit=' points')} (weights less units, paired), where at equal sparsity "
            f"there are {said(plain, unit=' points')}"
        )
        # A share of what is not told apart from nothing says nothing.
        clear = plain.known and plain.low > 0 and gap.known and gap.low > 0
        text += f": {percent(gap.mean / plain.mean, 0)} of the distance is left." if clear else "."
    difference = results.equal.curves["difference"]
    found = [interval(column) for column in difference.transpose("gone", "network").values]
    if any(one.known for one in found):
        ahead, behind = (np.mean([one.known and test(one) for one in found]) for test in (_above, _below))
        text += (
            f" Along the shares of weights gone, the interval of weights less units is above zero at "
            f"{percent(float(ahead), 0)} of them and below at {percent(float(behind), 0)}, each by itself."
        )
    return text


def _above(one: Interval) -> bool:
    return one.low > 0


def _below(one: Interval) -> bool:
    return one.high < 0


def _beside(one: Interval) -> str:
    """Say how far above or below something is."""
    if one.mean < 0:
        return f"{in_points(one._replace(mean=-one.mean), signed=False)} below"
    return f"{in_points(one, signed=False)} above"


def heuristics(results: Results) -> str:
    """Say which heuristic has the highest mean accuracy, and what the published one has over random choice."""
    parts = []
    for kind in KINDS:
        found = methods(results.curves, kind, "layer")
        mean = results.numbers["mean_accuracy"]
        heights = {one.key: interval(mean.sel({"pruned_by": one.key}).values) for one in found}
        known = [one for one in found if heights[one.key].networks]
        if len(known) < 2:
            continue
        best = max(known, key=lambda one: heights[one.key].mean)
        own, gaps = PUBLISHED[kind], differences(results.numbers, kind)
        if best.key == own:
            text = f"Of the heuristics for {kind}, the published one, {by_name(best.by)}, has the highest mean accuracy"
            alike = [
                f"{by_name(one.by)} ({in_points(gaps[one.key])})"
                for one in known
                if one.key in gaps and not (gaps[one.key].low > 0 or gaps[one.key].high < 0)
            ]
            text += f", not told apart from {enumerate_words(alike)}" if alike else ""
        else:
            gap = gaps.get(best.key)
            gap = interval(paired(mean, best.key, own)) if gap is None else gap
            text = (
                f"Of the heuristics for {kind}, {by_name(best.by)} has the highest mean accuracy, {_beside(gap)} the "
                "published one"
            )
        random = [one for one in known if one.by == "random"]
        if random:
            over = interval(paired(mean, own, random[0].key))
            text += f"; the published one is {_beside(over)} random choice"
            level = 1 - (1 - LEVEL) / max(len(known) - 1, 1)
            against = {one: interval(paired(mean, one.key, random[0].key), level) for one in known if one != random[0]}
            worse = [f"{by_name(one.by)} ({in_points(found)})" for one, found in against.items() if found.high < 0]
            text += (
                f"; below random choice {'is' if len(worse) == 1 else 'are'} {enumerate_words(worse)}" if worse else ""
            )
        parts.append(f"{text}.")
    return " ".join(parts)


def scopes(results: Results) -> list[str]:
    """Say what ranking all layers together changes, a sentence for each kind and scope."""
    said_of = []
    for kind in KINDS:
        found = {one.key: one for one in methods(results.curves, kind)}
        means = differences(results.numbers, kind, "mean_accuracy", "scope")
        ends = differences(results.numbers.sel(fall=MAIN_DROP), kind, "end", "scope")
        for key, one in means.items():
            if one.networks:
                later = "later" if ends[key].mean >= 0 else "earlier"
                by = ends[key]._replace(mean=abs(ends[key].mean))
                said_of.append(
                    f"{kind.capitalize()}, {scope_name(found[key].scope)}: the mean accuracy is {_beside(one)} that "
                    f"within each layer ({_clear(one)}), and the plateau ends {said(by, unit=' per cent')} {later} "
                    f"({_clear(ends[key])})."
                )
    return said_of


def _clear(one: Interval) -> str:
    if not one.known:
        return "no interval"
    return "told apart" if one.low > 0 or one.high < 0 else "not told apart"


def layers(results: Results) -> list[str]:
    """Say from which layer global pruning takes most, and where a layer is emptied."""
    data = results.layers
    if data is None:
        return []
    parts = []
    for one in methods(data):
        if one.scope == "layer":
            continue
        at = max((p for p in data["percent"].values if p <= 80), default=0)
        left = left_at(data, one.key, at)
        known = {name: value for name, value in left.items() if value.networks}
        if not known:
            continue
        low, high = min(known, key=lambda name: known[name].mean), max(known, key=lambda name: known[name].mean)
        text = (
            f"{one.kind}, {scope_name(one.scope)}: at {at:g}\u00a0% the least is left of "
            f"{layer_name(low, one.kind, results.sizes)}, {said(known[low].times(100), unit=' %')}, and the most of "
            f"{layer_name(high, one.kind, results.sizes)}, {said(known[high].times(100), unit=' %')}"
        )
        first, names = emptied(data, one.key)
        gone = np.isfinite(first)
        if gone.any():
            named = enumerate_words([layer_name(name, one.kind, results.sizes) for name in names])
            text += (
                f"; first empty: {named}, from {np.nanmin(first):g}\u00a0% on at the earliest, "
                f"in {int(gone.sum())} of {gone.size} networks in the end: beyond, nothing of the input gets through"
            )
        parts.append(text)
    return [f"{part[:1].upper()}{part[1:]}." for part in parts]


def _reference(results: Results) -> str:
    """Say what fine-tuning does to the network that was not pruned."""
    assert results.finetuned_summary is not None and results.before is not None
    change = results.finetuned_summary["start"] - results.before["start"]
    keys = [key for key in PUBLISHED.values() if key in change["pruned_by"].values]
    if not keys:
        return "The network at 0\u00a0% was trained for as long, so the gain is not that of more training alone."
    return (
        "The network at 0\u00a0%, to which all are held, was trained for as long, so the gain is not that of more "
        f"training alone; its accuracy changes by {in_points(interval(change.sel({'pruned_by': keys[0]}).values))}."
    )


def finetuned(results: Results) -> str:
    """Say what fine-tuning brings back, and which heuristics differ after it."""
    after, before = results.finetuned_summary, results.before
    if after is None or before is None or results.finetuned is None:
        return "Nothing was fine-tuned in this run."
    parts, still = [], []
    there = {one.key: one for one in methods(results.finetuned)}
    for kind in KINDS:
        if PUBLISHED[kind] in there:
            was, now = (
                interval(one["end"].sel({"pruned_by": PUBLISHED[kind], "fall": MAIN_DROP}).values)
                for one in (before, after)
            )
            parts.append(f"for {kind} from {said(was, unit=' %')} to {said(now, unit=' %')}")
        for key, one in differences(after, kind).items():
            if one.known and (one.low > 0 or one.high < 0):
                still.append(f"{there[key].name} ({in_points(one)})")
    grid = enumerate_words([f"{p:g}" for p in results.finetuned["percent"].values])
    counted = results.finetuned.attrs.get("epochs")
    long = f" {counted} epoch{'s' if counted != 1 else ''} of" if counted else ""
    compared = any(differences(after, kind) for kind in KINDS)
    matter = (
        f"Told apart from the published heuristic after fine-tuning, in mean accuracy: {enumerate_words(still)}."
        if still
        else "After fine-tuning no heuristic is told apart from the published one in mean accuracy."
        if compared
        else "There is no other heuristic to compare with the published one."
    )
    moves = (
        f"With{long} fine-tuning under the masks the plateau's end, at {points(MAIN_DROP)}, moves "
        f"{enumerate_words(parts)}. "
        if parts
        else ""
    )
    return (
        f"{moves}Only {grid}\u00a0% were fine-tuned: the ends, before and after, are interpolated linearly between "
        f"these and are coarse where they are far apart. {_reference(results)} {matter}"
    )


def training(results: Results) -> str:
    """Say how the networks were trained."""
    attributes = results.training.attrs
    bias = "with" if attributes.get("use_bias") else "without"
    return (
        f"{results.networks} network{'' if results.networks == 1 else 's'} {'-'.join(map(str, results.sizes))} with "
        f"{attributes.get('activation', 'unknown')} units, {bias} biases, batches of "
        f"{attributes.get('batch_size', '?')}, learning rate {attributes.get('learning_rate', '?')}: "
        f"{whole(int(attributes['parameters']))} parameters, of which "
        f"{whole(int(attributes['prunable']))} can be pruned; the layer that leads to the outputs never is. "
        "Pruned after each length of one and the same training."
    )
