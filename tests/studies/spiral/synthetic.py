"""A small synthetic run of the study spiral: random networks whose weights move by rule, without JAX."""

import numpy as np
import xarray as xr

from tests.analysis import synthetic_run

SIZES = (2, 12, 12, 2)
SIDE = np.linspace(-1.1, 1.1, 15, dtype=np.float32)
RATE = 0.1
#: Shares of the weights that stay, and that move by the distance below, in learning rates.
STILL, PREFERRED, DISTANCE = 0.1, 0.6, 6.0
ARMS = ("pruned", "finetuned", "prune_first")


def names(texts):
    return np.array(list(texts), object)


def task(random, examples=60):
    radius, arm = random.uniform(0.1, 1, examples), random.integers(2, size=examples)
    angle = 3 * np.pi * radius + np.pi * arm
    points = (radius * np.stack([np.cos(angle), np.sin(angle)])).T.astype(np.float32)
    variables = {}
    for part in ("train", "test"):
        variables[f"{part}_inputs"] = ((f"{part}_example", "feature"), points)
        variables[f"{part}_targets"] = ((f"{part}_example",), arm.astype(np.int32))
    return xr.Dataset(variables, attrs={"name": "spiral", "turns": 1.5, "noise": 0.0})


def start(random, sizes):
    """Parameters by name."""
    found = {}
    for index, pair in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        found[f"layers.{index}.kernel"] = random.uniform(-0.5, 0.5, pair).astype(np.float32)
        found[f"layers.{index}.bias"] = np.zeros(pair[1], np.float32)
    return found


def moved(random, parameters, rate):
    """Another training: every weight stays, moves by the preferred distance, or goes somewhere."""
    found = {}
    for name, values in parameters.items():
        what, sign = random.random(values.shape), random.choice([-1, 1], values.shape)
        far = np.where(what < STILL + PREFERRED, DISTANCE * rate * sign, random.normal(size=values.shape))
        found[name] = np.where(what < STILL, values, values + far).astype(np.float32)
    return found


def without(parameters, keep, sizes):
    """The same with nodes gone: their weights and biases are zero; keep: a mask of all hidden nodes."""
    found = {name: values.copy() for name, values in parameters.items()}
    for layer, mask in enumerate(np.split(keep, np.cumsum(sizes[1:-1])[:-1])):
        found[f"layers.{layer}.kernel"][:, ~mask] = 0
        found[f"layers.{layer}.bias"][~mask] = 0
        found[f"layers.{layer + 1}.kernel"][~mask] = 0
    return found


def activations(parameters, inputs):
    """Values layer after layer, the outputs last."""
    found, value, count = [], inputs, len(parameters) // 2
    for layer in range(count):
        value = value @ parameters[f"layers.{layer}.kernel"] + parameters[f"layers.{layer}.bias"]
        value = np.maximum(value, 0) if layer < count - 1 else value
        found.append(value)
    return found


def measured(parameters, of):
    """What the store holds of one network, by name."""
    grid = np.stack([axis.ravel() for axis in np.meshgrid(SIDE, SIDE)], axis=1)
    outputs = activations(parameters, of["test_inputs"].values)[-1]
    margin = np.diff(outputs)[:, 0] * np.where(of["test_targets"].values, 1, -1)
    loss = np.log1p(np.exp(-margin)).mean()
    decision = (activations(parameters, grid)[-1].argmax(axis=1) == 1).reshape(len(SIDE), len(SIDE))
    return {"accuracy": (margin > 0).mean(), "loss": loss, "train_loss": loss, "decision": decision} | parameters


def stacked(cases, dims):
    """A Dataset of cases in a row, unravelled into dimensions with these coordinates or lengths."""
    shape = [one if isinstance(one, int) else len(one) for one in dims.values()]
    variables = {}
    for name in cases[0]:
        values = np.stack([case[name] for case in cases])
        layer, _, part = name.rpartition(".")
        inner = {"kernel": (f"{layer}.inputs", f"{layer}.outputs"), "bias": (f"{layer}.outputs",)}.get(part)
        inner = inner or (("y", "x") if name == "decision" else ())
        variables[name] = ((*dims, *inner), values.reshape(*shape, *values.shape[1:]))
    coords = {dim: one for dim, one in dims.items() if not isinstance(one, int)}
    return xr.Dataset(variables, coords | ({"y": SIDE, "x": SIDE} if "decision" in cases[0] else {}))


