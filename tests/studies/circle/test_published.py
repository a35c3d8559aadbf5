import math

import numpy as np
import pytest
import xarray as xr

from sweeps.studies.circle import published, spread


def many(loss, full, **extra):
    dims = ("network", "probability", "chain", "draw")
    return xr.Dataset(
        {"loss": (dims, np.asarray(loss, np.float32)), "full_loss": ("network", np.asarray(full, float))},
        coords={"probability": [0.25, 0.5, 0.75]},
    )


def test_published_numbers_are_the_source_s():
    data = published.circle()
    assert data["mean_loss"].round(4).values.tolist() == [1.0277, 0.8782, 0.5844]
    assert data["mean_log_loss"].values.tolist() == [-0.08020699, -0.28468585, -0.7286095]
    assert data["sd_log_loss"].values.tolist() == [0.44782004, 0.5544732, 0.6133959]
    assert float(data["full_loss"]) == 0.117
    # the source's own arithmetic: 0.75^20 * 1000 = 3.17
    assert float(data["expected_full_masks"]) == pytest.approx(1000 * 0.75**20, abs=0.005)


def test_spread_statistics_against_plain_loops():
    random = np.random.default_rng(0)
    loss = random.lognormal(size=(3, 3, 1, 20)).astype(np.float32)
    loss[0, 0, 0, :3] = [0.0, np.nan, np.inf]
    loss[1, 1] = np.nan
    data = spread.statistics(many(loss, [1, 2, 3]))
    for n in range(3):
        for p in range(3):
            finite = [float(x) for x in loss[n, p, 0] if math.isfinite(x)]
            logs = [math.log(x) for x in finite if x > 0]
            one = data.isel(network=n, probability=p)
            assert int(one["draws"]) == 20
            assert int(one["nonfinite"]) == 20 - len(finite)
            assert int(one["nonpositive"]) == len(finite) - len(logs)
            if logs:
                mean = sum(logs) / len(logs)
                sd = math.sqrt(sum((x - mean) ** 2 for x in logs) / len(logs))
                assert float(one["mean_loss"]) == pytest.approx(sum(finite) / len(finite), rel=1e-12)
                assert float(one["mean_log_loss"]) == pytest.approx(mean, rel=1e-9)
                assert float(one["sd_log_loss"]) == pytest.approx(sd, rel=1e-12)
            else:
                assert math.isnan(one["mean_loss"]) and math.isnan(one["sd_log_loss"])


def test_comparison_of_the_full_loss_against_counting():
    random = np.random.default_rng(1)
    full = [0.10, 0.11, 0.117, 0.13, 0.2, np.nan]
    frame = published.compare(many(random.lognormal(size=(6, 3, 1, 9)), full))
    assert frame["quantity"].tolist() == ["mean_loss"] * 3 + ["mean_log_loss"] * 3 + ["sd_log_loss"] * 3 + ["full_loss"]
    row = frame.iloc[-1]
    known = np.array(full[:5])
    assert row["networks"] == 5
    assert row["rank"] == pytest.approx((2 + 0.5) / 5)  # two below, one equal
    assert row["z"] == pytest.approx((0.117 - known.mean()) / known.std(ddof=1))
    assert (row["min"], row["median"], row["max"]) == (0.10, 0.117, 0.2)
    assert (row["q25"], row["q75"]) == (0.11, 0.13)
    assert row["inside"]


@pytest.mark.parametrize(("full", "rank"), [([0.2, 0.3], 0.0), ([0.01, 0.02], 1.0)])
def test_a_value_outside_the_range_is_called_so(full, rank):
    frame = published.compare(many(np.ones((2, 3, 1, 4)), full))
    assert not frame.iloc[-1]["inside"]
    assert frame.iloc[-1]["rank"] == rank


def test_the_ends_of_the_range_belong_to_it():
    for full in ([0.117, 0.3], [0.1, 0.117]):
        assert published.compare(many(np.ones((2, 3, 1, 4)), full)).iloc[-1]["inside"]


def test_both_boundary_rules_are_compared_separately(clean_tree):
    group = clean_tree["spread"].to_dataset()
    frame = published.compare(group)
    assert frame["boundary"].tolist() == ["text"] * 10 + ["code"] * 10
    code = published.compare(group.sel(boundary="code", drop=True))
    np.testing.assert_equal(frame[10:]["rank"].to_numpy(), code["rank"].to_numpy())
    assert frame.equals(published.compare(spread.statistics(group)))


def test_networks_without_a_finite_value_and_equal_networks_give_nan_not_a_crash():
    frame = published.compare(many(np.full((2, 3, 1, 4), np.nan), [0.1, 0.1]))
    assert frame["networks"].tolist() == [0] * 9 + [2]
    assert not frame["inside"].any()
    assert frame["z"].isna().all()


def test_chance_outside_is_that_of_exchangeable_numbers():
    random = np.random.default_rng(2)
    draws = random.random((20_000, 33))
    outside = np.mean((draws[:, 0] < draws[:, 1:].min(1)) | (draws[:, 0] > draws[:, 1:].max(1)))
    assert published.chance_outside(32) == pytest.approx(2 / 33)
    # binomial, 4 standard errors: false alarm 6e-5
    assert outside == pytest.approx(2 / 33, abs=4 * math.sqrt(2 / 33 * 31 / 33 / 20_000))
    assert published.chance_outside(1) == 1
    with pytest.raises(ValueError, match="networks: expected 1 or more, got 0"):
        published.chance_outside(0)


def test_bad_spreads_are_named():
    data = many(np.ones((2, 3, 1, 4)), [0.1, 0.2])
    with pytest.raises(ValueError, match="spread: expected the variable 'full_loss'"):
        published.compare(data.drop_vars("full_loss"))
    with pytest.raises(ValueError, match=r"spread: expected a probability among \[0.25, 0.5, 0.75\], got"):
        published.compare(data.assign_coords(probability=[0.1, 0.2, 0.3]))
    with pytest.raises(TypeError, match="spread: expected an xarray.Dataset, got list"):
        spread.statistics([1, 2])
