"""Numbers of the relevance study against plain loops and closed forms, and at their edges."""

import numpy as np
import pytest
from scipy import stats

from analysis.intervals import interval
from sweeps._studies.relevance.measures import deletion, demonstrations, heat, ledger, nodes, supervised
from sweeps._studies.relevance.names import names_of
from tests.studies.relevance import synthetic


@pytest.fixture(scope="module")
def curves():
    return synthetic.deletion()


@pytest.fixture(scope="module")
def scores(curves):
    return deletion.scores(curves)


@pytest.fixture(scope="module")
def trainings():
    return synthetic.supervised()


def test_titles_of_the_store_are_typeset_and_others_looked_up():
    maps = synthetic.heat()
    assert names_of(maps)["gradient_x_input"] == "gradient × input" and names_of(maps)["lrp"] == "LRP (ε)"
    assert names_of(maps.drop_vars("title"))["lrp_z_plus"] == "lrp z plus"
    assert names_of(synthetic.nodes(), "measure")["gate_gradient"] == "gate gradient"


def test_methods_with_the_same_maps_are_one_group():
    maps = synthetic.heat()
    groups = heat.groups(maps)
    assert list(synthetic.SAME) in groups and len(groups) == len(synthetic.KEYS) - 2
    moved = maps.copy(deep=True)
    largest = float(np.abs(moved["relevance"].sel({"attributed_by": "slope"})).max())
    moved["relevance"].loc[{"attributed_by": "slope", "image": 2, "row": 0, "column": 0}] += 0.002 * largest
    assert ["slope"] in heat.groups(moved) and ["gradient_x_input", "lrp"] in heat.groups(moved)


def test_differences_and_correlations_of_maps_are_those_of_a_plain_loop():
    maps = synthetic.heat()
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


def test_images_are_chosen_of_each_class():
    maps = synthetic.heat(images=5)
    assert heat.of_each_class(maps) == [0, 1, 2] and heat.of_each_class(maps, 2) == [0, 1]


def test_shares_of_the_ledger_add_up_to_one():
    shares = ledger.shares(synthetic.ledger())
    np.testing.assert_allclose(shares.sum("part"), 1)
    parts = [str(part) for part in shares["part"].values]
    assert parts[:3] == ["inputs", "biases of dense_2", "biases of conv_1"]
    lrp = shares.sel({"attributed_by": "lrp"})
    assert float(lrp.sel(part="inputs")) == 0.89 and float(lrp.sel(part="biases of conv_1")) == pytest.approx(0.08)
    assert float(shares.sel({"attributed_by": "gradient", "part": "not conserved"})) == -3
    biases = ledger.biases_by_layer(shares).sel(attributed_by="lrp")
    np.testing.assert_allclose(biases.sel(layer=["dense_2", "conv_1"]), [0.02, 0.08])


def test_a_method_whose_output_has_no_relevance_has_no_shares():
    data = synthetic.ledger()
    data["received"].loc[{"attributed_by": "slope", "step": "total"}] = 0.0
    shares = ledger.shares(data)
    assert shares.sel(attributed_by="slope").isnull().all() and shares.sel(attributed_by="lrp").notnull().all()


def test_the_largest_error_has_its_step():
    found = ledger.worst(synthetic.conservation(3e-5))
    assert found["lrp_z_plus"] == (3e-5, "conv_1") and "gradient" not in found


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


def test_differences_are_paired_by_image_and_bonferronis(scores):
    values = scores["between"].sel(replacement="zeros")
    found = deletion.against(values)
    assert set(found) == set(synthetic.KEYS)
    gap = values.sel({"attributed_by": "lrp"}).values - values.sel({"attributed_by": "random"}).values
    assert found["lrp"] == interval(gap, level=1 - 0.05 / len(synthetic.KEYS))


def test_pairs_tell_methods_apart_and_the_same_ones_never(scores):
    values = scores["between"].sel(replacement="zeros")
    pairs = deletion.pairs(values)
    assert pairs.names[0] == "deeplift_zeros" and pairs.names[-1] == "random"
    one, other = pairs.names.index("lrp"), pairs.names.index("slope")
    assert pairs.difference[one, other] == 0 and not pairs.apart[one, other]
    assert pairs.beats("deeplift_zeros") == pairs.apart[0].sum() > 3 and pairs.beaten_by("deeplift_zeros") == 0
    np.testing.assert_array_equal(pairs.difference, -pairs.difference.T)
    count = len(pairs.names)
    gap = values.sel({"attributed_by": pairs.names[0]}).values - values.sel({"attributed_by": "random"}).values
    assert pairs.half[0, -1] == interval(gap, level=1 - 0.05 / (count * (count - 1) / 2)).half
    assert pairs.rank("deeplift_zeros") == 1 and pairs.beaten_by("random") == count - 1
    alone = deletion.pairs(values.isel(example=[0]))
    assert not alone.apart.any() and np.isnan(alone.half[0, 1])


