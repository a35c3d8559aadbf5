"""Numbers of the relevance study against plain loops and closed forms, and at their edges."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from analysis.intervals import interval
from sweeps.studies.relevance.measures import deletion, demonstrations, heat, ledger, names_of, nodes, supervised
from tests.studies.relevance import synthetic


@pytest.fixture(scope="module")
def curves():
    return deletion.checked(synthetic.deletion())


@pytest.fixture(scope="module")
def scores(curves):
    return deletion.scores(curves)


@pytest.fixture(scope="module")
def trainings():
    return supervised.checked(synthetic.supervised())


def test_titles_of_the_store_are_typeset_and_others_looked_up():
    maps = synthetic.heat()
    assert names_of(maps)["gradient_x_input"] == "gradient × input" and names_of(maps)["lrp"] == "LRP (ε)"
    assert names_of(maps.drop_vars("title"))["lrp"] == "LRP"
    assert names_of(synthetic.nodes(), "measure")["gate_gradient"] == "gate gradient"


def test_methods_with_the_same_maps_are_one_group():
    maps = heat.checked(synthetic.heat())
    groups = heat.groups(maps)
    assert list(synthetic.SAME) in groups and len(groups) == len(synthetic.KEYS) - 2
    moved = maps.copy(deep=True)
    largest = float(np.abs(moved["relevance"].sel({"attributed_by": "slope"})).max())
    moved["relevance"].loc[{"attributed_by": "slope", "image": 2, "row": 0, "column": 0}] += 0.002 * largest
    assert ["slope"] in heat.groups(moved) and ["gradient_x_input", "lrp"] in heat.groups(moved)


def test_differences_and_correlations_of_maps_are_those_of_a_plain_loop():
    maps = heat.checked(synthetic.heat())
    apart, alike = heat.differences(maps), heat.correlations(maps)
    one, other = (maps["relevance"].sel({"attributed_by": key}).values for key in ("gradient", "lrp"))
    scale = max(np.abs(one).max(), np.abs(other).max())
    assert float(apart.loc["gradient", "lrp"]) == pytest.approx(np.abs(one - other).max() / scale)
    each = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(one, other, strict=True)]
    assert float(alike.loc["gradient", "lrp"]) == pytest.approx(np.mean(each), abs=1e-6)
    constant = maps.copy(deep=True)
    constant["relevance"].loc[{"attributed_by": "gradient", "image": 0}] = 0.3
    again = float(heat.correlations(constant).loc["gradient", "lrp"])
    assert again == pytest.approx(np.mean(each[1:]), abs=1e-6)


def test_heat_maps_are_checked_and_classes_chosen():
    maps = synthetic.heat(images=5)
    assert heat.of_each_class(maps) == [0, 1, 2] and heat.of_each_class(maps, 2) == [0, 1]
    with pytest.raises(ValueError, match="heat: expected one image or more"):
        heat.checked(maps.isel(image=[]))
    with pytest.raises(ValueError, match="heat: expected the variable 'pixel'"):
        heat.checked(maps.drop_vars("pixel"))


def test_shares_of_the_ledger_add_up_to_one():
    shares = ledger.shares(synthetic.ledger())
    np.testing.assert_allclose(shares.sum("part"), 1)
    parts = [str(part) for part in shares["part"].values]
    assert parts[:3] == ["inputs", "biases of dense_2", "biases of conv_1"]
    lrp = shares.sel({"attributed_by": "lrp"})
    assert float(lrp.sel(part="inputs")) == 0.89 and float(lrp.sel(part="biases of conv_1")) == pytest.approx(0.08)
    assert float(shares.sel({"attributed_by": "gradient", "part": "not conserved"})) == -3


def test_a_method_without_a_total_has_no_shares():
    data = synthetic.ledger()
    data["received"].loc[{"attributed_by": "lrp", "step": "total"}] = np.nan
    data["received"].loc[{"attributed_by": "slope", "step": "total"}] = 0.0
    shares = ledger.shares(data)
    assert shares.sel({"attributed_by": ["lrp", "slope"]}).isnull().all()
    with pytest.raises(ValueError, match="ledger: expected the step 'total'"):
        ledger.shares(data.sel(step=["dense_2"]))


def test_the_largest_error_has_its_step():
    found = ledger.worst(synthetic.conservation(3e-5))
    assert found["lrp_z_plus"] == (3e-5, "conv_1") and "gradient" not in found
    empty = synthetic.conservation()
    empty["worst"][:] = np.nan
    assert ledger.worst(empty) == {}


def test_areas_of_deletion_are_those_of_a_plain_loop(curves, scores):
    share = curves["removed"].values / 9

    def area(values):
        return sum((share[i + 1] - share[i]) * (values[i + 1] + values[i]) / 2 for i in range(len(share) - 1))

    at = {"attributed_by": "lrp", "replacement": "mean", "example": 3}
    most, least = (curves["probability"].sel(order=order, **at).values.astype(float) for order in ("most", "least"))
    assert float(scores["fall"].sel(**at)) == pytest.approx(most[0] - area(most))
    assert float(scores["stay"].sel(**at)) == pytest.approx(area(least))
    assert float(scores["between"].sel(**at)) == pytest.approx(area(least) - area(most))


def test_thinned_numbers_of_removed_regions_have_their_own_widths(curves):
    thinned = deletion.scores(curves.isel(removed=[0, 1, 2, 5, 9]))
    at = {"attributed_by": "random", "replacement": "zeros", "example": 0}
    values = curves["probability"].isel(removed=[0, 1, 2, 5, 9]).sel(order="least", **at).values
    expected = np.trapezoid(values.astype(float), [0, 1 / 9, 2 / 9, 5 / 9, 1])
    assert float(thinned["stay"].sel(**at)) == pytest.approx(expected)


def test_curves_are_checked(curves):
    for wrong, message in (
        (curves.drop_vars("replacement"), "expected the coordinate 'replacement'"),
        (curves.sel(order=["most"]), "expected the order 'least'"),
        (curves.isel(removed=[0]), "expected two numbers or more from 0 on"),
        (curves.isel(removed=[1, 2]), "expected two numbers or more from 0 on"),
    ):
        with pytest.raises(ValueError, match=f"deletion: {message}"):
            deletion.checked(wrong)


def test_differences_are_paired_by_image_and_bonferronis(scores):
    values = scores["between"].sel(replacement="zeros")
    found = deletion.against(values)
    assert set(found) == set(synthetic.KEYS)
    gap = values.sel({"attributed_by": "lrp"}).values - values.sel({"attributed_by": "random"}).values
    assert found["lrp"] == interval(gap, 1 - 0.05 / len(synthetic.KEYS))
    assert deletion.against(values.sel({"attributed_by": ["lrp", "slope"]})) == {}


def test_pairs_tell_methods_apart_and_the_same_ones_never(scores):
    values = scores["between"].sel(replacement="zeros")
    pairs = deletion.pairs(values)
    assert pairs.names[0] == "deeplift_zeros" and pairs.names[-1] == "random"
    one, other = pairs.names.index("lrp"), pairs.names.index("slope")
    assert pairs.difference[one, other] == 0 and not pairs.apart[one, other]
    assert pairs.beaten("deeplift_zeros") == pairs.apart[0].sum() > 3 and pairs.better("deeplift_zeros") == 0
    np.testing.assert_array_equal(pairs.difference, -pairs.difference.T)
    count = len(pairs.names)
    gap = values.sel({"attributed_by": pairs.names[0]}).values - values.sel({"attributed_by": "random"}).values
    assert pairs.half[0, -1] == interval(gap, 1 - 0.05 / (count * (count - 1) / 2)).half
    alone = deletion.pairs(values.isel(example=[0]))
    assert not alone.apart.any() and np.isnan(alone.half[0, 1])


def test_agreement_of_replacements_is_spearmans_and_finds_what_turns(scores):
    values = scores["between"]
    found = deletion.agreement(values, "zeros", "mean")
    means = [
        values.sel(replacement=name).sel({"attributed_by": synthetic.KEYS}).mean("example").round(6)
        for name in ("zeros", "mean")
    ]
    assert found.correlation == pytest.approx(stats.spearmanr(*means).statistic) and found.methods == 8
    assert found.low <= found.correlation <= found.high + 0.1
    assert ("deeplift_zeros", "deeplift_mean") in found.turned
    assert all(pair[1] == "deeplift_mean" for pair in found.turned)
    same = deletion.agreement(values, "zeros", "zeros")
    assert (same.correlation, same.turned) == (pytest.approx(1), [])
    assert np.isnan(deletion.agreement(values.isel(example=[0]), "zeros", "mean").low)


def test_rank_correlations_of_nodes_are_scipys():
    data = nodes.checked(synthetic.nodes())
    found = nodes.correlations(data)
    values = data["value"].sel(network=2)
    expected = stats.spearmanr(values.sel(measure="lrp"), values.sel(measure="shapley")).statistic
    assert float(found.sel(measure="lrp", other="shapley", network=2)) == pytest.approx(expected)
    assert nodes.relevances(data) == ["lrp", "slope", "gradient_x_activation", "lrp_absolute"]
    assert nodes.references(data) == ["brute_force", "shapley", "gate_gradient"]
    gaps = nodes.ahead(found, nodes.relevances(data), "brute_force")
    less = found.sel(measure="lrp", other="brute_force") - found.sel(measure="gate_gradient", other="brute_force")
    assert gaps["lrp"] == interval(less.values, 1 - 0.05 / 4)
    assert nodes.ahead(found, ["lrp"], "gate_gradient") == {}
    assert "lrp_absolute" in nodes.telling(found, ["lrp", "lrp_absolute"], "brute_force")


def test_a_measure_that_is_the_same_for_all_nodes_has_no_correlation():
    data = synthetic.nodes(networks=1)
    data["value"].loc[{"measure": "slope"}] = 1.0
    found = nodes.correlations(nodes.checked(data))
    assert found.sel(measure="slope").isnull().all() and nodes.telling(found, ["slope"], "brute_force") == []
    assert not nodes.mean_of(found, "lrp", "brute_force").known


def test_strengths_are_chosen_without_the_misleading_images(trainings):
    chosen = supervised.chosen(trainings)
    assert chosen == {"plain": 0, "gradient_penalty": 1, "relevance_lrp": 1, "relevance_slope": 1}
    assert supervised.looked(trainings)["gradient_penalty"] == 10
    own = trainings.assign(chosen=("training", [0.0, 0.1, 10.0, np.nan]))
    assert supervised.chosen(own) == {"plain": 0, "gradient_penalty": 0.1, "relevance_lrp": 10}
    held = trainings.assign(accuracy_validation=trainings["accuracy_misleading"])
    assert supervised.chosen(held)["gradient_penalty"] == 10
    with pytest.raises(ValueError, match="supervised: expected the training 'plain'"):
        supervised.checked(trainings.sel(training=["relevance_lrp"]))


def test_trainings_at_their_strengths_and_their_gains(trainings):
    numbers = supervised.at(trainings, supervised.chosen(trainings))
    assert numbers["at"].values.tolist() == [0, 1, 1, 1] and numbers.sizes["network"] == 4
    one = trainings["accuracy_clean"].sel(training="relevance_lrp", strength=1.0).values
    np.testing.assert_array_equal(numbers["accuracy_clean"].sel(training="relevance_lrp"), one)
    gains = supervised.gains(numbers, "accuracy_clean", "plain", ["relevance_lrp", "relevance_slope"])
    plain = numbers["accuracy_clean"].sel(training="plain").values
    assert gains["relevance_lrp"] == interval(one - plain, 1 - 0.05 / 2)
    assert supervised.gains(numbers, "nothing", "plain", ["relevance_lrp"]) == {}
    assert supervised.gains(numbers.drop_sel(training="plain"), "accuracy_clean", "plain", ["relevance_lrp"]) == {}
    assert supervised.relevance_trainings(trainings) == ["relevance_lrp", "relevance_slope"]


def test_what_is_left_is_held_to_half_of_plain_trainings(trainings):
    numbers = supervised.at(trainings, supervised.chosen(trainings))
    assert supervised.measured_on(numbers) == ("inside_misleading", "other_inside_misleading")
    found = supervised.gaming(numbers, "relevance_lrp", 0.5)
    own, plain = (1 - numbers["inside_misleading"].sel(training=key).values for key in ("relevance_lrp", "plain"))
    assert found.trained == interval(own - 0.5 * plain)
    relied = numbers["accuracy_train"] - numbers["accuracy_misleading"]
    left = relied.sel(training="relevance_lrp").values - 0.5 * relied.sel(training="plain").values
    assert found.reliance == interval(left)
    renamed = numbers.rename(inside_clean="inside_right", other_inside_clean="other_inside")
    assert supervised.measured_on(renamed) == ("inside_right", "other_inside")
    without = numbers.drop_vars([name for name in numbers.data_vars if "other" in name])
    assert supervised.measured_on(without) is None and supervised.gaming(without, "relevance_lrp", 0.5) is None


def test_demonstrations_are_read_as_they_are_meant():
    rules = synthetic.rules()
    pairs = {(one.matrix, one.nonlinearity): one for one in demonstrations.pairs(rules["consistency"])}
    assert all(one.agree == one.published for one in pairs.values()) and len(pairs) == 8
    assert pairs["gradient", "slope"].factors == (3, 3) and not pairs["normalised", "slope"].agree
    assert demonstrations.agreeing(rules["constants"]) == [("gradient", "gradient"), ("relu_form", "gradient")]
    gap = demonstrations.two_objects(rules["two_objects"])
    assert gap.size == pytest.approx(0.5) and gap.at == pytest.approx(1)
    assert demonstrations.forms(rules["forms"]) == 1


def test_what_lrp_means_depends_on_what_stands_beside_it():
    network, toy = synthetic.instability(), synthetic.instability_toy()
    assert demonstrations.rules_of(network) == {
        "lrp_largest": "blamed", "unblamed_largest": "unblamed", "slope_largest": "slope"
    }  # fmt: skip
    assert demonstrations.rules_of(toy) == {"lrp": "unblamed", "lrp_blamed": "blamed", "slope": "slope"}
    assert demonstrations.rules_of(toy.drop_vars("lrp_blamed"))["lrp"] == "normalised"
    grown = demonstrations.growth(network.sortby("eps"), "unblamed_largest", "eps")
    assert (grown.first, grown.last, grown.times) == (1.0, 120.0, 120.0)
    assert np.isnan(demonstrations.growth(xr.zeros_like(toy), "lrp", "difference").times)
