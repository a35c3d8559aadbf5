"""The report of the circle study: its files, the structure of its page, and what it says of unusual stores."""

import csv
import re
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from analysis._reports import tables
from analysis.families import FAMILIES
from analysis.figures import style
from sweeps._studies.circle import figures, numbers, report
from sweeps._studies.circle.claims import judge
from sweeps._studies.circle.measures import compared_families, ranked_families
from tests import drawing
from tests.analysis import synthetic_run
from tests.studies.circle.results import results_of

TABLES = (
    *("best_masks", "exact_moments", "flip_paths", "node_values", "orders"),
    *("gradient_moments", "gradient_shape", "gradient_slopes", "gradient_states"),
    *("log_loss_gradient_nodes", "loss_gradient_nodes"),
    "claims",
    *("balance", "families", "leave_one_out", "log_loss", "loss", "masks", "published", "roles", "spread"),
)
FIGURES = (
    *("cube_path", "exact_density", "exact_masks", "flip_paths", "spectrum"),
    *("families", "plane", "plane_masks", "plane_nodes"),
    *("gradient_states", "log_loss_gradient_density", "loss_gradient_density"),
    *("log_loss_gradient_nodes", "loss_gradient_nodes"),
    *(
        "balance",
        "roles",
        "leave_one_out",
        "log_loss_density",
        "log_loss_quantiles",
        "loss_density",
        "rise",
        "spread",
        "training",
    ),
)


SECTIONS = (
    *("in-short", "the-loss", "the-log-loss", "beside-the-published-numbers", "one-node-at-a-time"),
    "what-nodes-do-and-whether-they-balance",
    *("across-the-hypercube", "all-masks-without-sampling-error"),
)
FOLDED = (
    *(
        "the-claims-one-by-one",
        "the-best-masks-and-what-nodes-are-worth",
        "gate-gradients",
        "the-cube-and-the-density-over-all-masks",
    ),
    *("which-law-fits-best", "the-input-plane", "the-network-as-a-graph", "training", "settings"),
)


@pytest.fixture(scope="module")
def clean(clean_tree):
    return results_of(clean_tree)


@pytest.fixture
def text_of(tmp_path, monkeypatch):
    """What makes the text of the page of results, without figures."""
    monkeypatch.setattr(figures, "draw", lambda results: {})

    def make(results):
        results = replace(results, plane=None, run=replace(results.run, folder=tmp_path))
        text = drawing.text_of(report.write_results(results))
        assert not re.search(r"\bnan\b|\bNone\b|\\\\", text)
        return text

    return make


def test_every_file_is_written(written_run):
    assert sorted(path.name for path in (written_run / "tables").iterdir()) == sorted(
        f"{name}.{kind}" for name in TABLES for kind in ("csv", "tex")
    )
    assert sorted(path.name for path in (written_run / "figures").iterdir()) == sorted(
        f"{name}.{kind}" for name in FIGURES for kind in ("pdf", "png")
    )
    assert not drawing.without_bars(written_run) and not drawing.unclear(written_run)


