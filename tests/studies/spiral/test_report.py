"""The report on train first or prune first: every file, every number of its page, and the same bytes twice."""

import re

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from analysis import claims, runs
from analysis.figures import plane, style
from analysis.intervals import Interval
from sweeps.studies.spiral import figures, report, tables
from sweeps.studies.spiral.claims import all_claims
from sweeps.studies.spiral.figures import outcomes, pictures, rates
from sweeps.studies.spiral.measures import FILMS, measure
from sweeps.studies.spiral.numbers import numbers
from tests import drawing
from tests.analysis import synthetic_run
from tests.studies.spiral import synthetic

TABLES = {"claims", "outcomes", "commuting", "correlations", "unmoved", "peaks", "compensation", "deviations", "rates"}
FIGURES = {"pictures", "pictures_without", "outcomes", "kernels", "correlations", "changes", "compensation"}
FIGURES |= {"deviations", "training", "rates", "graph"}


@pytest.fixture(scope="module")
def tree():
    return synthetic.make_tree()


@pytest.fixture(scope="module")
def _few_points():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "POINTS", 21)
        patch.setattr(pictures, "FILM_POINTS", 11)
        patch.setattr(pictures, "FRAMES", 2)
        yield


def blank(path):
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)
    return path


@pytest.fixture(scope="module")
def _no_films(_few_points):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "animation", lambda maps, path, task: blank(path))
        yield


