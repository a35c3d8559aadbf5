"""The report of the relevance study: from a whole store, from the least, and from awkward ones."""

import re

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.runs import Run
from sweeps.studies.relevance import answers as relevance_claims
from sweeps.studies.relevance import figures, report
from sweeps.studies.relevance import numbers as relevance_numbers
from sweeps.studies.relevance import tables as relevance_tables
from sweeps.studies.relevance import text as relevance_text
from sweeps.studies.relevance import trainings as relevance_trainings
from sweeps.studies.relevance.figures import looks
from sweeps.studies.relevance.measures import heat, ledger
from sweeps.studies.relevance.results import measure
from sweeps.studies.shrinking.claims import FAILS, HOLDS, OPEN
from sweeps.studies.sparsity.claims import UNDECIDED
from tests import drawing
from tests.analysis import synthetic_run
from tests.studies.relevance import synthetic

TABLES = (
    *("claims", "ledger", "ledger_shown", "deletion_zeros", "deletion_mean", "deletion_pairs", "consistency"),
    *("constants", "nodes", "node_gaps", "supervised", "gains", "inside", "measures", "gaming", "strengths"),
)
FIGURES = (
    *("heat", "classes", "alike", "ledger", "conservation", "deletion", "ranking", "pairs", "instability", "maxima"),
    *("nodes", "node_pairs", "supervised", "examples", "history"),
)


@pytest.fixture(scope="module")
def tree():
    return synthetic.make_tree()


@pytest.fixture(scope="module")
def written(tree, tmp_path_factory):
    folder = synthetic_run.write_run(tmp_path_factory.mktemp("relevance"), tree)
    return drawing.write_report(folder).parent


@pytest.fixture(scope="module")
def results(tree, tmp_path_factory):
    return results_of(tree, tmp_path_factory.mktemp("results"))


def results_of(tree, tmp_path):
    return measure(Run(tmp_path, tree, "relevance", "command", "1 CPU device", {}, {}, {}))


def plain(page):
    page = re.sub(r"<style>.*?</style>|data:[^\"]*", "", page, flags=re.S)
    return page.replace("\u00a0", " ").replace("&#39;", "'")


def page_of(results, tmp_path):
    """The page with empty pictures: drawing is what takes time."""
    (tmp_path / "x.png").write_bytes(b"")
    made, drawn = relevance_tables.all_tables(results), report.draw(results)
    return made, drawn, plain(report.page(results, made, dict.fromkeys(drawn, tmp_path / "x.png")).to_html())


def changed(tree, **groups):
    """A store of which some groups are others, or gone."""
    found = tree.copy()
    for name, data in groups.items():
        if data is None:
            del found[name]
        else:
            found[name] = data.assign_attrs(complete=True)
    return found


def column(table, key):
    return next(one.values for one in table.columns if one.key == key)