def nodes_of(random, trained, of, sizes, choices):
    """Which half of each layer stays, by choice: at random, and those whose activations vary most."""
    ends, keep, deviation = np.cumsum(sizes[1:-1])[:-1], [], []
    for network in trained:
        spread = np.concatenate(activations(network, of["train_inputs"].values)[:-1], axis=1).std(axis=0)
        deviation.append(spread * (spread > 1e-6))
        scores = [*random.random((choices, len(spread))), deviation[-1]]
        ranked = [[np.argsort(np.argsort(one)) >= len(one) // 2 for one in np.split(row, ends)] for row in scores]
        keep.append([np.concatenate(row) for row in ranked])
    layer = names(f"layers/{index}" for index, size in enumerate(sizes[1:-1]) for _ in range(size))
    return xr.Dataset(
        {"keep": (("network", "choice", "node"), np.array(keep)), "deviation": (("network", "node"), deviation)},
        coords={
            "choice": names([*(f"random {number}" for number in range(choices)), "smallest deviation"]),
            "node": names(f"{layer} unit {node}" for node, layer in enumerate(layer)),
            "layer": ("node", layer),
        },
    )


def film(first, last, checkpoints):
    """A straight way from one network to another."""
    shares = np.linspace(0, 1, checkpoints)
    steps = [{name: first[name] + share * (last[name] - first[name]) for name in first} for share in shares]
    return stacked(steps, {"checkpoint": np.arange(checkpoints)})


def history(random, dims, epochs):
    shape = [one if isinstance(one, int) else len(one) for one in dims.values()]
    full = (("network", "epoch"), random.uniform(size=(shape[-1], epochs)))
    variables = {"trained": full, "reshuffled": full}
    for name, dim, count in (("prune_first", "epoch", epochs), ("finetuned", "finetune_epoch", 2)):
        variables[name] = ((*dims, dim), random.uniform(size=(*shape, count)))
    return xr.Dataset(variables, coords={dim: one for dim, one in dims.items() if not isinstance(one, int)})


def study(random, of, networks, choices, sizes, rate=RATE, compensation=("without", "with")):
    """Groups "full", "pruned" and "nodes" of one learning rate, and the cases of "pruned"."""
    starts = [start(random, sizes) for _ in range(networks)]
    trained, other = ([moved(random, one, rate) for one in starts] for _ in range(2))
    nodes = nodes_of(random, trained, of, sizes, choices)
    full = [measured(one, of) for one in (*starts, *trained, *other)]
    cases = {"compensation": names(compensation), "choice": nodes["choice"].values, "network": networks}

    def cut(arm, _, choice, network):
        source = starts[network] if arm == 2 else trained[network]
        return without(moved(random, source, rate) if arm else source, nodes["keep"].values[network, choice], sizes)

    pruned = [cut(*case) for case in np.ndindex(len(ARMS), len(compensation), choices + 1, networks)]
    attrs = {"sizes": list(sizes), "activation": "relu", "output_activation": "identity"}
    arms = {"arm": names(["initial", "trained", "reshuffled"]), "network": networks}
    cut_arms = {"arm": names(ARMS), **cases}
    groups = {
        "full": stacked(full, arms).assign_attrs(attrs),
        "pruned": stacked([measured(one, of) for one in pruned], cut_arms).assign_attrs(attrs),
        "nodes": nodes,
    }
    return groups, cases


def make_tree(networks=3, choices=2, sizes=SIZES, rates=(0.01, 0.1), epochs=3):
    random = np.random.default_rng(0)
    of = task(random)
    main, cases = study(random, of, networks, choices, sizes)
    first, last = (main["full"].sel(arm=arm).isel(network=0) for arm in ("initial", "trained"))
    ends = [{name: one[name].values for name in one if name.startswith("layers")} for one in (first, last)]
    groups = {"/task": of, "/history": history(random, cases, epochs), "/films/trained": film(*ends, epochs + 1)}
    groups |= {f"/{name}": data for name, data in main.items()}
    for name in ("finetuned_random", "prune_first_random", "finetuned_chosen", "prune_first_chosen"):
        groups[f"/films/{name}"] = film(*ends, 2)
    some = [study(random, of, networks, 1, sizes, rate, ["with"])[0] for rate in rates]
    for name in main if rates else ():
        joined = xr.concat([one[name] for one in some], "learning_rate").assign_coords(learning_rate=list(rates))
        groups[f"/rates/{name}"] = joined
    config = {"hidden": list(sizes[1:-1]), "networks": networks, "share": 0.5, "learning_rate": RATE}
    return synthetic_run.tree_of(groups, "spiral", "sweeps study spiral --out runs/spiral", config)
