"""The report: its files, its numbers, the structure of its page, and its figures."""

import re

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image

from analysis import runs
from analysis.figures import style
from analysis.runs import Run
from sweeps._studies.shrinking import numbers, report
from sweeps._studies.shrinking.claims import all_claims
from sweeps._studies.shrinking.figures import layers, pairs, removal, surfaces
from sweeps._studies.shrinking.measures import measure
from sweeps._studies.shrinking.measures.layers import left
from tests import drawing
from tests.analysis import synthetic_run
from tests.studies.shrinking import synthetic

TABLES = (
    *("claims", "networks", "removal", "depths", "criteria", "choices", "layers", "optimum", "pairs", "retraining"),
    *("early", "larger", "memory", "replacing", "cascade"),
)
FIGURES = (
    *("removal_1", "removal_2", "depths", "memory", "larger", "early", "retraining", "surfaces_1"),
    *("optimum", "choices", "pairs_1", "replacing", "cascade", "layers", "graph", "predictions_1", "changes"),
    *("surfaces_2", "predictions_2", "pairs_2", "removal_cross_entropy", "removal_regression"),
)


@pytest.fixture(scope="module")
def tree():
    return synthetic.make_tree()


@pytest.fixture(scope="module")
def written(tree, tmp_path_factory):
    folder = synthetic_run.write_run(tmp_path_factory.mktemp("shrinking"), tree)
    return drawing.write_report(folder).parent


@pytest.fixture(scope="module")
def results(written):
    return measure(runs.open_run(written))


@pytest.fixture(scope="module")
def n(results):
    return numbers.make(results, all_claims(results))


def page_of(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    return re.sub(r"<style.*?</style>|<script>.*?</script>|data:[^\"]*", "", page, flags=re.S).replace("\u00a0", " ")


def test_every_file_is_written_and_every_figure_stands_on_the_page(written):
    assert sorted(path.name for path in (written / "tables").iterdir()) == sorted(
        f"{name}.{kind}" for name in TABLES for kind in ("csv", "tex")
    )
    page = page_of(written)
    assert tuple(re.findall(r'id="figure-(\w+)"', page)) == FIGURES
    assert set(re.findall(r'id="table-(\w+)"', page)) == set(TABLES)
    assert not drawing.without_bars(written) and not drawing.unclear(written)


def test_the_page_has_every_claim_with_its_verdict_and_no_gaps(written, results):
    page = page_of(written)
    shown = re.findall(r'id="claim-(\w+)">\s*<h3>.*?<span class="verdict [\w-]+">([\w ]+)</span>', page)
    assert dict(shown) == {name: claim.verdict for name, claim in all_claims(results).items()}
    text = re.sub(r"<[^>]+>", " ", page)
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b|[{}]", text)
    assert not re.search(r"\b1 (removals|nodes|epochs)\b|never removals", text)
    assert "arXiv 2412.00143" in text and "2 trained networks of each kind" in text
    assert page.index('id="figure-surfaces_1"') < page.index('<details class="section"') < page.index("claim-proxy")


def test_macros_are_distinct_and_hold_letters_only(written):
    lines = (written / "numbers.tex").read_text(encoding="utf-8").splitlines()
    names = [re.match(r"\\newcommand\{\\(shrinking[A-Za-z]+)\}\{.+\}", line)[1] for line in lines]
    assert len(set(names)) == len(names) > 100
    assert "shrinkingClaimBruteForce" in names and "shrinkingOneLayersLoss" in names


def test_numbers_are_those_of_the_store(n, results, tree):
    paths, network = tree["paths/1"].to_dataset(), tree["networks/1"].to_dataset()
    one = paths.sel({"ranked_by": "brute_force", "ranking": "reranked"})
    assert n.networks.value == 2 and n("1 layers published accuracy").value == 0.998
    assert n("1 layers accuracy").value == pytest.approx(network["accuracy"].values.mean())
    assert not n.accuracies_as_published.value
    assert n("1 layers lowest loss").value == pytest.approx(one["loss"].values.min(axis=1).mean())
    counts = []
    for accuracy in one["accuracy"].values:
        kept = (accuracy >= accuracy[0] - 0.01 - 1e-9).tolist()
        counts.append([*kept, False].index(False) - 1)
    removable = n("1 layers reranked brute_force removable", drop=0.01)
    half = 12.706 * abs(counts[0] - counts[1]) / 2  # t with one degree of freedom
    assert removable.value == np.mean(counts) and removable.interval.half == pytest.approx(half, rel=1e-4)
    accuracies = [tree[f"networks/{key}"]["accuracy"].values.mean() for key in ("1", "2", "3")]
    assert (n.least_accuracy.value, n.most_accuracy.value) == pytest.approx((min(accuracies), max(accuracies)))
    assert n.small_masks.value == 16 and n.small_sizes.value == 3
    assert n.retraining_every.value == 2 and n.retraining_epochs.value == 1
    claims = all_claims(results)
    assert n.claims.value == len(claims) and n.claim_second_over_first.value == claims["second_over_first"].verdict


def test_predictions_that_miss_by_a_known_share(results):
    data = results.surfaces["1"].copy(deep=True)
    off, on = (data["loss"].sel(gain=gain, method="nearest", drop=True) for gain in (0, 1))
    data["first_order"] = data["loss"] + 0.3 * (off - on)
    data["second_order"] = data["loss"]
    found = numbers.missed(data)
    assert found["first_order"].mean == pytest.approx(0.3) and found["second_order"].mean == 0
    assert found["first_order"].half == pytest.approx(0, abs=1e-9)


def blank(figure, folder, name):
    """Save a white picture: drawing is what takes time."""
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (1, 1)).save(folder / f"{name}.png")
    return None, folder / f"{name}.png"


