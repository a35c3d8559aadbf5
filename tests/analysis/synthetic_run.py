"""A small synthetic run with the layout of the store, made without a network and without JAX."""

import json
import warnings
from functools import cache

import numpy as np
import xarray as xr
from scipy import special

from analysis import _seals, runs
from analysis._reports.results import measure
from sweeps._studies.circle.measures import cubes, gradients

NODES, DRAWS, NETWORKS, EPOCHS = 8, 200, 6, 20
#: Networks of which there are gradients and masks; the others are like one of them.
DISTINCT = 3
SWEPT = {
    "seed": 17,
    "loss": "cross_entropy",
    "unit": "nats",
    "plan": "affine: outputs are affine in the gates",
    "precision": "highest",
    "full_loss": 0.21,
}
PROBABILITIES = (0.25, 0.5, 0.75)


def node_labels(nodes=NODES):
    return np.array([f"layers/0 unit {i}" for i in range(nodes)])


def normal_scores(count):
    """The quantiles of a normal law, in random order: a sample that looks as normal as can be."""
    scores = special.ndtri((np.arange(count) + 0.5) / count)
    return np.random.default_rng(0).permutation(scores)


def bernoulli(random, nodes=NODES, draws=DRAWS, shift=0.0):
    """Draws whose log loss falls with every node that is on, plus noise: roughly log-normal."""
    gates = random.random((3, 1, draws, nodes)) < np.reshape(PROBABILITIES, (3, 1, 1, 1))
    worth = np.linspace(0.05, 0.3, nodes)
    log_loss = 0.3 + shift - gates @ worth + 0.3 * random.standard_normal((3, 1, draws))
    loss = np.exp(log_loss).astype(np.float32)
    dims = ("probability", "chain", "draw")
    labels = node_labels(nodes)
    return xr.Dataset(
        {
            "loss": (dims, loss),
            "log_loss": (dims, np.log(loss)),
            "loss_gradient": ((*dims, "node"), np.zeros(gates.shape, np.float32)),
            "log_loss_gradient": ((*dims, "node"), np.zeros(gates.shape, np.float32)),
            "gates": ((*dims, "node"), gates),
        },
        coords={
            "probability": list(PROBABILITIES),
            "chain": [0],
            "draw": np.arange(draws),
            "node": labels,
            "layer": ("node", np.array(["layers/0"] * nodes)),
        },
        attrs={"design": f"Bernoulli(probability={PROBABILITIES}, draws={draws}, chains=1)", **SWEPT},
    )


def leave_one_out(nodes=NODES):
    loss = (0.21 + np.linspace(-0.02, 0.4, nodes)[np.argsort(np.sin(np.arange(nodes)))]).astype(np.float32)
    return xr.Dataset(
        {"loss": ("node", loss), "log_loss": ("node", np.log(loss))},
        coords={"node": node_labels(nodes), "layer": ("node", np.array(["layers/0"] * nodes))},
        attrs={"design": "LeaveOneOut()", **SWEPT},
    )


def masks(nodes=NODES):
    """Every mask, row m with node i on when bit i of m is 1."""
    return np.arange(2**nodes)[:, None] >> np.arange(nodes) & 1 == 1


def log_losses(nodes=NODES):
    """The log loss of every mask: single nodes, some pairs, and an offset; float32 as the store has it."""
    gates = masks(nodes).astype(float)
    worth = np.linspace(0.05, 0.3, nodes)
    return (0.3 - gates @ worth + 0.4 * gates[:, 0] * gates[:, 1] - 0.2 * gates[:, 2] * gates[:, -1]).astype(np.float32)


def swept(design, variables, nodes=NODES, **coords):
    """A sweep of the losses of `log_losses`; variables hold log losses, or gates with the node last."""
    variables = {name: (dims, np.asarray(values)) for name, (dims, values) in variables.items()}
    variables["loss"] = (variables["log_loss"][0], np.exp(variables["log_loss"][1]))
    coords |= {"node": node_labels(nodes), "layer": ("node", np.array(["layers/0"] * nodes))}
    return xr.Dataset(variables, coords=coords, attrs={"design": design, **SWEPT})


def hypercube(nodes=NODES):
    return swept("Hypercube()", {"log_loss": (("mask",), log_losses(nodes))}, nodes)


