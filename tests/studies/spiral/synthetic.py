"""A small synthetic run of the study spiral: random networks whose weights move by rule, without JAX."""

import numpy as np
import xarray as xr

from tests.analysis import synthetic_run

SIZES = (2, 12, 12, 2)
HIDDEN = ("layers/0", "layers/1")
SIDE = np.linspace(-1.1, 1.1, 15, dtype=np.float32)
RATE = 0.1
#: Changes of the main kernel by arm: this many in a hundred stay, and as many move by the distance below.
STILL, PREFERRED, DISTANCE = 0.1, 0.6, 0.6


def task(random, examples=60):
    radius, arm = random.uniform(0.1, 1, examples), random.integers(2, size=examples)
    angle = 3 * np.pi * radius + np.pi * arm
    points = (radius * np.stack([np.cos(angle), np.sin(angle)])).T.astype(np.float32)
    variables = {}
    for part in ("train", "test"):
        variables[f"{part}_inputs"] = ((f"{part}_example", "feature"), points)
        variables[f"{part}_targets"] = ((f"{part}_example",), arm.astype(np.int32))
    return xr.Dataset(variables, attrs={"name": "spiral", "turns": 1.5, "noise": 0.0})


def start(random, sizes=SIZES):
    """Parameters by name."""
    found = {}
    for index, pair in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        found[f"layers.{index}.kernel"] = random.uniform(-0.5, 0.5, pair).astype(np.float32)
        found[f"layers.{index}.bias"] = np.zeros(pair[1], np.float32)
    return found


def moved(random, parameters):
    """Another training: every weight stays, moves by the preferred distance, or goes somewhere."""
    found = {}
    for name, values in parameters.items():
        what, sign = random.random(values.shape), random.choice([-1, 1], values.shape)
        far = np.where(what < STILL + PREFERRED, DISTANCE * sign, random.normal(size=values.shape))
        found[name] = np.where(what < STILL, values, values + far).astype(np.float32)
    return found


def without(parameters, keep):
    """The same with nodes gone: their weights and biases are zero; keep: a mask a hidden layer."""
    found = {name: values.copy() for name, values in parameters.items()}
    for layer, mask in enumerate(keep):
        found[f"layers.{layer}.kernel"][:, ~mask] = 0
        found[f"layers.{layer}.bias"][~mask] = 0
        found[f"layers.{layer + 1}.kernel"][~mask] = 0
    return found


def hidden(parameters, inputs):
    """Activations layer after layer, the outputs last."""
    found, value, count = [], inputs, len(parameters) // 2
    for layer in range(count):
        value = value @ parameters[f"layers.{layer}.kernel"] + parameters[f"layers.{layer}.bias"]
        value = np.maximum(value, 0) if layer < count - 1 else value
        found.append(value)
    return found


def measured(parameters, of):
    """What the store holds of one network."""
    grid = np.stack([axis.ravel() for axis in np.meshgrid(SIDE, SIDE)], axis=1)
    outputs = hidden(parameters, of["test_inputs"].values)[-1]
    right = outputs.argmax(axis=1) == of["test_targets"].values
    margin = np.diff(outputs)[:, 0] * np.where(of["test_targets"].values, 1, -1)
    loss = np.log1p(np.exp(-margin)).mean()
    variables = {"accuracy": right.mean(), "loss": loss, "train_loss": loss}
    variables |= {"decision": (("y", "x"), (hidden(parameters, grid)[-1].argmax(axis=1) == 1).reshape(15, 15))}
    for name, values in parameters.items():
        layer, part = name.rpartition(".")[::2]
        dims = (f"{layer}.inputs", f"{layer}.outputs") if part == "kernel" else (f"{layer}.outputs",)
        variables[name] = (dims, values)
    return xr.Dataset(variables, coords={"y": SIDE, "x": SIDE})


def nested(levels, name="network"):
    """Put nested lists of Datasets together along dimensions, the outermost first."""
    if isinstance(levels, xr.Dataset):
        return levels
    dim, rest = (name[0], name[1:]) if isinstance(name, tuple) else (name, ())
    return xr.concat([nested(one, rest) for one in levels], dim)


def film(parameters, checkpoints, of):
    """A straight way from one network to another."""
    first, last = parameters
    steps = [
        measured({name: first[name] + share * (last[name] - first[name]) for name in first}, of)
        for share in np.linspace(0, 1, checkpoints)
    ]
    names = [name for name in steps[0].data_vars if name.startswith("layers")]
    data = xr.concat([one[names] for one in steps], "checkpoint")
    return data.assign_coords(checkpoint=np.arange(checkpoints))


