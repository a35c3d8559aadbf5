"""The report of the sparsity study: from a whole store, from the least, and from awkward ones."""

import re

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.runs import Run
from sweeps.studies.shrinking.claims import OPEN
from sweeps.studies.sparsity import answers as sparsity_claims
from sweeps.studies.sparsity import claims, report
from sweeps.studies.sparsity import measures as sparsity
from sweeps.studies.sparsity import numbers as sparsity_numbers
from sweeps.studies.sparsity import text as sparsity_text
from sweeps.studies.sparsity.figures import curves, finetuned, layers, looks, plateaus, weights
from sweeps.studies.sparsity.results import measure
from tests import drawing
from tests.analysis import synthetic_run
from tests.studies.sparsity import synthetic

TABLES = (
    *("claims", "curves", "plateaus", "equal_weights", "epochs"),
    *("heuristics", "scopes", "layers", "finetuned", "cost"),
)
FIGURES = (
    "curves",
    "plateaus",
    "equal_weights",
    "epochs",
    "heuristics",
    "scopes",
    "layers",
    "finetuned",
    "cost",
    "training",
)


@pytest.fixture(scope="module")
def tree():
    return synthetic.make_tree()


@pytest.fixture(scope="module")
def written(tree, tmp_path_factory):
    folder = synthetic_run.write_run(tmp_path_factory.mktemp("sparsity"), tree)
    return drawing.write_report(folder).parent


@pytest.fixture(scope="module")
def results(tree, tmp_path_factory):
    return results_of(tree, tmp_path_factory.mktemp("results"))


def results_of(tree, tmp_path):
    return measure(Run(tmp_path, tree, "sparsity", "command", "1 CPU device", {}, {}, {}))


def plain(page):
    page = re.sub(r"<style>.*?</style>|data:[^\"]*", "", page, flags=re.S)
    return page.replace("\u00a0", " ").replace("&#39;", "'")


def page_of(results, tmp_path):
    """The page with empty pictures: drawing is what takes time."""
    (tmp_path / "x.png").write_bytes(b"")
    made, drawn = sparsity_numbers.all_tables(results), report.draw(results)
    return made, drawn, plain(report.page(results, made, dict.fromkeys(drawn, tmp_path / "x.png")).to_html())


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
        assert sparsity_claims.answer(claim, results).replace("\u00a0", " ").replace("'", "'") in page, claim.name
    for expected in (
        "published: 70 to 75 %",
        "published: just under 50 %",
        "Half of the units of the published network take 66.8 % of its prunable weights along",
        "the network (12-20-20-10-10, theirs 784-1000-1000-500-200-10)",
        "A later recovery does not count",
        "One of the 540 test examples is 0.19 points.",
        "sweeps study sparsity --out runs/sparsity",
        "interpolated linearly between these",
        "first empty: layer 1 (12 × 20), from 85 % on at the earliest",
    ):
        assert expected in page, expected
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", page)


def test_macros_are_distinct_and_hold_letters_only(written):
    lines = (written / "numbers.tex").read_text(encoding="utf-8").splitlines()
    names = [re.match(r"\\newcommand\{\\(sparsity[A-Za-z]+)\}\{.+\}", line)[1] for line in lines]
    assert len(set(names)) == len(names) > 100
    assert "sparsityClaimWeightsPlateau" in names and "sparsityWeightsEndInWeightsGone" in names


