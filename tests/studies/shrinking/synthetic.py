"""A small synthetic run of the study shrinking: real networks in plain NumPy, ranked by plain loops, without JAX."""

import json

import numpy as np
import xarray as xr

from tests.analysis import synthetic_run

METHODS = ("brute_force", "first_order", "second_order")
RANKINGS = ("single_pass", "reranked")
STAND_INS = ("nothing", "bias", "partner", "rest")
CHOICES = ("brute_force", "second_order", "correlation", "contribution", "random")
EXAMPLES, FEATURES, CLASSES = 80, 4, 3
GAIN = (np.arange(-5, 26, 3) / 20).round(2)
STEP = 1e-3


class Network:
    """Sigmoid layers of random weights, and a linear output by least squares."""

    def __init__(self, sizes, seed=0, criterion="squared_error"):
        random = np.random.default_rng(seed)
        self.sizes, self.criterion = sizes, criterion
        self.inputs = random.normal(size=(2 * EXAMPLES, FEATURES))
        self.labels = np.argmax(self.inputs[:, :CLASSES] + 0.3 * self.inputs[:, -1:] ** 2, axis=1)
        self.targets = np.eye(CLASSES)[self.labels]
        widths = (FEATURES, *sizes)
        self.kernels = [random.normal(size=pair) * 1.5 for pair in zip(widths[:-1], widths[1:], strict=True)]
        self.output = np.zeros((sizes[-1] + 1, CLASSES))
        hidden = self.hidden(np.ones(sum(sizes)))[-1][:EXAMPLES]
        self.output = np.linalg.lstsq(np.c_[hidden, np.ones(EXAMPLES)], self.targets[:EXAMPLES], rcond=None)[0]

    def hidden(self, gates):
        value, found, start = self.inputs, [], 0
        for kernel in self.kernels:
            value = gates[start : start + kernel.shape[1]] / (1 + np.exp(-value @ kernel))
            start += kernel.shape[1]
            found.append(value)
        return found

    def outputs(self, gates):
        hidden = self.hidden(gates)[-1]
        return np.c_[hidden, np.ones(len(hidden))] @ self.output

    def losses(self, gates):
        outputs = self.outputs(gates)
        if self.criterion == "squared_error":
            return ((outputs - self.targets) ** 2).sum(axis=1)
        outputs = 5 * outputs
        return np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(len(outputs)), self.labels]

    def loss(self, gates, test=False):
        return float(self.losses(gates)[slice(EXAMPLES, None) if test else slice(EXAMPLES)].mean())

    def accuracy(self, gates, test=False):
        right = self.outputs(gates).argmax(axis=1) == self.labels
        return float(right[slice(EXAMPLES, None) if test else slice(EXAMPLES)].mean())

    @property
    def nodes(self):
        return [f"layers/{layer} unit {unit}" for layer, size in enumerate(self.sizes) for unit in range(size)]

    @property
    def layers(self):
        return [f"layers/{layer}" for layer, size in enumerate(self.sizes) for _ in range(size)]

    def without(self, gates, node, gain=0.0):
        changed = gates.copy()
        changed[node] = gain
        return self.loss(changed)

    def changes(self, gates):
        return np.array([self.without(gates, node) - self.loss(gates) for node in range(gates.size)])

    def derivatives(self, gates, node):
        low, middle, high = (self.without(gates, node, gates[node] + step) for step in (-STEP, 0, STEP))
        return (high - low) / (2 * STEP), (high - 2 * middle + low) / STEP**2

    def scores(self, gates, method):
        if method == "brute_force":
            return self.changes(gates)
        if method == "random":
            return np.random.default_rng(3).random(gates.size)
        first, second = np.transpose([self.derivatives(gates, node) for node in range(gates.size)])
        return -first if method == "first_order" else -first + second / 2


def path(network, method, rerank):
    """One removal path by plain loops, as the store has it."""
    count = sum(network.sizes)
    gates = np.ones(count)
    found = {name: [] for name in ("order", "predicted", "change", "best", "best_change", "is_best")}
    curves = {"loss": [network.loss(gates)], "accuracy": [network.accuracy(gates)]}
    curves["test_accuracy"] = [network.accuracy(gates, test=True)]
    scores = network.scores(gates, method)
    for _ in range(count):
        if rerank:
            scores = network.scores(gates, method)
        changes = network.changes(gates)
        node = int(np.argmin(np.where(gates > 0, scores, np.inf)))
        best = int(np.argmin(np.where(gates > 0, changes, np.inf)))
        values = (node, scores[node], changes[node], best, changes[best], changes[node] <= changes[best])
        for name, value in zip(found, values, strict=True):
            found[name].append(value)
        gates[node] = 0
        for name, value in (("loss", network.loss(gates)), ("accuracy", network.accuracy(gates))):
            curves[name].append(value)
        curves["test_accuracy"].append(network.accuracy(gates, test=True))
    return {name: ("step", np.array(values)) for name, values in curves.items()} | {
        name: ("removal", np.array(values)) for name, values in found.items()
    }


def stacked(parts):
    return xr.concat(parts, "network").assign_coords(network=range(len(parts)))


