"""The report of the relevance study: from a whole store, without what settings leave out, and from few networks."""

import re

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis.claims import FAILS, HOLDS, UNDECIDED
from analysis.figures import style
from analysis.runs import Run
from sweeps._studies.relevance import figures, report
from sweeps._studies.relevance.claims import judge
from sweeps._studies.relevance.figures import looks
from sweeps._studies.relevance.measures import deletion, heat, ledger
from sweeps._studies.relevance.numbers import numbers
from sweeps._studies.relevance.results import measure
from sweeps._studies.relevance.tables import all_tables
from tests import drawing
from tests.analysis import synthetic_run
from tests.studies.relevance import synthetic

TABLES = {
    *("claims", "ledger", "ledger_shown", "deletion_zeros", "deletion_mean", "deletion_pairs", "consistency"),
    *("constants", "nodes", "node_gaps", "supervised", "gains", "inside", "measures", "gaming", "strengths"),
    *("gamed", "gamed_strengths"),
}
FIGURES = {
    *("heat", "ledger", "deletion", "drawn", "instability", "nodes", "supervised", "gamed"),
    *(
        "maxima",
        "examples",
        "mechanism",
        "classes",
        "alike",
        "conservation",
        "ranking",
        "pairs",
        "node_pairs",
        "history",
    ),
}
#: What every store has tables and figures of.
ALWAYS_TABLES = {"claims", "ledger", "ledger_shown", "consistency", "constants"}
ALWAYS_FIGURES = {"heat", "classes", "alike", "ledger", "conservation", "instability", "drawn", "maxima"}


@pytest.fixture(scope="module")
def tree():
    return synthetic.make_tree()


@pytest.fixture(scope="module")
def written(tree, tmp_path_factory):
    return drawing.write_report(synthetic_run.write_run(tmp_path_factory.mktemp("relevance"), tree)).parent


@pytest.fixture(scope="module")
def results(tree, tmp_path_factory):
    return results_of(tree, tmp_path_factory.mktemp("results"))


def run_of(tree, folder):
    return Run(folder, tree, "relevance", "command", "1 CPU device", {}, {}, {})


def results_of(tree, folder):
    return measure(run_of(tree, folder))


def changed(tree, **groups):
    """A store of which some groups are others."""
    found = tree.copy()
    for name, data in groups.items():
        found[name] = data.assign_attrs(complete=True)
    return found


def page_of(tree, folder, monkeypatch, names=FIGURES):
    """Return the page's text, with empty figures: drawing is what takes time."""
    monkeypatch.setattr(report, "draw", lambda results: dict.fromkeys(names, Figure((1, 1))))
    monkeypatch.setattr(report.runs, "open_run", lambda folder, study=None: run_of(tree, folder))
    return text_of(drawing.write_report(folder))


def text_of(path):
    page = re.sub(r"<style>.*?</style>|data:[^\"]*", "", path.read_text(encoding="utf-8"), flags=re.S)
    return re.sub(r"\s+", " ", page.replace("\u00a0", " ").replace("&#39;", "'"))


def column(table, key):
    return next(one.values for one in table.columns if one.key == key)


def test_every_file_is_written(written):
    files = {path.name for path in (written / "tables").iterdir()}
    assert files == {f"{name}.{kind}" for name in TABLES for kind in ("csv", "tex")}
    assert {path.stem for path in (written / "figures").iterdir()} == FIGURES
    assert not drawing.without_bars(written) and not drawing.unclear(written)


def test_the_page_shows_every_figure_table_and_claim(written, results):
    page = text_of(written / "report.html")
    assert {name for name in re.findall(r'id="figure-(\w+)"', page)} == FIGURES
    # The longest tables are in the files beside the page.
    assert {name for name in re.findall(r'id="table-(\w+)"', page)} == TABLES - {"deletion_pairs", "strengths"}
    assert re.findall(r'id="claim-(\w+)"', page) == list(judge(results))
    first, _, folded = page.partition('id="the-claims-one-by-one"')
    assert first.count('<figure id="figure-') == 8 and folded
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b|Undefined", page)


