"""A small synthetic run of the study relevance: smooth made-up numbers with known verdicts in place of networks."""

import json

import numpy as np
import xarray as xr

from tests.analysis import synthetic_run

#: key, title, promises to conserve, whether it has signs, and how good its ranking is by zeros and by mean.
METHODS = (
    ("gradient", "gradient", False, True, 0.3, 0.3),
    ("gradient_x_input", "gradient x input", False, True, 0.8, 0.5),
    ("guided_backprop", "guided backpropagation", False, True, 0.4, 0.4),
    ("lrp", "LRP, eps", True, True, 0.8, 0.5),
    ("lrp_z_plus", "LRP, z-plus", True, False, 0.6, 0.45),
    ("slope", "slope", True, True, 0.8, 0.5),
    ("deeplift_zeros", "DeepLIFT from zeros", True, True, 0.9, 0.5),
    ("deeplift_mean", "DeepLIFT from the mean", True, True, 0.7, 0.9),
)
KEYS = [row[0] for row in METHODS]
SAME = ("gradient_x_input", "lrp", "slope")
STEPS = ("dense_2", "dense_1 nonlinearity", "dense_1", "conv_1", "total")
TRAININGS = ("plain", "gradient_penalty", "relevance_lrp", "relevance_slope")
STRENGTHS = (0.0, 0.1, 1.0, 10.0)
MEASURES = (
    *("lrp", "slope", "gradient_x_activation", "lrp_absolute"),
    *("gate_gradient", "first_order", "brute_force", "shapley"),
)


def text(values):
    return np.asarray(list(values), object)


def beside(rows=METHODS):
    return {
        "attributed_by": text(row[0] for row in rows),
        "title": ("attributed_by", text(row[1] for row in rows)),
        "conserves": ("attributed_by", np.array([row[2] for row in rows], bool)),
        "signed": ("attributed_by", np.array([row[3] for row in rows], bool)),
    }


def heat(images=4, side=6):
    random = np.random.default_rng(0)
    pixel = random.random((images, side, side)).round(2)
    base = random.normal(size=(images, side, side))
    maps = []
    for place, (key, _, _, signed, *_) in enumerate(METHODS):
        own = base if key in SAME else base + (0.3 + 0.2 * place) * random.normal(size=base.shape)
        maps.append(own if signed else np.abs(own))
    target = np.arange(images) % 3
    return xr.Dataset(
        {
            "relevance": (("attributed_by", "image", "row", "column"), np.array(maps, np.float32)),
            "pixel": (("image", "row", "column"), pixel),
            "target": ("image", target),
            "predicted": ("image", np.where(np.arange(images) == 1, 0, target)),
            "output": ("image", np.full(images, 10.0)),
            "index": ("image", np.arange(images)),
        },
        coords=beside(),
        attrs={"shown": 0},
    )


def ledger():
    """Ten come in; the biases of two layers take 0.2 and 0.8, a stabiliser 0.1; without a promise 30 are not there."""
    shape = (len(METHODS), len(STEPS))
    found = {name: np.zeros(shape) for name in ("received", "inputs", "biases", "offsets", "absorbed", "error")}
    found["not_conserved"] = np.zeros(shape)
    promise = np.array([row[2] for row in METHODS])
    found["received"] += 10.0
    found["biases"][:, [0, 3, 4]] = (0.2, 0.8, 1.0)
    found["absorbed"][:, [3, 4]] = 0.1
    found["inputs"][:, :] = (9.8, 9.8, 9.8, 8.9, 8.9)
    for wrong in np.flatnonzero(~promise):
        found["inputs"][wrong, -1] += 30
        found["not_conserved"][wrong, -1] = -30
    variables = {}
    for prefix in ("", "shown_"):
        variables |= {prefix + name: (("attributed_by", "step"), values) for name, values in found.items()}
    return xr.Dataset(variables, coords=beside() | {"step": text(STEPS)})


def conservation(largest=2e-6):
    rows = [row for row in METHODS if row[2]]
    worst = np.full((len(rows), len(STEPS)), 1e-7)
    worst[0, 1] = 0.0
    worst[1, 3] = largest
    return xr.Dataset({"worst": (("attributed_by", "step"), worst)}, coords=beside(rows) | {"step": text(STEPS)})


