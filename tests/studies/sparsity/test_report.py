"""The report of the sparsity study: from a whole store, and from runs whose settings leave something out."""

import re

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from analysis import claims as claims_of_any
from analysis._reports.page import Page
from analysis.claims import NOT_COMPARABLE, NOT_MEASURED, UNDECIDED
from analysis.runs import Run
from sweeps._studies.sparsity import claims, further_claims, measures, numbers, report, tables
from sweeps._studies.sparsity.figures import curves, finetuned, looks, plateaus, weights
from tests import drawing
from tests.analysis import synthetic_run
from tests.studies.sparsity import synthetic

TABLES = {
    *("claims", "curves", "plateaus", "equal_weights", "epochs"),
    *("heuristics", "scopes", "layers", "finetuned", "cost"),
    *("connections", "overfitting", "reactivated"),
}
LATER = {"finetuned", "connections", "overfitting", "reactivated", "graph"}
FIRST = ["curves", "plateaus", "equal_weights", "heuristics", "connections", "overfitting", "finetuned", "reactivated"]
FIGURES = [*FIRST, "epochs", "cost", "scopes", "layers", "graph", "training"]


def results_of(tree, folder):
    return measures.measure(Run(folder, tree, "sparsity", "command", "1 CPU device", {}, {}, {}))


@pytest.fixture(scope="module")
def tree():
    return synthetic.make_tree()