def test_two_writes_give_the_same_page_and_tables(results, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for table in sparsity_numbers.all_tables(results).values():
            table.write(tmp_path / name)
        sparsity_numbers.numbers(results).write(tmp_path / name / "numbers.tex")
        figure = weights.overview(results.equal)
        style.save(figure, tmp_path / name, "equal")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_tables_hold_the_numbers_of_the_store(results):
    made = sparsity_numbers.all_tables(results)
    ends = {column.key: column.values for column in made["plateaus"].columns}
    mine = results.numbers["end"].sel({"pruned_by": "weights_magnitude_layer", "fall": 0.01}).values
    assert ends["end"][0] == pytest.approx(mine.mean()) and ends["least"][0] == mine.min()
    assert len(ends["end"]) == len(synthetic.METHODS)
    ranked = {column.key: column.values for column in made["heuristics"].columns}
    units = [mean for kind, mean in zip(ranked["kind"], ranked["mean"], strict=True) if kind == "units"]
    assert units == sorted(units, reverse=True)
    assert ranked["by"][len(ranked["by"]) - len(units)] == "brute force"


def test_the_least_store_gives_a_page(tmp_path):
    made, drawn, page = page_of(results_of(synthetic.make_tree(whole=False), tmp_path), tmp_path)
    assert set(made) == {"claims", "curves", "plateaus", "equal_weights", "epochs", "heuristics", "scopes"}
    assert not {"layers", "finetuned", "cost"} & set(drawn)
    assert "not measured" in page and "Nothing was fine-tuned in this run." in page
    assert not re.search(r"\bnan\b|\bNone\b", page)


def test_one_network_has_no_intervals_and_no_verdicts_on_networks(tmp_path):
    tree = synthetic.make_tree(networks=1)
    results = results_of(tree, tmp_path)
    made, drawn, page = page_of(results, tmp_path)
    about_networks = [claim.verdict for name, claim in results.claims.items() if name not in ("zeroed", "removed")]
    assert set(about_networks) == {claims.UNDECIDED}
    assert "With one network there is no interval" in page and "(no interval)" in page
    assert not re.search(r"\bnan\b|\bNone\b|± ?n", page)
    # One line a kind, no bands.
    assert not drawn["curves"].axes[0].collections
    assert set(made) == set(TABLES)


def test_only_the_published_ways_at_one_length_of_training(tmp_path):
    tree = synthetic.make_tree(whole=False, networks=2)
    least = tree["curves"].to_dataset().sel({"pruned_by": list(synthetic.MAIN), "epochs": [20]})
    tree["curves"] = least.assign(accuracy=least["accuracy"].astype(np.float32)).assign_attrs(complete=True)
    made, drawn, page = page_of(results_of(tree, tmp_path), tmp_path)
    assert set(made) == {"claims", "curves", "plateaus", "equal_weights"}
    assert set(drawn) == {"curves", "plateaus", "equal_weights", "training"}
    assert "This run has one length of training." in page and not re.search(r"\bnan\b|\bNone\b", page)


def test_a_curve_that_is_not_known_is_left_out(tmp_path):
    tree = synthetic.make_tree(networks=3)
    data = tree["curves"].to_dataset().copy(deep=True)
    data["accuracy"].loc[{"network": 1}] = np.nan
    tree["curves"] = data
    results = results_of(tree, tmp_path)
    _, _, page = page_of(results, tmp_path)
    ends = results.claims["weights_plateau"].values["20"]["ends"][0.01]
    assert ends.networks == 2 and not re.search(r"\bnan\b|\bNone\b", page)


def test_curves_that_never_fall_and_that_recover_are_said_to_do_so(tmp_path):
    tree = synthetic.make_tree(whole=False)
    data = tree["curves"].to_dataset().copy(deep=True)
    data["accuracy"].loc[{"pruned_by": "weights_magnitude_layer", "network": 0}] = 0.97
    data["accuracy"].loc[{"pruned_by": "units_norm_layer", "network": 1, "percent": 10}] = 0.5
    tree["curves"] = data
    results = results_of(tree, tmp_path)
    said = sparsity_text.ends(results)
    assert "With weights 1 of 6 networks never fall so far" in said
    assert "With units 1 of 6 networks recover once or more" in said
    made = sparsity_numbers.all_tables(results)["plateaus"]
    assert {column.key for column in made.columns} >= {"never", "recover"}


def test_fine_tuning_of_a_few_ways_without_the_published_ones(tmp_path):
    tree = synthetic.make_tree(networks=2)
    data = tree["finetuned"].to_dataset()
    tree["finetuned"] = data.sel({"pruned_by": ["units_activation_layer", "units_random_layer"]})
    results = results_of(tree, tmp_path)
    assert results.claims["evened"].verdict == OPEN
    said = sparsity_text.finetuned(results)
    assert said.startswith("Only 0, 25") and "moves" not in said and "told apart" not in said
    assert len(sparsity_numbers.all_tables(results)["finetuned"].columns[0].values) == 2
    assert finetuned.overview(results.last, results.finetuned).axes


def test_the_published_setting_is_said_to_be_it(tmp_path):
    tree = synthetic.make_tree(whole=False, networks=2)
    tree["task"].attrs["name"] = "mnist"
    tree["training"].attrs["sizes"] = list(sparsity_text.PUBLISHED_SIZES)
    said = sparsity_text.differences_of_setting(results_of(tree, tmp_path))
    assert "the task" not in said and "the network (" not in said and "by eye" in said


def test_a_store_without_curves_is_refused(tmp_path):
    tree = synthetic.make_tree(whole=False)
    del tree["curves"]
    with pytest.raises(ValueError, match="expected a group of the run"):
        results_of(tree, tmp_path)


def test_figures_draw_into_given_axes_and_leave_no_trace(results):
    before = dict(mpl.rcParams)
    for draw in (
        lambda ax: curves.curve(results.last, "loss", ax=ax),
        lambda ax: weights.law(results.equal, ax),
        lambda ax: plateaus.ends(results.numbers, sparsity.methods(results.curves), ax),
    ):
        ax = Figure().subplots()
        assert draw(ax) is ax and ax.get_xlabel()
    assert dict(mpl.rcParams) == before
    with pytest.raises(ValueError, match="name: expected 'accuracy' or 'loss'"):
        curves.curve(results.last, "error")
    with pytest.raises(ValueError, match="shown: expected one way of pruning or more"):
        plateaus.ends(results.numbers, [])
    with pytest.raises(ValueError, match="layers: expected a global scope"):
        layers.overview(results.layers.sel({"pruned_by": list(synthetic.MAIN)}), results.sizes)


def test_curves_hold_the_means_of_the_store(results):
    ax = curves.curve(results.last)
    mean = results.last["accuracy"].sel({"pruned_by": "units_norm_layer"}).mean("network")
    line = next(line for line in ax.lines if line.get_label() == "units")
    np.testing.assert_allclose(line.get_ydata(), mean)
    assert ax.collections  # bands


def test_fine_tuning_without_any_error_is_drawn(results):
    perfect = results.finetuned.copy(deep=True)
    perfect["accuracy"][:] = 1.0
    figure = finetuned.overview(results.last, perfect)
    assert figure.axes[2].get_yscale() == "log" and looks.shade(0, 5) != looks.shade(4, 5)
