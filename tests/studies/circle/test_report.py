import re
from dataclasses import replace

import numpy as np
import pytest

from analysis.reports import sweep_tables, sweep_text
from analysis.reports._old_page import Page, Section, Text
from analysis.runs import Run
from sweeps.studies.circle import report as circle
from sweeps.studies.circle import tables as circle_tables
from sweeps.studies.circle import text as circle_text
from sweeps.studies.circle.results import measure
from tests.analysis import synthetic_run

TABLES = (
    *("best_masks", "exact_moments", "flip_paths", "node_values", "orders"),
    *("gradient_moments", "gradient_shape", "gradient_slopes", "gradient_states"),
    *("log_loss_gradient_nodes", "loss_gradient_nodes"),
    *("families", "leave_one_out", "log_loss", "loss", "masks", "published", "spread"),
)
FIGURES = (
    *("cube_path", "exact_density", "exact_masks", "flip_paths", "spectrum"),
    *("families", "plane", "plane_masks", "plane_nodes"),
    *("gradient_states", "log_loss_gradient_density", "loss_gradient_density"),
    *("log_loss_gradient_nodes", "loss_gradient_nodes"),
    *("leave_one_out", "log_loss_density", "log_loss_quantiles", "loss_density", "spread", "training"),
)


def results_of(tree, tmp_path):
    return measure(Run(tmp_path, tree, "circle", "command", "1 CPU device", {}, {}, {}))


@pytest.fixture(scope="module")
def clean(clean_tree, tmp_path_factory):
    return results_of(clean_tree, tmp_path_factory.mktemp("clean"))


def test_every_file_is_written(written_run):
    assert sorted(path.name for path in (written_run / "tables").iterdir()) == sorted(
        f"{name}.{kind}" for name in TABLES for kind in ("csv", "tex")
    )
    assert sorted(path.name for path in (written_run / "figures").iterdir()) == sorted(
        f"{name}.{kind}" for name in FIGURES for kind in ("pdf", "png")
    )


