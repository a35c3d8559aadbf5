"""Supervised: what relevance-supervised training did to networks, by the trained measure and by an untrained one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array

from sweeps._batches import Task
from sweeps._networks import MLP
from sweeps._program import OfNnx, of_nnx
from sweeps._progress import Progress
from sweeps._store import datasets
from sweeps._studies.relevance.run import mechanism, patches
from sweeps._studies.relevance.run.patches import Patched, Sets
from sweeps._studies.relevance.run.supervision import MEASURES, TRAININGS, Fitted, accuracy, fitted, share_inside
from sweeps._studies.relevance.settings import Relevance
from sweeps.relevance import attribute_function

# Trainings that are worked on at a time: much of the time goes into compiling, which takes one core.
AT_ONCE = 2
CHOSEN_BY = (
    "highest accuracy on validation images, a fifth of the training images and not trained on, with all that lies "
    "outside of their known regions painted over; a mean over the networks, and the weaker of equals"
)
# By variable: the set whose accuracy, or share of relevance inside, it is.
ACCURACY = ("train", "validation", "right", "clean", "misleading", "alone")
INSIDE = ("train", "right", "clean", "misleading")
WHICH = ("training", "clean", "misleading", "region")


def measured(task: Task, settings: Relevance, progress: bool, say: Callable[[str], None]) -> dict[str, xr.Dataset]:
    """Train networks in every way and strength, and return the groups of the store that say what came of it.

    Parameters
    ----------
    task : Task
        Images.
    settings : Relevance
        Of the study.
    progress : bool
        Whether a bar shows how many networks are trained and measured.
    say : callable
        Called with a line at each stage.
    """
    sets = patches.of_task(task, settings.supervised_examples, settings.seed)
    sets = _on_device(sets)
    sizes = (sets.canvas**2, *settings.supervised_hidden, task.classes or 1)
    seeds = [settings.seed + index for index in range(settings.networks)]
    networks = [MLP(sizes, activation="relu", seed=seed) for seed in seeds]
    number = len(seeds) * (len(TRAININGS) - 1) * len(settings.strengths) + len(seeds)
    say(f"training {number} networks, in {len(TRAININGS)} ways, on digits with a patch that gives them away")

    def work(name: str) -> tuple[Fitted, xr.Dataset]:
        strengths = [0.0] if TRAININGS[name].penalty == "none" else list(settings.strengths)
        found = fitted(name, networks, seeds, strengths, settings.supervised_epochs, sets.train, sets.right, sets.clean)
        data = _measured(network, name, found, strengths, sets)
        bar.add(len(strengths) * len(seeds))
        return found, data

    network, _ = of_nnx(networks[0])
    with Progress(number, progress, "networks") as bar, ThreadPoolExecutor(AT_ONCE) as pool:
        done = dict(zip(TRAININGS, pool.map(work, TRAININGS), strict=True))
    data = xr.concat([one for _, one in done.values()], "training", join="outer")
    data = data.assign_coords(_coordinates()).assign_attrs(
        chance=1 / (task.classes or 1), patch=sets.words, chosen_by=CHOSEN_BY, canvas=sets.canvas, measured_on=_ON
    )
    best = {name: _best(one) for name, (_, one) in done.items()}
    data["chosen"] = ("training", [float(one.strength[best[name]]) for name, (_, one) in done.items()])
    chosen = {name: _one(one.states, (best[name],)) for name, (one, _) in done.items()}
    return dict(
        supervised=_with_words(data),
        supervised_measures=_cross_measured(network, chosen, sets),
        supervised_examples=_examples(network, chosen, sets),
        supervised_history=_history({name: (one, best[name]) for name, (one, _) in done.items()}),
        supervised_maps=_maps(network, {name: (one.states, data.strength) for name, (one, data) in done.items()}, sets),
        **{
            f"supervised_networks/{name}": datasets.of_state(one.states["params"], "strength", "network")
            .assign_coords(strength=data.strength)
            .assign_attrs(datasets.structure(networks[0]))
            for name, (one, data) in done.items()
        },
    )


_ON = (
    "shares inside are those of test images with the right patch; that of the measure that was not trained: the effect "
    "of replacing the pixels of the region by another digit's on the logits, but for their mean, over the sum of this "
    "and of replacing those outside by another image's"
)


def _measured(network: OfNnx, name: str, found: Fitted, strengths: list[float], sets: Sets) -> xr.Dataset:
    """What each set says about the networks of one training."""
    shape = found.loss.shape[:2]
    rows = [
        _numbers_of(network, TRAININGS[name].measure, _one(found.states, index), sets) for index in np.ndindex(shape)
    ]
    data = xr.Dataset(
        {key: (("strength", "network"), np.reshape([row[key] for row in rows], shape)) for key in rows[0]},
        dict(strength=strengths, network=range(shape[1])),
    )
    return data.assign(
        other_inside=data.effect_inside / (data.effect_inside + data.effect_outside),
        loss=(("strength", "network"), found.loss[..., -1]),
    )


def _numbers_of(network: OfNnx, measure: str, state: Any, sets: Sets) -> dict[str, float]:
    """What each set says about one network, in programs that all networks share."""
    found = {f"accuracy_{one}": _accuracy(network, state, getattr(sets, one)) for one in ACCURACY}
    found |= {f"inside_{one}": _share(network, measure, state, getattr(sets, one)) for one in INSIDE}
    found |= mechanism.numbers_of(network, state, sets.right, sets.clean)
    found["effect_outside"], found["effect_inside"] = _effects(network, state, sets.right, sets.outside, sets.inside)
    return {name: float(value) for name, value in found.items()}


def _one(states: Any, index: tuple[int, ...]) -> Any:
    return jax.tree.map(lambda leaf: leaf[index], states)


def _best(data: xr.Dataset) -> int:
    """Place of the chosen strength; a network that is lost counts as one that is never right."""
    return int(np.argmax(data.accuracy_validation.fillna(0).mean("network").values))


_accuracy = jax.jit(accuracy, static_argnums=0)


@partial(jax.jit, static_argnums=(0, 1))
def _share(network: OfNnx, measure: str, state: Any, batch: Any) -> Array:
    return share_inside(network, measure, state, batch, jax.random.key(0, impl="threefry2x32")).mean()


@partial(jax.jit, static_argnums=0)
def _effects(network: OfNnx, state: Any, plain: Any, outside: Any, inside: Any) -> tuple[Array, Array]:
    """Change of the logits, their mean left out, where the outside is replaced, and where the inside is."""
    logits = [network(state, batch.images) for batch in (plain, outside, inside)]
    before, *after = [each - each.mean(axis=1, keepdims=True) for each in logits]
    first, second = (jnp.abs(each - before).sum(axis=1).mean() for each in after)
    return first, second


def _cross_measured(network: OfNnx, chosen: dict[str, Any], sets: Sets) -> xr.Dataset:
    """Share inside of the chosen networks by every measure, on test images with the right patch."""
    number = len(jax.tree.leaves(next(iter(chosen.values())))[0])
    inside = [
        [
            [float(_share(network, measure, _one(states, (one,)), sets.right)) for one in range(number)]
            for states in chosen.values()
        ]
        for measure in MEASURES
    ]
    data = xr.Dataset(
        {"inside": (("measure", "training", "network"), inside)},
        _coordinates() | dict(measure=datasets.names(MEASURES)),
    )
    data.inside.attrs.update(long_name="share of the measure inside of the region", units="1")
    return data


def _examples(network: Any, chosen: dict[str, Any], sets: Sets) -> xr.Dataset:
    """A training image, a clean and a misleading test image, a region, and the first network's relevance of each."""
    side = sets.canvas
    first = [np.asarray(one.images[0]) for one in (sets.train, sets.clean, sets.misleading)]
    images = jnp.asarray(np.stack(first))
    maps, predicted = [], []
    for states in chosen.values():
        state = _one(states, (0,))
        maps.append(np.asarray(attribute_function(network, state, images, method="slope").inputs))
        predicted.append(np.asarray(network(state, images)).argmax(axis=1))
    region = np.asarray(sets.train.regions[0], np.float32)
    pixels = np.stack([*first, region]).reshape(-1, side, side)
    # A region has no relevance.
    relevance = np.pad(np.stack(maps), ((0, 0), (0, 1), (0, 0)), constant_values=np.nan)
    data = xr.Dataset(
        dict(
            pixel=(("which", "row", "column"), pixels),
            region=(("which", "row", "column"), _regions(sets).reshape(-1, side, side)),
            relevance=(("training", "which", "row", "column"), relevance.reshape(len(maps), -1, side, side)),
            predicted=(("training", "which"), np.pad(np.stack(predicted), ((0, 0), (0, 1)), constant_values=-1)),
            target=("which", [*(int(one.targets[0]) for one in (sets.train, sets.clean, sets.misleading)), -1]),
            told=("which", [*(int(one.told[0]) for one in (sets.train, sets.clean, sets.misleading)), -1]),
        ),
        _coordinates() | dict(which=datasets.names(WHICH)),
    )
    data.relevance.attrs.update(long_name="relevance of the predicted class, slope rule", units="logit")
    return data


