"""The report of the sparsity study: how much of a network can be pruned."""

from os import PathLike
from typing import Any

from analysis import claims, runs
from analysis._places import Place
from analysis._reports import wording
from analysis._reports.writing import publish
from sweeps._studies.sparsity import figures, measures, numbers, tables
from sweeps._studies.sparsity.claims import PUBLISHED_ENDS, PUBLISHED_SIZES, all_claims, points
from sweeps._studies.sparsity.measures import DROPS, KIND_NAMES, MAIN_DROP, PUBLISHED, Results

TEMPLATE = "sweeps._studies.sparsity:report.md.jinja"
CAPTION = (
    "Claims and whether they hold here. Published: “Sparsifying Neural Networks”, one network on MNIST, and “Pruning "
    "in Neural Networks”, without an experiment; ours: what those leave open."
)


def write(folder: str | PathLike[str]) -> Place:
    r"""Write tables, macros, figures and the page of a sparsity study.

    Parameters
    ----------
    folder : str or path
        The run folder; see `analysis._reports.writing.publish`. Two calls on one store write the same bytes.

    Returns
    -------
    pathlib.Path or Address
        The page.

    Raises
    ------
    FileNotFoundError
        If there is no run in the folder.
    ValueError
        If the store cannot be read or is no sparsity study.
    """
    results = measures.measure(runs.open_run(folder, study="sparsity"))
    judged = all_claims(results)
    return publish(
        results.run,
        TEMPLATE,
        numbers.all_numbers(results, judged),
        [claims.table(judged, CAPTION), *tables.all_tables(results)],
        figures.draw(results),
        judged,
        **facts(results),
    )


def facts(results: Results) -> dict[str, Any]:
    """Return the names and lists that the page's sentences go through; their numbers are in `numbers`.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict
    """
    mean, finetuned = results.numbers["mean_accuracy"], results.finetuned
    return {
        "task": results.task.attrs["name"],
        "task_settings": wording.own_attributes(results.task),
        "training": results.training.attrs,
        "sizes": results.sizes,
        "published_sizes": list(PUBLISHED_SIZES),
        "published": PUBLISHED,
        "published_ends": [(kind, f"{at:g}") for kind, ends in PUBLISHED_ENDS.items() for at in dict.fromkeys(ends)],
        "lengths": results.epochs,
        "kinds": KIND_NAMES,
        "drop": points(MAIN_DROP),
        "other_drops": [
            {"drop": drop, "name": f"{1000 * drop:g} permille", "points": points(drop)} for drop in DROPS[1:]
        ],
        "methods": {one.key: one for one in measures.methods(mean)},
        "rankings": {kind: measures.ranking(mean, kind) for kind in KIND_NAMES},
        "scopes": [one for kind in KIND_NAMES for one in measures.compared(mean, kind, "scope")[1:]],
        "extremes": measures.extremes(results.layers),
        "layer_name": measures.layer_name,
        "finetuned_percents": [] if finetuned is None else finetuned.curves["percent"].values.tolist(),
        "still_apart": [] if finetuned is None else _still_apart(finetuned),
        "unit": results.unit,
        "ways": measures.ways.WAYS,
        "cases": list(measures.overfitting.cases()),
        "noisy_cases": [case for case in measures.overfitting.cases() if case.labels == "noisy"],
        "device": results.cost.attrs["device"],
    }


def _still_apart(finetuned: measures.Finetuned) -> list[measures.Method]:
    """List the heuristics that are told apart from the published one of their kind after fine-tuning."""
    gaps = {
        key: gap
        for kind in KIND_NAMES
        for key, gap in measures.differences(finetuned.after["mean_accuracy"], kind).items()
    }
    return [one for one in measures.methods(finetuned.curves) if one.key in gaps and measures.told_apart(gaps[one.key])]
