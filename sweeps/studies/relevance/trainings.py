"""Tables and sentences of the supervised trainings of the relevance study."""

import numpy as np

from analysis.intervals import Interval, interval
from analysis.reports.wording import capitalised, enumerate_words
from analysis.tables import Column, Table
from sweeps.studies.relevance.measures import names_of, supervised
from sweeps.studies.relevance.names import keys, measure_name
from sweeps.studies.relevance.results import Results
from sweeps.studies.shrinking.claims import FAILS, HOLDS, OPEN
from sweeps.studies.sparsity.answers import in_points, said
from sweeps.studies.sparsity.tables import NO_INTERVAL, pair


def chosen_table(results: Results) -> Table | None:
    """Make the table of the trainings at their chosen strengths."""
    if results.chosen is None:
        return None
    data, numbers = results["supervised"], results.chosen
    names, there = names_of(data, "training"), keys(numbers, "training")
    columns = [
        Column("training", "training", [names[key] for key in there]),
        Column("strength", "λ", [results.strengths[key] for key in there], digits=None),
    ]
    titles = {"accuracy_train": "accuracy: training", "accuracy_right": "right patch"}
    titles |= {"accuracy_clean": "clean", "accuracy_misleading": "misleading"}
    for name, title in titles.items():
        if name in numbers:
            columns += pair(name, f"{title} (%)", _each(results, name), 1, 100)
    return Table(
        "supervised",
        f"Trainings at their chosen strengths, {results.trained_networks} networks each: means, ± half of 95 % "
        "t-intervals over networks.",
        columns,
    )


def gain_table(results: Results) -> Table | None:
    """Make the table of what the trainings gain on misleading images."""
    if results.chosen is None:
        return None
    numbers, names = results.chosen, names_of(results["supervised"], "training")
    there, columns = keys(numbers, "training"), []
    for base in (supervised.PLAIN, supervised.PENALTY):
        gains = supervised.gains(
            numbers, "accuracy_misleading", base, [key for key in there if key != supervised.PLAIN]
        )
        if gains:
            found = [gains.get(key, NO_INTERVAL) for key in there]
            columns += pair(f"over_{base}", f"less {names[base]} (points)", found, 1, 100)
    if not columns:
        return None
    return Table(
        "gains",
        "Accuracy on misleading images at the chosen strengths, less that of two trainings, paired by network: means, "
        "± half of intervals that cover 95 % together in each column (Bonferroni).",
        [Column("training", "training", [names[key] for key in there]), *columns],
    )


def _each(results: Results, name: str) -> list[Interval]:
    assert results.chosen is not None
    values = results.chosen[name].transpose("training", "network").values.astype(float)
    return [interval(row) for row in values]


def inside_table(results: Results) -> Table | None:
    """Make the table of where relevance lies at the chosen strengths, by the trained measure and by another."""
    if results.chosen is None:
        return None
    numbers = results.chosen
    there = keys(numbers, "training")
    measures = sorted(str(name) for name in numbers.data_vars if str(name).startswith(("inside", "other_inside")))
    if not measures:
        return None
    names = names_of(results["supervised"], "training")
    columns = [Column("training", "training", [names[key] for key in there])]
    for name in measures:
        words = name.replace("other_inside", "other measure").replace("inside", "trained measure").replace("_", ", ")
        columns += pair(name, f"{words} (%)", _each(results, name), 1, 100)
    return Table(
        "inside",
        "Share of what counts that lies inside the true region, by the measure that is trained and by one that is not, "
        "at the chosen strengths: means over networks, ± half of 95 % t-intervals.",
        columns,
    )


def strength_table(results: Results) -> Table | None:
    """Make the table of all strengths, for the files beside the page."""
    if results.chosen is None:
        return None
    data = results["supervised"]
    names = names_of(data, "training")
    rows = [
        (key, place)
        for key in keys(data, "training")
        for place in range(data.sizes["strength"])
        if np.isfinite(data["accuracy_clean"].sel(training=key).isel(strength=place)).any()
    ]
    columns = [
        Column("training", "training", [names[key] for key, _ in rows]),
        Column("strength", "λ", [float(data["strength"][place]) for _, place in rows], digits=None),
    ]
    for name in sorted(map(str, data.data_vars)):
        if name.startswith(("accuracy", "inside", "other_inside")):
            found = [
                interval(data[name].sel(training=key).isel(strength=place).values.astype(float)) for key, place in rows
            ]
            columns += pair(name, f"{name.replace('_', ' ')} (%)", found, 1, 100)
    return Table(
        "strengths",
        "Every training at every strength: means over networks, ± half of 95 % t-intervals, each by itself.",
        columns,
    )


