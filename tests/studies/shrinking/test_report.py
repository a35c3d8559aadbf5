import re

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis.runs import Run
from sweeps.studies.shrinking import answers as shrinking_claims
from sweeps.studies.shrinking import measures as shrinking
from sweeps.studies.shrinking import report
from sweeps.studies.shrinking import tables as shrinking_tables
from sweeps.studies.shrinking import text as shrinking_text
from sweeps.studies.shrinking.figures import layers, pairs, removal, surfaces
from sweeps.studies.shrinking.results import measure
from tests import drawing
from tests.analysis import synthetic_run
from tests.studies.shrinking import synthetic

TABLES = ("claims", "networks", "removal", "depths", "criteria", "choices", "layers", "optimum", "pairs", "retraining")
FIGURES = (
    *(f"removal_{key}" for key in ("1", "2", "cross_entropy", "regression")),
    *("surfaces_1", "predictions_1", "pairs_2", "layers", "choices", "changes", "optimum", "depths", "retraining"),
)


@pytest.fixture(scope="module")
def tree():
    return synthetic.make_tree()


@pytest.fixture(scope="module")
def written(tree, tmp_path_factory):
    folder = synthetic_run.write_run(tmp_path_factory.mktemp("shrinking"), tree)
    return drawing.write_report(folder).parent


def results_of(tree, tmp_path):
    return measure(Run(tmp_path, tree, "shrinking", "command", "1 CPU device", {}, {}, {}))


def plain(page):
    return re.sub(r"<style>.*?</style>|data:[^\"]*", "", page, flags=re.S).replace("\u00a0", " ")


def test_every_file_is_written(written):
    assert sorted(path.name for path in (written / "tables").iterdir()) == sorted(
        f"{name}.{kind}" for name in TABLES for kind in ("csv", "tex")
    )
    assert {path.stem for path in (written / "figures").iterdir()} == set(FIGURES)
    page = (written / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(FIGURES)
    assert not re.search(r"https?://|<script|<link|url\(|@import", page)


def test_the_page_answers_every_claim_and_says_what_it_is_not(written, tree, tmp_path):
    page = plain((written / "report.html").read_text(encoding="utf-8"))
    results = results_of(tree, tmp_path)
    for claim in results.claims.values():
        assert shrinking_claims.verdict(claim) in page.replace("&#39;", "'"), claim.name
    for expected in (
        "without retraining",
        "Is Oracle Pruning the True Oracle?",
        "arXiv 2412.00143",
        "published: 0.998, 784-100-10 on MNIST",
        "published: 1.000, 784-50-50-10 on MNIST",
        "They are not those of the paper. The task differs: ours is digits.",
        "one trained network of each kind",
        "sweeps study shrinking --out runs/shrinking",
        "All 64 masks of the small network",
    ):
        assert expected in page, expected
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", page)


def test_macros_are_distinct_and_hold_letters_only(written):
    lines = (written / "numbers.tex").read_text(encoding="utf-8").splitlines()
    names = [re.match(r"\\newcommand\{\\(shrinking[A-Za-z]+)\}\{.+\}", line)[1] for line in lines]
    assert len(set(names)) == len(names) > 100
    assert "shrinkingClaimBruteForce" in names and "shrinkingOneLayersLoss" in names


def test_the_least_store_gives_a_page(tmp_path):
    results = results_of(synthetic.make_tree(whole=False), tmp_path)
    made, drawn = shrinking_tables.all_tables(results), report.draw(results)
    assert set(made) == {"claims", "networks", "removal", "choices"}
    assert set(drawn) == {"removal_1", "choices", "changes"}
    (tmp_path / "x.png").write_bytes(b"")
    page = plain(report.page(results, made, dict.fromkeys(drawn, tmp_path / "x.png")).to_html())
    assert "not measured" in page and "This run has no retraining." in page
    assert not re.search(r"\bnan\b|\bNone\b", page)


def test_an_accuracy_like_the_published_one_is_said_to_be_it(tmp_path):
    tree = synthetic.make_tree(whole=False)
    tree["networks/1"].attrs["accuracy"] = 0.9981
    tree["task"].attrs["name"] = "mnist"
    said = shrinking_text.accuracies(results_of(tree, tmp_path))
    assert said.endswith("They are those of the paper.")


def test_a_run_without_paths_is_refused(tmp_path):
    tree = synthetic.make_tree(whole=False)
    del tree["paths"]
    with pytest.raises(ValueError, match="expected removal paths"):
        results_of(tree, tmp_path)


def test_figures_draw_into_given_axes_and_leave_no_trace(tree):
    before = dict(mpl.rcParams)
    paths, found = tree["paths/2"].to_dataset(), tree["surfaces/1"].to_dataset()
    for draw in (
        lambda ax=None: removal.curve(paths, "loss", label="squared error (squared units)", ax=ax),
        lambda ax=None: surfaces.surface(found, "first_order", logarithmic=True, ax=ax),
        lambda ax=None: layers.left(shrinking.left(paths), "brute_force", ax=ax),
    ):
        ax = Figure().subplots()
        assert draw(ax) is ax
        assert ax.get_xlabel() and ax.get_ylabel()
    assert dict(mpl.rcParams) == before
    with pytest.raises(ValueError, match="ranking: expected one of"):
        removal.curve(paths, ranking="twice")
    with pytest.raises(ValueError, match="method: expected one of"):
        surfaces.surface(found, "random")


def test_curves_hold_the_numbers_of_the_store(tree):
    paths = tree["paths/1"].to_dataset()
    ax = removal.curve(paths, "accuracy", "single_pass")
    assert [line.get_label() for line in ax.lines] == ["brute force", "first order", "second order", "random"]
    np.testing.assert_array_equal(
        ax.lines[3].get_ydata(), paths["accuracy"].sel({"ranked_by": "random", "ranking": "single_pass"})
    )


def test_alike_nodes_stand_together_within_their_layers():
    correlation = np.eye(6)
    correlation[0, 3] = correlation[3, 0] = -0.9
    correlation[1, 2] = correlation[2, 1] = 0.8
    layer = np.array(["a"] * 4 + ["b"] * 2, object)
    order = pairs.alike(correlation, layer).tolist()
    assert sorted(order[:4]) == [0, 1, 2, 3] and order[4:] == [4, 5]
    assert abs(order.index(0) - order.index(3)) == 1 and abs(order.index(1) - order.index(2)) == 1
