"""Attributions: one network's outputs by every method, the ledgers, and how small the stabiliser can be."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from flax import nnx
from jaxtyping import Float, Int

from sweeps._store import datasets
from sweeps.relevance import METHODS, Gamma, Normalised, Relevance, Rules, ZBox, _demonstrations, attribute

EPS = (1e-1, 1e-4, 1e-9)
# Pieces of the path of integrated gradients.
STEPS = 32
# Methods that are compiled at a time.
AT_ONCE = 2


class Method(NamedTuple):
    """A way to attribute.

    Attributes
    ----------
    title : str
        In short words.
    rules : Rules
        What goes backwards.
    baseline : str or None
        ``zeros``, ``mean``, or None where there is none.
    conserves : bool
        Whether inputs, biases and what is absorbed are promised to add up to the output.
    signed : bool
        Whether relevance of inputs that are not negative, for a positive output, can be negative.
    """

    title: str
    rules: Rules
    baseline: str | None = None
    conserves: bool = True
    signed: bool = True


# The first layer's rules of the literature stand before z-plus in all others, as in deep Taylor decomposition.
ALL = {
    "gradient": Method("gradient", METHODS["gradient"], conserves=False),
    "gradient_x_input": Method("gradient x input", METHODS["gradient_x_input"], conserves=False),
    "deconvnet": Method("deconvolution", METHODS["deconvnet"], conserves=False),
    "guided_backprop": Method("guided backpropagation", METHODS["guided_backprop"], conserves=False),
    "lrp": Method("LRP, eps", METHODS["lrp"]),
    "lrp_gamma": Method("LRP, gamma 1/4", Rules(matrix=Gamma(gamma=0.25), nonlinearity="ignore")),
    "lrp_alpha2beta1": Method("LRP, alpha 2 beta 1", Rules(matrix="alpha_beta", nonlinearity="ignore")),
    "lrp_z_plus": Method("LRP, z-plus", Rules(matrix="z_plus", nonlinearity="ignore"), signed=False),
    "lrp_w_squared": Method(
        "LRP, w-squared first", Rules(matrix="z_plus", nonlinearity="ignore", first="w_squared"), signed=False
    ),
    "lrp_flat": Method("LRP, flat first", Rules(matrix="z_plus", nonlinearity="ignore", first="flat"), signed=False),
    "lrp_z_box": Method(
        "LRP, z-box first", Rules(matrix="z_plus", nonlinearity="ignore", first=ZBox(low=0.0, high=1.0)), signed=False
    ),
    "slope": Method("slope", METHODS["slope"]),
    "deeplift_zeros": Method("DeepLIFT from zeros", METHODS["deeplift"], "zeros"),
    "deeplift_mean": Method("DeepLIFT from the mean", METHODS["deeplift"], "mean"),
    # The sum over pieces comes close to the difference of the outputs, and that is all.
    "integrated_gradients": Method("integrated gradients", METHODS["integrated_gradients"], "zeros", conserves=False),
    "slope_radial": Method(
        "slope, radial maxima", Rules(matrix="gradient", nonlinearity="slope", maximum="radial", quantity="factor")
    ),
}

Found = dict[str, Relevance]


def all_of(
    network: nnx.Module, inputs: Float[np.ndarray, "examples pixels"], mean: Float[np.ndarray, " pixels"]
) -> Found:
    """Attribute the largest output of each example by every method.

    Parameters
    ----------
    network, inputs : flax.nnx.Module or numpy.ndarray, (examples, pixels)
        What is attributed.
    mean : numpy.ndarray, (pixels,)
        Of the training inputs, a baseline.
    """
    baselines = {None: None, "zeros": "zeros", "mean": mean}

    def by(method: Method) -> Relevance:
        steps = STEPS if method.rules.quantity == "path" else None
        return attribute(network, inputs, rules=method.rules, baseline=baselines[method.baseline], steps=steps)

    return dict(zip(ALL, _side_by_side(by, ALL.values()), strict=True))


def _side_by_side(work: Callable[[Any], Any], over: Iterable[Any]) -> list[Any]:
    """Results in order: nearly all of the time goes into compiling, which takes one core."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(work, over))


def coordinates(names: Any = None) -> dict[str, Any]:
    """What stands beside each method: its title, whether it conserves, and whether it has a sign."""
    names = list(ALL if names is None else names)
    columns = {
        field: ("attributed_by", np.asarray([getattr(ALL[name], field) for name in names], kind))
        for field, kind in dict(title=object, conserves=bool, signed=bool).items()
    }
    return {"attributed_by": np.asarray(names, object), **columns}