def test_the_page_needs_nothing_but_itself(written_run):
    page = (written_run / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/webp;base64,") == len(FIGURES) and len(page) < 3e6
    assert not re.search(r"https?://|<link(?! rel=.icon. href=>)|url\(|@import", re.sub(r'"data:[^"]*"', "", page))
    assert set(re.findall(r'src="([^":]*)', page)) == {"data"}


def test_the_page_has_its_sections_figures_tables_and_claims(written_run):
    text = drawing.text_of(written_run / "report.html")
    assert tuple(re.findall('<section id="([^"]+)"', text))[: len(SECTIONS)] == SECTIONS
    assert tuple(re.findall('<details class="section" id="([^"]+)"', text)) == FOLDED
    assert set(re.findall('<figure id="figure-([^"]+)"', text)) == set(FIGURES)
    assert set(re.findall('<figure id="table-([^"]+)"', text)) == set(TABLES)
    assert not re.search(r"\bnan\b|\bNone\b|\\\\", text)


def test_the_page_tells_settings_seeds_versions_and_counts(written_run):
    text = drawing.text_of(written_run / "report.html")
    for expected in (
        "sweeps study circle --out runs/circle",
        "masks 17, test set 23, network 0",
        "gatesweep 0.1.0",
        "optimizer.rate",
        "Of the 600 losses of the sweep, 2 are zero and 2 are not finite",
        "3 of 7,200 losses are zero or not finite",
        "(radius 0.798, 50 % inside)",
        "Computed on 1 CPU device",
        "Plan of evaluation: affine: outputs are affine in the gates",
        "among 6 networks trained from different seeds",
    ):
        assert expected in text, expected


def test_no_two_columns_of_a_table_have_one_name_and_errors_have_a_size(written_run):
    for path in (written_run / "tables").glob("*.csv"):
        header = next(csv.reader([path.read_text(encoding="utf-8").splitlines()[0]]))
        assert len(set(header)) == len(header), path.name
    text = drawing.text_of(written_run / "report.html")
    for table in re.findall("<thead>(.*?)</thead>", text):
        names = re.findall(r"<th[^>]*>([^<]+)</th>", table)
        assert len(set(names)) == len(names), names
    assert not re.search(r"\d\.\d{9,}", text)


def test_the_page_leads_to_the_interactive_page(written_run):
    assert (written_run / "explorer.html").exists()
    assert (
        re.findall('<li>.?<a href="([^"]+)">', drawing.text_of(written_run / "report.html")).count("explorer.html") == 1
    )


def test_macros_are_distinct_and_hold_letters_only(written_run):
    lines = (written_run / "numbers.tex").read_text(encoding="utf-8").splitlines()
    names = [re.match(r"\\newcommand\{\\(circle[A-Za-z]+)\}\{.+\}", line)[1] for line in lines]
    assert len(set(names)) == len(names) > 200
    assert "circleMeanLossPZeroPointTwoFive" in names and "circleClaimMeanLoss" in names


def test_log_normality_is_rejected_where_it_fails_and_only_there(text_of):
    tree = synthetic_run.make_tree(seed=3, draws=300, bad=False)
    loss = tree["sweeps/bernoulli"]["loss"]
    random = np.random.default_rng(4)
    # exact normal quantiles as logs cannot be rejected; exponential ones at n = 300 always are
    loss[0, 0] = loss[2, 0] = np.exp(synthetic_run.normal_scores(300))
    loss[1, 0] = np.exp(random.exponential(size=300))
    results = results_of(tree)
    assert results.rejected.tolist() == [False, True, False] and results.kept.tolist() == [True, False, True]
    n = numbers.collect(results, judge(results))
    assert (n.largest_ks_distance_p.value, n.largest_ks_distance_count.value) == (0.5, 300)
    text = text_of(results)
    assert "rejected at p = 0.5; it is not rejected at p = 0.25 and 0.75 (level 0.05, shared over 3 tests)." in text
    calm = replace(results, fits=results.fits.isel(probability=[0, 2, 2]))
    assert calm.kept.all() and "Not rejected does not mean proven" in text_of(calm)


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


def test_published_verdicts_follow_the_spread(text_of):
    tree = synthetic_run.make_tree(seed=5, bad=False)
    tree["spread"]["full_loss"][0] = 0.3 + np.arange(6)
    tree["spread"]["full_loss"][1] = 0.117
    results = results_of(tree)
    text, code = results.places
    assert ("full_loss", np.nan) in [(name, np.nan) for name, _ in text.outside]
    assert "full_loss" not in [name for name, _ in code.outside]
    n = numbers.collect(results, judge(results))
    assert n.spread_text_published_numbers_inside.value == text.inside == 10 - len(text.outside)
    assert n.chance_outside.value == pytest.approx(2 / 7)
    assert (n.published_nodes.value, n.nodes.value) == (20, 8)
    said = text_of(results)
    assert "outside: " in said and "of 6 with a probability of about 0.29" in said


def test_which_network_of_the_spread_this_one_is_among():
    tree = synthetic_run.make_tree(seed=6, bad=False)
    tree["spread"]["loss"][0] = tree["sweeps/bernoulli"]["loss"].values * np.reshape(
        [1, 2, 3, 0.5, 0.9, 1], (6, 1, 1, 1)
    )
    results = results_of(tree)
    n = numbers.collect(results, judge(results))
    assert [one.value for one in n.each("networks of lower mean loss", p=results.probabilities)] == [2, 2, 2]


@pytest.mark.parametrize("value", [np.nan, 0.0, 1.0, np.inf])
def test_a_sweep_with_one_value_everywhere_still_gives_a_report(tmp_path, monkeypatch, value):
    tree = synthetic_run.make_tree(seed=7, draws=20, bad=False)
    tree["sweeps/bernoulli"]["loss"][:] = value
    tree["sweeps/leave_one_out"]["loss"][:] = value
    tree["spread"]["loss"][:] = value
    monkeypatch.setattr(style, "save", drawing.blank)
    text = drawing.text_of(report.write_results(results_of(tree, tmp_path)))
    assert set(re.findall('<figure id="table-([^"]+)"', text)) == set(TABLES) - {"families"}
    assert set(re.findall('<figure id="figure-([^"]+)"', text)) == set(FIGURES) - {"families"}
    assert "nan" not in text.replace("inance", "") and "There was nothing to test at" in text


def test_stores_of_other_settings_have_a_page(text_of):
    """No cube, two paths, two probabilities, one network and nothing else of it, none of what was published."""
    tree = synthetic_run.make_tree(networks=1, bad=False)
    del tree["sweeps"]["hypercube"], tree["networks"]
    tree["sweeps/flip_paths"] = xr.DataTree(tree["sweeps/flip_paths"].to_dataset().isel(draw=slice(2)))
    for group in ("sweeps/bernoulli", "spread"):
        data = tree[group].to_dataset().isel(probability=slice(2)).assign_coords(probability=[0.1, 1.0])
        tree[group] = xr.DataTree(data)
    text = text_of(results_of(tree))
    assert 'id="all-masks-estimated"' in text and 'id="across-the-hypercube"' not in text
    assert "was not measured" in text or "were not measured" in text


def compared(**differences):
    """Results at p = 0.25 and 0.5; of each family its differences there, all with error 0.01."""
    rows = [[0.0, 0.0], *(differences[name] for name in ("normal", "gamma", "weibull", "mixture"))]
    data = {
        "difference": (("family", "probability"), rows),
        "difference_error": (("family", "probability"), np.full((5, 2), 0.01)),
    }
    return xr.Dataset(data, coords={"family": list(FAMILIES), "probability": [0.25, 0.5]})


def test_families_are_ranked_by_two_standard_errors():
    found = ranked_families(
        compared(normal=[-0.3, -0.2], gamma=[-0.019, 0.019], weibull=[-0.05, 0.0], mixture=[0.05, 0.021])
    )
    assert found == {
        "better": {"log-normal mixture": [0.25, 0.5]},
        "worse": {"normal": [0.25, 0.5], "Weibull": [0.25]},
        "alike": {"gamma": [0.25, 0.5], "Weibull": [0.5]},
    }
    nothing = ranked_families(compared(normal=[0, 0], gamma=[0, 0], weibull=[0, 0], mixture=[0, 0]))
    assert not nothing["better"] and not nothing["worse"] and list(nothing["alike"]) == list(FAMILIES)[1:]


def test_an_error_of_the_fit_is_not_taken_for_too_few_losses(monkeypatch):
    monkeypatch.setattr("analysis.families.compare", lambda loss: int("a bug"))
    losses = np.exp(np.random.default_rng(0).normal(size=60))
    sweep = xr.Dataset({"loss": (("probability", "draw"), [losses])}, {"probability": [0.5]})
    with pytest.raises(ValueError, match="a bug"):
        compared_families(sweep)
    assert compared_families(sweep.isel(draw=slice(0, 9))) is None


@pytest.mark.parametrize(("value", "text"), [(0.001, "≤ 0.001"), (0.0123, "0.012"), (np.nan, "–")])
def test_the_smallest_p_value_is_given_as_a_bound(value, text):
    assert tables.p_value_text(value) == text