def test_the_best_method_has_its_twins_and_those_not_told_apart(scores):
    values = scores["between"].sel(replacement="zeros")
    without = values.drop_sel(attributed_by="deeplift_zeros")
    found = deletion.best(deletion.pairs(without), heat.groups(synthetic.heat()))
    assert {found.key, *found.twins} == set(synthetic.SAME) and not found.close
    alone = deletion.best(deletion.pairs(values.isel(example=[0])), [[key] for key in synthetic.KEYS])
    assert len(alone.close) == len(synthetic.KEYS) and not alone.twins


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
    data = synthetic.nodes()
    found = nodes.correlations(data)
    values = data["value"].sel(network=2)
    expected = stats.spearmanr(values.sel(measure="lrp"), values.sel(measure="shapley")).statistic
    assert float(found.sel(measure="lrp", other="shapley", network=2)) == pytest.approx(expected)
    assert nodes.relevances(data) == ["lrp", "slope", "gradient_x_activation", "lrp_absolute"]
    gaps = nodes.ahead(found, nodes.relevances(data), "brute_force")
    less = found.sel(measure="lrp", other="brute_force") - found.sel(measure="gate_gradient", other="brute_force")
    assert gaps["lrp"] == interval(less.values, level=1 - 0.05 / 4)
    assert nodes.extremes(found, ["lrp_absolute", "lrp"], "brute_force") == ("lrp", "lrp_absolute")


def test_a_measure_that_is_the_same_for_all_nodes_has_no_correlation():
    data = synthetic.nodes(networks=1)
    data["value"].loc[{"measure": "slope"}] = 1.0
    found = nodes.correlations(data)
    assert found.sel(measure="slope").isnull().all() and nodes.extremes(found, ["slope"], "brute_force") is None
    assert not nodes.mean_of(found, "lrp", "brute_force").known


def test_strengths_are_those_that_the_store_chose(trainings):
    chosen = supervised.chosen(trainings)
    assert chosen == {"plain": 0, "gradient_penalty": 1, "relevance_lrp": 1, "relevance_slope": 1}
    assert supervised.best_misleading(trainings)["gradient_penalty"] == 10
    assert supervised.tried(trainings, "plain") == [0] and supervised.tried(trainings, "relevance_lrp") == [0.1, 1, 10]
    edges = supervised.at_the_edge(trainings, chosen | {"gradient_penalty": 0.1, "relevance_lrp": 10.0})
    assert edges == {"weakest": ["gradient_penalty"], "strongest": ["relevance_lrp"]}


def test_a_training_whose_networks_were_lost_has_no_strength_that_was_tried(trainings):
    lost = trainings.where(trainings["training"] != "relevance_lrp")
    assert supervised.tried(lost, "relevance_lrp") == []
    assert "relevance_lrp" not in supervised.best_misleading(lost)
    numbers = supervised.at(lost, supervised.chosen(trainings))
    assert supervised.ranked(numbers)[0] == "gradient_penalty" and "relevance_lrp" not in supervised.ranked(numbers)


def test_trainings_at_their_strengths_and_their_gains(trainings):
    numbers = supervised.at(trainings, supervised.chosen(trainings))
    assert numbers["at"].values.tolist() == [0, 1, 1, 1] and numbers.sizes["network"] == 4
    one = trainings["accuracy_clean"].sel(training="relevance_lrp", strength=1.0).values
    np.testing.assert_array_equal(numbers["accuracy_clean"].sel(training="relevance_lrp"), one)
    gains = supervised.gains(numbers, "accuracy_clean", "plain", ["relevance_lrp", "relevance_slope"])
    plain = numbers["accuracy_clean"].sel(training="plain").values
    assert gains["relevance_lrp"] == interval(one - plain, level=1 - 0.05 / 2)
    assert supervised.relevance_trainings(trainings) == ["relevance_lrp", "relevance_slope"]


def test_what_is_left_is_compared_with_half_of_plain_trainings(trainings):
    numbers = supervised.at(trainings, supervised.chosen(trainings))
    found = supervised.gaming(numbers, "relevance_lrp", 0.5)
    for name, left in (("inside_right", found.trained), ("other_inside", found.other)):
        own, plain = (1 - numbers[name].sel(training=key).values for key in ("relevance_lrp", "plain"))
        assert left == interval(own - 0.5 * plain)
    relied = numbers["accuracy_right"] - numbers["accuracy_misleading"]
    left = relied.sel(training="relevance_lrp").values - 0.5 * relied.sel(training="plain").values
    assert found.reliance == interval(left)


def test_demonstrations_are_read_as_they_are_meant():
    rules = synthetic.rules()
    pairs = {(one.matrix, one.nonlinearity): one for one in demonstrations.pairs(rules["consistency"])}
    assert all(one.agree == one.published for one in pairs.values()) and len(pairs) == 8
    assert pairs["gradient", "slope"][2:4] == (3, 3) and not pairs["normalised", "slope"].agree
    assert demonstrations.agreeing(rules["constants"]) == [("gradient", "gradient"), ("relu_form", "gradient")]
    gap = demonstrations.two_objects(rules["two_objects"])
    assert gap.size == pytest.approx(0.5) and gap.at == pytest.approx(1)
    assert (gap.slope, gap.radial) == (pytest.approx(1), pytest.approx(0.5)) and gap.near == 0
    assert demonstrations.forms(rules["forms"]) == 1


def test_the_largest_relevance_grows_by_the_rule_that_leaves_biases_out():
    network, toy = (demonstrations.growths(data) for data in (synthetic.instability(), synthetic.instability_toy()))
    assert network["unblamed"] == (1.0, 120.0) and network["unblamed"].times == 120
    assert network["blamed"] == (0.9, 1.25) and network["slope"].times == 1
    assert toy["unblamed"].times == pytest.approx(100) and toy["blamed"].times == toy["slope"].times == 1
    assert np.isnan(demonstrations.Growth(0.0, 1.0).times)