def test_numbers_feed_the_page_and_the_macros(written, results):
    n, page = numbers(results, judge(results)), text_of(written / "report.html")
    lines = (written / "numbers.tex").read_text(encoding="utf-8").splitlines()
    names = [re.match(r"\\newcommand\{\\(relevance[A-Za-z]+)\}\{.+\}", line)[1] for line in lines]
    assert names == list(n)
    assert n.lrp_biases_share.value == pytest.approx(0.1) and n.lrp_largest_biases_layer.value == "conv_1"
    assert n.lrp_largest_biases_share.value == pytest.approx(0.08) and "conv_1 take the largest part, 8.0 %" in page
    assert n.most_biases_method.value in results.names.values() and n.farthest_from_conserving.value == pytest.approx(4)
    assert n.deeplift_zeros_rank_zeros.value == 1 and n.deeplift_mean_rank_mean.value == 1
    assert n.radial_less_slope.value == pytest.approx(0.5) and n.slope_share_there.value == pytest.approx(1)
    assert n.instability_unblamed_times.value == 120 and "120-fold" in page
    assert n.claim_gamed.value == HOLDS and n.trainings_not_gamed.value == 0
    assert n("slope area zeros").interval.networks == 12


def test_two_writes_give_the_same_tables_and_figures(tree, tmp_path):
    for name in ("a", "b"):
        results = results_of(tree, tmp_path)
        claims = judge(results)
        for table in all_tables(results, claims):
            table.write(tmp_path / name)
        numbers(results, claims).write(tmp_path / name / "numbers.tex")
        style.save(figures.rules.grows(results["instability"], "eps").figure, tmp_path / name, "grows")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_tables_hold_the_numbers_of_the_store(results):
    made = {table.name: table for table in all_tables(results, judge(results))}
    areas = column(made["deletion_zeros"], "between")
    assert areas == sorted(areas, reverse=True) and column(made["deletion_zeros"], "method")[-1] == "random"
    printed = made["ledger_shown"]
    assert column(printed, "step") == list(synthetic.STEPS) and column(printed, "biases") == [0.2, 0, 0, 0.8, 1]
    assert "LRP (ε)" in printed.caption and "offsets" not in [one.key for one in made["ledger"].columns]
    assert len(column(made["deletion_pairs"], "first")) == 2 * 9 * 8 // 2
    assert column(made["gaming"], "gamed") == ["–", "–", HOLDS, HOLDS]
    assert column(made["supervised"], "strength") == [0, 1, 1, 1]
    rho = dict(zip(column(made["nodes"], "measure"), column(made["nodes"], "brute_force"), strict=True))
    assert rho["LRP"] > 0.8 > rho["gate gradient"] and np.isnan(rho["brute force"])


def test_a_store_without_what_settings_leave_out_gives_a_page(tmp_path, monkeypatch):
    tree = synthetic.make_tree(whole=False)
    results = results_of(tree, tmp_path)
    assert {table.name for table in all_tables(results, judge(results))} == ALWAYS_TABLES
    assert set(figures.draw(results)) == ALWAYS_FIGURES
    page = page_of(tree, tmp_path, monkeypatch, ALWAYS_FIGURES)
    assert "12 were not measured" in page and not re.search(r"\bnan\b|\bNone\b|± ?n", page)
    for anchor in ("deletion", "relevance-of-hidden-nodes", "training-relevance-into-the-region", "the-trainings"):
        assert f'id="{anchor}' not in page


def test_one_network_and_one_image_have_no_intervals(tree, tmp_path, monkeypatch):
    alone = changed(
        tree,
        deletion=synthetic.deletion(examples=1),
        nodes=synthetic.nodes(networks=1),
        supervised=synthetic.supervised(networks=1),
        supervised_measures=synthetic.supervised_measures(1),
    )
    results = results_of(alone, tmp_path)
    claims = judge(results)
    about = ("beats_random", "same_ranking", "node_relevance", "helps", "beats_penalty", "gamed", "gamed_somewhere")
    assert {claims[name].verdict for name in about} == {UNDECIDED}
    assert {table.name for table in all_tables(results, claims)} == TABLES - {"gamed"}
    page = page_of(alone, tmp_path, monkeypatch, FIGURES - {"gamed"})
    assert "(no interval)" in page and "One image tells no two methods apart" in page
    assert not re.search(r"\bnan\b|\bNone\b|± ?n", page)


def test_networks_of_one_node_and_trainings_that_lost_theirs_give_a_page(tree, tmp_path, monkeypatch):
    data = synthetic.supervised()
    lost = data.where(data["training"] != "relevance_lrp").assign(chosen=data["chosen"])
    few = changed(tree, nodes=synthetic.nodes(count=1), supervised=lost)
    results = results_of(few, tmp_path)
    claims = judge(results)
    assert not claims["node_relevance"].known and list(claims["helps"].cases) == ["relevance_slope"]
    assert "node_gaps" not in {table.name for table in all_tables(results, claims)}
    page = page_of(few, tmp_path, monkeypatch, FIGURES - {"node_pairs"})
    assert not re.search(r"\bnan\b|\bNone\b|± ?n", page)