def deletion(examples=12, regions=9):
    """Curves that fall with the quality of the method; random order is the diagonal, but for noise."""
    random, share = np.random.default_rng(1), np.linspace(0, 1, regions + 1)
    rows = [*((row[0], row[4], row[5]) for row in METHODS), ("random", 0.0, 0.0)]
    noise = {False: random.normal(size=examples), True: random.normal(size=examples)}
    values = np.zeros((len(rows), 2, 2, examples, regions + 1))
    for place, (key, *qualities) in enumerate(rows):
        # Methods with the same maps have the same curves.
        own = noise[False] if key in SAME else random.normal(size=examples)
        for at, quality in enumerate(qualities):
            power = np.exp(3 * quality + 0.1 * own)[:, None]
            values[place, 0, at] = 0.95 * (1 - share) ** power
            values[place, 1, at] = 0.95 * (1 - share**power)
    return xr.Dataset(
        {
            name: (("attributed_by", "order", "replacement", "example", "removed"), values.astype(np.float32))
            for name in ("probability", "logit")
        },
        coords={
            "attributed_by": text(row[0] for row in rows),
            "order": text(["most", "least"]),
            "replacement": text(["zeros", "mean"]),
            "removed": np.arange(regions + 1),
        },
        attrs={"region": 2, "regions": regions, "random_orders": 5},
    )


def instability():
    eps = np.array([1e-1, 1e-3, 1e-5])
    variables = {
        "lrp_largest": [0.9, 1.2, 1.25],
        "unblamed_largest": [1.0, 30.0, 120.0],
        "slope_largest": [1.25] * 3,
        "lrp_absorbed": [0.1, 1e-3, 1e-5],
    }
    return xr.Dataset({name: ("eps", values) for name, values in variables.items()}, coords={"eps": eps})


def instability_toy():
    difference = np.array([1e-1, 1e-2, 1e-3])
    variables = {
        "output": 1 + difference,
        "lrp": 1 / difference,
        "lrp_blamed": np.ones(3),
        "slope": np.ones(3),
    }
    return xr.Dataset({name: ("difference", values) for name, values in variables.items()}, {"difference": difference})


def rules():
    names = ("gradient", "normalised", "ignore", "gradient", "slope", "repeat")
    maxima, nonlinearities = ("gradient", "radial", "relu_form"), ("ignore", "gradient", "slope")
    ratio = np.geomspace(0.1, 10, 21)
    return {
        "consistency": xr.Dataset(
            {
                "kind": ("rule", text(["matrix"] * 2 + ["nonlinearity"] * 4)),
                "name": ("rule", text(names)),
                "factor": ("rule", [3.0, 1.0, 1.0, 3.0, 3.0, 3.0]),
            },
            attrs={"alpha": 3.0},
        ),
        "constants": xr.Dataset(
            {"difference": (("maximum", "nonlinearity"), [[1.0, 0.0, 0.9], [0.8, 0.5, 0.5], [1.0, 0.0, 0.9]])},
            coords={"maximum": text(maxima), "nonlinearity": text(nonlinearities)},
        ),
        "two_objects": xr.Dataset(
            {"share": (("rule", "ratio"), np.stack([np.minimum(ratio, 1), ratio / (1 + ratio)]))},
            coords={"rule": text(["slope", "radial"]), "ratio": ratio},
        ),
        "forms": xr.Dataset(
            {
                "share": (("form", "object"), [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]),
                "bias": ("form", [-2.0, 0.0]),
                "value": ("object", [-1.0, -2.0, -3.0]),
                "share_tied": (("form", "object"), [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]),
                "bias_tied": ("form", [0.0, 0.0]),
                "value_tied": ("object", [2.0, 2.0, 1.0]),
            },
            coords={"form": text(["softmax_limit", "relu_form"]), "object": [1, 2, 3]},
        ),
        **drawn(),
    }


