"""Arguments: NumPy's numbers are taken where Python's are, wrong ones are refused by name, in one line, before work."""

import numpy as np
import pytest
import xarray as xr

from analysis import (
    _formatting,
    _samples,
    best,
    density,
    families,
    figures,
    gradients,
    hypercube,
    intervals,
    layers,
    lognormal,
    paths,
    perceptron,
    plane,
    qq,
    removal,
)
from analysis._errors import InputError
from sweeps._studies.spiral.measures import adam
from tests.analysis import synthetic_model

LOSS = np.exp(np.random.default_rng(0).normal(size=60))
TABLE = np.arange(8.0) ** 1.5
SWEEP = synthetic_model.draws((("a", "unit", 3), ("b", "unit", 2)), count=9)
SINGLE = synthetic_model.leave_one_out((("a", "unit", 3), ("b", "unit", 2)))
NET = perceptron.Perceptron((np.ones((2, 3)), np.ones((3, 2))), (np.zeros(3), np.zeros(2)), "relu", "identity")
POINTS = np.ones((4, 2))

COUNT, NUMBER, CHANCE, FLAG, TABLES = "count", "number", "chance", "flag", "tables"
#: What each kind of argument is never, whatever its bounds are.
WRONG = {
    COUNT: (1.5, 1e3, np.float64(3), "3", None, True, np.bool_(True), [3], 3 + 0j, -1, np.nan, [[1], []]),
    NUMBER: (np.nan, np.inf, "0.5", 1j, [0.5], True, np.array([0.1, 0.2]), -1.0),
    CHANCE: (1.5, -0.1, np.float64(np.nan), np.inf, "0.5", 0.5j, True, [[0.5, 2.0]]),
    FLAG: (1, 0.0, "yes", None, [True]),
    TABLES: (
        [],
        [1.0, 2.0, 3.0],
        [[1.0, 2.0]],
        [1.0, np.nan],
        [1j, 2.0],
        ["a", "b"],
        [True, False],
        1.0,
        None,
        [[1], [2, 3]],
    ),
}
#: Public functions of one argument, each with its kind, its name, and values that do.
CALLS = {
    "kde": (lambda x: density.kde(LOSS, width=x), NUMBER, "width", (0.1, np.float32(0.1))),
    "fit sample": (lambda x: lognormal.fit(LOSS, sample=x, resamples=9), COUNT, "sample", (50, np.int64(50))),
    "fit resamples": (lambda x: lognormal.fit(LOSS, resamples=x), COUNT, "resamples", (9, np.uint8(9))),
    "fit seed": (lambda x: lognormal.fit(LOSS, resamples=9, seed=x), COUNT, "seed", (2**63, np.uint64(7))),
    "fit population": (lambda x: lognormal.fit(LOSS, population=x), FLAG, "population", (True, np.True_)),
    "ks": (lognormal.ks_distance_by_chance, COUNT, "count", (9, np.int32(9))),
    "band": (lambda x: qq.normal_band(9, level=x, resamples=50), CHANCE, "level", (0.9, np.float32(0.5))),
    "band count": (lambda x: qq.normal_band(x, resamples=50), COUNT, "count", (5, np.int8(5))),
    "quantiles": (lambda x: qq.normal_quantiles([1.0, 2.0], level=x), CHANCE, "level", (0.9,)),
    "interval": (lambda x: intervals.interval([1.0, 2.0], level=x), CHANCE, "level", (0.9, np.float64(0.9))),
    "family seed": (lambda x: families.fit(LOSS, "normal", seed=x), COUNT, "seed", (7, np.int64(7))),
    "folds": (lambda x: families.compare(LOSS[:20], folds=x), COUNT, "folds", (np.int64(2),)),
    "expected": (lambda x: removal.expected_distinct_masks(3, x, 9), CHANCE, "probability", (0.5, np.float64(1))),
    "expected nodes": (lambda x: removal.expected_distinct_masks(x, 0.5, 9), COUNT, "nodes", (np.int16(3),)),
    "expected draws": (lambda x: removal.expected_distinct_masks(3, 0.5, x), COUNT, "draws", (np.int16(3),)),
    "losses": (lambda x: removal.losses(SWEEP, quantiles=[x]), CHANCE, "quantiles", (0.5, np.float32(1))),
    "population": (lambda x: removal.losses(SWEEP, population=x), FLAG, "population", (np.False_,)),
    "removals": (lambda x: layers.removals(SINGLE, quantiles=[x]), CHANCE, "quantiles", (0.5,)),
    "best": (lambda x: best.best_masks(SWEEP, count=x), COUNT, "count", (np.int64(3),)),
    "sample": (lambda x: _samples.losses(LOSS).quantile([x]), CHANCE, "levels", (0.5, np.float32(1))),
    "grid": (lambda x: plane.grid(limit=x), NUMBER, "limit", (np.float32(2),)),
    "points": (lambda x: plane.grid(limit=1.0, points=x), COUNT, "points", (np.int64(3),)),
    "krawtchouk": (hypercube.krawtchouk, COUNT, "nodes", (np.int64(3),)),
    "steps": (lambda x: paths.exact(TABLE, steps=x), COUNT, "steps", (np.int64(3),)),
    "distribution": (
        lambda x: hypercube.distribution(TABLE, probability=0.5, width=x),
        NUMBER,
        "width",
        (np.float32(2),),
    ),
    "bootstrap": (lambda x: gradients.bootstrap(SWEEP, resamples=x), COUNT, "resamples", (np.int64(3),)),
    "bootstrap seed": (lambda x: gradients.bootstrap(SWEEP, resamples=3, seed=x), COUNT, "seed", (np.int64(3),)),
    "bootstrap level": (lambda x: gradients.bootstrap(SWEEP, resamples=3, level=x), CHANCE, "level", (0.5,)),
    "statistics": (lambda x: gradients.statistics(SWEEP, width=x), NUMBER, "width", (np.float32(0.2),)),
    "at": (adam.single_gradient, COUNT, "at", (np.int64(3),)),
    "masks columns": (lambda x: figures.plane.masks({"a": MAPS}, columns=x), COUNT, "columns", (np.int64(1),)),
    "density width": (lambda x: figures.densities.loss(SWEEP, width=x), NUMBER, "width", (np.float32(0.2),)),
    "replicates": (
        lambda x: figures.families.replicates(LOSS, families.fit(LOSS, "normal"), seed=x),
        COUNT,
        "seed",
        (np.int64(3),),
    ),
    "by node": (lambda x: figures.gradients.by_node(SWEEP, nodes=[x]), COUNT, "nodes", (np.int64(3),)),
}
for each in ("walsh", "weight_by_order", "covariance_by_distance", "shapley", "banzhaf", "interaction", "best_masks",
             "worst_masks", "greedy_removal", "mean_by_size", "opposite", "sobol", "moments", "additive_share",
             "distribution", "variance_by_order"):  # fmt: skip
    CALLS[each] = (getattr(hypercube, each), TABLES, "values", (TABLE, TABLE.astype(np.float32), [1], list(range(4))))