def paths(networks, methods=METHODS, rankings=RANKINGS):
    rows = [
        [[xr.Dataset(path(one, method, name == "reranked")) for name in rankings] for method in methods]
        for one in networks
    ]
    data = stacked([xr.concat([xr.concat(own, "ranking") for own in row], "ranked_by") for row in rows])
    first, count = networks[0], sum(networks[0].sizes)
    coords = {"step": np.arange(count + 1), "removal": np.arange(1, count + 1)}
    coords |= {"ranked_by": np.array(methods, object), "ranking": np.array(rankings, object)}
    coords |= {"node": np.array(first.nodes, object), "layer": ("node", np.array(first.layers, object))}
    return data.assign_coords(coords)


def described(networks, task="digits", accuracy=True):
    first, on = networks[0], np.ones(sum(networks[0].sizes))
    sizes = [FEATURES, *first.sizes, CLASSES]
    attrs = dict(sizes=sizes, activation="sigmoid", output_activation="identity", criterion=first.criterion)
    attrs |= dict(unit="squared units" if first.criterion == "squared_error" else "nats", task=task, epochs=20)
    values = {}
    for prefix, test in {"": False, "test_": True}.items():
        values[f"{prefix}loss"] = "network", [one.loss(on, test) for one in networks]
        shares = [one.accuracy(on, test) if accuracy else float("nan") for one in networks]
        values[f"{prefix}accuracy"] = "network", shares
    for layer, kernels in enumerate(zip(*([*one.kernels, one.output[:-1]] for one in networks), strict=True)):
        name = f"layers.{layer}"
        values[f"{name}.kernel"] = ("network", f"{name}.inputs", f"{name}.outputs"), np.stack(kernels)
    return xr.Dataset(values, {"network": range(len(networks))}, attrs)


def surfaces(networks, of, every=3):
    return stacked([_surfaces(one, of.isel(network=index), every) for index, one in enumerate(networks)])


def _surfaces(network, of, every):
    removed = np.arange(0, sum(network.sizes), every)
    rows = []
    for method in METHODS:
        order = of["order"].sel({"ranked_by": method, "ranking": "reranked"}).values
        curves = {"loss": [], "first_order": [], "second_order": []}
        for step in removed:
            gates = np.ones(len(order))
            gates[order[:step]] = 0
            first, second = network.derivatives(gates, order[step])
            start = network.loss(gates)
            curves["loss"].append([network.without(gates, order[step], gain) for gain in GAIN])
            curves["first_order"].append(start + first * (GAIN - 1))
            curves["second_order"].append(start + first * (GAIN - 1) + second * (GAIN - 1) ** 2 / 2)
        rows.append(xr.Dataset({name: (("removed", "gain"), np.array(values)) for name, values in curves.items()}))
    coords = {"ranked_by": np.array(METHODS, object), "removed": removed, "gain": GAIN}
    return xr.concat(rows, "ranked_by").assign_coords(coords)


def pairs(networks):
    return stacked([_pairs(one) for one in networks])


def _pairs(network):
    on = np.ones(sum(network.sizes))
    change = network.changes(on)
    interaction = np.full((on.size, on.size), np.nan)
    for one in range(on.size):
        for other in range(on.size):
            if one != other:
                gates = on.copy()
                gates[[one, other]] = 0
                interaction[one, other] = network.loss(gates) - network.loss(on) - change[one] - change[other]
    activations = np.concatenate([values[:EXAMPLES] for values in network.hidden(on)], axis=1)
    names = np.array(network.nodes, object)
    return xr.Dataset(
        {
            "correlation": (("node", "other"), np.corrcoef(activations.T)),
            "interaction": (("node", "other"), interaction),
            "change": ("node", change),
        },
        coords={"node": names, "other": names, "layer": ("node", np.array(network.layers, object))},
    )


def retraining(of, every=(0, 2, 5)):
    """Curves with retraining that are the path's own, shifted: no network is trained here."""
    plain = of.sel({"ranking": "reranked", "ranked_by": list(METHODS)})
    accuracy = np.stack([np.clip(plain["test_accuracy"].values + (0.05 if n else 0), 0, 1) for n in every], axis=1)
    dims = ("network", "every", "ranked_by", "step")
    variables = {name: (dims, accuracy) for name in ("accuracy", "test_accuracy", "loss")}
    coords = {"ranked_by": np.array(METHODS, object), "every": list(every), "step": plain["step"].values}
    coords |= {"network": plain["network"].values}
    return xr.Dataset(variables, coords=coords, attrs={"network": "1", "epochs": 1, "learning_rate": 0.01})


def hypercube(networks):
    first, count = networks[0], sum(networks[0].sizes)
    loss = [[one.loss(gates) for gates in synthetic_run.masks(count).astype(float)] for one in networks]
    return xr.Dataset(
        {"loss": (("network", "mask"), np.array(loss))},
        coords={"node": np.array(first.nodes, object), "layer": ("node", np.array(first.layers, object))},
        attrs={"design": "Hypercube()"},
    )