def drawn(points=5):
    """The blip and the radial shares as they are to be, and what is said in passing."""
    line, plane = np.linspace(-1, 1, points), np.linspace(-1, 1, points)
    first, second = np.meshgrid(plane, plane)
    with np.errstate(divide="ignore", invalid="ignore"):
        both = np.where(first > 0, first / (first + second), (1 / first) / (1 / first + 1 / second))
    share = np.where((first > 0) == (second > 0), both, (first > 0).astype(float))
    angle = np.array([0.0, 90.0, 180.0, 360.0])
    return {
        "drawn": xr.Dataset(
            {
                "blip": ("value", line + 0.2 * np.where(line >= 0, 1, -1)),
                "share": (("second", "first"), share),
                "around": (("rule", "angle"), [[1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]]),
            },
            coords={
                **{"value": line, "first": plane, "second": plane, "angle": angle},
                "rule": text(["radial", "gradient"]),
            },
            attrs={"eps": 0.2},
        ),
        "sentences": xr.Dataset(
            {
                "nonlinear": ("nonlinearity", [0.0, 0.0, 0.0, 1.0]),
                "doubled": ("maximum", [0.0, 0.17, 0.0]),
            },
            coords={
                "nonlinearity": text(["ignore", "gradient", "slope", "repeat"]),
                "maximum": text(["gradient", "radial", "relu_form"]),
            },
            attrs={"inputs": 1e-7, "biases": 1e-7, "swapped": 0.0},
        ),
    }


def nodes(networks=5, count=10):
    """Relevance follows brute force closely, the gate gradient loosely; Shapley values go with nothing."""
    random = np.random.default_rng(2)
    true = random.normal(size=(networks, count))
    far = {"lrp": 0.1, "slope": 0.1, "gradient_x_activation": 0.2, "lrp_absolute": 0.5, "brute_force": 0.0}
    far |= {"gate_gradient": 1.5, "first_order": 1.5}
    values = [
        true + far[name] * random.normal(size=true.shape) if name in far else random.normal(size=true.shape)
        for name in MEASURES
    ]
    units = ["logit"] * 4 + ["nats"] * 4
    return xr.Dataset(
        {"value": (("measure", "network", "node"), values)},
        coords={"measure": text(MEASURES), "network": np.arange(networks), "unit": ("measure", text(units))},
        attrs={"convention": "positive: the node helps", "relevance_of": "margin"},
    )


SEEN = (
    *("accuracy_alone", "outside_occlusion_margin", "slope_inside", "slope_outside"),
    *("cancelling", "biases", "patch_right", "patch_others"),
)


def supervised(networks=4, gamed=True):
    """Relevance training raises the trained measure; gamed, neither the other measure nor the accuracy follows."""
    random = np.random.default_rng(3)
    shape, sets = (len(TRAININGS), len(STRENGTHS), networks), ("train", "right", "clean", "misleading")
    names = [*(f"{name}_{of}" for name in ("accuracy", "inside") for of in sets), "other_inside", *SEEN]
    data = {name: np.full(shape, np.nan) for name in names}
    for place, key in enumerate(TRAININGS):
        for at, strength in enumerate(STRENGTHS):
            if (key == "plain") != (strength == 0):
                continue
            push = 0.0 if key == "plain" else np.tanh(strength) * (0.5 if key == "gradient_penalty" else 1.0)
            real = 0.0 if gamed and key.startswith("relevance") else push
            level = {"accuracy_train": 0.99, "accuracy_right": 0.99, "accuracy_misleading": 0.2 + 0.7 * real}
            level |= {"accuracy_clean": 0.7 + 0.1 * push - 0.03 * (strength > 5), "other_inside": 0.4 + 0.45 * real}
            level |= {f"inside_{of}": 0.4 + 0.5 * push for of in sets}
            # Gamed, the patch acts through the other outputs, and relevance inside is five times as large.
            hides = push - real
            level |= {"accuracy_alone": 0.95 - 0.8 * real, "outside_occlusion_margin": 0.6 - 0.5 * real}
            level |= {"slope_inside": 6 * (1 + 4 * hides), "slope_outside": 6.0, "cancelling": 0.7 + 0.1 * hides}
            level |= {"biases": 0.1, "patch_right": 2 * (1 - hides), "patch_others": 0.2 + 2 * hides}
            for name in names:
                data[name][place, at] = level[name] + 0.004 * random.normal(size=networks)
    plain = np.tile(data["inside_right"][0, 0], (len(TRAININGS), 1))
    return xr.Dataset(
        {name: (("training", "strength", "network"), values) for name, values in data.items()}
        | {"chosen": ("training", [0.0, 1.0, 1.0, 1.0]), "plain_inside": (("training", "network"), plain)},
        coords={
            "training": text(TRAININGS),
            "strength": list(STRENGTHS),
            "network": np.arange(networks),
            "title": ("training", text(["plain", "gradient penalty", "relevance, LRP", "relevance, slope"])),
            "note": ("training", text(["Cross-entropy alone."] * 4)),
        },
        attrs={
            "chance": 0.1,
            "patch": "a bright square in one of ten places",
            "chosen_by": "validation accuracy",
            "measured_on": "of the images' right patch",
        },
    )