@pytest.fixture(scope="module")
def results(tree, tmp_path_factory):
    return results_of(tree, tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def written(tree, tmp_path_factory):
    folder = synthetic_run.write_run(tmp_path_factory.mktemp("sparsity"), tree)
    return drawing.write_report(folder).parent


def text_of(html):
    """A page without pictures and styles, checked to say no number that is not one."""
    page = re.sub(r"<style.*?</style>|data:[^\"]*", "", html, flags=re.S).replace("\u00a0", " ")
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b|± ?n|undefined", page)
    return page


def page_of(results, figures=FIGURES):
    """Numbers, claims, tables and page, whose pictures are blank: drawing is what takes time."""
    picture = results.run.folder / "blank.png"
    Image.new("RGB", (1, 1)).save(picture)
    judged = claims.all_claims(results)
    n, made = numbers.all_numbers(results, judged), {one.name: one for one in tables.all_tables(results)}
    page = Page(results.run, report.TEMPLATE, n, made, dict.fromkeys(figures, picture), judged, report.facts(results))
    return n, judged, made, text_of(page.to_html())


@pytest.fixture(scope="module")
def made(results):
    return page_of(results)


@pytest.fixture(scope="module")
def n(made):
    return made[0]


@pytest.fixture(scope="module")
def judged(made):
    return made[1]


def placed(page, kind):
    return re.findall(f'id="{kind}-(\\w+)"', page)


def test_every_file_is_written(written):
    assert {path.name for path in (written / "tables").iterdir()} == {
        f"{name}.{kind}" for name in TABLES for kind in ("csv", "tex")
    }
    assert {path.stem for path in (written / "figures").iterdir()} == set(FIGURES)
    assert not drawing.without_bars(written) and not drawing.unclear(written)


def test_the_page_shows_everything_and_the_main_findings_first(written, judged):
    html = (written / "report.html").read_text(encoding="utf-8")
    assert html.count("data:image/") == len(FIGURES) and len(html) < 3e6
    assert not re.search(r"https?://|<script src|<link(?! rel=.icon. href=.data:,.>)|url\(|@import", html)
    page = text_of(html)
    first, _, folded = page.partition('<details class="section"')
    assert placed(first, "figure") == FIRST and placed(page, "figure") == FIGURES
    assert set(placed(page, "table")) == TABLES and placed(first, "table")[0] == "claims"
    assert placed(folded, "claim") == list(judged) and "sweeps study sparsity --out runs/sparsity" in page


def test_two_reports_of_one_store_are_the_same(results, made, written):
    n, _, tables_of_it, page = page_of(results)
    assert page == made[3] and n.to_latex() == (written / "numbers.tex").read_text(encoding="utf-8")
    for one in tables_of_it.values():
        assert one.to_csv() == (written / "tables" / f"{one.name}.csv").read_text(encoding="utf-8")


def test_every_claim_is_judged_and_said(results, judged, n):
    assert list(judged) == list(claims.STATEMENTS)
    assert all(one.statement is claims.STATEMENTS[name] and one.known for name, one in judged.items())
    ours = {name for name, one in claims.STATEMENTS.items() if one.source == "ours"}
    assert ours == {"equal_weights", "evened", "beyond_norm", "largest", "weights_for_a_time"}
    assert claims.STATEMENTS["weights_plateau"].published == "around 70-75\u00a0%"
    assert all(n(f"claim {name}").value == one.verdict for name, one in judged.items())
    assert judged["removed"].unit == "%" and 0 < judged["removed"].values["time"]["measured"].mean < 1
    shown = [claims_of_any.measured(one) for one in judged.values()]
    assert all(shown) and not any("parts hold" in text for text in shown)


def test_numbers_are_those_of_the_store(results, n):
    assert n.published_weights_gone_with_half_of_the_nodes.value == pytest.approx(0.6678, abs=1e-4)
    assert n.weights_gone_with_half_of_the_nodes.value == pytest.approx(1 - synthetic.left("units", 50))
    assert (n.test_examples.value, n.smallest_step.value, n.largest_step.value) == (540, 2, 5)
    assert n.points_of_one_test_example.value == pytest.approx(100 / 540)
    assert n("weights_magnitude_global_raw empty from").value == 85
    ends = results.numbers["end"].sel({"pruned_by": "units_norm_layer", "fall": 0.01}).values
    assert n.units_end.value == pytest.approx(ends.mean()) == n("units end after 20 epochs").value
    accuracy = results.last["accuracy"].sel({"pruned_by": "units_norm_layer"}).mean("network")
    lost = float(accuracy.sel(percent=0) - accuracy.sel(percent=50))
    assert n("units accuracy lost at 50 percent").value == pytest.approx(100 * lost)
    assert "weights accuracy lost at 75 percent" in n and n.to_latex().count("\\newcommand") == len(n) > 300


def test_tables_hold_the_numbers_of_the_store(results):
    made = {one.name: {column.key: column.values for column in one.columns} for one in tables.all_tables(results)}
    ends = made["plateaus"]
    mine = results.numbers["end"].sel({"pruned_by": "weights_magnitude_layer", "fall": 0.01}).values
    assert ends["end"][0] == pytest.approx(mine.mean()) and ends["least"][0] == mine.min()
    assert len(ends["end"]) == len(synthetic.METHODS)
    ranked = [row for row in zip(*(made["heuristics"][key] for key in ("kind", "by", "mean")), strict=True)]
    nodes = [(mean, by) for kind, by, mean in ranked if kind == "nodes"]
    assert nodes == sorted(nodes, reverse=True) and nodes[0][1] == "brute force"


def test_a_run_without_fine_tuning(tmp_path):
    results = results_of(synthetic.make_tree(networks=2, step=25, fine_tuned=False), tmp_path)
    _, judged, made, page = page_of(results, [one for one in FIGURES if one not in LATER])
    assert set(made) == TABLES - {"claims"} - LATER and 'id="after-fine-tuning"' not in page
    assert judged["evened"].verdict == NOT_MEASURED and 'id="claim-evened"' in page


def test_fine_tuning_of_the_published_ways_alone(tmp_path):
    tree = synthetic.make_tree(networks=2, step=25)
    tree["finetuned"] = tree["finetuned"].to_dataset().sel({"pruned_by": list(synthetic.MAIN)})
    results = results_of(tree, tmp_path)
    _, judged, made, page = page_of(results)
    assert judged["evened"].verdict == NOT_MEASURED and 'id="after-fine-tuning"' in page
    assert len(made["finetuned"].columns[0].values) == 2
    assert finetuned.overview(results.last, results.finetuned.curves, results.numbers["mean_accuracy"]).axes


def test_one_network_has_no_intervals_and_no_verdicts_on_networks(tmp_path):
    results = results_of(synthetic.make_tree(networks=1, step=25), tmp_path)
    n, judged, made, page = page_of(results)
    about_one = {"zeroed", "removed", "same", "training_time", "weights_plateau", "units_plateau"}
    assert {claim.verdict for name, claim in judged.items() if name not in about_one} == {UNDECIDED}
    assert (
        judged["units_plateau"].verdict == NOT_COMPARABLE
        and not n.weights_end.interval.known
        and "(no interval)" in page
    )
    assert "distance left at equal weights" not in n and "weights ahead at equal weights" not in n
    assert set(made) == TABLES - {"claims"}
    # One line a kind, no bands.
    assert not curves.curve(results.last["accuracy"]).collections


def test_one_length_of_training_and_one_timed_sparsity(tmp_path):
    tree = synthetic.make_tree(networks=2, step=25, fine_tuned=False)
    tree["curves"] = tree["curves"].to_dataset().sel(epochs=[20])
    tree["cost"] = tree["cost"].to_dataset().sel(percent=[0])
    results = results_of(tree, tmp_path)
    drawn = set(FIGURES) - LATER - {"epochs"}
    n, judged, made, page = page_of(results, drawn)
    assert "epochs" not in made and 'id="training-for-longer"' not in page
    unknown = {"epochs_accuracy", "epochs_end", "evened", "zeroed", "removed", "logits"}
    unknown |= set(further_claims.STATEMENTS) - {"largest"}
    assert {name for name, one in judged.items() if not one.known} == unknown
    assert judged["weights_plateau"].measured.mean == pytest.approx(n.weights_end.value / 100)


def test_curves_that_never_fall_and_that_recover_are_counted(tmp_path):
    tree = synthetic.make_tree(fine_tuned=False)
    data = tree["curves"].to_dataset().copy(deep=True)
    data["accuracy"].loc[{"pruned_by": "weights_magnitude_layer", "network": 0}] = 0.97
    data["accuracy"].loc[{"pruned_by": "units_norm_layer", "network": 1, "percent": 10}] = 0.5
    tree["curves"] = data
    n, _, made, page = page_of(results_of(tree, tmp_path), [one for one in FIGURES if one not in LATER])
    assert n.weights_networks_that_never_fall.value == 1 and "1 of 6 networks never fall" in page
    assert n.units_networks_that_recover.value == 1 and "1 of 6 networks recovers" in page
    assert {column.key for column in made["plateaus"].columns} >= {"never", "recover"}


def test_the_published_setting_differs_in_nothing(tmp_path, made):
    tree = synthetic.make_tree(networks=2, step=25, fine_tuned=False)
    tree["task"].attrs["name"] = "mnist"
    tree["training"].attrs["sizes"] = list(claims.PUBLISHED_SIZES)
    *_, page = page_of(results_of(tree, tmp_path), [one for one in FIGURES if one not in LATER])
    assert "theirs MNIST" not in page and "theirs 784" not in page
    assert "theirs MNIST" in made[3] and "theirs 784" in made[3]


def test_what_cannot_be_reported_is_refused(tmp_path):
    tree = synthetic.make_tree(networks=2, step=25)
    tree["curves"] = tree["curves"].to_dataset().sel(percent=[0])
    with pytest.raises(ValueError, match="curves must have two percentages or more"):
        results_of(tree, tmp_path)
    del tree["curves"]
    with pytest.raises(ValueError, match="a group of the run"):
        results_of(tree, tmp_path)


def test_figures_draw_into_given_axes_and_leave_no_trace(results):
    before = dict(mpl.rcParams)
    for make in (
        lambda ax: curves.curve(results.last["loss"], ax),
        lambda ax: weights.law(results.equal, ax),
        lambda ax: plateaus.ends(results.numbers, measures.methods(results.curves), ax),
    ):
        ax = Figure().subplots()
        assert make(ax) is ax and ax.get_xlabel()
    assert dict(mpl.rcParams) == before


def test_curves_hold_the_means_of_the_store(results):
    ax = curves.curve(results.last["accuracy"])
    mean = results.last["accuracy"].sel({"pruned_by": "units_norm_layer"}).mean("network")
    line = next(line for line in ax.lines if line.get_label() == "nodes")
    np.testing.assert_allclose(line.get_ydata(), mean)
    assert ax.collections  # bands


def test_fine_tuning_without_any_error_is_drawn(results):
    perfect = results.finetuned.curves.copy(deep=True)
    perfect["accuracy"][:] = 1.0
    figure = finetuned.overview(results.last, perfect, results.numbers["mean_accuracy"])
    assert figure.axes[2].get_yscale() == "log" and looks.shade(0, 5) != looks.shade(4, 5)