def gaming_table(results: Results) -> Table | None:
    """Make the table of what the trainings left outside, and of the reliance on the patch, at the chosen strengths."""
    claim = results.claims["gamed"]
    if results.chosen is None or not claim.cases:
        return None
    numbers, measured = results.chosen, supervised.measured_on(results.chosen)
    assert measured is not None
    names, there = names_of(results["supervised"], "training"), keys(numbers, "training")
    columns = [Column("training", "training", [names[key] for key in there])]
    shares = {
        "trained": ("outside, trained measure (%)", 1 - numbers[measured[0]].astype(float)),
        "other": ("outside, other measure (%)", 1 - numbers[measured[1]].astype(float)),
        "reliance": ("reliance on the patch (points)", supervised.reliance(numbers)),
    }
    for name, (title, values) in shares.items():
        found = [interval(values.sel(training=key).values) for key in there]
        columns += pair(name, title, found, 1, 100)
    for name, (_, values) in shares.items():
        gaps = {key: values["gaming"]._asdict()[name] for key, values in claim.values.items()}
        columns += pair(f"{name}_bound", "less bound", [gaps.get(key, NO_INTERVAL) for key in there], 1, 100)
    columns.append(Column("gamed", "gamed", [claim.cases.get(key, "–") for key in there]))
    return Table(
        "gaming",
        "Whether the measure is gamed, at the chosen strengths: what counts outside of the region, by the trained "
        "measure and by the other, and reliance on the patch (accuracy where it tells the class less that where it "
        "misleads); less bound: less half of plain training’s, network by network. Means over networks, ± half of "
        "95 % t-intervals.",
        columns,
    )


def measures_table(results: Results) -> Table | None:
    """Make the table of where relevance lies by every measure, whichever of them was trained."""
    if results.chosen is None or "supervised_measures" not in results.groups:
        return None
    data = results["supervised_measures"]
    names = names_of(results["supervised"], "training")
    there = [key for key in keys(data, "training") if key in names]
    inside = data["inside"].transpose("measure", "training", "network")
    columns = [Column("training", "training", [names[key] for key in there])]
    if "trained_measure" in data.coords:
        own = [str(data["trained_measure"].sel(training=key).item()) for key in there]
        columns.append(Column("own", "own measure", [measure_name(key) for key in own]))
    for measure in keys(data, "measure"):
        found = [interval(inside.sel(measure=measure, training=key).values.astype(float)) for key in there]
        columns += pair(measure, f"{measure_name(measure)} (%)", found, 1, 100)
    return Table(
        "measures",
        "Share that lies inside the true region by each of the measures, whichever was trained, at the chosen "
        "strengths: means over networks, ± half of 95 % t-intervals.",
        columns,
    )


def published(results: Results) -> str:
    """Set what is found about gaming beside what was published; nothing where it was not measured."""
    now, some = results.claims["gamed"].verdict, results.claims["gamed_somewhere"].verdict
    theirs = "Published, without numbers: the network games the measure “rampantly”, and the training does not work."
    if OPEN in (now, some):
        return ""
    if now == HOLDS:
        return f"{theirs} That is so here, at the chosen strengths."
    if some == HOLDS:
        end = "not so at those that are chosen" if now == FAILS else f"at those that are chosen, {_mixed(results)}"
        return (
            f"{theirs} Here it is so at some strengths, and {end}: whether it is gamed depends on how strongly it is "
            "trained. At which strength theirs was trained is not known."
        )
    seen = "is not seen here, at any strength" if some == FAILS else "is not shown here, at any strength"
    return f"{theirs} Gaming {seen}; their task, network and strength are not known."


def _mixed(results: Results) -> str:
    cases = list(results.claims["gamed"].cases.values())
    return f"{sum(case == FAILS for case in cases)} of {len(cases)} trainings are not gamed"


def choice(results: Results) -> str:
    """Say by which rule a strength is chosen."""
    data = results["supervised"]
    by = supervised.choosing(data)
    if by == "chosen":
        rule = str(data.attrs.get("chosen_by", "a rule that the store does not state")).strip().rstrip(".")
        return f"The strength of each training was chosen when it was run, by: {rule}. {_at_the_edge(results)}".strip()
    clean = by == "accuracy_clean"
    text = (
        f"The strength of each training is that of the highest mean accuracy over the networks on "
        f"{'clean test' if clean else 'validation'} images, the weakest of equals; the misleading images have no part "
        "in it."
    )
    if clean:
        text += " The clean accuracy at the chosen strength is the largest of several, and so a little too high."
    return f"{text} {_at_the_edge(results)}".strip()