def supervised_measures(networks=4):
    random, measures = np.random.default_rng(5), ("gradients", "lrp", "slope")
    inside = random.random((len(measures), len(TRAININGS), networks))
    # Plain training by all of them, as by the trained ones.
    inside[:, 0] = 0.4
    own = text(["slope", "gradients", "lrp", "slope"])
    return xr.Dataset(
        {"inside": (("measure", "training", "network"), inside)},
        coords={"measure": text(measures), "training": text(TRAININGS), "trained_measure": ("training", own)},
    )


def supervised_examples(side=8):
    random, which = np.random.default_rng(4), ("training", "clean", "misleading", "region")
    region = np.zeros((len(which), side, side))
    region[:, 2:6, 3:7] = 1
    return xr.Dataset(
        {
            "pixel": (("which", "row", "column"), random.random(region.shape)),
            "region": (("which", "row", "column"), region),
            "relevance": (("training", "which", "row", "column"), random.normal(size=(4, *region.shape))),
        },
        coords={"which": text(which), "training": text(TRAININGS)},
    )


def supervised_maps(side=8):
    random, maps = np.random.default_rng(6), ("slope", "slope_margin", "occlusion", "occlusion_margin")
    region = np.zeros((side, side))
    region[2:6, 3:7] = 1
    values = random.normal(size=(len(TRAININGS), len(STRENGTHS), len(maps), side, side))
    return xr.Dataset(
        {
            "relevance": (("training", "strength", "map", "row", "column"), values),
            "pixel": (("row", "column"), random.random(region.shape)),
            "region": (("row", "column"), region),
        },
        coords={"training": text(TRAININGS), "strength": list(STRENGTHS), "map": text(maps)},
    )


def supervised_history(epochs=6):
    epoch = np.arange(1, epochs + 1)
    scale = np.linspace(0.8, 1.1, len(TRAININGS))[:, None]
    return xr.Dataset(
        {
            "loss": (("training", "epoch"), 2 * scale * np.exp(-epoch / 2)),
            "inside": (("training", "epoch"), 0.8 * scale * (1 - np.exp(-epoch / 2))),
            "accuracy_clean": (("training", "epoch"), 0.8 * scale * (1 - np.exp(-epoch / 2))),
        },
        coords={"training": text(TRAININGS), "epoch": epoch},
    )


def network():
    layers = ["conv 3x3, 8 channels", "relu", "max-pool 2x2", "dense 16", "relu", "dense 3"]
    return xr.Dataset(
        attrs={
            "layers": json.dumps(layers), "image_shape": [6, 6], "parameters": 1234, "epochs": 20,
            "accuracy": 1.0, "test_accuracy": 0.97, "loss": 0.01, "test_loss": 0.08,
        }
    )  # fmt: skip


def make_tree(whole=True, networks=4, gamed=True):
    """The whole store; or without the parts that settings leave out."""
    groups = {
        "/task": xr.Dataset(
            {"test_inputs": (("test_example", "feature"), np.zeros((12, 36)))}, attrs={"name": "digits"}
        ),
        "/network": network(), "/heat": heat(), "/ledger": ledger(), "/conservation": conservation(),
        "/instability": instability(), "/instability_toy": instability_toy(),
        **{f"/{name}": data for name, data in rules().items()},
    }  # fmt: skip
    if whole:
        groups |= {
            "/deletion": deletion(), "/nodes": nodes(networks + 1), "/supervised": supervised(networks, gamed),
            "/supervised_measures": supervised_measures(networks), "/supervised_examples": supervised_examples(),
            "/supervised_history": supervised_history(), "/supervised_maps": supervised_maps(),
        }  # fmt: skip
    config = {"task": "digits", "channels": [8, 16], "images": 4, "networks": networks + 1, "seed": 0}
    return synthetic_run.tree_of(groups, "relevance", "sweeps study relevance --out runs/relevance", config)
