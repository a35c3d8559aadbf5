"""Means with t-intervals against SciPy, and at their edges."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from analysis.intervals import band, interval, over_pairs


def test_the_interval_is_students_and_leaves_out_what_is_not_known():
    values = np.array([0.3, 0.1, np.nan, 0.4, 0.35])
    known = values[np.isfinite(values)]
    low, high = stats.t.interval(0.9, 3, known.mean(), stats.sem(known))
    found = interval(values, level=0.9)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert (found.networks, found.least, found.most, found.known) == (4, 0.1, 0.4, True)
    doubled = found.times(2)
    assert doubled.high == pytest.approx(2 * found.high) and doubled.networks == 4


def test_one_network_has_no_interval_and_none_no_mean():
    one, none = interval([0.5]), interval([np.nan])
    assert one.mean == 0.5 and not one.known and np.isnan(one.half)
    assert none.networks == 0 and np.isnan(none.mean)
    with pytest.raises(ValueError, match="level must be below 1, got 1"):
        interval([1.0], level=1)
    with pytest.raises(ValueError, match="values must be one number a network, got shape"):
        interval([[1.0]])


def test_the_band_is_an_interval_at_every_point():
    values = xr.DataArray(
        np.random.default_rng(0).random((3, 5)), dims=("percent", "network"), coords={"percent": [0, 5, 9]}
    )
    found = band(values)
    assert found["percent"].values.tolist() == [0, 5, 9]
    assert float(found["low"][1]) == interval(values.values[1]).low
    with pytest.raises(ValueError, match="values must have the dimensions"):
        band(values.isel(network=0))


def test_intervals_cover_as_often_as_they_say():
    draws = np.random.default_rng(0).normal(size=(2000, 5))
    covered = np.mean([one.low <= 0 <= one.high for one in map(interval, draws)])
    # 4 standard errors of 2,000 trials at 0.95: a false alarm once in 16,000
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 2000)


def test_pairs_of_networks_have_the_error_of_leaving_out_one():
    values = np.random.default_rng(0).random((5, 5))
    values = values + values.T
    without = []
    for left in range(5):
        others = [one for one in range(5) if one != left]
        without.append(np.mean([values[i, j] for i in others for j in others if i != j]))
    found = over_pairs(values)
    assert found.mean == pytest.approx(np.mean(without))
    assert found.error == pytest.approx(np.sqrt(4 / 5 * np.square(np.array(without) - found.mean).sum()))
    assert np.isnan(over_pairs(values[:2, :2]).error) and np.isnan(over_pairs(values[:1, :1]).mean)


def test_the_interval_of_pairs_covers():
    # Agreement a_i + a_j of networks with independent a: its mean is known. 95 % of 400 intervals, 4 standard errors.
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        part = random.normal(size=12)
        found = over_pairs(part[:, None] + part)
        hits += found.low <= 0 <= found.high
    assert abs(hits / 400 - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 400)


def test_fields_have_no_position():
    with pytest.raises(TypeError, match="cannot unpack"):
        mean, half, *_ = interval([1.0, 2.0])
    with pytest.raises(TypeError, match="not subscriptable"):
        interval([1.0, 2.0])[1]
