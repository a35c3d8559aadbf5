"""The spiral study: half of a network's nodes removed after its training, or before it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from os import PathLike
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from flax import nnx
from jaxtyping import Array, Bool, Float

from sweeps import _losses, pruning, tasks
from sweeps._batches import Batch, Task
from sweeps._networks import MLP
from sweeps._objective import Objective
from sweeps._progress import Progress
from sweeps._store import datasets
from sweeps._store.folder import Run, check_folder
from sweeps._studies.spiral.names import CHOSEN, COMPENSATED, FILM_KINDS
from sweeps._studies.spiral.run.fitting import Fit, fitted
from sweeps._studies.spiral.settings import Spiral

COMPENSATION = {"without": False, "with": True}
# The grid on which decisions are compared: the data reach radius 1, and a little noise.
LIMIT, POINTS = 1.1, 101


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
    settings : Spiral
    folder : str or path
        The run folder.
    command : str
        The command that reproduces the run, for the record.
    overwrite : bool
        Whether an earlier run in the folder is removed.
    progress : bool
        Whether to show a bar of the trainings.
    say : callable
        Called with a line at each stage.

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
    task = tasks.spiral(
        train_examples=settings.train_examples,
        test_examples=settings.test_examples,
        turns=settings.turns,
        noise=settings.noise,
    )
    store = datasets.open_run("spiral", folder, asdict(settings), task, command, overwrite)

    seeds = [settings.seed + index for index in range(settings.networks)]
    starts = [MLP((2, *settings.hidden, 2), activation="relu", seed=seed) for seed in seeds]
    with Progress(_trainings(settings), progress, "trainings") as count:
        say(f"training {len(seeds)} networks of {'-'.join(map(str, settings.hidden))} hidden nodes, and without nodes")
        study = _study(starts, seeds, task, settings, COMPENSATION, count)
        for name in ("full", "pruned", "nodes", "history"):
            store.write(name, getattr(study, name))
        for name, film in study.films.items():
            store.write(f"films/{name}", film)
        if settings.rates:
            data = _rates(study, starts, seeds, task, settings, count, say)
            for name in ("full", "pruned", "nodes"):
                store.write(f"rates/{name}", data[name])
    return store


def _trainings(settings: Spiral) -> int:
    """Count the trainings: each network twice, and for each choice of nodes fine-tuned and pruned first."""
    few = min(settings.networks, settings.rate_networks)
    main = 2 * settings.networks * (1 + len(COMPENSATION) * (settings.choices + 1))
    return main + len(set(settings.rates) - {settings.learning_rate}) * 2 * few * (1 + 2)


class Study(NamedTuple):
    """All networks of one learning rate.

    Attributes
    ----------
    full, pruned, nodes, history : xarray.Dataset
        Groups of the store.
    films : dict of str to xarray.Dataset
        Parameters of network 0 by epoch, by name.
    """

    full: xr.Dataset
    pruned: xr.Dataset
    nodes: xr.Dataset
    history: xr.Dataset
    films: dict[str, xr.Dataset]


def _study(
    starts: Sequence[MLP],
    seeds: Sequence[int],
    task: Task,
    settings: Spiral,
    compensation: Mapping[str, bool],
    count: Progress,
) -> Study:
    """Train, twice each; remove nodes, then train on; and remove the same nodes first, then train."""
    first, again = _trained(starts, seeds, task, settings, count)
    arms = {"initial": starts, "trained": first.networks, "reshuffled": again.networks}
    full = _by_arm({arm: _measured(networks, task) for arm, networks in arms.items()}, starts[0])
    nodes = _nodes(first.networks, task, seeds, settings)
    cases = _cases(nodes, settings, compensation)
    later = _with_nodes_removed(first.networks, starts, cases, task, settings, count)
    removed = {"pruned": _without_nodes(first.networks, cases, task)}
    removed |= {arm: one.networks for arm, one in later.items()}
    keep = np.stack([case.keep for case in cases])
    measured = {arm: _unravelled(_measured(one, task, keep), nodes, compensation) for arm, one in removed.items()}
    history = {"trained": first, "reshuffled": again} | later
    films = {"trained": first.films[0]}
    for arm, fit in later.items():
        films |= {f"{arm}_{kind}": film for kind, film in zip(FILM_KINDS, fit.films, strict=True)}
    losses = xr.merge([_by_epoch(arm, one.loss, nodes, compensation) for arm, one in history.items()])
    return Study(full, _by_arm(measured, starts[0]), nodes, losses, films)


def _by_arm(measured: dict[str, xr.Dataset], network: MLP) -> xr.Dataset:
    data = xr.concat(measured.values(), "arm").assign_coords(arm=datasets.names(measured))
    return data.assign_attrs(datasets.structure(network))


class Case(NamedTuple):
    """A network from which nodes are removed.

    Attributes
    ----------
    compensated : bool
        Whether their mean activations go into the next biases.
    choice : int
        Of nodes, its place among the choices.
    network : int
        Its number.
    keep : numpy.ndarray of bool, (nodes,)
        Which nodes stay.
    """

    compensated: bool
    choice: int
    network: int
    keep: Bool[np.ndarray, " nodes"]


def _cases(nodes: xr.Dataset, settings: Spiral, compensation: Mapping[str, bool]) -> list[Case]:
    return [
        Case(compensated, choice, network, nodes.keep.values[network, choice])
        for compensated in compensation.values()
        for choice in range(settings.choices + 1)
        for network in range(settings.networks)
    ]


def _shown(cases: Sequence[Case]) -> list[int]:
    """Places among the cases of those with films: the first network, compensated, of one choice of either kind."""
    choices = (0, max(case.choice for case in cases))
    return [
        place for place, case in enumerate(cases) if case.compensated and not case.network and case.choice in choices
    ]


def _nodes(networks: Sequence[MLP], task: Task, seeds: Sequence[int], settings: Spiral) -> xr.Dataset:
    """Which nodes stay, by choice: at random, and those whose activations vary most."""
    deviation, keep = [], []
    for network, seed in zip(networks, seeds, strict=True):
        deviation.append(pruning.unit_scores(network, method="activation", batch=task.train))
        drawn = np.random.default_rng(seed).random((settings.choices, len(deviation[-1])))
        keep.append([pruning.unit_masks(network, settings.share, method=by) for by in (*drawn, deviation[-1])])
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
    return [
        pruning.zero_nodes(networks[case.network], case.keep, inputs=inputs, compensate_bias=case.compensated)
        for case in cases
    ]


def _trained(
    starts: Sequence[MLP], seeds: Sequence[int], task: Task, settings: Spiral, count: Progress
) -> tuple[Fit, Fit]:
    """Train from the same start twice, with the examples in another order: what differs, differs by chance alone."""
    number = len(starts)
    both = fitted(
        [*starts, *starts],
        [*seeds, *(seed + 2**31 for seed in seeds)],
        task,
        settings,
        settings.epochs,
        count,
        shown=[0],
    )
    first, again = slice(number), slice(number, None)
    return Fit(both.networks[first], both.loss[first], both.films), Fit(both.networks[again], both.loss[again], [])


def _with_nodes_removed(
    trained: Sequence[MLP],
    starts: Sequence[MLP],
    cases: Sequence[Case],
    task: Task,
    settings: Spiral,
    count: Progress,
) -> dict[str, Fit]:
    """Remove nodes and train on, or remove the same nodes first and train."""
    keep, order = [case.keep for case in cases], [settings.seed + case.network for case in cases]
    found = {}
    for arm, networks, epochs in (
        ("finetuned", trained, settings.finetune_epochs),
        ("prune_first", starts, settings.epochs),
    ):
        cut = _without_nodes(networks, cases, task)
        found[arm] = fitted(cut, order, task, settings, epochs, count, keep, _shown(cases))
    return found


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
    loss = _losses.LOSSES["cross_entropy"].each

    def one(state: Any) -> tuple[Array, ...]:
        network = nnx.merge(graph, state, copy=True)
        outputs = network(test.inputs)
        return (
            _losses.rightly_answered(outputs, test.targets).mean(),
            loss(outputs, test.targets).mean(),
            loss(network(train.inputs), train.targets).mean(),
            network(grid).argmax(axis=-1) == 1,
        )

    return jax.vmap(one)(states)


def _unravelled(data: xr.Dataset, nodes: xr.Dataset, compensation: Mapping[str, bool]) -> xr.Dataset:
    """Cases in a row as compensation, choice and network."""
    shape = dict(compensation=len(compensation), choice=nodes.sizes["choice"], network=nodes.sizes["network"])
    coordinates = {name: data[name] for name in data.coords if name != "network"}
    found = xr.Dataset(coords=coordinates | dict(choice=nodes.choice, network=range(shape["network"])))
    for name, values in data.data_vars.items():
        rest = values.dims[1:]
        shaped = values.values.reshape(*shape.values(), *values.shape[1:])
        found[name] = (("compensation", "choice", "network", *rest), shaped, values.attrs)
    return found.assign_coords(compensation=datasets.names(compensation))


def _by_epoch(
    arm: str, loss: Float[np.ndarray, "networks epochs"], nodes: xr.Dataset, compensation: Mapping[str, bool]
) -> xr.Dataset:
    """Training loss by epoch, after 1, 2, ... of them."""
    dim = "finetune_epoch" if arm == "finetuned" else "epoch"
    data = xr.Dataset({arm: (("network", dim), loss)}, {dim: np.arange(1, loss.shape[1] + 1)})
    return data if len(loss) == nodes.sizes["network"] else _unravelled(data, nodes, compensation)


def _rates(
    main: Study,
    starts: Sequence[MLP],
    seeds: Sequence[int],
    task: Task,
    settings: Spiral,
    count: Progress,
    say: Callable[[str], None],
) -> dict[str, xr.Dataset]:
    """Do the study at other learning rates, with the first networks, one random choice, and compensation."""
    few = replace(settings, networks=min(settings.networks, settings.rate_networks), choices=1)
    found, values = [], sorted(settings.rates)
    for rate in values:
        if rate == settings.learning_rate:
            found.append(_part(main, few))
            continue
        say(f"learning rate {rate:g}: {few.networks} networks, trained, and without nodes")
        some = slice(0, few.networks)
        at = replace(few, learning_rate=rate)
        found.append(_study(starts[some], seeds[some], task, at, {COMPENSATED: True}, count))
    return {
        name: xr.concat([getattr(one, name) for one in found], "learning_rate").assign_coords(learning_rate=values)
        for name in ("full", "pruned", "nodes")
    }


def _part(main: Study, few: Spiral) -> Study:
    """Take the networks of fewer seeds, and of one random choice, out of a study."""
    network, choice = slice(0, few.networks), [0, -1]
    return main._replace(
        full=main.full.isel(network=network),
        pruned=main.pruned.isel(network=network, choice=choice).sel(compensation=[COMPENSATED]),
        nodes=main.nodes.isel(network=network, choice=choice),
    )
