"""The spread of trained networks, and the published numbers in it."""

import math

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sweeps._studies.circle import figures, published
from sweeps._studies.circle.measures import networks


def many(loss, full, boundary=("text",)):
    """Draws of networks (network, probability, chain, draw), the same under each boundary rule."""
    dims = ("network", "probability", "chain", "draw")
    one = xr.Dataset(
        {"loss": (dims, np.asarray(loss, np.float32)), "full_loss": ("network", np.asarray(full, float))},
        coords={"probability": [0.25, 0.5, 0.75]},
    )
    return xr.concat([one] * len(boundary), "boundary").assign_coords(boundary=list(boundary))


def compared(loss, full):
    return networks.compare(networks.statistics(many(loss, full)))


def test_published_numbers_are_the_source_s():
    data = published.circle()
    assert data["mean_loss"].round(4).values.tolist() == [1.0277, 0.8782, 0.5844]
    assert data["mean_log_loss"].values.tolist() == [-0.08020699, -0.28468585, -0.7286095]
    assert data["sd_log_loss"].values.tolist() == [0.44782004, 0.5544732, 0.6133959]
    assert float(data["full_loss"]) == 0.117
    # the source's own arithmetic: 0.75^20 * 1000 = 3.17
    assert float(data["expected_full_masks"]) == pytest.approx(1000 * 0.75**20, abs=0.005)


def test_published_gradients_are_the_source_s():
    data = published.circle_gradients()
    assert data["mean"].values.tolist() == [[-0.0693, -0.0475, 0.0270], [-0.0747, -0.0584, -0.0467]]
    assert data["sd"].sel(quantity="log_loss_gradient").values.tolist() == [0.361, 0.384, 0.446]
    # the source's own arithmetic: ten times the mean at 0.5, and the difference of its mean losses
    assert float(data["predicted"]) == pytest.approx(10 * float(data["mean"][0, 1]))
    losses = published.circle()["mean_loss"]
    assert float(data["change"]) == pytest.approx(float(losses[2] - losses[0]), abs=5e-4)
    assert published.split_quantity(data) == "log_loss_gradient"
    assert published.split_quantity(data.assign(state_mean=data["state_mean"] + 0.1)) == ""


def test_statistics_against_plain_loops():
    random = np.random.default_rng(0)
    loss = random.lognormal(size=(3, 3, 1, 20)).astype(np.float32)
    loss[0, 0, 0, :3] = [0.0, np.nan, np.inf]
    loss[1, 1] = np.nan
    data = networks.statistics(many(loss, [1, 2, 3])).sel(boundary="text")
    for n in range(3):
        for p in range(3):
            finite = [float(x) for x in loss[n, p, 0] if math.isfinite(x)]
            logs = [math.log(x) for x in finite if x > 0]
            one = data.isel(network=n, probability=p)
            assert int(one["draws"]) == 20
            assert int(one["nonfinite"]) == 20 - len(finite)
            assert int(one["nonpositive"]) == len(finite) - len(logs)
            if not logs:
                assert all(math.isnan(one[key]) for key in ("mean_loss", "skewness", "sd_log_loss", "ks_distance"))
                continue
            mean, log_mean = sum(finite) / len(finite), sum(logs) / len(logs)
            sd = math.sqrt(sum((x - log_mean) ** 2 for x in logs) / len(logs))
            second, third = (sum((x - mean) ** power for x in finite) / len(finite) for power in (2, 3))
            assert float(one["mean_loss"]) == pytest.approx(mean, rel=1e-12)
            assert float(one["skewness"]) == pytest.approx(third / second**1.5, rel=1e-9)
            assert float(one["mean_log_loss"]) == pytest.approx(log_mean, rel=1e-9)
            assert float(one["sd_log_loss"]) == pytest.approx(sd, rel=1e-12)
            normal = [0.5 * math.erfc((log_mean - x) / sd / math.sqrt(2)) for x in sorted(logs)]
            gaps = [max((i + 1) / len(logs) - f, f - i / len(logs)) for i, f in enumerate(normal)]
            assert float(one["ks_distance"]) == pytest.approx(max(gaps), rel=1e-9)


def test_comparison_of_the_full_loss_against_counting():
    random = np.random.default_rng(1)
    full = [0.10, 0.11, 0.117, 0.13, 0.2, np.nan]
    frame = compared(random.lognormal(size=(6, 3, 1, 9)), full)
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
    row = compared(np.ones((2, 3, 1, 4)), full).iloc[-1]
    assert not row["inside"] and row["rank"] == rank