def rates(random, networks, at=(0.01, 0.1)):
    dims = ("learning_rate", "network")
    distance = np.arange(0.05, 20, 0.1)
    counts = np.zeros((len(at), networks, distance.size), int)
    counts[..., 20] = 30  # two learning rates
    counts[..., 59:61] = 100  # six of them
    share = random.uniform(0.5, 1, (len(at), networks))
    variables = {name: (dims, share) for name in ("accuracy", "reshuffled_agreement", "unmoved")}
    variables["dead"] = ((*dims, "layer"), random.uniform(size=(len(at), networks, 2)))
    variables["moved"] = ((*dims, "distance"), counts)
    for name in ("pruned_accuracy", "first_accuracy", "pruned_agreement", "first_agreement", "mutual_agreement"):
        variables[name] = (("learning_rate", "kind", "network"), random.uniform(size=(len(at), 2, networks)))
    coords = {"learning_rate": list(at), "kind": ["random", "chosen"], "layer": list(HIDDEN), "distance": distance}
    return xr.Dataset(variables, coords=coords)


def make_tree(networks=3, choices=2, compensations=("without", "with"), whole=True, sizes=SIZES, epochs=3):
    """The whole store; or its least: no history, no films, no learning rates."""
    random = np.random.default_rng(0)
    of, layers = task(random), [f"layers/{index}" for index in range(len(sizes) - 2)]
    names = [f"random {number}" for number in range(choices)] + ["smallest deviation"]
    ends = np.cumsum(sizes[1:-1])[:-1]
    keeps, deviations, full, pruned, films = [], [], [], [], {}
    for network in range(networks):
        first = start(random, sizes)
        trained, other = moved(random, first), moved(random, first)
        activations = np.concatenate(hidden(trained, of["train_inputs"].values)[:-1], axis=1)
        deviation = activations.std(axis=0) * (activations.std(axis=0) > 1e-6)
        half = [np.argsort(one)[len(one) // 2 :] for one in np.split(deviation, ends)]
        keep = []
        for choice in names:
            parts = []
            for size, chosen in zip(sizes[1:-1], half, strict=True):
                stays = chosen if choice == names[-1] else random.permutation(size)[: size // 2]
                parts.append(np.isin(np.arange(size), stays))
            keep.append(parts)
        by_arm = {}
        for arm in ("pruned", "finetuned", "prune_first"):
            by_arm[arm] = [
                [
                    without(
                        trained if arm == "pruned" else moved(random, trained if arm == "finetuned" else first), mask
                    )
                    for mask in keep
                ]
                for _ in compensations
            ]
        full.append([measured(one, of) for one in (first, trained, other)])
        pruned.append([[[measured(one, of) for one in row] for row in rows] for rows in by_arm.values()])
        keeps.append([np.concatenate(parts) for parts in keep])
        deviations.append(deviation)
        if network == 0:
            last = by_arm["prune_first"][-1]
            films = {"trained": (first, trained), "prune_first_random": (without(first, keep[0]), last[0])}
    labels = [f"{layer} unit {unit}" for layer, size in zip(layers, sizes[1:-1], strict=True) for unit in range(size)]
    node_layers = np.array([label.split()[0] for label in labels], object)
    nodes = xr.Dataset(
        {
            "keep": (("network", "choice", "node"), np.array(keeps)),
            "deviation": (("network", "node"), np.array(deviations)),
        },
        coords={
            "choice": np.array(names, object),
            "node": np.array(labels, object),
            "layer": ("node", node_layers),
        },
    )
    attrs = {"sizes": list(sizes), "activation": "relu", "output_activation": "identity"}
    arms = np.array(["initial", "trained", "reshuffled"], object)
    cut = np.array(["pruned", "finetuned", "prune_first"], object)
    coords = {"compensation": np.array(compensations, object), "choice": np.array(names, object)}
    groups = {
        "/task": of,
        "/nodes": nodes,
        "/full": nested(full, ("network", "arm")).assign_coords(arm=arms).assign_attrs(attrs),
        "/pruned": nested(pruned, ("network", "arm", "compensation", "choice"))
        .assign_coords(arm=cut, **coords)
        .assign_attrs(attrs),
    }
    if whole:
        groups["/history"] = history(random, networks, epochs, coords)
        groups |= {f"/films/{name}": film(pair, epochs + 1, of) for name, pair in films.items()}
        groups["/rates"] = rates(random, networks)
    config = {"hidden": list(sizes[1:-1]), "networks": networks, "share": 0.5, "learning_rate": RATE}
    return synthetic_run.tree_of(groups, "spiral", "sweeps study spiral --out runs/spiral", config)


def history(random, networks, epochs, coords):
    shape = (len(coords["compensation"]), len(coords["choice"]), networks)
    dims = ("compensation", "choice", "network")
    return xr.Dataset(
        {
            "trained": (("network", "epoch"), random.uniform(size=(networks, epochs))),
            "reshuffled": (("network", "epoch"), random.uniform(size=(networks, epochs))),
            "prune_first": ((*dims, "epoch"), random.uniform(size=(*shape, epochs))),
            "finetuned": ((*dims, "finetune_epoch"), random.uniform(size=(*shape, 2))),
        },
        coords=coords | {"epoch": np.arange(1, epochs + 1), "finetune_epoch": [1, 2]},
    )
