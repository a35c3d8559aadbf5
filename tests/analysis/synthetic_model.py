"""A run of a network that is no MLP: attention heads, units and channels, tokens in, a sequence of targets out."""

import json

import numpy as np
import xarray as xr

from tests.analysis import synthetic_run

#: Path, kind and number of nodes of each gated layer.
TRANSFORMER = (
    ("blocks/0/attention", "head", 4),
    ("blocks/0/mlp_in", "unit", 24),
    ("blocks/1/attention", "head", 4),
    ("blocks/1/mlp_in", "unit", 24),
)
EXAMPLES, TOKENS = 12, 5


def coordinates(layers=TRANSFORMER):
    names = [f"{layer} {kind} {number}" for layer, kind, nodes in layers for number in range(nodes)]
    owners = [layer for layer, _, nodes in layers for _ in range(nodes)]
    return {"node": np.array(names, object), "layer": ("node", np.array(owners, object))}


def leave_one_out(layers=TRANSFORMER, seed=0, unit="nats"):
    """Changes of the loss that are larger in layers of fewer nodes, some of them below zero."""
    random = np.random.default_rng(seed)
    change = [random.lognormal(0, 1, n) * np.where(random.random(n) < 0.2, -0.2, 0.6) / n for *_, n in layers]
    loss = np.maximum(0.4 + np.concatenate(change), 0.05)
    attributes = synthetic_run.SWEPT | {"design": "LeaveOneOut()", "full_loss": 0.4, "unit": unit}
    data = {"loss": ("node", loss), "log_loss": ("node", np.log(loss))}
    return xr.Dataset(data, coords=coordinates(layers), attrs=attributes)


def draws(layers=TRANSFORMER, seed=0, count=60, probability=(0.5, 0.9)):
    """Log losses that fall by 0.5 for each layer that is on, and their gradients, with noise that a draw shares."""
    random = np.random.default_rng(seed)
    worth = np.concatenate([np.full(n, 0.5 / n) for *_, n in layers])
    shape = (len(probability), 1, count)
    gates = random.random((*shape, worth.size)) < np.reshape(probability, (-1, 1, 1, 1))
    log_loss = 0.3 - gates @ worth + 0.1 * random.standard_normal(shape)
    gradient = -worth * (1 + 0.3 * random.standard_normal((*shape, 1)) + 0.5 * random.standard_normal(gates.shape))
    dims = ("probability", "chain", "draw")
    variables = {
        "loss": (dims, np.exp(log_loss)),
        "log_loss": (dims, log_loss),
        "gates": ((*dims, "node"), gates),
        "log_loss_gradient": ((*dims, "node"), gradient),
        "loss_gradient": ((*dims, "node"), gradient * np.exp(log_loss)[..., None]),
    }
    coords = {"probability": list(probability), "chain": [0], "draw": np.arange(count), **coordinates(layers)}
    design = f"Bernoulli(probability={probability}, draws={count}, chains=1)"
    return xr.Dataset(variables, coords=coords, attrs=synthetic_run.SWEPT | {"design": design})


def sites(layers=TRANSFORMER):
    return [{"source": path, "kind": kind, "nodes": nodes, "reads": f"{path}/out"} for path, kind, nodes in layers]


def tree_of(sweep, layers=TRANSFORMER, trained=True):
    """The whole store of a configured run of such a network."""
    random = np.random.default_rng(0)
    tokens = random.integers(50, size=(EXAMPLES, TOKENS)).astype(np.int32)
    task = {}
    for part in ("train", "test"):
        task |= {
            f"{part}_inputs.tokens": ((f"{part}_example", "token"), tokens),
            f"{part}_inputs.image": (
                (f"{part}_example", "row", "column", "channel"),
                random.random((EXAMPLES, 6, 6, 1)),
            ),
            f"{part}_targets": ((f"{part}_example", "token"), tokens),
            f"{part}_mask": ((f"{part}_example", "token"), tokens > 4),
        }
    network = {
        "network": "my_package.models:build",
        "parameters": 12345,
        "sites": json.dumps(sites(layers)),
        "train_loss": 0.35,
        "full_loss": 0.4,
    }
    groups = {
        "/task": xr.Dataset(task, attrs={"name": "my tokens", "vocabulary": 50}),
        "/network": xr.Dataset(attrs=network),
        "/sweeps/main": sweep,
    }
    if trained:
        groups["/training"] = xr.Dataset({"loss": ("epoch", [0.9, 0.5, 0.4])}, coords={"epoch": [1, 2, 3]})
    return synthetic_run.tree_of(groups, "sweep", "sweeps run mine.toml --out runs/mine", {"sweep": {"draws": 60}})
