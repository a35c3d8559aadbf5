"""The claims of the relevance study: every rule comes out either way."""

import numpy as np
import pytest

from analysis.claims import FAILS, HOLDS, NOT_MEASURED, PARTLY, UNDECIDED
from analysis.runs import Run
from sweeps._studies.relevance import claims
from sweeps._studies.relevance.measures import deletion, gamed, nodes, supervised
from sweeps._studies.relevance.results import measure
from tests.studies.relevance import synthetic


def scores_of(data):
    return deletion.scores(data)


def chosen_of(data):
    return supervised.at(data, supervised.chosen(data))


TRAINED = ["relevance_lrp", "relevance_slope"]


def test_conservation():
    assert claims.conserved(synthetic.conservation()).verdict == HOLDS
    found = claims.conserved(synthetic.conservation(2e-5))
    assert found.verdict == FAILS and found.cases["lrp_z_plus"] == FAILS and found.cases["lrp"] == HOLDS
    assert found.cases["slope"] == HOLDS and found.values["lrp_z_plus"]["worst"].step == "conv_1"


def test_one_method():
    maps = synthetic.heat()
    assert claims.one_method(maps).verdict == HOLDS
    moved = maps.copy(deep=True)
    moved["relevance"].loc[{"attributed_by": "gradient_x_input"}] *= 1.1
    assert claims.one_method(moved).verdict == PARTLY


def test_scaling():
    data = synthetic.rules()["consistency"]
    assert claims.scaling(data).verdict == HOLDS
    data["factor"][2] = 3.0  # ignore
    found = claims.scaling(data)
    assert found.verdict == PARTLY and found.cases["normalised ignore"] == FAILS
    data["factor"][:] = [2.0, 3.0, 2.0, 3.0, 3.0, 3.0]
    assert claims.scaling(data).verdict == FAILS


def test_constants():
    data = synthetic.rules()["constants"]
    assert claims.constants(data).verdict == HOLDS
    data["difference"].loc[{"maximum": "radial", "nonlinearity": "slope"}] = 0
    assert claims.constants(data).verdict == PARTLY
    data["difference"].loc[{"maximum": "gradient", "nonlinearity": "gradient"}] = 0.1
    assert claims.constants(data).verdict == FAILS


def test_maxima():
    rules = synthetic.rules()
    assert claims.radial(rules["two_objects"]).verdict == FAILS
    same = rules["two_objects"].copy(deep=True)
    same["share"][1] = same["share"][0] + 0.005
    assert claims.radial(same).verdict == HOLDS
    assert claims.radial(rules["two_objects"]).measured.mean == pytest.approx(0.5)
    assert claims.forms(rules["forms"]).verdict == HOLDS
    rules["forms"]["share"][1] = rules["forms"]["share"][0]
    assert claims.forms(rules["forms"]).verdict == FAILS


@pytest.mark.parametrize(
    ("own", "slope", "verdict"),
    [(120.0, 1.0, HOLDS), (1.5, 1.0, FAILS), (5.0, 1.0, UNDECIDED), (120.0, 15.0, FAILS), (120.0, 5.0, UNDECIDED)],
)
def test_instability(own, slope, verdict):
    network = synthetic.instability()
    network["unblamed_largest"][-1] = own
    network["slope_largest"][:] = [1.0, 1.0, slope]
    assert claims.unstable(network, synthetic.instability_toy()).cases == {"network": verdict, "toy": HOLDS}


@pytest.mark.parametrize(("own", "verdict"), [(1.25, HOLDS), (4.0, UNDECIDED), (40.0, FAILS)])
def test_stability_with_biases_as_inputs(own, verdict):
    network = synthetic.instability()
    network["lrp_largest"][-1] = own
    assert claims.blamed(network, synthetic.instability_toy()).cases == {"network": verdict, "toy": HOLDS}


def test_better_than_random():
    data = synthetic.deletion()
    found = claims.beats_random(scores_of(data))
    assert found.verdict == HOLDS and len(found.cases) == 16
    # One method that takes the wrong end first is enough.
    at = {"attributed_by": "gradient", "replacement": "mean"}
    data["probability"].loc[at] = data["probability"].sel(at)[::-1].values
    found = claims.beats_random(scores_of(data))
    assert found.verdict == FAILS and found.cases["mean gradient"] == FAILS
    assert claims.beats_random(scores_of(data.isel(example=[0]))).verdict == UNDECIDED


def test_the_ranking_and_the_replacement():
    values = scores_of(synthetic.deletion())["between"]
    assert claims.same_ranking(deletion.agreement(values, "zeros", "mean")).verdict == FAILS
    assert claims.same_ranking(deletion.agreement(values, "zeros", "zeros")).verdict == HOLDS
    few = values.isel(example=[0])
    assert claims.same_ranking(deletion.agreement(few, "zeros", "mean")).verdict == UNDECIDED


