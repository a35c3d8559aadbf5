"""A small synthetic run of the study sparsity: logistic curves in place of networks, with real shares of weights."""

import numpy as np
import xarray as xr

from sweeps._studies.sparsity.measures.ways import WAYS
from tests.analysis import synthetic_run

SIZES = (12, 20, 20, 10, 10)
TEN = (0, 25, 50, 60, 70, 80, 90, 95, 97, 99)
EPOCHS = (5, 10, 20)
#: kind, by, scope, and where the accuracy has fallen half-way, in per cent.
METHODS = (
    ("weights", "magnitude", "layer", 90),
    ("weights", "gradient", "layer", 70),
    ("weights", "random", "layer", 40),
    ("weights", "magnitude", "global_raw", 93),
    ("weights", "magnitude", "global_normalised", 91),
    ("units", "norm", "layer", 65),
    ("units", "largest", "layer", 64),
    ("units", "activation", "layer", 68),
    ("units", "gradient", "layer", 66),
    ("units", "first_order", "layer", 60),
    ("units", "second_order", "layer", 65),
    ("units", "brute_force", "layer", 72),
    ("units", "random", "layer", 45),
    ("units", "norm", "global_raw", 60),
    ("units", "norm", "global_normalised", 66),
)
KEYS = ["_".join(row[:3]) for row in METHODS]
MAIN = ("weights_magnitude_layer", "units_norm_layer")


def coords(rows):
    keys = ["_".join(row[:3]) for row in rows]
    return {
        "pruned_by": np.array(keys, object),
        **{
            name: ("pruned_by", np.array([row[at] for row in rows], object))
            for at, name in enumerate(("kind", "by", "scope"))
        },
    }


def logistic(percent, middle, steep=4.0, top=0.97, bottom=0.1):
    """Fall from top to bottom about the middle, flat at first."""
    fall = 1 / (1 + np.exp(-(np.asarray(percent, float) - middle) / steep))
    start = 1 / (1 + np.exp(middle / steep))
    return top - (top - bottom) * (fall - start) / (1 - start)