def test_the_page_needs_nothing_but_itself(written_run):
    page = (written_run / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(FIGURES)
    assert not re.search(r"https?://|<script|<link|url\(|@import", page)
    assert set(re.findall(r'src="([^":]*)', page)) == {"data"}
    assert 'name="viewport"' in page
    text = re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    assert not re.search(r"\bnan\b|\bNone\b", re.sub(r'"data:[^"]*"', "", text))


def test_the_page_tells_settings_seeds_versions_and_counts(written_run):
    page = (written_run / "report.html").read_text(encoding="utf-8").replace("\u00a0", " ")
    for expected in (
        "sweeps study circle --out runs/circle",
        "masks 17, test set 23, network 0",
        "gatesweep 0.1.0",
        "optimizer.rate",
        "Of the 600 losses of the sweep, 2 are zero and 2 are not finite",
        "In the spread of networks, 3 of 7,200 losses are zero or not finite",
        "This run follows the text (radius 0.798, 50 % inside)",
        "compares the squared radius",
        "Computed on 1 CPU device",
        "Plan of evaluation: affine: outputs are affine in the gates",
        "among 6 networks trained from different seeds",
    ):
        assert expected in page, expected


def test_macros_are_distinct_and_hold_letters_only(written_run):
    lines = (written_run / "numbers.tex").read_text(encoding="utf-8").splitlines()
    names = [re.match(r"\\newcommand\{\\(circle[A-Za-z]+)\}\{.+\}", line)[1] for line in lines]
    assert len(set(names)) == len(names) > 90
    assert "circleMeanLossPZeroPointTwoFive" in names


def test_log_normality_is_rejected_where_it_fails_and_only_there(tmp_path):
    tree = synthetic_run.make_tree(seed=3, draws=300, bad=False)
    loss = tree["sweeps/bernoulli"]["loss"]
    random = np.random.default_rng(4)
    # exact normal quantiles as logs cannot be rejected; exponential ones at n = 300 always are
    loss[0, 0] = loss[2, 0] = np.exp(synthetic_run.normal_scores(300))
    loss[1, 0] = np.exp(random.exponential(size=300))
    results = results_of(tree, tmp_path)
    verdict = sweep_text.lognormal_verdict(results).replace("\u00a0", " ")
    assert verdict == (
        "A log-normal law of the loss is rejected at p = 0.5; it is not rejected at p = 0.25 and 0.75 "
        "(level 0.05, shared over 3 tests)."
    )
    assert "at p = 0.5 (300 draws" in sweep_text.lognormal_departure(results).replace("\u00a0", " ")
    loss[1, 0] = loss[0, 0]
    calm = results_of(tree, tmp_path)
    assert sweep_text.lognormal_verdict(calm).startswith("A log-normal law of the loss is not rejected at")
    assert "Not rejected does not mean proven" in sweep_text.lognormal_departure(calm)


@pytest.mark.parametrize(
    ("p_values", "rejected"),
    [
        ([0.02, 0.016, 0.9], [False, True, False]),  # the level is 0.05 / 3
        ([0.02, np.nan, 0.9], [True, False, False]),  # of two tests: 0.05 / 2
        ([np.nan] * 3, [False] * 3),
    ],
)
def test_the_level_is_shared_over_the_tests_that_were_made(clean, p_values, rejected):
    changed = replace(clean, fits=clean.fits.assign(p_value=("probability", p_values)))
    assert changed.rejected.tolist() == rejected
    assert changed.untested.tolist() == np.isnan(p_values).tolist()


def test_published_verdicts_follow_the_spread(tmp_path):
    tree = synthetic_run.make_tree(seed=5, bad=False)
    tree["spread"]["full_loss"][0] = 0.3 + np.arange(6)
    tree["spread"]["full_loss"][1] = 0.117
    results = results_of(tree, tmp_path)
    frame = results.comparison.set_index(["boundary", "quantity"])
    assert not frame.loc[("text", "full_loss"), "inside"].any()
    assert "full-network loss" in circle_text.published_verdict(results, "text")
    assert "outside: full-network loss" not in circle_text.published_verdict(results, "code")
    assert "of 6 with a probability of about 0.29" in circle_text.published_caution(results)
    assert "And it had 20 nodes, while ours have 8." in circle_text.published_caution(results)


def test_which_network_of_the_spread_this_one_is_among(tmp_path):
    tree = synthetic_run.make_tree(seed=6, bad=False)
    tree["spread"]["loss"][0] = tree["sweeps/bernoulli"]["loss"].values * np.reshape(
        [1, 2, 3, 0.5, 0.9, 1], (6, 1, 1, 1)
    )
    text = circle_text.spread_settings(results_of(tree, tmp_path)).replace("\u00a0", " ")
    assert "2 at p = 0.25, 2 at p = 0.5 and 2 at p = 0.75 have a lower mean loss" in text


@pytest.mark.parametrize("value", [np.nan, 0.0, 1.0, np.inf])
def test_a_sweep_with_one_value_everywhere_still_gives_a_report(tmp_path, value):
    tree = synthetic_run.make_tree(seed=7, draws=20, bad=False)
    tree["sweeps/bernoulli"]["loss"][:] = value
    tree["sweeps/leave_one_out"]["loss"][:] = value
    tree["spread"]["loss"][:] = value
    results = results_of(tree, tmp_path)
    assert set(circle_tables.all_tables(results)) == set(TABLES) - {"families"}
    assert set(circle.draw(results)) == set(FIGURES) - {"families"}
    circle_tables.numbers(results)
    assert sweep_text.lognormal_verdict(results).startswith("There was nothing to test at")
    pictures = dict.fromkeys(FIGURES, tmp_path / "x.png")
    (tmp_path / "x.png").write_bytes(b"")
    page = circle.page(results, circle_tables.all_tables(results), pictures).to_html()
    assert "nan" not in re.sub(r"<style>.*?</style>|data:[^\"]*", "", page, flags=re.S).replace("inance", "")


@pytest.mark.parametrize(("value", "text"), [(0.001, "≤ 0.001"), (0.0123, "0.012"), (np.nan, "–")])
def test_the_smallest_p_value_is_given_as_a_bound(value, text):
    assert sweep_tables.p_value_text(value) == text


def test_page_text_is_escaped():
    page = Page("a < b", "lead & more", [Section("<i>", [Text("<script>")])], "end").to_html()
    assert "<title>a &lt; b</title>" in page
    assert "<script>" not in page and "&lt;script&gt;" in page