def flip_paths(random, nodes=NODES, paths=80):
    order = np.argsort(random.random((paths, nodes)))
    flips = np.concatenate([np.zeros((paths, 1), int), np.cumsum(1 << order, axis=1)], axis=1)
    number = random.integers(2**nodes, size=(paths, 1)) ^ flips
    variables = {
        "log_loss": (("chain", "draw", "step"), log_losses(nodes)[number][None]),
        "gates": (("chain", "draw", "step", "node"), masks(nodes)[number][None]),
    }
    coords = {"chain": [0], "draw": np.arange(paths), "step": np.arange(nodes + 1)}
    design = f"FlipPaths(paths={paths}, probability=0.5, flips=None, layer=None, chains=1)"
    return swept(design, variables, nodes, **coords)


def spread(random, networks=NETWORKS, draws=DRAWS):
    center = np.array([0.0, -0.25, -0.7]).reshape(3, 1, 1)
    scale = np.array([0.45, 0.55, 0.6]).reshape(3, 1, 1)
    of_network = 0.15 * random.standard_normal((2, networks, 1, 1, 1))
    logs = center + of_network + scale * random.standard_normal((2, networks, 3, 1, draws))
    full = 0.12 * np.exp(0.2 * random.standard_normal((2, networks)))
    return xr.Dataset(
        {
            "loss": (
                ("boundary", "network", "probability", "chain", "draw"),
                np.exp(logs).astype(np.float32),
            ),
            "full_loss": (("boundary", "network"), full),
            "full_accuracy": (("boundary", "network"), np.full((2, networks), 0.96)),
        },
        coords={
            "boundary": ["text", "code"],
            "network": np.arange(networks),
            "probability": list(PROBABILITIES),
            "chain": [0],
            "draw": np.arange(draws),
        },
    )


@cache
def _of_networks(nodes, networks, points):
    """What the circle study keeps of many networks, by its own reductions: they are tested elsewhere."""
    random, dims = np.random.default_rng(5), ("boundary", "network")
    kernels = random.standard_normal((2, networks, 2, nodes))
    biases = np.full((2, networks, nodes), -0.3)
    biases[..., :2] = 4.0  # active on the whole square
    kernels[..., :2] *= 0.3
    out = np.stack([np.zeros(nodes), np.where(np.arange(nodes) < 2, -1.0, 1.5)], axis=-1)
    weights = xr.Dataset(
        {
            "layers.0.kernel": ((*dims, "layers.0.inputs", "layers.0.outputs"), kernels),
            "layers.0.bias": ((*dims, "layers.0.outputs"), biases),
            "layers.1.kernel": ((*dims, "layers.1.inputs", "layers.1.outputs"), np.tile(out, (2, networks, 1, 1))),
            "layers.1.bias": ((*dims, "layers.1.outputs"), np.zeros((2, networks, 2))),
            "radius": ("boundary", [0.798, 0.893]),
        },
        coords={"boundary": ["text", "code"], "network": np.arange(networks)},
        attrs={"sizes": [2, nodes, 2], "activation": "relu", "output_activation": "identity"},
    )
    whole, held = hypercube(nodes), {"cubes": [], "gradients": []}
    for index in range(min(networks, DISTINCT)):
        draws, of = bernoulli(random, nodes, 60), weights.isel(boundary=0, network=index)
        for name in ("loss_gradient", "log_loss_gradient"):
            draws[name] = draws[name] + random.standard_normal(draws[name].shape)
        pairs = 0.1 * random.standard_normal(nodes) * (masks(nodes) ^ np.roll(masks(nodes), 1, axis=1))
        log_loss = whole["log_loss"] + pairs.sum(axis=1)
        cube = whole.assign(log_loss=log_loss, loss=np.exp(log_loss))
        held["cubes"].append(cubes.of_network(cube, draws, of, np.array(points)))
        held["gradients"].append(gradients.of_network(draws))
    again = np.arange(networks) % DISTINCT
    joined = {key: xr.concat(parts, "network").isel(network=again) for key, parts in held.items()}
    joined = {key: one.assign_coords(network=weights["network"]) for key, one in joined.items()}
    joined["gradients"] = joined["gradients"].expand_dims(boundary=weights["boundary"].values)
    return {f"/networks/{name}": data for name, data in {"weights": weights, **joined}.items()}


def of_networks(nodes, networks, task):
    points = tuple(map(tuple, task["test_inputs"].values.tolist()))
    return {name: data.copy(deep=True) for name, data in _of_networks(nodes, networks, points).items()}


