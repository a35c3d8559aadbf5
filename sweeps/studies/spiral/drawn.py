"""The figures and films of the study "train first, or prune first?"."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis import figures, perceptron
from analysis.figures import style
from analysis.intervals import interval
from sweeps.studies.spiral import figures as own
from sweeps.studies.spiral.figures import looks
from sweeps.studies.spiral.figures.outcomes import Dot
from sweeps.studies.spiral.figures.pictures import Panel
from sweeps.studies.spiral.measures import CHOSEN, RANDOM, adam, arm_name, arm_short, kernels, moves, nodes_name
from sweeps.studies.spiral.measures.kernels import PAIRS
from sweeps.studies.spiral.results import ARMS, Results, all_moves, density_width, frames, learning_rate, picture

#: Looks of the rows: with and without compensation, and networks that nothing was removed from.
COMPENSATED = {"with": "with bias compensation", "without": "without"}
WHOLE = "nothing removed"
_SEEN: dict[str, dict[str, Any]] = {
    WHOLE: {"color": style.BLACK, "fmt": "D", "markersize": 3.4},
    COMPENSATED["with"]: {"color": style.BLUE},
    COMPENSATED["without"]: {"color": style.ORANGE, "fmt": "s", "markersize": 3.2},
}
LABELS = {"accuracy": "test accuracy", "loss": "test loss (nats)", "agreement": "agreement with trained"}


def has_networkx() -> bool:
    """Tell whether the drawing of the network can be made."""
    return find_spec("networkx") is not None


def reach(results: Results) -> float:
    """Half the side of the pictures: that of the grid of the store."""
    return float(np.abs(results.full["x"].values).max())


def first_choices(results: Results) -> dict[str, str]:
    """Return the choice of each kind that is drawn."""
    return {kind: names[0] for kind, names in results.kinds.items()}


def _panel(results: Results, title: str, data: xr.Dataset) -> Panel:
    maps = picture(data, results.full.attrs, reach(results))
    return Panel(title, maps, float(data["accuracy"]), float(data["loss"]))


def _full(results: Results, arm: str, title: str) -> Panel:
    return _panel(results, title, results.full.sel(arm=arm).isel(network=0))


def _cut(results: Results, arm: str, choice: str, title: str, compensation: str | None = None) -> Panel:
    which = compensation or results.compensation
    return _panel(results, title, results.pruned.sel(arm=arm, choice=choice, compensation=which).isel(network=0))


def _published(results: Results) -> Figure:
    """Draw what the publication shows, in its order."""
    first = _full(results, "trained", "trained")
    rows: list[list[Panel]] = []
    for kind, choice in first_choices(results).items():
        name = "smallest" if kind == CHOSEN else kind
        rows.append(
            [
                _full(results, "reshuffled", "other order") if rows else first,
                _cut(results, "pruned", choice, f"{name}: pruned"),
                _cut(results, "finetuned", choice, f"{name}: fine-tuned"),
                _cut(results, "prune_first", choice, f"{name}: pruned first"),
            ]
        )
    return own.pictures.gallery(rows, results.task)


def _uncompensated(results: Results) -> Figure:
    """Draw the same without compensation."""
    rows: list[list[Panel]] = []
    for kind, choice in first_choices(results).items():
        name = "smallest" if kind == CHOSEN else kind
        rows.append(
            [
                _cut(results, "pruned", choice, f"{name}: pruned", "without"),
                _cut(results, "finetuned", choice, f"{name}: fine-tuned", "without"),
                _cut(results, "prune_first", choice, f"{name}: pruned first", "without"),
            ]
        )
    return own.pictures.gallery(rows)


def known_measures(results: Results) -> list[str]:
    """Return the measures that have a known value at all."""
    return [name for name in LABELS if bool(results.outcomes[name].notnull().any())]


def _outcomes(results: Results) -> Figure:
    values: dict[str, list[Dot]] = {}
    for measure in known_measures(results):
        dots = []
        for arm in ("trained", "reshuffled", "others"):
            # That a network agrees with itself is no result; only agreement is between seeds.
            told = (arm != "trained") if measure == "agreement" else (arm != "others")
            dots.append(Dot(arm_name(arm), WHOLE, results.reference(measure, arm) if told else interval([])))
        for kind in results.kinds:
            for arm in ARMS:
                for which in reversed(results.compensations):
                    found = results.outcome(measure, arm, kind, which)
                    dots.append(Dot(f"{kind}, {arm_short(arm)}", COMPENSATED[which], found))
        values[measure] = dots
    return own.outcomes.panels(values, LABELS, _SEEN)


def _compensation(results: Results) -> Figure:
    values = {
        measure: [
            Dot(f"{kind}, {arm_short(arm)}", "paired difference", results.compensated(measure, arm, kind))
            for kind in results.kinds
            for arm in ARMS
        ]
        for measure in known_measures(results)
    }
    labels = {measure: f"{label.replace(' with trained', '')}:\nwith − without" for measure, label in LABELS.items()}
    seen: dict[str, dict[str, Any]] = {"paired difference": {"color": style.BLUE}}
    return own.outcomes.panels(values, labels, seen, zero=True)


def _correlations(results: Results) -> Figure:
    kinds = list(results.kinds)
    values = {
        of: [
            Dot(PAIRS[pair], f"{nodes_name(kind)} removed", results.correlation(pair, of, kind))
            for pair in PAIRS
            for kind in kinds
        ]
        for of in ("weights", "changes")
    }
    labels = {"weights": "correlation of weights", "changes": "correlation of changes"}
    seen: dict[str, dict[str, Any]] = {
        f"{nodes_name(kind)} removed": {"color": looks.color(kind, kinds)} for kind in kinds
    }
    return own.outcomes.panels(values, labels, seen, zero=True)


def _kernels(results: Results) -> Figure:
    main, pairs, at = results.kernels, {}, float(results.peaks["trained"][0][0])
    for kind, choice in first_choices(results).items():
        number = main.choices.index(choice)
        one, other = kernels.pair(main, "prune_first", number, 0)
        start = main.full["initial"][0][main.kept[number, 0]]
        alike = moves.moved_alike(main, number, 0, at)
        pairs[f"{nodes_name(kind)} removed"] = own.kernels.Pair(one, other, start, alike)
    return own.kernels.against(pairs, at)


def _changes(results: Results) -> Figure:
    found = all_moves(results.kernels, results.kinds)
    kinds = list(results.kinds)
    shown = {"full network": found["trained"]}
    colors = {"full network": style.BLACK}
    for kind in kinds:
        title = f"pruned first, {'smallest' if kind == CHOSEN else kind}"
        shown[title], colors[title] = found[f"prune_first {kind}"], looks.color(kind, kinds)
    rate = learning_rate(results.run)
    once = adam.single_gradient() * rate if rate else float("nan")
    return own.kernels.changes(shown, colors, density_width(results.run), once)


def _curves(results: Results) -> Figure:
    assert results.history is not None
    history, kinds = results.history.sel(compensation=results.compensation), results.kinds
    training = {
        arm_name(arm): (history[arm].transpose("network", "epoch").values, {"color": color, "linewidth": width})
        for arm, color, width in (("trained", style.BLACK, 1.4), ("reshuffled", style.GREY, 1.0))
        if arm in history
    }
    finetuning: dict[str, tuple[Any, dict[str, Any]]] = {}
    for kind, names in kinds.items():
        look = {"color": looks.color(kind, list(kinds)), "linewidth": 1.2}
        for name, epoch, found in (
            ("prune_first", "epoch", training),
            ("finetuned", "finetune_epoch", finetuning),
        ):
            if name in history and history.sizes[epoch]:
                mean = history[name].sel(choice=names).mean("choice").transpose("network", epoch)
                # One label for both panels: the axes say which is which.
                found[f"{nodes_name(kind)} removed"] = (mean.values, look)
    level = float(results.full["train_loss"].sel(arm="trained").median())
    return own.curves.overview(training, finetuning, level)


def _graph(results: Results) -> Figure:
    data = results.full.sel(arm="trained").isel(network=0)
    net = perceptron.of_network(data.assign_attrs(results.full.attrs))
    keep = results.nodes["keep"].isel(network=0)
    gates = {"all nodes on": np.ones(net.nodes)}
    for kind, choice in first_choices(results).items():
        gates[f"{kind} off"] = keep.sel(choice=choice).values.astype(float)
    return figures.graph.overview(net, gates)


def draw(results: Results) -> dict[str, Figure]:
    """Draw every figure that the store allows.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        By file name.
    """
    made = {"pictures": _published(results)}
    if "without" in results.compensations and results.compensation != "without":
        made["pictures_without"] = _uncompensated(results)
    made["outcomes"] = _outcomes(results)
    made["kernels"] = _kernels(results)
    made["correlations"] = _correlations(results)
    made["changes"] = _changes(results)
    if len(results.compensations) > 1:
        made["compensation"] = _compensation(results)
    made["deviations"] = own.deviations.overview(results.nodes)
    if results.history is not None:
        made["training"] = _curves(results)
    if results.rates is not None:
        made["rates"] = own.rates.overview(results.rates)
    if has_networkx():
        made["graph"] = _graph(results)
    return made


def films(results: Results) -> dict[str, Callable[[Path], Path]]:
    """Return what writes the animations, by file name.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict of str to callable
    """

    def film(name: str, path: Path) -> Path:
        shown = frames(results.films[name], results.full.attrs, reach(results))
        # The points of the test set, fewer than all of them: they must not hide the picture.
        few = results.task.isel(test_example=slice(0, own.pictures.EXAMPLES))
        return figures.plane.animation(shown, path, few)

    return {f"film_{name}": partial(film, name) for name in results.films}


#: The kind whose choice a film is of, by the end of its name.
FILM_KINDS = {"random": RANDOM, "chosen": CHOSEN}
