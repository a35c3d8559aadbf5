"""Node relevance: relevance of hidden nodes beside gate gradients, removals and Shapley values, on the circle."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr

from sweeps import ranking, tasks
from sweeps._batches import Task
from sweeps._networks import MLP
from sweeps._objective import Objective
from sweeps._store import datasets
from sweeps._studies.relevance.settings import Relevance
from sweeps._training import train_many
from sweeps.relevance import attribute

# By name of the measure: the method.
RELEVANCE = {
    "lrp": "lrp",
    "slope": "slope",
    "gradient_x_activation": "gradient_x_input",
    "deeplift": "deeplift",
    "integrated_gradients": "integrated_gradients",
}
LAYER = "layers/0"
CONVENTION = "positive: the node helps (relevance raises the margin; the loss rises when the node goes)"
# Training on the circle: as networks on it are trained by default.
LEARNING_RATE, BATCH_SIZE = 1e-2, 32
OF = "margin: the right class's logit minus the wrong one's, whose softplus of the negative is the loss"


# One and the same object for each learning rate: training compiles anew for another.
_adam = cache(optax.adam)


def of_circle(settings: Relevance) -> xr.Dataset:
    """Return what each measure says about each hidden node of several networks, trained on the circle.

    Relevance is that of the margin, right minus wrong logit, as a mean over the test set: the loss depends on the
    margin alone. ``lrp_logit`` is that of the right logit, for comparison.
    """
    seeds = [settings.seed + index for index in range(settings.networks)]
    networks = [MLP((2, settings.nodes, 2), activation="relu", seed=seed) for seed in seeds]
    sets = [tasks.circle(train_seed=seed) for seed in seeds]
    train_many(
        networks,
        sets,
        optimizer=_adam(LEARNING_RATE),
        epochs=settings.circle_epochs,
        batch_size=BATCH_SIZE,
        seeds=seeds,
    )
    objectives = [Objective(network, task.test) for network, task in zip(networks, sets, strict=True)]
    found = [_measures_of(*each) for each in zip(networks, sets, objectives, strict=True)]
    measures = list(found[0])
    data = xr.Dataset(
        {"value": (("measure", "network", "node"), [[one[name] for one in found] for name in measures])},
        dict(
            measure=np.asarray(measures, object),
            network=seeds,
            node=np.asarray(objectives[0].nodes, object),
            unit=("measure", np.asarray(["nats" if name in _LOSS else "logit" for name in measures], object)),
        ),
        dict(convention=CONVENTION, relevance_of=OF),
    )
    on = np.ones(settings.nodes)
    # Of each network all is stored that the numbers follow from.
    weights = datasets.of_parameters(networks).assign_attrs(datasets.structure(networks[0]))
    return xr.merge([data, weights], combine_attrs="no_conflicts").assign(
        accuracy=("network", [float(one.accuracy(on)) for one in objectives]),
        loss=("network", [float(one.evaluate(on, gradients=False).loss) for one in objectives]),
    )


# In nats.
_LOSS = ("slope_of_loss", "gate_gradient", "first_order", "second_order", "brute_force", "shapley")


def _measures_of(network: MLP, task: Task, objective: Objective) -> dict[str, Any]:
    inputs, targets = task.test.inputs, np.asarray(task.test.targets)
    outputs = np.asarray(network(jnp.asarray(inputs)))
    sign = np.where(np.arange(2) == targets[:, None], 1, -1).astype(np.float32)
    found, each = {}, {}
    for name, method in RELEVANCE.items():
        # LRP starts with relevance, the others with the weights of the outputs.
        start = sign * outputs if name == "lrp" else sign
        each[name] = np.asarray(attribute(network, inputs, target=start, method=method).layers[LAYER])
        found[name] = each[name].mean(axis=0)
    # Outputs weighted by the slope of the loss: to first order in the gates nothing else differs from the loss.
    weight = np.asarray(jax.nn.sigmoid(-np.sum(sign * outputs, axis=1, keepdims=True)))
    found["slope_of_loss"] = np.asarray(
        attribute(network, inputs, target=sign * weight, method="slope").layers[LAYER]
    ).mean(axis=0)
    found["lrp_absolute"] = np.abs(each["lrp"]).mean(axis=0)
    right = np.where(sign > 0, outputs, 0)
    found["lrp_logit"] = np.asarray(attribute(network, inputs, target=right, method="lrp").layers[LAYER]).mean(axis=0)
    found["gate_gradient"] = -np.asarray(objective.evaluate(np.ones(len(objective.nodes))).loss_gradient)
    for name in ("first_order", "second_order", "brute_force", "shapley"):
        found[name] = ranking.scores(objective, method=name)
    return found