def make_tree(seed=0, nodes=NODES, draws=DRAWS, networks=NETWORKS, bad=True):
    """The whole store; `bad` puts in zero, NaN and infinite losses."""
    random = np.random.default_rng(seed)
    sweep = bernoulli(random, nodes, draws)
    many = spread(random, networks, draws)
    if bad:
        for name, zero in (("loss", 0.0), ("log_loss", -np.inf)):
            sweep[name][0, 0, :2] = zero
            sweep[name][1, 0, 3] = np.nan
            sweep[name][1, 0, 5] = np.inf
        many["loss"][0, 1, 2, 0, :3] = [0.0, np.nan, np.inf]
    groups = trained(random, nodes) | {
        "/sweeps/bernoulli": sweep,
        "/sweeps/leave_one_out": leave_one_out(nodes),
        "/sweeps/flip_paths": flip_paths(random, nodes),
        "/sweeps/hypercube": hypercube(nodes),
        "/spread": many,
    }
    groups |= of_networks(nodes, networks, groups["/task"])
    own = groups["/networks/weights"].isel(boundary=0, network=0, drop=True).drop_vars("radius")
    groups["/network"] = own.astype(np.float32).assign_attrs(groups["/network"].attrs)
    config = {"epochs": EPOCHS, "batch_size": 32, "optimizer": {"name": "adam", "rate": 0.01}}
    return tree_of(groups, "circle", "sweeps study circle --out runs/circle", config)


def configured_tree(sweep, config=None):
    """The whole store of a configured run."""
    groups = trained(np.random.default_rng(0), sweep.sizes["node"]) | {"/sweeps/main": sweep}
    return tree_of(groups, "sweep", "sweeps run mine.toml --out runs/mine", config or {"sweep": {"draws": 200}})


def results_of(data, config=None, change=None, folder=None):
    """The results of a sweep of a configured run."""
    tree = configured_tree(data, config)
    if change is not None:
        change(tree)
    run = runs.Run(folder, tree, "sweep", "sweeps run mine.toml", "1 CPU device", config or {}, {}, {"masks": 17})
    return measure(run)


def tree_of(groups, study, command, config):
    tree = xr.DataTree.from_dict({name: data.assign_attrs(complete=True) for name, data in groups.items()})
    tree.attrs = {
        "format": runs.FORMAT,
        "study": study,
        "command": command,
        "device": "1 CPU device",
        "config": json.dumps(config),
        "versions": json.dumps({"gatesweep": "0.1.0", "numpy": np.__version__}),
        "seeds": json.dumps({"masks": 17, "test_set": 23, "network": 0}),
    }
    return tree


def trained(random, nodes):
    """Task, network and training, as groups."""
    epoch = np.arange(1, EPOCHS + 1)
    inputs = random.uniform(-1, 1, (30, 2)).astype(np.float32)
    targets = (np.sum(inputs**2, 1) > 2 / np.pi).astype(np.int32)
    kernels = {
        "layers.0.kernel": (("layers.0.inputs", "layers.0.outputs"), np.ones((2, nodes), np.float32)),
        "layers.0.bias": (("layers.0.outputs",), np.zeros(nodes, np.float32)),
        "layers.1.kernel": (("layers.1.inputs", "layers.1.outputs"), np.ones((nodes, 2), np.float32)),
        "layers.1.bias": (("layers.1.outputs",), np.zeros(2, np.float32)),
    }
    examples = {
        "train_inputs": (("train_example", "feature"), inputs),
        "train_targets": (("train_example",), targets),
        "test_inputs": (("test_example", "feature"), inputs),
        "test_targets": (("test_example",), targets),
    }
    network = {
        "sizes": [2, nodes, 2],
        "activation": "relu",
        "output_activation": "identity",
        "use_bias": 1,
        "full_loss": 0.21,
        "full_accuracy": 0.95,
        "train_loss": 0.19,
        "train_accuracy": 0.96,
    }
    curves = {
        "loss": ("epoch", 0.15 + 0.5 * np.exp(-epoch / 5)),
        "accuracy": ("epoch", 1 - 0.4 * np.exp(-epoch / 4)),
    }
    return {
        "/task": xr.Dataset(
            examples, attrs={"name": "circle", "boundary": "text", "radius": float(np.sqrt(2 / np.pi))}
        ),
        "/network": xr.Dataset(kernels, attrs=network),
        "/training": xr.Dataset(curves, coords={"epoch": epoch}),
    }


def write_run(folder, tree):
    with warnings.catch_warnings():
        # zarr's text arrays are not in the v3 specification yet, and it says so at every write
        warnings.filterwarnings("ignore", message=".*does not have a Zarr V3 specification.*")
        tree.to_zarr(folder / "run.zarr", consolidated=False)
    seal(folder / "run.zarr")
    return folder


def seal(store):
    """Seal a store, as the engine does when a group is finished."""
    documents = [path for path in store.rglob("zarr.json") if _seals.document(path)["attributes"].get("complete")]
    for path in documents:
        _seals.seal(path.parent, _seals.sums_of_group(path.parent))
    _seals.seal(store, _seals.sums(store, documents))