def heat(
    found: Found,
    inputs: Float[np.ndarray, "examples pixels"],
    targets: Int[np.ndarray, " examples"],
    outputs: Float[np.ndarray, "examples classes"],
    images: int,
) -> xr.Dataset:
    """Heat maps of some images, the first of each class before second ones."""
    earlier = [np.sum(targets[:index] == target) for index, target in enumerate(targets)]
    chosen = np.lexsort((targets, earlier))[:images]
    side = round(inputs.shape[1] ** 0.5)
    maps = np.stack([np.asarray(one.inputs)[chosen].reshape(-1, side, side) for one in found.values()])
    data = xr.Dataset(
        dict(
            relevance=(("attributed_by", "image", "row", "column"), maps),
            pixel=(("image", "row", "column"), inputs[chosen].reshape(-1, side, side)),
            target=("image", targets[chosen]),
            predicted=("image", outputs[chosen].argmax(axis=1)),
            output=("image", outputs[chosen].max(axis=1)),
            index=("image", chosen),
        ),
        coordinates(found),
        dict(shown=min(3, len(chosen) - 1)),
    )
    data.relevance.attrs.update(long_name="relevance", units="1")
    data.output.attrs.update(long_name="attributed output", units="logit")
    return data


def ledger(found: Found, shown: int) -> xr.Dataset:
    """Where relevance went by step: means over the images, and of one image with ``shown_`` before the name."""
    by_method = []
    for one in found.values():
        variables = {}
        for prefix, example in {"": None, "shown_": shown}.items():
            rows = one.ledger(example)
            for field in rows[0]._fields[1:]:
                variables[prefix + field] = ("step", [getattr(row, field) for row in rows])
        by_method.append(xr.Dataset(variables, dict(step=datasets.names(row.step for row in rows))))
    data = xr.concat(by_method, "attributed_by", join="outer").assign_coords(coordinates(found))
    return data.sel(step=_in_order(found))


def conservation(found: Found) -> xr.Dataset:
    """Largest error by step, in parts of the output's size, of the methods that promise to lose nothing."""
    found = {name: one for name, one in found.items() if ALL[name].conserves}
    steps = _in_order(found)
    worst = np.full((len(found), len(steps)), np.nan)
    for method, one in enumerate(found.values()):
        size = np.maximum(np.abs(np.asarray(one.output, np.float64)), 1e-12)
        for name, flow in one.flows.items():
            worst[method, steps.index(name)] = (np.abs(np.asarray(flow.error)) / size).max()
        taken = [np.asarray(part, np.float64) for flow in one.flows.values() for part in (*flow[2:5], flow[6])]
        inputs = np.asarray(one.inputs, np.float64).reshape(len(size), -1).sum(axis=1)
        left = np.asarray(one.output, np.float64) - inputs - np.sum(taken, axis=0)
        worst[method, steps.index("total")] = (np.abs(left) / size).max()
    data = xr.Dataset(
        {"worst": (("attributed_by", "step"), worst)}, coordinates(found) | dict(step=datasets.names(steps))
    )
    data.worst.attrs.update(long_name="largest error, in parts of the output", units="1")
    return data


def instability(network: nnx.Module, inputs: Float[np.ndarray, "examples pixels"]) -> xr.Dataset:
    """Largest relevance of a pixel as the stabiliser shrinks, biases blamed or not, beside the slope rule's."""
    rules = [
        Rules(matrix=Normalised(eps=eps, blame_bias=blame), nonlinearity="ignore")
        for blame in (True, False)
        for eps in EPS
    ]
    found = _side_by_side(lambda one: attribute(network, inputs, rules=one), rules)
    blamed, unblamed = found[: len(EPS)], found[len(EPS) :]
    variables = dict(
        lrp_largest=("eps", [_largest(one) for one in blamed]),
        unblamed_largest=("eps", [_largest(one) for one in unblamed]),
        lrp_absorbed=("eps", [_absorbed(one) for one in blamed]),
        slope_largest=("eps", [_largest(attribute(network, inputs, method="slope"))] * len(EPS)),
    )
    data = xr.Dataset(variables, dict(eps=list(EPS)))
    for one in data.data_vars.values():
        one.attrs.update(units="parts of the output")
    return data


def _largest(found: Relevance) -> float:
    size = np.abs(np.asarray(found.output))[:, None]
    return float((np.abs(np.asarray(found.inputs)).reshape(len(size), -1) / size).max())