def _maps(network: OfNnx, found: dict[str, tuple[Any, xr.DataArray]], sets: Sets) -> xr.Dataset:
    """Heat maps of a test image with the right patch, by the first network of each training and strength."""
    each = [
        mechanism.shown(network, states, sets.right, sets.canvas).assign_coords(strength=strength)
        for states, strength in found.values()
    ]
    side = (sets.canvas, sets.canvas)
    data = xr.concat(each, "training", join="outer").assign_coords(_coordinates())
    return data.assign(
        pixel=(("row", "column"), np.asarray(sets.right.images[0]).reshape(side)),
        region=(("row", "column"), np.asarray(sets.right.regions[0], np.float32).reshape(side)),
    )


def _regions(sets: Sets) -> np.ndarray:
    return np.stack([np.asarray(one.regions[0]) for one in (sets.train, sets.clean, sets.misleading, sets.train)])


def _history(found: dict[str, tuple[Fitted, int]]) -> xr.Dataset:
    """Loss, share inside and accuracy by epoch at the chosen strengths, means over the networks."""
    variables = {
        name: (("training", "epoch"), np.stack([getattr(one, name)[at].mean(axis=0) for one, at in found.values()]))
        for name in ("loss", "inside", "accuracy_clean")
    }
    epochs = next(iter(found.values()))[0].loss.shape[-1]
    return xr.Dataset(variables, _coordinates() | dict(epoch=np.arange(1, epochs + 1)))