@pytest.mark.parametrize("gamed", [True, False])
def test_gaming_is_told_by_the_strengths_at_which_it_is_seen(gamed, tree, tmp_path, monkeypatch):
    data = synthetic.supervised(gamed=False)
    if gamed:
        data = data.copy(deep=True)
        for name in set(data.data_vars) - {"chosen", "plain_inside"}:
            data[name].loc[{"strength": 10.0}] = synthetic.supervised(gamed=True)[name].sel(strength=10.0)
    edge = data.assign(chosen=("training", [0.0, 0.1, 1.0, 1.0]))
    changed_tree = changed(tree, supervised=edge)
    claims = judge(results_of(changed_tree, tmp_path))
    assert claims["gamed"].verdict == FAILS and claims["gamed_somewhere"].verdict == (HOLDS if gamed else FAILS)
    page = page_of(changed_tree, tmp_path, monkeypatch, FIGURES if gamed else FIGURES - {"gamed"})
    assert ('id="how-the-measure-is-gamed"' in page) is gamed
    assert ("relevance (LRP): gamed at λ = 10" in page) is gamed
    assert ("depends on how strongly" in page) is gamed and ("not seen here" in page) is not gamed
    assert "the weakest of those tried for gradient penalty" in page and "the strongest of those" not in page


def test_a_replacement_that_does_not_favour_its_baseline(tree, results, tmp_path):
    data = synthetic.deletion()
    data["replacement"] = data["replacement"].values[::-1]
    turned = results_of(changed(tree, deletion=data), tmp_path)
    assert [deletion.favours_baseline(one.pairs) for one in (results, turned)] == [True, False]


def test_a_store_without_heat_maps_is_refused(tree, tmp_path):
    found = tree.copy()
    del found["heat"]
    with pytest.raises(ValueError, match="a group of the run"):
        results_of(found, tmp_path)


def test_figures_draw_into_given_axes_and_leave_no_trace(results):
    before = dict(mpl.rcParams)
    shares = ledger.shares(results["ledger"])
    colors = figures.ledger.part_colors([str(part) for part in shares["part"].values])
    for draw in (
        lambda ax: figures.deletion.curve(results["deletion"], "most", "mean", ["lrp"], results.names, ax),
        lambda ax: figures.ledger.bars(shares, results.names, colors, ax),
        lambda ax: figures.rules.grows(results["instability"], "eps", ax),
        lambda ax: figures.rules.two_objects(results["two_objects"], ax),
        lambda ax: figures.nodes.pair(results["nodes"], "shapley", "lrp", {}, ax),
    ):
        ax = Figure().subplots()
        assert draw(ax) is ax and ax.get_xlabel()
    assert dict(mpl.rcParams) == before
    with pytest.raises(ValueError, match="order must be one of"):
        figures.deletion.curve(results["deletion"], "random", "mean", [], {})
    with pytest.raises(ValueError, match="image must be at most 3, got 9"):
        figures.heat.all_methods(results["heat"], 9)


def test_bars_of_the_ledger_end_at_the_sum_of_the_parts(results):
    shares = ledger.shares(results["ledger"]).sel({"attributed_by": ["lrp", "gradient"]})
    ax = figures.ledger.bars(shares, results.names, figures.ledger.part_colors([str(p) for p in shares["part"].values]))
    ends = {round(bar.get_y()): bar.get_x() + bar.get_width() for bar in ax.patches if bar.get_width() > 0}
    assert ends[0] == pytest.approx(1) and ends[1] == pytest.approx(4)


def test_heat_maps_are_symmetric_about_zero_and_leave_out_twins(results):
    ax = Figure().subplots()
    size = looks.heat_map(ax, [[0.2, -0.8], [0.0, 0.1]])
    assert size == 0.8 and ax.images[0].get_clim() == (-0.8, 0.8)
    assert looks.heat_map(ax, np.full((2, 2), np.nan)) == 0
    figure = figures.heat.several_classes(results["heat"])
    rows = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()]
    shown = [one for one in rows if one != "image" and "map" not in one]
    assert sum(name in ("gradient ×\ninput", "LRP (ε)", "slope") for name in shown) == 1
    assert len(heat.groups(results["heat"])) == 6


def test_curves_hold_the_means_of_the_store(results):
    ax = figures.deletion.curve(results["deletion"], "most", "zeros", ["lrp"], {})
    line = next(line for line in ax.lines if line.get_label() == "LRP" or line.get_label() == "lrp")
    expected = results["deletion"]["probability"].sel({"attributed_by": "lrp", "order": "most", "replacement": "zeros"})
    np.testing.assert_allclose(line.get_ydata(), expected.mean("example"), rtol=1e-6)
    assert line.get_xdata()[-1] == 100