def test_every_file_is_written(written):
    assert sorted(path.name for path in (written / "tables").iterdir()) == sorted(
        f"{name}.{kind}" for name in TABLES for kind in ("csv", "tex")
    )
    assert {path.stem for path in (written / "figures").iterdir()} == set(FIGURES)
    page = (written / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(FIGURES)
    assert not re.search(r"https?://|<script|<link|url\(|@import", page)


def test_the_page_answers_every_claim(written, results):
    page = plain((written / "report.html").read_text(encoding="utf-8"))
    for claim in results.claims.values():
        assert claim.verdict != OPEN, claim.name
        assert plain(relevance_claims.answer(claim, results)) in page, claim.name
        assert relevance_claims.RULES[claim.name].replace("\u00a0", " ") in page, claim.name
    for expected in (
        "The same maps come from gradient × input, LRP (ε) and slope: with relu as the only nonlinearity",
        "By LRP (ε) the biases take 10.0 % of the output in the mean, most of it those of conv_1 (8.0 %)",
        "Regions of 2 × 2 pixels, 9 an image",
        "DeepLIFT from zeros is at rank 1 by zeros",
        "measures the baseline, too",
        "where the first object takes 1.00 by slope and 0.50 by radial",
        "relevance (LRP) is gamed at λ = 1 and 10",
        "clean test images, the weakest of equals",
        "A bright square in one of ten places.",
        "That is so here, at the chosen strengths.",
        "sweeps study relevance --out runs/relevance",
    ):
        assert expected.lower() in page.lower(), expected
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", page)


def test_macros_are_distinct_and_hold_letters_only(written):
    lines = (written / "numbers.tex").read_text(encoding="utf-8").splitlines()
    names = [re.match(r"\\newcommand\{\\(relevance[A-Za-z]+)\}\{.+\}", line)[1] for line in lines]
    assert len(set(names)) == len(names) > 80
    assert {"relevanceClaimGamed", "relevanceLrpAreaZerosHalfWidth", "relevanceRadialLessSlope"} <= set(names)


def test_two_writes_give_the_same_tables_and_figures(tree, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        results = results_of(tree, tmp_path)
        for table in relevance_tables.all_tables(results).values():
            table.write(tmp_path / name)
        relevance_numbers.numbers(results).write(tmp_path / name / "numbers.tex")
        style.save(figures.rules.maxima(results["two_objects"], None), tmp_path / name, "maxima")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_tables_hold_the_numbers_of_the_store(results):
    made = relevance_tables.all_tables(results)
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


def test_the_least_store_gives_a_page(tmp_path):
    results = results_of(synthetic.make_tree(whole=False), tmp_path)
    made, drawn, page = page_of(results, tmp_path)
    assert set(made) == {"claims"} and set(drawn) == {"heat", "classes", "alike"}
    assert "Of 15 claims 1 holds and 14 were not measured here" in page
    assert not re.search(r"\bnan\b|\bNone\b", page)
    assert len(relevance_numbers.numbers(results).macros) > 15
    assert relevance_text.ledger_said(results) == "No ledger was kept in this run."
    assert relevance_trainings.summary(results).startswith("No network was trained")


def test_one_network_and_one_image_have_no_intervals(tree, tmp_path):
    alone = changed(
        tree,
        deletion=synthetic.deletion(examples=1),
        nodes=synthetic.nodes(networks=1),
        supervised=synthetic.supervised(networks=1),
        supervised_measures=synthetic.supervised_measures(1),
    )
    results = results_of(alone, tmp_path)
    about = ("beats_random", "same_ranking", "node_relevance", "helps", "beats_penalty", "gamed", "gamed_somewhere")
    assert {results.claims[name].verdict for name in about} == {UNDECIDED}
    made, _, page = page_of(results, tmp_path)
    assert set(made) == set(TABLES)
    assert "(no interval)" in page and "one image tells no two methods apart" in page
    assert not re.search(r"\bnan\b|\bNone\b|± ?n", page)


def test_a_store_of_few_methods_without_what_is_optional(tree, tmp_path):
    few = changed(
        tree,
        heat=synthetic.heat(images=1).drop_vars(["conserves", "signed", "title", "target", "predicted"]).isel(
            {"attributed_by": [0]}
        ),
        deletion=synthetic.deletion().sel({"attributed_by": ["gradient"], "replacement": ["zeros"]}),
        conservation=None,
        forms=None,
        instability=None,
        supervised=synthetic.supervised().sel(training=["plain"]),
        supervised_measures=None,
        supervised_history=None,
        nodes=synthetic.nodes().sel(measure=["lrp", "brute_force"]).drop_vars("unit"),
    )  # fmt: skip
    results = results_of(few, tmp_path)
    made, drawn, page = page_of(results, tmp_path)
    assert not {"classes", "alike", "pairs", "conservation", "history"} & set(drawn)
    assert "maxima" in drawn and "instability" in drawn
    assert "deletion_pairs" not in made and "node_gaps" not in made and "gaming" not in made
    assert results.claims["same_ranking"].verdict == results.claims["gamed"].verdict == OPEN
    assert not re.search(r"\bnan\b|\bNone\b", page)


def test_strengths_that_the_store_chose_and_did_not_run(tree, tmp_path):
    data = synthetic.supervised(gamed=False)
    missing = [np.nan, 0.1, 10.0, np.nan]
    own = data.assign(chosen=("training", [0.0, *missing[1:]])).assign_attrs(chosen_by="validation accuracy")
    results = results_of(changed(tree, supervised=own), tmp_path)
    assert results.strengths == {"plain": 0, "gradient_penalty": 0.1, "relevance_lrp": 10}
    said = relevance_trainings.choice(results)
    assert "when it was run, by: validation accuracy. It is the weakest of those tried for gradient penalty and" in said
    assert "the strongest of those tried for relevance (LRP): beyond it may be better still." in said
    assert "Gaming is not seen here, at any strength" in relevance_trainings.published(results)
    assert "relevance_slope" not in results.claims["gamed"].cases
    said = relevance_trainings.summary(results)
    assert "“relevance (LRP)” has the highest accuracy" in said and "at λ\u00a0=\u00a010" in said
    assert relevance_tables.all_tables(results)["supervised"]


def test_gaming_at_other_strengths_than_the_chosen_ones_is_said_so(tree, tmp_path):
    data = synthetic.supervised(gamed=False)
    weak = synthetic.supervised(gamed=True)
    for name in data.data_vars:
        data[name].loc[{"strength": 10.0}] = weak[name].sel(strength=10.0)
    results = results_of(changed(tree, supervised=data), tmp_path)
    assert results.claims["gamed"].verdict == FAILS and results.claims["gamed_somewhere"].verdict == HOLDS
    said = relevance_trainings.published(results)
    assert "Here it is so at some strengths, and not so at those that are chosen" in said


def test_a_replacement_that_does_not_favour_its_baseline_is_said_not_to(tree, tmp_path):
    data = synthetic.deletion()
    data["replacement"] = data["replacement"].values[::-1]
    results = results_of(changed(tree, deletion=data), tmp_path)
    assert "not always ahead" in relevance_text.baselines(results)


def test_a_store_without_heat_maps_is_refused(tree, tmp_path):
    with pytest.raises(ValueError, match="expected a group of the run"):
        results_of(changed(tree, heat=None), tmp_path)


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
    with pytest.raises(ValueError, match="order: expected one of"):
        figures.deletion.curve(results["deletion"], "random", "mean", [], {})
    with pytest.raises(ValueError, match="image: expected 0 to 3, got 9"):
        figures.heat.all_methods(results.heat, 9)


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
    figure = figures.heat.several_classes(results.heat)
    rows = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()]
    shown = [one for one in rows if one != "image" and "map" not in one]
    assert sum(name in ("gradient ×\ninput", "LRP (ε)", "slope") for name in shown) == 1
    assert len(heat.groups(results.heat)) == 6


def test_curves_hold_the_means_of_the_store(results):
    ax = figures.deletion.curve(results["deletion"], "most", "zeros", ["lrp"], {})
    line = next(line for line in ax.lines if line.get_label() == "lrp")
    expected = results["deletion"]["probability"].sel({"attributed_by": "lrp", "order": "most", "replacement": "zeros"})
    np.testing.assert_allclose(line.get_ydata(), expected.mean("example"), rtol=1e-6)
    assert line.get_xdata()[-1] == 100
