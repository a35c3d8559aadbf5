"""What pruning saves: size and time of networks with nodes zeroed and removed, and whether both say the same."""

import time
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from flax import nnx

from sweeps import pruning
from sweeps._batches import Task
from sweeps._networks import MLP
from sweeps._store import datasets
from sweeps._studies.sparsity.measures.methods import MAIN
from sweeps._studies.sparsity.run.choosing import LOSS
from sweeps._training import train

# Rounds of timing, apart from each other, and images that a forward pass goes over at most.
ROUNDS = 3
TIMED = 1000
# Training is timed with so many per cent of the nodes removed, or the highest sparsity below.
TRAINED = 80


def costs(network: MLP, percents: Sequence[int], task: Task) -> xr.Dataset:
    """Size and time of one network with nodes zeroed, and removed, on some images."""
    inputs = task.train.inputs[:TIMED]
    keep = pruning.unit_masks(network, [percent / 100 for percent in percents], method=MAIN[1].by)
    makers = {"zeroed": pruning.zero_nodes, "removed": pruning.remove_nodes}
    made = [[make(network, one) for one in keep] for make in makers.values()]
    # Each round times all networks, so that a machine that is busy for a while slows all alike.
    rounds = [[[pruning.cost(one, inputs) for one in row] for row in made] for _ in range(ROUNDS)]
    costs = [[list(several) for several in zip(*rows, strict=True)] for rows in zip(*rounds, strict=True)]
    sizes = {
        name: (("how", "percent"), [[getattr(several[0], name) for several in row] for row in costs])
        for name in ("parameters", "nonzero", "bytes")
    }
    seconds = [[[one.seconds for one in several] for several in row] for row in costs]
    data = xr.Dataset(
        sizes | {"seconds": (("how", "percent", "repeat"), seconds)},
        dict(how=datasets.names(makers), percent=list(percents)),
        dict(examples=len(inputs), device=datasets.device_in_words()),
    )
    data["difference"] = "percent", [_difference(one, other, inputs) for one, other in zip(*made, strict=True)]
    data.difference.attrs.update(long_name="largest difference of an output, as a share of the largest output")
    trained = max((at for at, percent in enumerate(percents) if percent <= TRAINED), default=0)
    if trained:
        shown = {"whole": network, "removed": made[1][trained]}
        data["training_seconds"] = ("network", "repeat"), _training_seconds(list(shown.values()), task)
        data = data.assign_coords(network=datasets.names(shown)).assign_attrs(trained=percents[trained])
    data.seconds.attrs.update(long_name="time of a forward pass", units="s")
    return data


def _difference(zeroed: MLP, removed: MLP, inputs: np.ndarray) -> float:
    one, other = (np.asarray(network(jnp.asarray(inputs))) for network in (zeroed, removed))
    return float(np.abs(one - other).max() / max(np.abs(one).max(), np.finfo(np.float32).tiny))


def _training_seconds(networks: Sequence[MLP], task: Task) -> list[list[float]]:
    """Time of an epoch of training, (networks, repeats), each compiled before."""
    optimizer = optax.adam(1e-3)
    found: list[list[float]] = []
    for _ in range(1 + ROUNDS):
        found.append([])
        for network in networks:
            copy, start = nnx.clone(network), time.perf_counter()
            train(copy, task, optimizer=optimizer, epochs=1, loss=LOSS)
            found[-1].append(time.perf_counter() - start)
    return [list(several) for several in zip(*found[1:], strict=True)]