def test_relevance_of_nodes():
    data = synthetic.nodes(networks=12, count=12)
    found = claims.node_relevance(nodes.correlations(data), nodes.relevances(data))
    assert found.cases["brute_force"] == HOLDS and found.cases["shapley"] == UNDECIDED
    swapped = data.copy(deep=True)
    swapped["value"].loc[{"measure": "gate_gradient"}] = data["value"].sel(measure="brute_force").values
    for key in nodes.relevances(data):
        swapped["value"].loc[{"measure": key}] = data["value"].sel(measure="gate_gradient").values
    found = claims.node_relevance(nodes.correlations(swapped), nodes.relevances(swapped))
    assert found.cases["brute_force"] == FAILS
    alone = nodes.correlations(synthetic.nodes(count=1))
    assert claims.node_relevance(alone, nodes.relevances(data)).verdict == NOT_MEASURED


def test_supervised_training_that_is_gamed_and_that_helps():
    games, real = (chosen_of(synthetic.supervised(gamed=which)) for which in (True, False))
    for claim, verdicts in (
        (claims.helps, (FAILS, HOLDS)),
        (claims.beats_penalty, (FAILS, HOLDS)),
        (claims.gamed, (HOLDS, FAILS)),
    ):
        assert tuple(claim(data, TRAINED).verdict for data in (games, real)) == verdicts
        assert claim(games * np.nan, TRAINED).verdict == NOT_MEASURED
        assert claim(games.isel(network=[0]), TRAINED).verdict == UNDECIDED


def test_gamed_only_in_part():
    data = chosen_of(synthetic.supervised(gamed=True))
    other = data.assign(other_inside=data["inside_right"])
    assert claims.gamed(other, TRAINED).verdict == PARTLY
    # A measure that is not even halved is not gamed.
    still = data.assign(inside_right=0 * data["inside_right"] + 0.4)
    assert claims.gamed(still, TRAINED).verdict == FAILS


def test_strengths_at_which_the_measure_is_gamed():
    found = claims.gamed_somewhere(synthetic.supervised(gamed=True))
    assert found.verdict == HOLDS
    assert found.values["relevance_lrp"]["verdicts"] == {0.1: FAILS, 1.0: HOLDS, 10.0: HOLDS}
    found = claims.gamed_somewhere(synthetic.supervised(gamed=False))
    assert found.verdict == FAILS
    assert claims.gamed_somewhere(synthetic.supervised(1)).verdict == UNDECIDED


def test_how_the_measure_is_gamed():
    data = synthetic.supervised(gamed=True)
    strengths = gamed.strongest(gamed.verdicts(data))
    assert strengths == {"relevance_lrp": 10.0, "relevance_slope": 10.0}
    found = claims.mechanism(data, strengths)
    verdicts = {name: claim.cases["relevance_lrp"] for name, claim in found.items()}
    holding = dict.fromkeys(["inflated", "other_outputs", "alone", "hidden"], HOLDS)
    assert verdicts == holding | {"to_biases": UNDECIDED}
    # A network of which nothing of that is seen: as plain training.
    still = data.copy(deep=True)
    for name in synthetic.SEEN:
        still[name].loc[{"strength": 10.0}] = data[name].sel(training="plain", strength=0.0).values
    still["accuracy_alone"].loc[{"strength": 10.0}] = 0.1
    still["outside_occlusion_margin"].loc[{"strength": 10.0}] = 0.01
    found = claims.mechanism(still, strengths)
    assert {found[name].cases["relevance_lrp"] for name in holding} == {FAILS}
    assert claims.mechanism(data, {}) == {}


def test_what_the_source_says_in_passing():
    made = synthetic.drawn()
    for claim in (claims.blip(made["drawn"]), claims.radial_cases(made["drawn"])):
        assert claim.verdict == HOLDS
    passing = (claims.repeat, claims.doubled, claims.ones, claims.swapped)
    assert {claim(made["sentences"]).verdict for claim in passing} == {HOLDS}
    # Half a blip; shares of the larger alone; a rule that is linear; biases that are lost.
    made["drawn"]["blip"][:] = made["drawn"]["value"].values + 0.1
    made["drawn"]["share"][:] = (made["drawn"]["first"] > made["drawn"]["second"]).transpose("second", "first")
    made["sentences"]["nonlinear"][:] = 0.0
    made["sentences"]["doubled"][:] = 0.0
    made["sentences"].attrs.update(biases=0.1, swapped=0.1)
    assert claims.blip(made["drawn"]).verdict == FAILS
    assert claims.radial_cases(made["drawn"]).cases["positive"] == FAILS
    assert {claim(made["sentences"]).verdict for claim in passing} == {PARTLY, FAILS}


def test_parts_that_settings_leave_out_are_not_measured(tmp_path):
    tree = synthetic.make_tree(whole=False)
    found = claims.judge(measure(Run(tmp_path, tree, "relevance", "command", "1 CPU device", {}, {}, {})))
    assert list(found) == list(claims.STATEMENTS)
    left_out = {name for name, claim in found.items() if not claim.known}
    assert left_out == {
        *("beats_random", "same_ranking", "node_relevance"),
        *("helps", "beats_penalty", "gamed", "gamed_somewhere"),
        *("inflated", "other_outputs", "to_biases", "alone", "hidden"),
    }