def _absorbed(found: Relevance) -> float:
    taken = np.sum([np.abs(np.asarray(one)) for one in found.absorbed.values()], axis=0)
    return float((taken / np.abs(np.asarray(found.output))).mean())


def instability_toy() -> xr.Dataset:
    """Two inputs that nearly cancel beside a bias: the rule as published, with the bias blamed, and the slope."""
    rows = _demonstrations.instability()
    return xr.Dataset(
        dict(
            output=("difference", [1 + row.difference for row in rows]),
            lrp=("difference", [row.all_to_inputs for row in rows]),
            lrp_blamed=("difference", [row.blamed for row in rows]),
            slope=("difference", [row.slope for row in rows]),
        ),
        dict(difference=[row.difference for row in rows]),
    )


def rules() -> dict[str, xr.Dataset]:
    """Which rules agree with each other, by group: under scaling, under maxima with constants, of two objects."""
    alpha = 3.0
    scaling = _demonstrations.scaling(alpha)
    consistency = xr.Dataset(
        dict(
            kind=("rule", datasets.names(row.kind for row in scaling)),
            name=("rule", datasets.names(row.rule for row in scaling)),
            factor=("rule", [row.factor for row in scaling]),
        ),
        attrs=dict(alpha=alpha),
    )
    table = _demonstrations.maxima_with_constants()
    maxima = list(dict.fromkeys(row.maximum for row in table))
    nonlinearities = list(dict.fromkeys(row.nonlinearity for row in table))
    difference = np.empty((len(maxima), len(nonlinearities)))
    for row in table:
        difference[maxima.index(row.maximum), nonlinearities.index(row.nonlinearity)] = row.difference
    constants = xr.Dataset(
        {"difference": (("maximum", "nonlinearity"), difference)},
        dict(maximum=datasets.names(maxima), nonlinearity=datasets.names(nonlinearities)),
    )
    ratio = np.geomspace(0.1, 10, 81)
    share = _demonstrations.two_objects(ratio)
    two = xr.Dataset({"share": (("rule", "ratio"), share)}, dict(rule=datasets.names(["slope", "radial"]), ratio=ratio))
    return dict(
        consistency=consistency,
        constants=constants,
        two_objects=two,
        forms=_forms(),
        drawn=_drawn(),
        sentences=_sentences(),
    )


def _sentences() -> xr.Dataset:
    """What the source says in passing: rules that are not linear, constants given twice, and its two solutions."""
    nonlinear, doubled = _demonstrations.nonlinear(), _demonstrations.doubled_constants()
    return xr.Dataset(
        dict(nonlinear=("nonlinearity", list(nonlinear.values())), doubled=("maximum", list(doubled.values()))),
        dict(nonlinearity=datasets.names(nonlinear), maximum=datasets.names(doubled)),
        _demonstrations.solutions()._asdict(),
    )


def _drawn() -> xr.Dataset:
    """The blip; shares of a maximum of two by the radial rule and by the gradient, in the plane and around zero."""
    line = np.linspace(-1.0, 1.0, 401)
    plane = np.linspace(-1.0, 1.0, 81)
    angle = np.linspace(0.0, 360.0, 361)
    found = _demonstrations.drawn(line, plane, angle)
    return xr.Dataset(
        dict(
            blip=("value", found.blip),
            share=(("second", "first"), found.plane),
            around=(("rule", "angle"), found.around),
        ),
        dict(value=line, first=plane, second=plane, angle=angle, rule=datasets.names(["radial", "gradient"])),
        dict(eps=found.eps),
    )


def _forms() -> xr.Dataset:
    """A maximum of three objects as a softmax and as a chain of relus: all negative, and two of them tied."""
    variables: dict[str, Any] = {}
    for ending, objects in {"": [-1.0, -2.0, -3.0], "_tied": [2.0, 2.0, 1.0]}.items():
        found = _demonstrations.maximum_forms(objects)
        variables[f"value{ending}"] = ("object", objects)
        variables[f"share{ending}"] = (("form", "object"), [found.softmax, found.relu])
        variables[f"bias{ending}"] = ("form", [found.softmax_bias, 0.0])
    return xr.Dataset(variables, dict(form=datasets.names(["softmax_limit", "relu_form"]), object=[1, 2, 3]))


def _in_order(found: Found) -> list[str]:
    """Steps from the output to the inputs, of all methods."""
    names = dict.fromkeys(name for one in found.values() for name in reversed(one.flows))
    return [*names, "total"]
