import itertools
import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis import removal


def sweep(loss, gates, probability=(0.25, 0.75)):
    dims = ("probability", "chain", "draw")
    return xr.Dataset(
        {"loss": (dims, np.asarray(loss, np.float32)), "gates": ((*dims, "node"), np.asarray(gates))},
        coords={"probability": list(probability)},
    )


def test_against_plain_loops():
    random = np.random.default_rng(0)
    gates = random.random((2, 2, 40, 3)) < np.reshape([0.25, 0.75], (2, 1, 1, 1))
    loss = random.lognormal(size=(2, 2, 40)).astype(np.float32)
    data = removal.statistics(sweep(loss, gates), quantiles=(0.5,))
    for i, p in enumerate((0.25, 0.75)):
        flat = [float(x) for x in loss[i].ravel()]
        masks = [tuple(mask) for mask in gates[i].reshape(-1, 3)]
        one = data.sel(probability=p)
        mean = math.fsum(flat) / 80
        sd = math.sqrt(math.fsum((x - mean) ** 2 for x in flat) / 79)
        assert float(one["mean_loss"]) == pytest.approx(mean, rel=1e-12)
        assert float(one["sd_loss"]) == pytest.approx(sd, rel=1e-12)
        assert float(one["mean_loss_error"]) == pytest.approx(sd / math.sqrt(80), rel=1e-12)
        ordered = sorted(flat)
        assert float(one["loss_quantile"].sel(quantile=0.5)) == pytest.approx((ordered[39] + ordered[40]) / 2)
        assert int(one["distinct_masks"]) == len(set(masks))
        assert int(one["full_masks"]) == masks.count((True,) * 3)
        assert int(one["empty_masks"]) == masks.count((False,) * 3)
        assert float(one["expected_full_masks"]) == pytest.approx(80 * p**3)
        assert float(one["expected_empty_masks"]) == pytest.approx(80 * (1 - p) ** 3)
        assert int(one["draws"]) == 80


def test_order_of_dimensions_does_not_matter():
    random = np.random.default_rng(1)
    data = sweep(random.random((2, 1, 5)), random.random((2, 1, 5, 4)) < 0.5)
    xr.testing.assert_identical(
        removal.statistics(data), removal.statistics(data.transpose("node", "draw", "probability", "chain"))
    )


def test_zero_and_non_finite_losses_are_counted():
    loss = [[[0.0, 1.0, np.nan, np.inf]], [[np.nan] * 4]]
    data = removal.statistics(sweep(loss, np.ones((2, 1, 4, 2), bool)))
    assert data["nonpositive"].values.tolist() == [1, 0]
    assert data["nonfinite"].values.tolist() == [2, 4]
    np.testing.assert_equal(data["mean_loss"].values, [0.5, np.nan])
    np.testing.assert_equal(data["mean_loss_error"].values, [0.5, np.nan])


@given(arrays(bool, st.tuples(st.integers(1, 30), st.integers(1, 20))))
def test_distinct_masks_is_the_size_of_the_set(gates):
    assert removal.distinct_masks(gates) == len({tuple(mask) for mask in gates})


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.75, 1.0])
@pytest.mark.parametrize("draws", [1, 7, 1000])
def test_expected_distinct_masks_is_the_sum_over_all_masks(probability, draws):
    total = 0.0
    for mask in itertools.product([0, 1], repeat=4):
        chance = math.prod(probability if on else 1 - probability for on in mask)
        total += 1 - (1 - chance) ** draws
    assert removal.expected_distinct_masks(4, probability, draws) == pytest.approx(total, rel=1e-12)


def test_expected_distinct_masks_of_the_study_agrees_with_drawing():
    random = np.random.default_rng(2)
    counts = [removal.distinct_masks(random.random((1000, 20)) < 0.75) for _ in range(40)]
    error = np.std(counts, ddof=1) / np.sqrt(40)
    # 4.5 estimated standard errors with 39 degrees of freedom: false alarm 6e-5
    assert removal.expected_distinct_masks(20, 0.75, 1000) == pytest.approx(np.mean(counts), abs=4.5 * error)


def test_single_removals_are_ranked_by_what_they_cost():
    data = xr.Dataset(
        {"loss": ("node", [0.5, 0.1, np.nan, 0.9])}, coords={"node": list("abcd")}, attrs={"full_loss": 0.2}
    )
    nodes = removal.leave_one_out(data)
    np.testing.assert_allclose(nodes["change"], [0.3, -0.1, np.nan, 0.7])
    assert nodes["rank"].values.tolist() == [2, 3, 0, 1]
    assert nodes["node"].values.tolist() == list("abcd")
    np.testing.assert_allclose(removal.leave_one_out(data, full_loss=0.5)["change"], [0.0, -0.4, np.nan, 0.4])


def test_bad_sweeps_are_named():
    good = sweep(np.ones((2, 1, 3)), np.ones((2, 1, 3, 2), bool))
    with pytest.raises(ValueError, match=r"sweep must have the variable 'gates', got \['loss'\]"):
        removal.statistics(good.drop_vars("gates"))
    with pytest.raises(ValueError, match="sweep must have the dimension 'probability'"):
        removal.statistics(good.rename(probability="p"))
    with pytest.raises(TypeError, match="sweep must be an xarray.Dataset, got ndarray"):
        removal.statistics(np.ones(3))
    with pytest.raises(TypeError, match="gates must be boolean masks, got dtype float64"):
        removal.statistics(good.assign(gates=good["gates"].astype(float)))
    with pytest.raises(ValueError, match=r"quantiles must be numbers between 0 and 1, got 1.5 among them"):
        removal.statistics(good, quantiles=(1.5,))
    with pytest.raises(ValueError, match="full_loss must be a number, or an attribute 'full_loss'"):
        removal.leave_one_out(xr.Dataset({"loss": ("node", [1.0])}))
    with pytest.raises(ValueError, match=r"sweep must be of sweeps.LeaveOneOut, .* got \('probability', "):
        removal.leave_one_out(good, full_loss=1.0)