for each in ("sobol", "moments", "additive_share", "distribution", "variance_by_order", "biased", "mean_derivative"):
    CALLS[f"{each} p"] = (
        lambda x, each=each: getattr(hypercube, each)(TABLE, probability=x),
        CHANCE,
        "probability",
        (0.5, np.float64(0.25)),
    )
MAPS = plane.maps(NET, plane.grid(limit=1.0, points=3))


@pytest.mark.parametrize("name", CALLS)
def test_wrong_arguments_are_refused_by_name(name):
    call, kind, argument, good = CALLS[name]
    for value in good:
        call(value)
    for value in WRONG[kind]:
        if value is None and (argument in ("width", "steps") or kind == COUNT and name == "steps"):
            continue  # left out
        with pytest.raises(InputError, match=f"^{argument} must [^\n]*$"):
            call(value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: density.kde([1.0, np.nan]), "values must be finite numbers, got 1 of 2 that are not"),
        (lambda: density.kde([[1.0], []]), r"values must be an array of numbers, got \[\[1.0\], \[\]\]"),
        (lambda: density.kde(xr.Dataset()), "values must be numbers, got an xarray.Dataset"),
        (lambda: density.kernel_width([1.0, 2.0]), "samples must be arrays of numbers, one a sample, got 1.0"),
        (lambda: families.fit(LOSS, "normal", seed=2**32), "seed must be at most 4294967295, got 4294967296"),
        (lambda: lognormal.fit_each([1.0, 2.0]), "loss must be an xarray.DataArray or Dataset, got list"),
        (lambda: intervals.over_pairs([1.0, 2.0]), r"matrix must have shape \(networks, networks\), got \(2,\)"),
        (lambda: intervals.band([1.0]), "values must be an xarray.DataArray, got list"),
        (lambda: removal.distinct_masks(True), r"gates must have shape \(..., nodes\), got one truth value"),
        (lambda: removal.losses(SWEEP, quantiles=0.5), r"quantiles must be a sequence of numbers, got shape \(\)"),
        (lambda: removal.leave_one_out(SINGLE, full_loss="0.4"), "full_loss must be a number, got '0.4'"),
        (lambda: perceptron.outputs(NET, POINTS, gates="abc"), "gates must be integers or floating-point numbers"),
        (lambda: perceptron.outputs(NET, POINTS, gates=[1, np.nan, 1]), "gates must be finite numbers, got nan"),
        (lambda: perceptron.outputs(NET, 1j * POINTS), "inputs must be integers or floating-point numbers"),
        (lambda: perceptron.losses(NET, POINTS, [0, 1, 1, 2]), "targets must be classes from 0 to 1, got 2"),
        (lambda: perceptron.losses(NET, POINTS, [0, 1, 1, -1]), "targets must be classes from 0 to 1, got -1"),
        (lambda: perceptron.losses(NET, POINTS, [0, 0.6, 1, 1]), "targets must be whole numbers, got dtype float64"),
        (lambda: perceptron.gate_gradients(NET, POINTS, [0, 1]), r"targets must have shape \(4,\), one class"),
        (lambda: perceptron.outputs(None, POINTS), "network must be a Perceptron, got NoneType; see perceptron.from_"),
        (lambda: plane.maps(NET, None), "plane must be an xarray.Dataset, got NoneType"),
        (lambda: paths.covariance([[1.0], []]), r"log_loss must be an array of numbers, got \[\[1.0\], \[\]\]"),
        (lambda: hypercube.estimates.shapley([[1], []], 3), "values must be an array of numbers"),
        (lambda: gradients.slope_check(SWEEP, cube_loss=[1.0, np.nan]), "cube_loss must be finite numbers, got 1 of 2"),
        (lambda: _formatting.format_number(1j), r"value must be a number, got 1j"),
        (lambda: figures.densities.loss([1.0]), "sweep must be an xarray.DataArray or Dataset, got list"),
        (lambda: figures.quantiles.panels(SINGLE["loss"]), "loss must have the dimension 'probability', got"),
        (lambda: figures.masks.by_size(TABLE, ax="axes"), "ax must be matplotlib axes, got str"),
        (lambda: figures.masks.node_values(TABLE, labels="abc"), "labels must be a sequence of names, got 'abc'"),
        (lambda: figures.masks.node_values(TABLE, labels=3), "labels must be a sequence of names, got 3"),
        (lambda: figures.cube.path(start=3), "start must be three gates, each 0 or 1, got 3"),
        (lambda: figures.gradients.by_state(SWEEP, probability="0.5"), "probability must be a number, got '0.5'"),
    ],
)  # fmt: skip
def test_messages_say_what_was_expected(call, message):
    with pytest.raises(InputError, match=f"^{message}"):
        call()


