"""The spiral study: half of a network's nodes removed after its training, or before it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cache, partial
from os import PathLike
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from flax import nnx
from jaxtyping import Array, Bool, Float

from sweeps import losses, pruning, tasks
from sweeps.networks import MLP
from sweeps.objective import Objective
from sweeps.store import datasets
from sweeps.store.folder import Run, check_folder
from sweeps.studies.spiral.measures.deviations import constant
from sweeps.studies.spiral.measures.rates import KINDS
from sweeps.studies.spiral.names import CHOSEN
from sweeps.studies.spiral.settings import Spiral
from sweeps.tasks import Batch, Task
from sweeps.training import History, train_many

COMPENSATION = {"without": False, "with": True}
# The grid on which decisions are compared: the data reach radius 1, and a little noise.
LIMIT, POINTS = 1.1, 101
# Bins of how far weights moved, in learning rates.
DISTANCES = np.linspace(0, 20, 201)
# Networks that are trained together: both cores are busy, and the parameters by epoch fit in memory.
TOGETHER = 80


def run(
    settings: Spiral,
    folder: str | PathLike[str],
    *,
    command: str = "sweeps study spiral",
    overwrite: bool = False,
    progress: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Run:
    """Train, remove, train again, remove first and train, and write everything measured into a run folder.

    Parameters
    ----------
    settings : sweeps.studies.spiral.settings.Spiral
    folder : the run folder
    command : the command that reproduces the run, for the record
    overwrite : whether an earlier run in the folder is removed
    progress : taken, as every study does; there is a line a stage, and no bar
    say : called with a line at each stage

    Raises
    ------
    ValueError
        If a setting is out of range.
    FloatingPointError
        If a training diverged.
    FileExistsError
        If the folder holds another run and ``overwrite`` is false.
    """
    settings = settings.check()
    check_folder(folder, overwrite)
    task = tasks.spiral(settings.train_examples, settings.test_examples, turns=settings.turns, noise=settings.noise)
    store = datasets.open_run("spiral", folder, asdict(settings), task, command, overwrite)

    seeds = [settings.seed + index for index in range(settings.networks)]
    starts = [MLP((2, *settings.hidden, 2), "relu", seed) for seed in seeds]
    say(f"training {len(seeds)} networks of {'-'.join(map(str, settings.hidden))} hidden nodes, twice each")
    first, again = _trained(starts, seeds, task, settings)
    full = {"initial": starts, "trained": first.networks, "reshuffled": again.networks}
    store.write("full", _by_arm({arm: _measured(networks, task) for arm, networks in full.items()}, starts[0]))
    store.write("films/trained", first.films[0])
    nodes = _nodes(first.networks, task, seeds, settings)
    store.write("nodes", nodes)

    cases = _cases(nodes, settings)
    later = _with_nodes_removed(first.networks, starts, cases, task, settings, say)
    for arm, fit in later.items():
        for kind, film in zip(KINDS.values(), fit.films, strict=True):
            store.write(f"films/{arm}_{kind}", film)
    arms = {"pruned": _without_nodes(first.networks, cases, task)} | {arm: one.networks for arm, one in later.items()}
    keep = np.stack([case.keep for case in cases])
    measured = {arm: _unravelled(_measured(networks, task, keep), nodes) for arm, networks in arms.items()}
    store.write("pruned", _by_arm(measured, starts[0]))
    history = {"trained": first, "reshuffled": again} | later
    store.write("history", xr.merge([_by_epoch(arm, one.loss, nodes) for arm, one in history.items()]))
    if settings.rates:
        store.write("rates", _rates(starts, seeds, task, settings, say))
    return store


def _by_arm(measured: dict[str, xr.Dataset], network: MLP) -> xr.Dataset:
    data = xr.concat(measured.values(), "arm").assign_coords(arm=datasets.names(measured))
    return data.assign_attrs(datasets.structure(network))


class Case(NamedTuple):
    """A network from which nodes are removed.

    Attributes
    ----------
    compensated : whether their mean activations go into the next biases
    choice : of nodes, its place among the choices
    network : its number
    keep : which nodes stay
    """

    compensated: bool
    choice: int
    network: int
    keep: Bool[np.ndarray, " nodes"]


def _cases(nodes: xr.Dataset, settings: Spiral) -> list[Case]:
    return [
        Case(compensated, choice, network, nodes.keep.values[network, choice])
        for compensated in COMPENSATION.values()
        for choice in range(settings.choices + 1)
        for network in range(settings.networks)
    ]


def _shown(settings: Spiral) -> list[int]:
    """Places among the cases of those with films: the first network, compensated, of one choice of either kind."""
    start = (settings.choices + 1) * settings.networks
    return [start, start + settings.choices * settings.networks]


def _nodes(networks: Sequence[MLP], task: Task, seeds: Sequence[int], settings: Spiral) -> xr.Dataset:
    """Which nodes stay, by choice: at random, and those whose activations vary most."""
    deviation, keep = [], []
    for network, seed in zip(networks, seeds, strict=True):
        deviation.append(pruning.unit_scores(network, "activation", batch=task.train))
        drawn = np.random.default_rng(seed).random((settings.choices, len(deviation[-1])))
        keep.append([pruning.unit_masks(network, settings.share, by) for by in (*drawn, deviation[-1])])
    objective = Objective(networks[0], task.train)
    names = [*(f"random {choice}" for choice in range(settings.choices)), CHOSEN]
    data = xr.Dataset(
        {"keep": (("network", "choice", "node"), np.array(keep)), "deviation": (("network", "node"), deviation)},
        dict(
            choice=datasets.names(names),
            node=datasets.names(objective.nodes),
            layer=("node", datasets.names(objective.layers)),
        ),
    )
    data.deviation.attrs.update(long_name="standard deviation of the activation", units="1")
    return data


def _without_nodes(networks: Sequence[MLP], cases: Sequence[Case], task: Task) -> list[MLP]:
    inputs = task.train.inputs
    return [pruning.zero_nodes(networks[case.network], case.keep, inputs, case.compensated) for case in cases]


class Fit(NamedTuple):
    """Trained networks.

    Attributes
    ----------
    networks : new ones
    loss : by network and epoch
    films : parameters after each epoch of those that are to be shown
    """

    networks: list[MLP]
    loss: Float[np.ndarray, "networks epochs"]
    films: list[xr.Dataset]


def _trained(starts: Sequence[MLP], seeds: Sequence[int], task: Task, settings: Spiral) -> tuple[Fit, Fit]:
    """Train from the same start twice, with the examples in another order: what differs, differs by chance alone."""
    first = _fitted(starts, seeds, task, settings, settings.epochs, shown=[0])
    return first, _fitted(starts, [seed + 2**31 for seed in seeds], task, settings, settings.epochs)


def _with_nodes_removed(
    trained: Sequence[MLP],
    starts: Sequence[MLP],
    cases: Sequence[Case],
    task: Task,
    settings: Spiral,
    say: Callable[[str], None],
) -> dict[str, Fit]:
    """Remove nodes and train on, or remove the same nodes first and train."""
    keep, order = [case.keep for case in cases], [settings.seed + case.network for case in cases]
    found = {}
    for arm, networks, epochs in (
        ("finetuned", trained, settings.finetune_epochs),
        ("prune_first", starts, settings.epochs),
    ):
        say(f"{arm.replace('_', ' ')}: training {len(cases)} networks with nodes removed")
        cut = _without_nodes(networks, cases, task)
        found[arm] = _fitted(cut, order, task, settings, epochs, keep, _shown(settings))
    return found


def _fitted(
    networks: Sequence[MLP],
    seeds: Sequence[int],
    task: Task,
    settings: Spiral,
    epochs: int,
    keep: Sequence[Bool[np.ndarray, " nodes"]] | None = None,
    shown: Sequence[int] = (),
) -> Fit:
    """Train copies of networks, some of whose nodes may be gone for good."""
    everything = np.ones(sum(settings.hidden), bool)
    # They depend on what stays alone.
    whole = pruning.masks_of_nodes(networks[0], [everything] * len(networks) if keep is None else keep)
    masks = [{path: mask[index] for path, mask in whole.items()} for index in range(len(networks))]
    fit, by_epoch, films = [], [], {}
    for start in range(0, len(networks), TOGETHER):
        some = slice(start, start + TOGETHER)
        masked = [pruning.Masked(nnx.clone(one), mask) for one, mask in zip(networks[some], masks[some], strict=True)]
        history = train_many(
            masked,
            [task] * len(masked),
            _adam(settings.learning_rate),
            epochs,
            settings.batch_size,
            seeds[some],
            keep_parameters=True,
        )
        fit += [one.zeroed() for one in masked]
        by_epoch.append(history.loss)
        for index in set(shown) & set(range(len(networks))[some]):
            films[index] = _film(history, index - start, masks[index])
    return Fit(fit, np.concatenate(by_epoch), [films[index] for index in shown])


@cache
def _adam(learning_rate: float) -> optax.GradientTransformation:
    """Return the same object at each call with one learning rate: training compiles anew for another object."""
    return optax.adam(learning_rate)


def _film(history: History, index: int, masks: dict[str, Bool[np.ndarray, "..."]]) -> xr.Dataset:
    """Parameters of one network after each epoch, those of removed nodes zero."""
    one = jax.tree.map(lambda leaf: leaf[index], history)
    film = datasets.of_history(one._replace(parameters=one.parameters["network"]))
    for path, mask in masks.items():
        film[path.replace("/", ".")] = film[path.replace("/", ".")] * mask
    return film


def _measured(
    networks: Sequence[MLP], task: Task, keep: Bool[np.ndarray, "networks nodes"] | None = None
) -> xr.Dataset:
    """Loss, accuracy, decisions on a grid, and parameters, those of removed nodes zero; dimension ``network``."""
    side = np.linspace(-LIMIT, LIMIT, POINTS, dtype=np.float32)
    grid = np.stack([axis.ravel() for axis in np.meshgrid(side, side)], axis=1)
    graph, _ = nnx.split(networks[0])
    # Stacked by NumPy: JAX would compile a program for each shape.
    state = jax.tree.map(lambda *leaves: np.stack(leaves), *[nnx.split(network)[1] for network in networks])
    found = _measure_all(graph, state, *jax.tree.map(jnp.asarray, (task.test, task.train, grid)))
    accuracy, loss, train_loss, decision = (np.asarray(values) for values in found)
    variables = dict(
        accuracy=("network", accuracy),
        loss=("network", loss),
        train_loss=("network", train_loss),
        decision=(("network", "y", "x"), decision.reshape(-1, POINTS, POINTS)),
    )
    data = xr.Dataset(variables, dict(network=range(len(networks)), x=side, y=side)).merge(
        datasets.of_parameters(networks)
    )
    data.accuracy.attrs.update(long_name="share of right classes on the test set", units="1")
    for name, words in dict(loss="test", train_loss="training").items():
        data[name].attrs.update(long_name=f"mean loss on the {words} set", units="nats")
    if keep is None:
        return data
    ends = np.cumsum(networks[0].sizes[1:-1])[:-1]
    for index, stays in enumerate(np.split(keep, ends, axis=1)):
        # What leads from a removed node multiplies zeros; zeros say so.
        for name, kept in (
            (f"layers.{index}.kernel", stays[:, None, :]),
            (f"layers.{index}.bias", stays),
            (f"layers.{index + 1}.kernel", stays[:, :, None]),
        ):
            data[name] = data[name] * kept
    return data


@partial(jax.jit, static_argnums=0)
def _measure_all(graph: Any, states: Any, test: Batch, train: Batch, grid: Array) -> tuple[Array, ...]:
    """Accuracy, loss, training loss and decisions of each network."""
    loss = losses.LOSSES["cross_entropy"].each

    def one(state: Any) -> tuple[Array, ...]:
        network = nnx.merge(graph, state, copy=True)
        outputs = network(test.inputs)
        return (
            losses.rightly_answered(outputs, test.targets).mean(),
            loss(outputs, test.targets).mean(),
            loss(network(train.inputs), train.targets).mean(),
            network(grid).argmax(axis=-1) == 1,
        )

    return jax.vmap(one)(states)


def _unravelled(data: xr.Dataset, nodes: xr.Dataset) -> xr.Dataset:
    """Cases in a row as compensation, choice and network."""
    shape = dict(compensation=len(COMPENSATION), choice=nodes.sizes["choice"], network=nodes.sizes["network"])
    coordinates = {name: data[name] for name in data.coords if name != "network"}
    found = xr.Dataset(coords=coordinates | dict(choice=nodes.choice, network=range(shape["network"])))
    for name, values in data.data_vars.items():
        rest = values.dims[1:]
        shaped = values.values.reshape(*shape.values(), *values.shape[1:])
        found[name] = (("compensation", "choice", "network", *rest), shaped, values.attrs)
    return found.assign_coords(compensation=datasets.names(COMPENSATION))


def _by_epoch(arm: str, loss: Float[np.ndarray, "networks epochs"], nodes: xr.Dataset) -> xr.Dataset:
    """Training loss by epoch, after 1, 2, ... of them."""
    dim = "finetune_epoch" if arm == "finetuned" else "epoch"
    data = xr.Dataset({arm: (("network", dim), loss)}, {dim: np.arange(1, loss.shape[1] + 1)})
    return data if len(loss) == nodes.sizes["network"] else _unravelled(data, nodes)


def _rates(
    starts: Sequence[MLP], seeds: Sequence[int], task: Task, settings: Spiral, say: Callable[[str], None]
) -> xr.Dataset:
    """Do a part of the study at other learning rates, with the first networks and one random choice."""
    few = replace(settings, networks=min(settings.networks, settings.rate_networks), choices=1)
    found, values = [], sorted(settings.rates)
    for rate in values:
        say(f"learning rate {rate:g}: {few.networks} networks, trained, and with nodes removed first")
        some = slice(0, few.networks)
        found.append(_at_rate(starts[some], seeds[some], task, replace(few, learning_rate=rate)))
    return xr.concat(found, "learning_rate").assign_coords(learning_rate=values)


def _at_rate(starts: Sequence[MLP], seeds: Sequence[int], task: Task, settings: Spiral) -> xr.Dataset:
    """Measure how training at one learning rate moves weights and silences nodes, and what removing nodes then does."""
    full, again = _trained(starts, seeds, task, settings)
    nodes = _nodes(full.networks, task, seeds, settings)
    cases = [case for case in _cases(nodes, settings) if case.compensated]
    smaller, fewer = (_without_nodes(networks, cases, task) for networks in (full.networks, starts))
    later = _fitted(fewer, [*seeds, *seeds], task, settings, settings.epochs, [case.keep for case in cases]).networks
    start, trained, reshuffled = (_measured(networks, task) for networks in (starts, full.networks, again.networks))
    pruned, first = (_by_kind(_measured(networks, task)) for networks in (smaller, later))
    kernels = [data["layers.1.kernel"].values for data in (start, trained)]
    moved = [np.abs(one[one != other] - other[one != other]) for one, other in zip(*kernels, strict=True)]
    counts = [np.histogram(one / settings.learning_rate, DISTANCES)[0] for one in moved]
    data = xr.Dataset(
        {
            "accuracy": trained.accuracy,
            "reshuffled_agreement": _agreement(reshuffled, trained),
            "unmoved": ("network", (kernels[0] == kernels[1]).mean((1, 2))),
            "dead": constant(nodes).transpose("network", "layer"),
            "moved": (("network", "distance"), np.array(counts)),
            "mutual_agreement": _agreement(pruned, first),
        },
        dict(kind=datasets.names(KINDS.values()), distance=(DISTANCES[1:] + DISTANCES[:-1]) / 2),
    )
    for arm, measured in {"pruned": pruned, "first": first}.items():
        data[f"{arm}_accuracy"] = measured.accuracy
        data[f"{arm}_agreement"] = _agreement(measured, trained)
    return data


def _by_kind(data: xr.Dataset) -> xr.Dataset:
    """Cases of two choices, those of the second after those of the first, side by side."""
    number = data.sizes["network"] // 2
    halves = [data.isel(network=slice(number)), data.isel(network=slice(number, None))]
    return xr.concat([one.assign_coords(network=range(number)) for one in halves], "kind")


def _agreement(one: xr.Dataset, other: xr.Dataset) -> xr.DataArray:
    """Share of the plane on which the decisions of two networks agree."""
    return (one.decision == other.decision).mean(("y", "x"))