def test_the_ends_of_the_range_belong_to_it():
    for full in ([0.117, 0.3], [0.1, 0.117]):
        assert compared(np.ones((2, 3, 1, 4)), full).iloc[-1]["inside"]


def test_both_boundary_rules_are_compared_separately(clean_tree):
    found = networks.statistics(clean_tree["spread"].to_dataset())
    frame = networks.compare(found)
    assert frame["boundary"].tolist() == ["text"] * 10 + ["code"] * 10
    code = networks.compare(found.sel(boundary=["code"]))
    np.testing.assert_equal(frame[10:]["rank"].to_numpy(), code["rank"].to_numpy())
    places = networks.places(frame)
    assert [(one.boundary, one.total, one.networks) for one in places] == [("text", 10, 6), ("code", 10, 6)]
    for one in places:
        own = frame[frame["boundary"] == one.boundary]
        assert one.inside == own["inside"].sum() == 10 - len(one.outside)
        assert one.farthest == own["z"].abs().max()


def test_networks_without_a_finite_value_and_equal_networks_give_nan_not_a_crash():
    frame = compared(np.full((2, 3, 1, 4), np.nan), [0.1, 0.1])
    assert frame["networks"].tolist() == [0] * 9 + [2]
    assert not frame["inside"].any()
    assert frame["z"].isna().all()
    (place,) = networks.places(frame)
    assert place.far is None and place.inside == 0 and math.isnan(place.farthest)


def test_probabilities_that_were_not_published_are_left_out():
    data = networks.statistics(many(np.ones((2, 3, 1, 4)), [0.1, 0.2])).assign_coords(probability=[0.1, 0.5, 0.9])
    frame = networks.compare(data)
    assert frame["probability"].tolist()[:3] == [0.5] * 3 and len(frame) == 4


def test_chance_outside_is_that_of_exchangeable_numbers():
    random = np.random.default_rng(2)
    draws = random.random((20_000, 33))
    outside = np.mean((draws[:, 0] < draws[:, 1:].min(1)) | (draws[:, 0] > draws[:, 1:].max(1)))
    assert networks.chance_outside(32) == pytest.approx(2 / 33)
    # binomial, 4 standard errors: false alarm 6e-5
    assert outside == pytest.approx(2 / 33, abs=4 * math.sqrt(2 / 33 * 31 / 33 / 20_000))
    assert networks.chance_outside(1) == 1
    with pytest.raises(ValueError, match="networks.*1.*, got 0"):
        networks.chance_outside(0)


def test_bad_spreads_are_named():
    data = many(np.ones((2, 3, 1, 4)), [0.1, 0.2])
    with pytest.raises(ValueError, match="spread.* the variable 'full_loss'"):
        networks.statistics(data.drop_vars("full_loss"))
    with pytest.raises(TypeError, match="spread.* an xarray.Dataset, got list"):
        networks.statistics([1, 2])


def test_the_figure_shows_every_network_and_the_published_values(clean_tree):
    statistics = networks.statistics(clean_tree["spread"].to_dataset())
    ax = figures.statistic(statistics, "sd_log_loss", published.circle())
    dots = [line for line in ax.get_lines() if line.get_marker() in ("o", "^")]
    assert [len(line.get_ydata()) for line in dots] == [6] * 6
    assert [line.get_marker() for line in dots] == ["o"] * 3 + ["^"] * 3  # each circle its own, colour or not
    np.testing.assert_array_equal(dots[0].get_ydata(), statistics["sd_log_loss"].sel(boundary="text", probability=0.25))
    diamonds = [line for line in ax.get_lines() if line.get_marker() == "D"]
    np.testing.assert_array_equal(diamonds[0].get_ydata(), published.circle()["sd_log_loss"])
    assert len(figures.networks(statistics).axes) == 4
    with pytest.raises(ValueError, match="name.* one of .*, got 'mode'"):
        figures.statistic(statistics, "mode")


def test_published_numbers_between_both_circles_are_counted():
    frame = pd.DataFrame(
        {
            "quantity": ["mean_loss"] * 4 + ["full_loss"] * 2,
            "probability": [0.25, 0.5, 0.25, 0.5, np.nan, np.nan],
            "published": [2.0, 5.0, 2.0, 5.0, 0.1, 0.1],
            "median": [1.0, 1.0, 3.0, 3.0, 0.2, 0.05],
        }
    )
    assert networks.between(frame) == (2, 3)