@pytest.fixture(scope="module")
def _no_pictures(_no_films):
    """Figures are made, and not rendered, which takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "coarse", lambda figure, folder, name: (None, blank(folder / f"{name}.png")))
        yield


@pytest.fixture(scope="module")
def written(tree, tmp_path_factory, _no_films):
    return drawing.write_report(synthetic_run.write_run(tmp_path_factory.mktemp("spiral"), tree)).parent


@pytest.fixture(scope="module")
def least(tmp_path_factory, _no_pictures):
    """The report of one seed, without other learning rates, of a network of three hidden layers."""
    tree = synthetic.make_tree(networks=1, choices=1, sizes=(2, 6, 5, 4, 2), with_rates=False, epochs=1)
    return drawing.write_report(synthetic_run.write_run(tmp_path_factory.mktemp("least"), tree)).parent


def results_of(tree, folder):
    config = {"learning_rate": synthetic.RATE, "share": 0.5}
    return measure(runs.Run(folder, tree, "spiral", "command", "1 CPU device", config, {}, {}))


@pytest.fixture(scope="module")
def results(tree, tmp_path_factory):
    return results_of(tree, tmp_path_factory.mktemp("results"))


def numbers_of(results):
    return numbers(results, all_claims(results))


def page_of(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    return re.sub(r"<style>.*?</style>|data:image[^\"]*", "", page, flags=re.S).replace("\u00a0", " ")


def ids(page, kind):
    return re.findall(rf'id="{kind}-(\w+)"', page)


def test_every_file_is_written_and_placed(written):
    drawn = FIGURES if figures.has_networkx() else FIGURES - {"graph"}
    films = {f"film_{name}" for name in FILMS}
    assert {path.name for path in (written / "tables").iterdir()} == {
        f"{n}.{k}" for n in TABLES for k in ("csv", "tex")
    }
    files = {path.name for path in (written / "figures").iterdir()}
    assert files == {f"{name}.png" for name in drawn} | {f"{name}.gif" for name in films}
    page = page_of(written)
    assert set(ids(page, "figure")) == drawn | films and set(ids(page, "table")) == TABLES


@pytest.mark.usefixtures("_few_points")
def test_a_film_has_its_frames(results, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "animation", plane.animation)
    made = pictures.film(results, "trained", tmp_path / "film.gif")
    with Image.open(made) as film:
        assert film.n_frames == 2


def test_the_page_holds_every_claim_and_its_numbers(written, results):
    page, n, judged = page_of(written), numbers_of(results), all_claims(results)
    assert ids(page, "claim") == list(judged)
    for claim in judged.values():
        assert claim.statement.title in page and f"The rule: {claim.statement.rule}." in page
    for found in (
        n.trained_accuracy.interval.times(100).text(unit="%"),
        n.random_accuracy_lost.interval.times(100).text(unit="points"),
        n.random_prune_first_changes_correlation.interval.text(2),
        n("peak in learning rates", rate="0.1").interval.text(2),
        n("smallest deviation accuracy change", rate="0.01").interval.times(100).text(unit="points", signed=True),
        "2-12-12-2",
        "reaches 4.30 standard errors",
        claims.tally(judged),
    ):
        assert found.replace("\u00a0", " ") in page, found
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", page)


def test_main_findings_stand_first_and_the_rest_is_folded(written):
    page = page_of(written)
    folded = re.findall(r'<details class="section" id="([\w-]+)">', page)
    assert folded == [
        "the-claims-one-by-one",
        "with-and-without-bias-compensation",
        "training-curves-and-films",
        "the-network-as-a-graph",
        "the-task-and-the-removal",
        "settings",
    ]
    assert re.findall(r'<section id="([\w-]+)">', page)[0] == "in-short"


def test_tables_and_macros_are_the_same_twice(written, results):
    for table in tables.all_tables(results):
        assert table.to_csv() == (written / "tables" / f"{table.name}.csv").read_text(encoding="utf-8")
    macros = numbers_of(results).to_latex()
    assert macros == (written / "numbers.tex").read_text(encoding="utf-8")
    found = re.findall(r"^\\newcommand\{\\(spiral[A-Za-z]+)\}\{.+\}", macros, re.M)
    assert len(found) == len(macros.splitlines()) > 400
    assert {"spiralClaimPeaks", "spiralTrainedAccuracyLow"} <= set(found)


def test_figures_are_the_same_twice(results, tmp_path):
    saved = [style.save(figures.deviations.deviations(results), tmp_path / name, "same") for name in "ab"]
    assert [path.read_bytes() for path in saved[0]] == [path.read_bytes() for path in saved[1]]


def test_the_synthetic_peak_is_found_and_explained(results):
    np.testing.assert_allclose(results.peaks.sel(source="trained", of="all"), synthetic.DISTANCE, atol=0.02)
    n = numbers_of(results)
    assert n.single_gradient_distance.value == pytest.approx(6.006 * synthetic.RATE, abs=1e-3)
    assert n.published_learning_rate.value == pytest.approx(0.0982, abs=1e-3)
    assert n.claim_single_gradient.value == all_claims(results)["single_gradient"].verdict


def test_one_seed_decides_nothing(least):
    page = page_of(least)
    n = dict(re.findall(r"\\(\w+)\}\{(.*?)\}(?: %|$)", (least / "numbers.tex").read_text(encoding="utf-8"), re.M))
    verdicts = {n[name] for name in n if re.match("spiralClaim[A-Z]", name)}
    assert verdicts == {"undecided"}
    assert "There is one seed" in page and "2-6-5-4-2" in page and "in hidden layer 3" in page
    assert "rates" not in ids(page, "figure") + ids(page, "table")
    assert 'id="what-the-learning-rate-does"' not in page
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", page)


def test_without_networkx_the_page_says_how_to_get_the_drawing(least, _no_pictures, monkeypatch):
    monkeypatch.setattr(figures, "has_networkx", lambda: False)
    monkeypatch.setattr(report, "figures", figures)
    drawing.write_report(least)
    page = page_of(least)
    assert "graph" not in ids(page, "figure") and "gatesweep[graph]" in page


def test_values_that_are_not_known_are_counted(tree, tmp_path):
    broken = tree.copy(deep=True)
    pruned = broken["pruned"].to_dataset()
    pruned["loss"][..., 0] = np.inf
    broken["pruned"] = xr.DataTree(pruned)
    n = numbers_of(results_of(broken, tmp_path))
    assert n.unknown.value == 3 * 2 * 3
    assert n.random_pruned_with_loss.interval.networks == 2


def test_a_run_without_its_groups_is_refused(tree, tmp_path):
    broken = tree.copy()
    del broken["nodes"]
    with pytest.raises(ValueError, match="must be a group of the run"):
        results_of(broken, tmp_path)


def test_compensation_is_paired_and_has_its_sign(tree, tmp_path):
    changed = tree.copy(deep=True)
    pruned = changed["pruned"].to_dataset()
    pruned["accuracy"].loc[{"compensation": "without"}] = 0.5
    for arm, accuracy in {"pruned": 0.75, "finetuned": 0.25, "prune_first": 0.5}.items():
        pruned["accuracy"].loc[{"compensation": "with", "arm": arm}] = accuracy
    changed["pruned"] = xr.DataTree(pruned)
    results = results_of(changed, tmp_path)
    n = numbers_of(results)
    found = [n(f"random {arm} compensated accuracy").value for arm in ("pruned", "finetuned", "prune_first")]
    assert found == [0.25, -0.25, 0.0]
    kinds = ("random", "smallest deviation")
    expected = [(kind, arm) for kind in kinds for arm in ("pruned", "finetuned")]
    assert report._facts(results)["compensated"] == expected


def bars(ax):
    """Length of each error bar of axes, lying or standing, in the order it was drawn."""
    found = []
    for container in ax.containers:
        for one in container[2]:
            found += [np.ptp(segment, axis=0).max() for segment in one.get_segments()]
    return np.array(found)


def test_error_bars_are_as_long_as_the_intervals(results):
    drawn = outcomes.panels(
        {"x": [outcomes.Dot("a", "", Interval(1.0, 0.25, 3)), outcomes.Dot("b", "", Interval(2.0, np.nan, 1))]},
        {"": {}},
    )
    np.testing.assert_allclose(bars(drawn.axes[0]), [0.5, 0.0])
    half = results.compensated("accuracy", "pruned", "random").half
    assert bars(outcomes.compensation(results).axes[0])[0] == pytest.approx(2 * half)
    constant = rates.overview(results.rates).axes[0]
    found = rates.rates.each(results.rates["dead"], layer="layers/0")
    np.testing.assert_allclose(bars(constant)[:2], [2 * one.half for one in found])


def test_dots_of_one_row_stand_beside_each_other(results):
    figure = outcomes.outcomes(results)
    places = [container[0].get_ydata(orig=False) for container in figure.axes[0].containers]
    whole, compensated, plain = places
    assert whole.tolist() == [0, 1, 2]
    np.testing.assert_allclose(plain - compensated, 0.26)
    np.testing.assert_allclose((plain + compensated) / 2, np.arange(3, 9))
    assert [text.get_text() for text in figure.legends[0].get_texts()][0] == "nothing removed"
