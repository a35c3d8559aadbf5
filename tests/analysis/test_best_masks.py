import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from analysis import best
from tests.analysis import synthetic_run
from tests.analysis.synthetic_summary import summary_of


def sweep_of(loss, gates):
    dims = ("chain", "draw")
    nodes = [f"layers/0 unit {i}" for i in range(np.shape(gates)[-1])]
    return xr.Dataset(
        {"loss": (dims, np.asarray(loss)), "gates": ((*dims, "node"), np.asarray(gates))}, coords={"node": nodes}
    )


def slowly(loss, gates, count):
    """The lowest losses of distinct masks, by a loop over all draws in order of their loss."""
    found = {}
    pairs = [pair for pair in zip(loss, map(tuple, gates), strict=True) if np.isfinite(pair[0])]
    for value, mask in sorted(pairs, key=lambda pair: pair[0]):
        found.setdefault(mask, value)
    return list(found.items())[:count]


@given(st.integers(0, 50), st.integers(1, 6), st.booleans())
def test_the_lowest_distinct_masks_are_found_in_draws_and_in_a_summary(seed, count, partial):
    random = np.random.default_rng(seed)
    gates = random.random((2, 30, 3)) < 0.5
    gates = gates * 0.5 if partial else gates
    # the loss is a function of the mask, with no ties between masks
    loss = 1 + gates @ np.array([0.1, -0.3, 0.71])
    loss[random.random(loss.shape) < 0.1] = random.choice([np.nan, np.inf, -np.inf])
    data = sweep_of(loss, gates)
    expected = slowly(loss.ravel(), gates.reshape(-1, 3), count)
    for given_data in (data, summary_of(data)):
        got = best.best_masks(given_data, dim=None, count=count)
        np.testing.assert_allclose(got["loss"][: len(expected)], [value for _, value in expected])
        assert [tuple(mask) for mask in got["gates"].values[: len(expected)]] == [mask for mask, _ in expected]
        assert got["loss"][len(expected) :].isnull().all()
        assert got["gates"].dtype == gates.dtype


def test_many_draws_of_one_mask_do_not_hide_the_others(monkeypatch):
    monkeypatch.setattr(best, "_BLOCK", 7)
    gates = np.ones((1, 100, 4), bool)
    gates[0, 60, 0] = gates[0, 80, 1] = False
    loss = np.where(gates.all(-1), 1.0, 2.0)
    loss[0, 80] = 3.0
    got = best.best_masks(sweep_of(loss, gates), dim=None, count=3)
    assert got["loss"].values.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(got["gates"], gates[0, [0, 60, 80]])


def test_masks_of_a_hypercube_are_the_bits_of_their_number():
    loss = np.random.default_rng(0).permutation(16.0 + np.arange(16))
    cube = xr.Dataset({"loss": ("mask", loss)}, coords={"node": list("abcd")})
    got = best.best_masks(cube, dim=None, count=16)
    numbers = got["gates"].values @ 2 ** np.arange(4)
    np.testing.assert_array_equal(loss[numbers], 16 + np.arange(16))
    assert got["gates"].dtype == bool


def test_every_probability_has_its_own():
    data = synthetic_run.bernoulli(np.random.default_rng(3))
    got = best.best_masks(data, dim="probability", count=2)
    assert dict(got.sizes) == {"probability": 3, "rank": 2, "node": 8}
    np.testing.assert_array_equal(got["probability"], data["probability"])
    np.testing.assert_allclose(got["loss"][:, 0], data["loss"].min(("chain", "draw")))


def test_bad_arguments_are_named():
    data = synthetic_run.bernoulli(np.random.default_rng(3))
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        best.best_masks(data, count=0)
    with pytest.raises(ValueError, match="sweep must have the variable 'gates' or a whole hypercube, got"):
        best.best_masks(data.drop_vars("gates"))
    with pytest.raises(ValueError, match="sweep must have the dimension 'node', got"):
        best.best_masks(data.drop_vars("gates").drop_dims("node"))
    with pytest.raises(TypeError, match="sweep must be an xarray.Dataset, got ndarray"):
        best.best_masks(np.ones(3))