ARRAY = np.ones((2, 3))
OPTIONS = {
    "variable": lambda: figures.nodes.effects(SINGLE, variable=ARRAY),
    "kind": lambda: figures.nodes.grid(SINGLE, kind=ARRAY),
    "dim": lambda: best.best_masks(SWEEP, dim=[]),
    "index": lambda: hypercube.interaction(TABLE, index=ARRAY),
    "per": lambda: figures.layers.summary(layers.summary(SINGLE), per=ARRAY),
    "nodes": lambda: figures.gradients.by_node(SWEEP, nodes=ARRAY),
    "most": lambda: layers.node_table(SINGLE, most="3"),
    "sweep": lambda: figures.nodes.effects(None),
    "width": lambda: density.kde(LOSS, width=1e308),
    "full_loss": lambda: removal.leave_one_out(SINGLE, full_loss=ARRAY),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_arrays_lists_and_what_is_too_large_are_refused_on_one_line(name):
    with pytest.raises(InputError, match=f"^{name} must .*$") as caught:
        OPTIONS[name]()
    assert "\n" not in str(caught.value)


def test_booleans_are_gates_and_numpys_numbers_are_numbers():
    on = perceptron.outputs(NET, POINTS, gates=np.array([True, False, True]))
    np.testing.assert_array_equal(on, perceptron.outputs(NET, POINTS, gates=[1, 0, 1]))
    assert figures.cube.path(start=np.array([0, 1, 0]), order=np.array([0, 2, 1])).texts[3].get_text() == "000"
    assert removal.leave_one_out(SINGLE, full_loss=np.float32(0.4))["change"].size == 5