def left(kind, percent, sizes=SIZES):
    """Share of the weights of all kernels but the last that stay, by counting."""
    if kind == "weights":
        counts = [a * b for a, b in zip(sizes[:-2], sizes[1:-1], strict=True)]
        return sum(count - count * percent // 100 for count in counts) / sum(counts)
    widths = [sizes[0], *(size - size * percent // 100 for size in sizes[1:-1])]
    whole = sum(a * b for a, b in zip(sizes[:-2], sizes[1:-1], strict=True))
    return sum(a * b for a, b in zip(widths[:-1], widths[1:], strict=True)) / whole


def curves(networks=6, step=5, noise=0.0015, seed=0):
    percent = np.array(sorted({*range(0, 100, step), *TEN}))
    random = np.random.default_rng(seed)
    shape = (len(METHODS), len(EPOCHS), networks, len(percent))
    accuracy, stays = np.full(shape, np.nan), np.full(shape, np.nan)
    shift = random.normal(0, 1.5, networks)
    for row, (kind, _by, _scope, middle) in enumerate(METHODS):
        for column, epochs in enumerate(EPOCHS):
            if KEYS[row] in MAIN or epochs == EPOCHS[-1]:
                for network in range(networks):
                    place = middle + shift[network] + random.normal(0, 0.7) - (20 - epochs) / 10
                    values = logistic(percent, place, top=0.97 - (20 - epochs) / 2500)
                    values += noise * random.standard_normal(len(percent)) * (percent > 0)
                    accuracy[row, column, network] = np.round(540 * np.clip(values, 0, 1)) / 540
                stays[row, column] = [left(kind, p) for p in percent]
    dims = ("pruned_by", "epochs", "network", "percent")
    return xr.Dataset(
        {
            "accuracy": (dims, accuracy),
            "loss": (dims, 0.08 + 2.4 * np.maximum(0.975 - accuracy, 0) ** 1.5),
            "left": (dims, stays),
        },
        coords={**coords(METHODS), "epochs": list(EPOCHS), "network": np.arange(networks), "percent": percent},
    )


def finetuned(networks=6, seed=1):
    random = np.random.default_rng(seed)
    rows = [row for row in METHODS if row[2] == "layer"]
    accuracy = np.stack(
        [
            [logistic(TEN, middle / 4 + 74 + random.normal(), 2) + 0.01 for _ in range(networks)]
            for _, _, _, middle in rows
        ]
    )
    dims = ("pruned_by", "network", "percent")
    return xr.Dataset(
        {"accuracy": (dims, accuracy), "loss": (dims, 1 - accuracy)},
        coords={**coords(rows), "network": np.arange(networks), "percent": list(TEN)},
        attrs={"epochs": 5, "learning_rate": 1e-3},
    )


def layers(networks=6, step=5):
    """Per layer the same is left of each; global scopes take more of the first layers, raw until one is empty."""
    rows = [row for row in METHODS if row[1] in ("magnitude", "norm")]
    percent = np.array(sorted({*range(0, 100, step), *TEN}))
    names = [f"layers/{layer}" for layer in range(len(SIZES) - 2)]
    share = np.empty((len(rows), networks, len(percent), len(names)))
    for at, row in enumerate(rows):
        pull = {"layer": 0.0, "global_raw": 0.2, "global_normalised": 0.02}[row[2]]
        slope = pull * (1 - np.arange(len(names)))
        share[at] = np.clip(1 - percent[:, None] / 100 * (1 + slope), 0, 1)
    return xr.Dataset(
        {"left": (("pruned_by", "network", "percent", "layer"), share)},
        coords={**coords(rows), "network": np.arange(networks), "percent": percent, "layer": np.array(names, object)},
    )


def cost(repeats=7, seed=2):
    random = np.random.default_rng(seed)
    full = sum(a * b for a, b in zip(SIZES[:-1], SIZES[1:], strict=True))
    parameters = np.empty((2, len(TEN)), int)
    for at, percent in enumerate(TEN):
        widths = [SIZES[0], *(size - size * percent // 100 for size in SIZES[1:-1]), SIZES[-1]]
        parameters[:, at] = full, sum(a * b for a, b in zip(widths[:-1], widths[1:], strict=True))
    seconds = (2e-4 + 1e-3 * parameters / full)[..., None] * np.exp(
        0.02 * random.standard_normal((2, len(TEN), repeats))
    )
    over = ("how", "percent")
    return xr.Dataset(
        {
            "seconds": ((*over, "repeat"), seconds),
            "parameters": (over, parameters),
            "nonzero": (over, np.stack([parameters[1], parameters[1]])),
            "bytes": (over, 4 * parameters),
            "difference": ("percent", np.full(len(TEN), 1e-7)),
            "training_seconds": (("network", "repeat"), [[0.3] * repeats, [0.1] * repeats]),
        },
        coords={"how": np.array(["zeroed", "removed"], object), "percent": list(TEN), "repeat": np.arange(repeats)}
        | {"network": np.array(["whole", "removed"], object)},
        attrs={"examples": 540, "device": "1 CPU device", "trained": 80},
    )


def training(networks=6, epochs=20):
    epoch = np.arange(1, epochs + 1)
    each = np.linspace(0.9, 1.1, networks)[:, None]
    counts = [a * b for a, b in zip(SIZES[:-1], SIZES[1:], strict=True)]
    return xr.Dataset(
        {
            "loss": (("network", "epoch"), 2 * each * np.exp(-epoch / 3)),
            "accuracy": (("network", "epoch"), 1 - 0.5 * each * np.exp(-epoch / 2)),
        },
        coords={"network": np.arange(networks), "epoch": epoch},
        attrs={
            "sizes": list(SIZES), "activation": "relu", "use_bias": 0, "loss": "cross_entropy", "unit": "nats",
            "batch_size": 32, "learning_rate": 1e-3, "parameters": sum(counts), "prunable": sum(counts[:-1]),
        },
    )  # fmt: skip


def kernels(shape, seed=3):
    """Weights of networks, by name, with leading axes; all nodes of a layer have nearly the same norm."""
    random = np.random.default_rng(seed)
    lead, found = ("epochs", "network")[2 - len(shape) :], {}
    for at, ends in enumerate(zip(SIZES[:-1], SIZES[1:], strict=True)):
        kernel = random.normal(size=(*shape, *ends))
        kernel *= 1.5 * random.uniform(0.9, 1, (*shape, 1, ends[1])) / np.linalg.norm(kernel, axis=-2, keepdims=True)
        name = f"layers.{at}"
        found[f"{name}.kernel"] = ((*lead, f"{name}.inputs", f"{name}.outputs"), kernel.astype(np.float32))
    return found


STRUCTURE = {"sizes": list(SIZES), "activation": "relu", "output_activation": "identity", "use_bias": 0}


def connections(networks=6, seed=4):
    """Changes of the loss that are unlike the weights, predicted twice what was measured."""
    random = np.random.default_rng(seed)
    own = {
        f"layers.{at}.change": (
            ("network", f"layers.{at}.inputs", f"layers.{at}.outputs"),
            random.normal(0, 1e-3, (networks, *ends)),
        )
        for at, ends in enumerate(zip(SIZES[:-2], SIZES[1:-1], strict=True))
    }
    some = random.normal(0, 1e-3, (networks, 9))
    both = {"predicted": (("network", "weight"), 2 * some), "measured": (("network", "weight"), some)}
    return xr.Dataset({**own, **both}, attrs={"examples": 540, "unit": "nats"})


def overfitting(networks=6, seed=5):
    """Fine-tuned networks lose what they memorised at 60 %, and gain on the test set where labels are noisy."""
    random = np.random.default_rng(seed)
    rows = [row for row in METHODS if "_".join(row[:3]) in MAIN]
    shape = (2, 2, 2, networks, len(TEN))
    fall = np.array([logistic(TEN, 85 + shift, top=1.0) for shift in random.normal(0, 1, networks)])
    found = {name: np.broadcast_to(fall, shape).copy() for name in ("train", "right", "test", "flipped")}
    found["test"] *= np.array([0.95, 0.8])[:, None, None]
    found["flipped"][:] = [logistic(TEN, 60 + shift, top=1.0) for shift in random.normal(0, 1, networks)]
    found["flipped"][:, :, 0] = np.nan
    found["train"][:, :, 1] = 0.8 * found["right"][:, :, 1] + 0.2 * found["flipped"][:, :, 1]
    found["test"][1, :, 1] += 0.1 * (found["right"] - found["flipped"])[1, :, 1]
    dims = ("tuned", "pruned_by", "labels", "network", "percent")
    return xr.Dataset(
        {name: (dims, values) for name, values in found.items()},
        {**coords(rows), "tuned": [0, 1], "labels": ["right", "noisy"], "network": np.arange(networks)}
        | {"percent": list(TEN)},
        {"examples": 60, "flipped": 12, "epochs": 100, "finetune_epochs": 10},
    )


def reactivated(networks=6, seed=6):
    """Ways that differ from what is off for good by 0, 2 points more, and 10 less; a tenth comes back in one."""
    random = np.random.default_rng(seed)
    gained = {"for_good": 0.0, "anew": 0.02, "freed": 0.0, "outgoing": -0.1, "late": -0.2}
    each = np.array([gained[way.partition("_")[2]] for way in WAYS])[:, None, None]
    accuracy = 0.8 + each + random.normal(0, 1e-3, (len(WAYS), networks, 2))
    share = np.array([{"outgoing": 0.1, "late": 0.02}.get(way.partition("_")[2], 0.0) for way in WAYS])[:, None, None]
    back = share * random.uniform(0.9, 1.1, accuracy.shape)
    dims = ("way", "network", "percent")
    return xr.Dataset(
        {"accuracy": (dims, accuracy), "loss": (dims, 1 - accuracy), "back": (dims, back)},
        {"way": np.array(list(WAYS), object), "network": np.arange(networks), "percent": [80, 90]},
        {**STRUCTURE, "rounds": 3, "epochs": 6},
    )


def further(networks=6):
    """The groups of single connections, outputs, overfitting and retraining."""
    last = curves(networks).isel(epochs=-1, drop=True).sel({"pruned_by": MAIN[0]}, drop=True)[["accuracy", "loss"]]
    return {
        "/networks": xr.Dataset(
            kernels((len(EPOCHS), networks)), {"epochs": list(EPOCHS), "network": np.arange(networks)}, STRUCTURE
        ),
        "/connections": connections(networks),
        "/outputs": last.assign(accuracy=0.9 * last["accuracy"]),
        "/overfitting": overfitting(networks),
        "/reactivated": reactivated(networks),
    }


def make_tree(networks=6, step=5, fine_tuned=True):
    """The whole store, or an older one, without fine-tuning and what came later."""
    random = np.random.default_rng(7)
    inputs = random.random((540, SIZES[0])).astype(np.float32)
    targets = random.integers(SIZES[-1], size=540)
    groups = {
        "/task": xr.Dataset(
            {"test_inputs": (("test_example", "feature"), inputs), "test_targets": ("test_example", targets)},
            attrs={"name": "digits"},
        ),
        "/training": training(networks),
        "/curves": curves(networks, step),
        "/layers": layers(networks, step),
        "/cost": cost(),
    }
    if fine_tuned:
        groups |= {"/finetuned": finetuned(networks), **further(networks)}
    config = {"task": "digits", "hidden": list(SIZES[1:-1]), "networks": networks, "epochs": list(EPOCHS), "step": step}
    config |= {"sparsity": list(TEN), "finetune_epochs": 5 if fine_tuned else 0, "seed": 0}
    return synthetic_run.tree_of(groups, "sparsity", "sweeps study sparsity --out runs/sparsity", config)