def replacing(of):
    """Removals in which others take over: the path's own curves, with a loss that falls the more, the more do."""
    plain = of.sel({"ranking": "reranked", "ranked_by": "brute_force"}, drop=True)
    shares = np.array(
        [[1 - 0.1 * row - 0.02 * column for column in range(len(CHOICES))] for row in range(len(STAND_INS))]
    )
    curves = {
        "loss": plain["loss"].values * shares[..., None, None],
        **{name: plain[name].values ** shares[..., None, None] for name in ("accuracy", "test_accuracy")},
    }
    dims = ("stand_in", "choice", "network", "step")
    coords = {"stand_in": np.array(STAND_INS, object), "choice": np.array(CHOICES, object)}
    coords |= {"network": plain["network"].values, "step": plain["step"].values}
    return xr.Dataset({name: (dims, values) for name, values in curves.items()}, coords, {"ridge": 1e-4})


def cascade(of, sizes=5):
    """Networks that grow: losses that halve with each node, from another start where outputs read nodes alone."""
    count, grown = of.sizes["network"], np.arange(sizes)
    start = np.array([[0.5], [2.0]])[:, None] * (1 + 0.1 * np.arange(count))[None, :, None]
    loss = start * 0.5**grown
    accuracy = 1 - loss / 8 if of["accuracy"].notnull().any() else np.full(loss.shape, np.nan)
    dims = ("direct", "network", "size")
    variables = {"loss": (dims, loss), "accuracy": (dims, accuracy), "test_accuracy": (dims, accuracy)}
    variables["parameters"] = (("direct", "size"), np.array([[15], [3]]) + 6 * grown)
    return xr.Dataset(variables, {"direct": [1, 0], "size": grown}, {"candidates": 8, "steps": 100})


def budgets(of, nodes=(1, 3)):
    """Networks of each size that are a little better the larger they are, and no better pruned than trained."""
    random = np.random.default_rng(1)
    over = ("network", "source", "trained_on", "budget")
    shape = (of.sizes["network"], 3, 2, len(nodes))
    accuracy = np.reshape(nodes, (1, 1, 1, -1)) / 10 + 0.01 * random.random(shape)
    names = ("loss", "accuracy", "test_loss", "test_accuracy")
    size = [4 * ((FEATURES + 1) * one + (one + 1) * CLASSES) for one in nodes]
    coords = {"source": np.array(["trained", "6", "9"], object), "budget": size, "nodes": ("budget", list(nodes))}
    coords |= {"network": of["network"].values, "trained_on": [0, 5]}
    return xr.Dataset({name: (over, accuracy) for name in names}, coords, {"epochs": 5, "learning_rate": 0.01})


def kind(sizes, seed=0, criterion="squared_error", count=2):
    return [Network(sizes, seed + 10 * index, criterion) for index in range(count)]


def make_tree(whole=True):
    """The whole store, of two networks a kind; or its least: one network of one layer, without retraining."""
    count = 2 if whole else 1
    networks = {"1": kind((6,), count=count)}
    if whole:
        networks |= {"2": kind((4, 3), 1), "3": kind((2, 2, 2), 2), "small": kind((4,), 3)}
        networks |= {"early_2": kind((6,), 7), "wide": kind((9,), 8)}
        networks |= {"cross_entropy": kind((5,), 0, "cross_entropy"), "regression": kind((4,), 5)}
    random = np.random.default_rng(0)
    inputs = random.normal(size=(EXAMPLES, FEATURES))
    groups = {"/task": xr.Dataset({"train_inputs": (("train_example", "feature"), inputs)}, attrs={"name": "digits"})}
    for key, own in networks.items():
        groups[f"/networks/{key}"] = described(
            own, "diabetes" if key == "regression" else "digits", key != "regression"
        )
        rankings = RANKINGS[1:] if key in ("3", "small", "early_2", "wide") else RANKINGS
        methods = (*METHODS, "random") if key == "1" else METHODS[:1] if key == "wide" else METHODS
        found = paths(own, methods, rankings)
        if key == "regression":
            found["accuracy"][:], found["test_accuracy"][:] = np.nan, np.nan
        groups[f"/paths/{key}"] = found
    for key in ("1", "2") if whole else ("1",):
        groups[f"/surfaces/{key}"] = surfaces(networks[key], groups[f"/paths/{key}"])
        groups[f"/pairs/{key}"] = pairs(networks[key])
    if whole:
        groups["/sweeps/hypercube"] = hypercube(networks["small"])
        groups["/retraining"] = retraining(groups["/paths/1"])
        groups["/replacing"] = replacing(groups["/paths/1"])
        groups |= {f"/cascade/{key}": cascade(groups[f"/paths/{key}"]) for key in ("1", "regression")}
        groups["/budgets"] = budgets(groups["/paths/1"])
    config = {"task": "digits", "nodes": 6, "networks": count, "layers": [1, 2, 3], "small_nodes": 4}
    tree = synthetic_run.tree_of(groups, "shrinking", "sweeps study shrinking --out runs/shrinking", config)
    tree.attrs["seeds"] = json.dumps({"network": 0})
    return tree