def test_the_least_store_gives_a_page(tmp_path, monkeypatch):
    monkeypatch.setattr(style, "save", blank)
    page = page_of(report.write(synthetic_run.write_run(tmp_path, synthetic.make_tree(whole=False))).parent)
    assert set(re.findall(r'id="table-(\w+)"', page)) == {"claims", "networks", "removal", "choices", "pairs"}
    assert re.findall(r'id="figure-(\w+)"', page) == [
        *("removal_1", "surfaces_1", "choices", "pairs_1", "graph", "predictions_1", "changes")
    ]
    assert "not measured" in page and "This run has no retraining." in page
    assert "one trained network of each kind" in page and "no claim is decided" in page
    assert not re.search(r"\bnan\b|\bNone\b", page)


def test_an_accuracy_like_the_published_one_is_one(tmp_path):
    tree = synthetic.make_tree(whole=False)
    tree["networks/1/accuracy"] = xr.DataArray([0.9981], dims="network")
    results = measure(Run(tmp_path, tree, "shrinking", "command", "1 CPU device", {}, {}, {}))
    assert numbers.make(results, all_claims(results)).accuracies_as_published.value


def test_a_run_without_paths_is_refused(tmp_path):
    tree = synthetic.make_tree(whole=False)
    del tree["paths"]
    with pytest.raises(ValueError, match="removal paths"):
        measure(Run(tmp_path, tree, "shrinking", "command", "1 CPU device", {}, {}, {}))


def test_figures_draw_into_given_axes_and_leave_no_trace(tree):
    before = dict(mpl.rcParams)
    paths, found = tree["paths/2"].to_dataset(), tree["surfaces/1"].to_dataset().isel(network=0)
    for draw in (
        lambda ax=None: removal.curve(paths, "loss", label="squared error (squared units)", ax=ax),
        lambda ax=None: surfaces.surface(found, "first_order", logarithmic=True, ax=ax),
        lambda ax=None: layers.remaining(left(paths), "brute_force", ax=ax),
    ):
        ax = Figure().subplots()
        assert draw(ax) is ax
        assert ax.get_xlabel() and ax.get_ylabel()
    assert dict(mpl.rcParams) == before


def test_curves_hold_the_numbers_of_the_store(tree):
    paths = tree["paths/1"].to_dataset()
    ax = removal.curve(paths, "accuracy", "single_pass")
    assert [line.get_label() for line in ax.lines] == ["brute force", "first order", "second order", "random"]
    values = paths["accuracy"].sel({"ranked_by": "random", "ranking": "single_pass"}).mean("network")
    np.testing.assert_allclose(ax.lines[3].get_ydata(), values)
    # Told apart without colour, and each with its interval.
    assert len({str(line.get_linestyle()) + str(line._unscaled_dash_pattern) for line in ax.lines}) == 4
    assert len(ax.collections) == 4


def test_alike_nodes_stand_together_within_their_layers():
    correlation = np.eye(6)
    correlation[0, 3] = correlation[3, 0] = -0.9
    correlation[1, 2] = correlation[2, 1] = 0.8
    layer = np.array(["a"] * 4 + ["b"] * 2, object)
    order = pairs.alike(correlation, layer).tolist()
    assert sorted(order[:4]) == [0, 1, 2, 3] and order[4:] == [4, 5]
    assert abs(order.index(0) - order.index(3)) == 1 and abs(order.index(1) - order.index(2)) == 1