def _with_words(data: xr.Dataset) -> xr.Dataset:
    for name, values in data.data_vars.items():
        start = str(name).split("_")[0]
        words = dict(
            accuracy="share of right classes",
            inside="share of the training's own measure inside of the region",
            outside="share of a map outside of the region",
            other="share of the effect on the logits inside of the region",
            slope="sum of the right logit's relevance in size",
            cancelling="share of the relevance inside that cancels",
            biases="share of the relevance that biases have",
            patch="what the patch adds to the right logit, or takes from the mean of the others",
            effect="change of the logits",
            loss="cross-entropy of the last epoch",
            chosen="chosen strength",
        )
        units = dict(slope="logit", effect="logit", patch="logit", loss="nats")
        values.attrs.update(long_name=words[start], units=units.get(start, "1"))
    return data


def _coordinates() -> dict[str, Any]:
    columns = {
        field: ("training", datasets.names(getattr(one, field) for one in TRAININGS.values()))
        for field in ("title", "note", "measure", "penalty")
    }
    # A measure is a dimension of its own elsewhere.
    columns["trained_measure"] = columns.pop("measure")
    return {"training": datasets.names(TRAININGS), **columns}


def _on_device(sets: Sets) -> Sets:
    parts = {name: part for name, part in sets._asdict().items() if isinstance(part, Patched)}
    return sets._replace(**jax.tree.map(jnp.asarray, parts))
