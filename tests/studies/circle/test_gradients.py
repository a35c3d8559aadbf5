"""Gate gradients: measures, tables and numbers say what the data say."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.numbers import Numbers
from sweeps._studies.circle import numbers
from sweeps._studies.circle.measures import gradients
from sweeps._studies.circle.tables import gradients as tables
from tests.analysis import synthetic_run

NODES = synthetic_run.NODES
NAMES = ("loss_gradient", "log_loss_gradient")


def sweep_of(law, seed=0, draws=200, shift=0.0):
    """A sweep whose gradients are drawn from a law, and are higher by `shift` where the node is on."""
    random = np.random.default_rng(seed)
    data = synthetic_run.bernoulli(random, draws=draws)
    for name in NAMES:
        values = law(random, data["gates"].shape) + shift * data["gates"].values
        data[name] = (data[name].dims, values)
    return data


def normal(random, shape):
    return 0.3 * random.standard_normal(shape) - 0.05


def heavy(random, shape):
    return 0.1 * random.standard_t(3, shape)


def flat(random, shape):
    return random.uniform(-1, 1, shape)


def two_peaks(random, shape):
    return random.choice([-1.0, 1.0], size=shape) + 0.3 * random.standard_normal(shape)


CUBE = np.exp(synthetic_run.log_losses().astype(float))


@pytest.fixture(scope="module")
def swept():
    return sweep_of(normal, shift=0.2)


@pytest.fixture(scope="module")
def results(swept):
    return gradients.measure(swept, CUBE, resamples=50)


def measured(sweep, **options):
    return gradients.measure(sweep, resamples=20, **options)


def numbers_of(results):
    found = Numbers("a")
    numbers.add_gradients(found, results)
    return found


def changed(results, name, **values):
    """Results with some statistics of one quantity replaced, at every probability alike or each by its own."""
    data = results.statistics[name].copy(deep=True)
    for key, value in values.items():
        data[key] = data[key].copy(data=np.broadcast_to(np.asarray(value, float), data[key].shape).copy())
    return replace(results, statistics={**results.statistics, name: data})


class TestGroups:
    def test_tails_are_called_by_what_they_are(self):
        everywhere = list(synthetic_run.PROBABILITIES)
        assert set(measured(sweep_of(heavy)).tails("loss_gradient")) - {"like"} == {"heavier"}
        assert measured(sweep_of(flat)).tails("loss_gradient") == {"lighter": everywhere}
        assert measured(sweep_of(normal)).tails("log_loss_gradient") == {"like": everywhere}

    def test_mixed_tails_are_told_apart(self, results):
        one = changed(results, "loss_gradient", excess_kurtosis=[2.0, 0.1, np.nan], excess_kurtosis_error=0.1)
        assert one.tails("loss_gradient") == {"heavier": [0.25], "like": [0.5]}

    def test_a_trough_is_called_so_only_where_there_is_one(self, results):
        everywhere = list(synthetic_run.PROBABILITIES)
        assert measured(sweep_of(two_peaks)).troughs("log_loss_gradient") == {"there": everywhere}
        assert measured(sweep_of(normal)).troughs("loss_gradient") == {"absent": everywhere}
        one = changed(results, "loss_gradient", trough=[0.5, 0.95, 1.0], trough_error=[0.05, 0.05, 0.0])
        assert one.troughs("loss_gradient") == {"there": [0.25], "absent": [0.5, 0.75]}

    def test_signs_are_compared(self, results):
        one = changed(results, "loss_gradient", mean=[-0.1, -0.1, -0.1], mean_error=0.01)
        one = changed(one, "log_loss_gradient", mean=-0.1, mean_error=0.01)
        assert one.signs() == (5, [("loss_gradient", 0.75)])
        same = changed(one, "loss_gradient", mean=[-0.1, np.nan, 0.1])
        assert same.signs() == (5, [])

    def test_convexity_is_claimed_only_where_it_holds(self, swept, results):
        assert results.convex
        assert not measured(swept.assign_attrs(plan="dense: gates folded into weights")).convex


class TestNumbers:
    def test_means_stand_beside_the_published_ones(self, results):
        n = numbers_of(changed(results, "loss_gradient", nonfinite=[0, 2, 1]))
        ps = synthetic_run.PROBABILITIES
        assert [one.value for one in n.each("published loss gradient mean", p=ps)] == [-0.0693, -0.0475, 0.0270]
        assert [one.value for one in n.each("published log loss gradient sd", p=ps)] == [0.361, 0.384, 0.446]
        assert n.loss_gradient_entries_left_out.value == 3 and n.log_loss_gradient_entries_left_out.value == 0
        other = replace(results, published=results.published.assign_coords(probability=[0.2, 0.5, 0.8]))
        assert "published loss gradient mean p 0.25" not in numbers_of(other)

    def test_the_check_stands_beside_the_exact_statement(self, results):
        data = results.slope.assign(
            predicted=-0.4,
            predicted_error=0.03,
            change=-0.45,
            change_error=0.04,
            standard_errors=-7.04,
            exact_change=-0.37,
            exact_predicted=-0.5,
            tangent=("probability", [-1.0, -1.0, -1.0]),
            slope=("probability", [-1.1, -1.0, -2.0]),
        )
        n = numbers_of(replace(results, slope=data))
        assert n.gradient_check_predicted.text() == "-0.400(30)" and n.gradient_check_change.text() == "-0.450(40)"
        assert (n.gradient_check_low.value, n.gradient_check_reach.value) == (0.25, 0.5)
        assert n.gradient_check_change_off.value == pytest.approx(2)
        assert (n.worst_tangent_p.value, n.worst_tangent_slope.value) == (0.75, -2)
        assert n.published_gradient_check_predicted.value == -0.475
        sampled = numbers_of(replace(results, slope=data.drop_vars(["slope", "exact_change", "exact_predicted"])))
        assert "gradient check exact change" not in sampled and "worst tangent" not in sampled

    def test_states_are_compared(self, results):
        n = numbers_of(results)
        assert n.loss_gradient_states_apart.value > 3 and n.log_loss_gradient_states_apart.value > 3
        assert n.nodes_with_a_higher_gradient_when_on.value == n.nodes_with_a_gradient_in_both_states.value == NODES
        lower = numbers_of(measured(sweep_of(normal, shift=-0.2)))
        assert lower.loss_gradient_states_apart.value < -3
        assert lower.nodes_with_a_higher_gradient_when_on.value == 0

    def test_strong_and_weak_nodes_are_named(self, swept):
        data = swept.copy(deep=True)
        data["loss_gradient"][..., 3] *= 10
        data["loss_gradient"][..., 5] *= 0.1
        n = numbers_of(measured(data))
        assert (n.strongest_node.value, n.weakest_node.value) == ("3", "5")

    def test_what_a_mean_is_worth_in_independent_entries(self, results):
        n = numbers_of(changed(results, "loss_gradient", effective_entries=[500.0, 812.4, 90.0]))
        assert (n.gradient_entries.value, n.gradient_entries_worth.value, n.gradient_entries_p.value) == (
            1600,
            800,
            0.5,
        )
        n = numbers_of(changed(results, "loss_gradient", effective_entries=[np.nan, 5012.0, 1.0]))
        assert (n.gradient_entries_worth.value, n.gradient_entries_p.value) == (5000, 0.5)


def test_tables_hold_the_statistics(results):
    made = {table.name: table for table in tables.all_tables(results)}
    assert list(made) == [
        "gradient_moments",
        "gradient_shape",
        "gradient_states",
        "gradient_slopes",
        "loss_gradient_nodes",
        "log_loss_gradient_nodes",
    ]
    columns = {column.key: column for column in made["gradient_moments"].columns}
    data = [results.statistics[name] for name in NAMES]
    np.testing.assert_allclose(columns["mean"].values, np.concatenate([one["mean"] for one in data]))
    np.testing.assert_allclose(columns["mean"].errors, np.concatenate([one["mean_error"] for one in data]))
    assert columns["published_sd"].values == [0.368, 0.335, 0.267, 0.361, 0.384, 0.446]
    low, high = (columns[f"mean_{bound}"].values for bound in ("low", "high"))
    assert all(a < mean < b for a, mean, b in zip(low, columns["mean"].values, high, strict=True))

    states = {column.key: column.values for column in made["gradient_states"].columns}
    given = [i for i, value in enumerate(states["published_mean"]) if np.isfinite(value)]
    assert [(states["quantity"][i], states["probability"][i], states["state"][i]) for i in given] == [
        ("log-loss gradient", 0.5, "off"),
        ("log-loss gradient", 0.5, "on"),
    ]
    assert [states["published_mean"][i] for i in given] == [-0.1726, 0.0558]

    nodes = {column.key: column.values for column in made["loss_gradient_nodes"].columns}
    assert sorted(nodes["strength"], reverse=True) == nodes["strength"]
    strongest = int(nodes["node"][0])
    assert nodes["on_mean"][0] == float(results.at_shown("loss_gradient")["node_mean"][1, strongest])
    for table in made.values():
        assert table.to_latex() and table.to_csv() and table.to_html()


def test_two_probabilities_have_no_check(swept):
    found = measured(swept.isel(probability=slice(2)), cube_loss=CUBE)
    assert found.slope is None and found.shown == 0.5
    assert "gradient_slopes" not in [table.name for table in tables.all_tables(found)]
    assert "gradient check predicted" not in numbers_of(found)


@pytest.mark.parametrize("bad", [True, False])
def test_gradients_of_zero_have_numbers(bad):
    sweep = synthetic_run.make_tree(bad=bad)["sweeps/bernoulli"].to_dataset()
    assert "nan" not in numbers_of(measured(sweep, cube_loss=CUBE)).to_latex()
