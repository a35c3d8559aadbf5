"""Sentences, tables and numbers on gate gradients: they say what the data say."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from analysis.numbers import Numbers
from analysis.reports._old_page import Page, Picture, Tabular, Text
from sweeps.studies.circle import published
from sweeps.studies.circle.gradients import results as gradient_results
from sweeps.studies.circle.gradients import sections as gradients
from sweeps.studies.circle.gradients import tables as gradient_tables
from sweeps.studies.circle.gradients import text
from tests.analysis import synthetic_run
from tests.analysis.synthetic_summary import summary_of

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
    return gradient_results.measure(swept, CUBE, published.circle_gradients(), resamples=50)


def measured(sweep, **options):
    return gradient_results.measure(sweep, resamples=20, **options)


def changed(results, name, **values):
    """Results with some statistics of one quantity replaced, at every probability alike or each by its own."""
    data = results.statistics[name].copy(deep=True)
    for key, value in values.items():
        data[key] = data[key].copy(data=np.broadcast_to(np.asarray(value, float), data[key].shape).copy())
    return replace(results, statistics={**results.statistics, name: data})


class TestSentences:
    def test_tails_are_called_by_what_they_are(self):
        assert "has heavier tails than a normal law at p" in text.tails(measured(sweep_of(heavy)), "loss_gradient")
        assert "has lighter tails than a normal law at p" in text.tails(measured(sweep_of(flat)), "loss_gradient")
        found = text.tails(measured(sweep_of(normal)), "log_loss_gradient")
        assert found.startswith("The log-loss gradient has tails that cannot be told from those of a normal law at p")
        assert found.endswith("(0.27\u00a0% of a normal law).")

    def test_mixed_tails_are_told_apart(self, results):
        one = changed(results, "loss_gradient", excess_kurtosis=[2.0, 0.1, np.nan], excess_kurtosis_error=0.1)
        found = text.tails(one, "loss_gradient")
        assert "heavier tails than a normal law at p\u00a0=\u00a00.25: excess kurtosis 2.00(10)" in found
        assert "; it has tails that cannot be told from those of a normal law at p\u00a0=\u00a00.5: " in found
        assert "0.75" not in found

    def test_a_trough_is_called_so_only_where_there_is_one(self, results):
        there = text.trough(measured(sweep_of(two_peaks)), "log_loss_gradient")
        assert there.startswith("The density of the log-loss gradient has a trough at 0 at p")
        assert "shows" not in there
        none = text.trough(measured(sweep_of(normal)), "loss_gradient")
        assert none.startswith("The density of the loss gradient shows no trough at 0 at p")
        one = changed(results, "loss_gradient", trough=[0.5, 0.95, 1.0], trough_error=[0.05, 0.05, 0.0])
        both = text.trough(one, "loss_gradient")
        assert "has a trough at 0 at p\u00a0=\u00a00.25: there it is 0.500(50) of the lower" in both
        assert "; it shows none at p\u00a0=\u00a00.5 and 0.75" in both

    def test_means_stand_beside_the_published_ones(self, results):
        found = text.moments(results, "loss_gradient")
        assert "nats (published: −0.0693, −0.0475 and 0.0270), its standard deviation" in found
        assert found.endswith("(published: 0.368, 0.335 and 0.267).")
        alone = text.moments(replace(results, published=None), "log_loss_gradient")
        assert "published" not in alone and "nats" not in alone and "  " not in alone
        missing = text.moments(changed(results, "loss_gradient", nonfinite=[0, 2, 1]), "loss_gradient")
        assert missing.endswith(" 3 entries that are not finite were left out.")

    def test_signs_are_compared(self, results):
        one = changed(results, "loss_gradient", mean=[-0.1, -0.1, -0.1], mean_error=0.01)
        one = changed(one, "log_loss_gradient", mean=-0.1, mean_error=0.01)
        found = text.beside_published(one)
        assert found.startswith(
            "Of 6 published means 5 have the sign of ours; it differs for the loss gradient at p\u00a0=\u00a00.75 "
            "(−0.100(10), published 0.0270)."
        )
        same = changed(one, "loss_gradient", mean=[-0.1, -0.1, 0.1])
        assert text.beside_published(same).startswith("All 6 published means have the sign of ours.")
        assert text.beside_published(replace(one, published=None)) == ""

    def test_the_published_split_is_put_where_it_adds_up(self, results):
        assert "add up to those published for the log-loss gradient at p\u00a0=\u00a00.5" in text.split(results)
        other = published.circle_gradients()
        other["state_mean"] = other["state_mean"] + 1
        assert text.split(replace(results, published=other)).endswith("add up to the mean of neither quantity.")
        assert text.split(replace(results, published=None)) == ""

    def test_the_check_says_agree_or_differ(self, results):
        agreed = results.slope.assign(predicted=-0.4, predicted_error=0.03, change=-0.45, change_error=0.04)
        found = text.slope(replace(results, slope=agreed.assign(standard_errors=1.0)))
        assert found == (
            "8 nodes × 0.5 × the mean loss gradient at p\u00a0=\u00a00.5 is −0.400(30) nats; the mean loss at "
            "p\u00a0=\u00a00.75 less that at p\u00a0=\u00a00.25 is −0.450(40) nats (published: −0.475 against −0.443). "
            "They agree within 1.0 standard errors."
        )
        apart = text.slope(replace(results, slope=agreed.assign(standard_errors=-7.04)))
        assert apart.endswith("They differ by 7.0 standard errors.")
        assert text.slope(replace(results, slope=None)) == text.exact_slope(replace(results, slope=None)) == ""

    def test_the_exact_statement_is_quoted_where_it_is_known(self, results):
        data = results.slope.assign(
            change=-0.45,
            change_error=0.04,
            exact_change=-0.37,
            exact_predicted=-0.5,
            tangent=("probability", [-1.0, -1.0, -1.0]),
            slope=("probability", [-1.1, -1.0, -2.0]),
        )
        found = text.exact_slope(replace(results, slope=data))
        assert "the mean loss changes by −0.370 nats (the sampled change is 2.0 standard errors off)" in found
        assert "0.5 × its derivative at p\u00a0=\u00a00.5 is −0.500." in found
        assert "farthest from the derivative at p\u00a0=\u00a00.75" in found and "against −2.000." in found
        sampled = text.exact_slope(replace(results, slope=data.drop_vars(["slope", "exact_change"])))
        assert sampled.endswith("the slope at one end of it.")

    def test_states_are_compared_and_convexity_is_claimed_only_where_it_holds(self, swept, results):
        found = text.states(results)
        assert "standard errors higher; the mean log-loss gradient is" in found
        assert f"higher where the node is on for {NODES} of {NODES} nodes. But for sampling error" in found
        other = measured(swept.assign_attrs(plan="dense: gates folded into weights"))
        assert "convex" not in text.states(other)
        lower = text.states(measured(sweep_of(normal, shift=-0.2)))
        assert "standard errors lower" in lower and f"for 0 of {NODES} nodes" in lower

    def test_strong_and_weak_nodes_are_named(self, swept):
        data = swept.copy(deep=True)
        data["loss_gradient"][..., 3] *= 10
        data["loss_gradient"][..., 5] *= 0.1
        assert "node 3 is the strongest" in text.nodes(measured(data)) and "node 5 the weakest" in text.nodes(
            measured(data)
        )

    def test_what_a_mean_is_worth_in_independent_entries(self, results):
        few = changed(results, "loss_gradient", effective_entries=[500.0, 812.4, 90.0])
        assert "Of the 1,600 entries at p\u00a0=\u00a00.5" in text.explanation(few)
        assert "as that of 800 independent ones (fewer)" in text.explanation(few)
        many = changed(results, "loss_gradient", effective_entries=[np.nan, 5012.0, 1.0])
        assert "5,000 independent ones (more than there are, because" in text.explanation(many)


def test_tables_hold_the_statistics(results):
    made = gradient_tables.all_tables(results)
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


def test_numbers_are_macros(results):
    macros = gradient_tables.add_numbers(Numbers("circle"), results).macros
    # 2 quantities at 3 probabilities, 4 of all nodes and 4 of states each; the check has 5.
    assert len(macros) == 2 * 3 * 8 + 5
    assert "circleLogLossGradientOnMeanPZeroPointFive" in macros
    assert macros["circleGradientCheckExactChange"][1] == "from all masks"
    assert gradient_tables.add_numbers(Numbers("circle"), None).macros == {}


@pytest.fixture(scope="module")
def drawn(results, swept):
    return gradients.draw(results, swept)


def written(results, drawn, folder):
    """The page, with stand-ins for the pictures."""
    (folder / "stand_in.png").write_bytes(b"")
    pictures = dict.fromkeys(drawn, folder / "stand_in.png")
    made = gradient_tables.all_tables(results)
    found = gradients.section(results, made, pictures)
    return found, Page("title", "lead", found).to_html()


def test_the_section_shows_every_table_and_figure_once(results, drawn, tmp_path):
    assert list(drawn) == [
        "loss_gradient_density",
        "log_loss_gradient_density",
        "gradient_states",
        "loss_gradient_nodes",
        "log_loss_gradient_nodes",
    ]
    assert len(drawn["gradient_states"].axes) == 2 and len(drawn["loss_gradient_nodes"].axes) == NODES
    (found,), page = written(results, drawn, tmp_path)
    assert found.heading == "Gate gradients"
    tables = [block.table.name for block in found.blocks if isinstance(block, Tabular)]
    assert sorted(tables) == sorted(gradient_tables.all_tables(results))
    assert sum(isinstance(block, Picture) for block in found.blocks) == len(drawn)
    said = " ".join(block.text for block in found.blocks if isinstance(block, Text))
    assert "nan" not in said and "  " not in said and "Gate gradients" in page


@pytest.mark.parametrize("bad", [True, False])
def test_a_run_whose_gradients_are_zero_has_a_section(bad, tmp_path):
    sweep = synthetic_run.make_tree(bad=bad)["sweeps/bernoulli"].to_dataset()
    found = gradient_results.measure(sweep, CUBE, published.circle_gradients(), resamples=20)
    drawn = gradients.draw(found, sweep)
    (section,), page = written(found, drawn, tmp_path)
    assert "nan" not in " ".join(block.text for block in section.blocks if isinstance(block, Text))
    assert gradient_tables.add_numbers(Numbers("circle"), found).to_latex()


def test_a_summary_has_tables_and_no_figures(swept, tmp_path):
    summary = summary_of(swept)
    assert gradient_results.measure(summary) is None
    chosen = {False: ~swept["gates"], True: swept["gates"]}
    for name in NAMES:
        cells = [swept[name].where(chosen[state]) for state in (False, True)]
        moments = {
            "count": [one.count("draw") for one in cells],
            "mean": [one.mean("draw") for one in cells],
            "variance": [one.var("draw", ddof=1) for one in cells],
        }
        for key, parts in moments.items():
            summary[f"{name}_{key}"] = xr.concat(parts, "state").transpose("probability", "chain", "state", "node")
    found = gradient_results.measure(summary.assign_coords(state=["off", "on"]), CUBE)
    assert found.summary and gradients.draw(found, summary) == {}
    (section,), page = written(found, {}, tmp_path)
    said = " ".join(block.text for block in section.blocks if isinstance(block, Text))
    assert "nan" not in said and "A summary keeps moments" in said and "standard errors higher" not in said


def test_without_gradients_there_is_no_section():
    sweep = synthetic_run.bernoulli(np.random.default_rng(0)).drop_vars(list(NAMES))
    assert gradient_results.measure(sweep) is None
    assert gradients.draw(None, sweep) == gradient_tables.all_tables(None) == {}
    assert gradients.section(None, {}, {}) == []


def test_two_probabilities_have_no_check(swept, tmp_path):
    sweep = swept.isel(probability=slice(2))
    found = measured(sweep, cube_loss=CUBE)
    assert found.slope is None and found.shown == 0.5
    (section,), page = written(found, {}, tmp_path)
    assert "Derivative of the mean loss" not in page