def _at_the_edge(results: Results) -> str:
    """Say which chosen strengths are the first or the last that was tried."""
    data, names = results["supervised"], names_of(results["supervised"], "training")
    ends: dict[str, list[str]] = {"weakest": [], "strongest": []}
    for key, strength in results.strengths.items():
        values = data["accuracy_clean"].sel(training=key).transpose("strength", "network").values
        tried = data["strength"].values[np.isfinite(values).any(axis=1)]
        if len(tried) > 1:
            ends["weakest"] += [names[key]] if strength == tried[0] else []
            ends["strongest"] += [names[key]] if strength == tried[-1] else []
    parts = [f"the {end} of those tried for {enumerate_words(own)}" for end, own in ends.items() if own]
    return f"It is {' and '.join(parts)}: beyond it may be better still." if parts else ""


def summary(results: Results) -> str:
    """Say which training is best on misleading images, at the strengths chosen without them."""
    if results.chosen is None:
        return "No network was trained by relevance in this run."
    numbers, names = results.chosen, names_of(results["supervised"], "training")
    found = {key: _mean(results, "accuracy_misleading", key) for key in keys(numbers, "training")}
    found = {key: one for key, one in found.items() if one.networks}
    gains = supervised.gains(numbers, "accuracy_misleading", supervised.PLAIN, list(found))
    own = [key for key in supervised.relevance_trainings(results["supervised"]) if key in found]
    parts = []
    best = max(found, key=lambda key: found[key].mean)
    text = f"on misleading images “{names[best]}” has the highest accuracy, {_at(results, best)}"
    text += f", {in_points(gains[best], 1)} against {names[supervised.PLAIN]}" if best in gains else ""
    parts.append(f"{text}; on clean images it has {said(_mean(results, 'accuracy_clean', best).times(100), unit=' %')}")
    if own and best not in own:
        first = max(own, key=lambda key: found[key].mean)
        parts.append(f"of the trainings by relevance the best is “{names[first]}”, {_at(results, first)}")
    rest = [key for key in (supervised.PLAIN, supervised.PENALTY) if key in found and key != best]
    if rest:
        parts.append("by comparison " + enumerate_words([f"“{names[key]}” has {_at(results, key)}" for key in rest]))
    return " ".join(f"{capitalised(part)}." for part in parts)


def _at(results: Results, training: str) -> str:
    strength = results.strengths[training]
    at = f" at λ\u00a0=\u00a0{strength:g}" if strength else ""
    return said(_mean(results, "accuracy_misleading", training).times(100), unit=" %") + at


def _mean(results: Results, name: str, training: str) -> Interval:
    assert results.chosen is not None
    return interval(results.chosen[name].sel(training=training).values.astype(float))


def looked(results: Results) -> str:
    """Say what the strengths would give that are best on the misleading images themselves."""
    data = results["supervised"]
    strengths = supervised.looked(data)
    better = {key: one for key, one in strengths.items() if one != results.strengths.get(key)}
    if not better:
        return "No other strength would have been better there."
    names = names_of(data, "training")
    parts = []
    for key, strength in better.items():
        values = data["accuracy_misleading"].sel(training=key, strength=strength).values.astype(float)
        parts.append(f"{names[key]} {said(interval(values).times(100), unit=' %')} (λ\u00a0=\u00a0{strength:g})")
    return (
        f"Chosen with a look at the misleading images, which is no fair choice, {enumerate_words(parts)} would be "
        "reached."
    )


def setting(results: Results) -> str:
    """Say what the training set looks like, and what is measured, as far as the store says."""
    attributes = results["supervised"].attrs
    parts = [attributes[name] for name in ("patch", "measured_on") if isinstance(attributes.get(name), str)]
    described = "".join(f" {capitalised(part.strip().rstrip('.'))}." for part in parts)
    return (
        "Every training image carries a patch that gives its class away; misleading test images carry that of another "
        "class, clean ones none. The marked region is known in training only. The trained measure is the share that "
        f"lies inside; the other was not trained, and replaces pixels.{described}"
    )


def notes(results: Results) -> list[str]:
    """Return what each training does, where the store says so."""
    data = results["supervised"]
    if "note" not in data.coords:
        return []
    names = names_of(data, "training")
    found = zip(keys(data, "training"), data["note"].values, strict=True)
    return [f"{capitalised(names[key])}: {note}" for key, note in found if isinstance(note, str) and note]
