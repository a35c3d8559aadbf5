"""What a node is worth to each example: by all masks, by draws with their errors, by paths; ArviZ's loo; figures."""

import warnings

import arviz
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.colors import to_rgba

from analysis import InputError, examples, export
from analysis.figures import examples as figures
from analysis.figures import style

NODES, EXAMPLES = 4, 5
KERNEL = np.random.default_rng(1).normal(size=(NODES, EXAMPLES))
COUNTED = np.array([3, 1, 2, 1, 0])
WEIGHTS = COUNTED / COUNTED.sum()


def losses_of(gates):
    """Losses of examples (..., examples): not additive in the gates; of the last example nothing counts."""
    found = np.logaddexp(0, gates @ KERNEL)
    found[..., -1] = np.nan
    return found


def sweep(gates, dims, **coords):
    """A sweep with ``keep="examples"`` over these gates (..., node)."""
    each, full = losses_of(gates), losses_of(np.ones(NODES))
    data = xr.Dataset(
        {
            "loss": (dims, np.nansum(each * WEIGHTS, axis=-1)),
            "gates": ((*dims, "gate" if dims == ("node",) else "node"), gates.astype(bool)),
            "example_loss": ((*dims, "example"), each),
            "full_example_loss": ("example", full),
        },
        attrs=dict(loss="cross_entropy", unit="nats", full_loss=float(np.nansum(full * WEIGHTS))),
    )
    labels = [f"layers/0 unit {node}" for node in range(NODES)]
    data = data.drop_vars("gates") if dims == ("node",) else data
    return data.assign_coords(node=labels, example=np.arange(EXAMPLES), counted=("example", COUNTED), **coords)


def drawn(probability=(0.5,), chains=2, draws=200, seed=0):
    random = np.random.default_rng(seed).random((len(probability), chains, draws, NODES))
    gates = (random < np.reshape(probability, (-1, 1, 1, 1))).astype(float)
    return sweep(gates, ("probability", "chain", "draw"), probability=list(probability))


ALL = (np.arange(2**NODES)[:, None] >> np.arange(NODES) & 1).astype(float)


def exact():
    """Mean losses with each node on minus off, over all masks."""
    each = losses_of(ALL)
    return np.stack([each[ALL[:, node] == 1].mean(0) - each[ALL[:, node] == 0].mean(0) for node in range(NODES)])


def assert_ledger(found):
    total = (found["effect"].fillna(0) * WEIGHTS).sum("example")
    np.testing.assert_allclose(total, found["node_effect"], atol=1e-12)


def test_all_masks_give_the_exact_effects():
    found = examples.node_effects(sweep(ALL, ("mask",)).drop_vars("gates"))
    np.testing.assert_allclose(found["effect"], exact(), atol=1e-12)
    assert (found["effect_error"][:, :-1] == 0).all() and np.isnan(found["effect"][:, -1]).all()
    assert_ledger(found)


def test_leaving_a_node_out():
    gates = 1 - np.eye(NODES)
    found = examples.node_effects(sweep(gates, ("node",)))
    np.testing.assert_allclose(found["effect"], losses_of(np.ones(NODES)) - losses_of(gates))
    assert_ledger(found)


def test_draws_give_differences_of_means_with_welchs_errors(monkeypatch):
    # Many small blocks give what one large block gives.
    monkeypatch.setattr(examples, "_BLOCK", 100)
    data = drawn((0.3, 0.6))
    found = examples.node_effects(data)
    assert found["effect"].dims == ("probability", "node", "example")
    for p in range(2):
        gates, each = (data[name].values[p].reshape(400, -1) for name in ("gates", "example_loss"))
        for node in range(NODES):
            on, off = each[gates[:, node]], each[~gates[:, node]]
            np.testing.assert_allclose(found["effect"][p, node], on.mean(0) - off.mean(0), atol=1e-12)
            welch = np.sqrt(on.var(0, ddof=1) / len(on) + off.var(0, ddof=1) / len(off))
            # Degrees of freedom are counted for both together: 1 % of an error at most here.
            np.testing.assert_allclose(found["effect_error"][p, node], welch, rtol=0.01)
        assert_ledger(found.isel(probability=p))


def paths(draws, seed):
    random = np.random.default_rng(seed)
    start, order = random.integers(2, size=(1, draws, 1, NODES)), random.random((draws, NODES)).argsort(axis=1)
    flipped = order[None, :, None] < np.arange(NODES + 1)[:, None]
    return sweep((start != flipped).astype(float), ("chain", "draw", "step"))


def test_errors_of_flip_paths_are_those_of_whole_paths():
    """Masks of a path depend on each other: the error is the spread over repetitions, about the exact effect."""
    found = [examples.node_effects(paths(100, seed)) for seed in range(200)]
    effects = np.stack([one["effect"][:, :-1] for one in found])
    errors = np.stack([one["effect_error"][:, :-1] for one in found]).mean(axis=0)
    # Of 200 repetitions a standard deviation has a relative error of 1/20: five of them are 0.25.
    np.testing.assert_allclose(errors, effects.std(axis=0, ddof=1), rtol=0.25)
    # Five standard errors of the mean of all repetitions.
    assert (np.abs(effects.mean(axis=0) - exact()[:, :-1]) < 5 * errors / np.sqrt(200)).all()
    assert_ledger(found[0])
    # A single path: each node's change where it is flipped, whatever the others are.
    single = paths(1, 0)
    flips = np.diff(single["gates"][0, 0].astype(int), axis=0)
    change = np.diff(single["example_loss"][0, 0], axis=0) * flips.sum(axis=1)[:, None]
    found = examples.node_effects(single)["effect"].values
    np.testing.assert_allclose(found[np.abs(flips).argmax(axis=1)], change, atol=1e-12)


def test_a_node_that_is_never_off_has_no_effect():
    data = drawn()
    data["gates"][..., 1] = True
    found = examples.node_effects(data)
    assert np.isnan(found["effect"].sel(node="layers/0 unit 1")).all()
    assert np.isfinite(found["effect"][0, 0, :-1]).all()


def test_what_has_no_effects_is_refused():
    with pytest.raises(ValueError, match="sweep must have .*example_loss"):
        examples.node_effects(drawn().drop_vars("example_loss"))
    with pytest.raises(InputError, match="gates of 0 or 1, got partial gains"):
        data = drawn()
        examples.node_effects(data.assign(gates=data["gates"] * 0.5))


@pytest.mark.parametrize("data", [sweep(1 - np.eye(NODES), ("node",)), sweep(ALL, ("mask",)), drawn(draws=3)])
def test_a_table_has_metrics_and_no_losses_of_examples(data, tmp_path):
    data = data.assign(log_loss=np.log(data["loss"]), accuracy=2 * data["loss"])
    # As a store lists them.
    export._sweep_to_csv(data[sorted(data.data_vars)], tmp_path / "sweep.csv")
    table = pd.read_csv(tmp_path / "sweep.csv")
    np.testing.assert_allclose(table["accuracy"], data["accuracy"].values.ravel())
    labels = ["probability", "chain", "draw", "mask", "node", "loss", "log_loss", "accuracy"]
    assert all(name in labels or name.startswith("gates ") for name in table.columns)


def to_arviz(data, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return export.to_arviz(data, **how)


def many(scale, seed=0, draws=400):
    """A posterior of a normal mean: draws whose losses are minus its log likelihood, and the data."""
    random = np.random.default_rng(seed)
    values = random.normal(size=30)
    mean = values.mean() + random.normal(size=(2, draws)) / np.sqrt(30) + scale
    each = (values - mean[..., None]) ** 2 / 2 + np.log(2 * np.pi) / 2
    data = xr.Dataset(
        {"loss": (("chain", "draw"), each.mean(-1)), "example_loss": (("chain", "draw", "example"), each)},
        attrs=dict(loss="cross_entropy"),
    )
    return data.assign_coords(counted=("example", np.ones(30, int))), values


def test_loo_and_compare_take_the_losses_of_examples():
    (data, values), (other, _) = many(0), many(1.5)
    found = arviz.loo(to_arviz(data))
    elpd = float(getattr(found, "elpd_loo", None) or found.elpd)
    # Leaving a value out of a normal mean: the rest has the mean (30 m - y) / 29, and the prediction variance 1 + 1/29.
    rest, spread = (values.sum() - values) / 29, 1 + 1 / 29
    exact = (-((values - rest) ** 2) / (2 * spread) - np.log(2 * np.pi * spread) / 2).sum()
    assert abs(elpd - exact) < 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = arviz.compare({"near": to_arviz(data), "far": to_arviz(other)})
    assert list(table.index) == ["near", "far"]


def test_log_likelihoods_are_sums_over_what_counts():
    data = drawn()
    found = to_arviz(data)["log_likelihood"]["targets"]
    assert found.dims == ("chain", "draw", "example") and found.sizes["example"] == EXAMPLES - 1
    np.testing.assert_allclose(found, -(data["example_loss"] * COUNTED)[0, ..., :-1])
    assert "example" not in to_arviz(data)["posterior"].dims


def test_what_is_no_log_likelihood_is_refused():
    squared = drawn().assign_attrs(loss="squared_error")
    with pytest.raises(InputError, match="the loss is squared_error, and only a cross-entropy is minus a log"):
        to_arviz(squared)
    found = to_arviz(squared, log_likelihood=lambda loss: -loss / 2)["log_likelihood"]["targets"]
    np.testing.assert_allclose(found, -squared["example_loss"][0, ..., :-1] / 2)
    for data in (drawn((0.3, 0.6)), paths(3, 0)):
        with pytest.raises(InputError, match="draws of one probability, of which ArviZ takes each example"):
            to_arviz(data)


def test_a_heat_map_has_the_effects_in_order():
    found = examples.node_effects(sweep(ALL, ("mask",)))
    ax = figures.heat_map(found)
    order = np.argsort(np.nansum(exact(), axis=0), kind="stable")
    np.testing.assert_allclose(ax.images[0].get_array().filled(np.nan), exact()[:, order])
    assert ax.get_ylabel() == "node (layers/0 unit)" and "nats" in ax.figure.axes[1].get_xlabel()
    with pytest.raises(InputError, match="effects must be of one probability"):
        figures.heat_map(examples.node_effects(drawn((0.3, 0.6))))


def test_bars_are_the_examples_of_a_node_with_their_errors():
    found = examples.node_effects(drawn()).isel(probability=0)
    ax = figures.of_node(found, "layers/0 unit 2", count=3)
    change = found["effect"].values[2]
    chosen = np.argsort(-np.abs(change[:-1]))[:3]
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], change[chosen])
    assert [label.get_text() for label in ax.get_yticklabels()] == [str(one) for one in chosen]
    blue = [bar.get_facecolor() == to_rgba(style.BLUE) for bar in ax.patches]
    assert blue == list(change[chosen] < 0)
    with pytest.raises(ValueError, match="node must be at most 3, got 4"):
        figures.of_node(found, 4)
