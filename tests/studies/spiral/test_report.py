"""The report on train first or prune first: every file, every number of its page, and pictures that show them."""

import re

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from analysis import claims, runs
from analysis.intervals import Interval
from sweeps._studies.spiral import report, tables
from sweeps._studies.spiral.claims import all_claims
from sweeps._studies.spiral.figures import outcomes, pictures, rates
from sweeps._studies.spiral.measures import FILMS, measure
from sweeps._studies.spiral.names import ARMS, NODES
from sweeps._studies.spiral.numbers import numbers
from tests import drawing
from tests.analysis import synthetic_run
from tests.studies.spiral import synthetic

TABLES = {"claims", "outcomes", "commuting", "correlations", "unmoved", "peaks", "compensation", "deviations", "rates"}
TABLES |= {"roles", "roles_rates"}
FIGURES = {"pictures", "pictures_without", "outcomes", "kernels", "correlations", "changes", "compensation"}
FIGURES |= {"deviations", "training", "rates", "roles", "graph"}


def blank(path):
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)
    return path


def report_of(tree, folder, rendered=False):
    """Write a report without films; where figures are not rendered, which takes most of the time, files are blank."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "POINTS", 21)
        patch.setattr(pictures, "animation", lambda maps, path, task: blank(path))
        if not rendered:
            patch.setattr(drawing, "coarse", lambda figure, folder, name: (None, blank(folder / f"{name}.png")))
        return drawing.write_report(synthetic_run.write_run(folder, tree)).parent


def results_of(tree, folder="folder"):
    config = {"learning_rate": synthetic.RATE, "share": 0.5}
    return measure(runs.Run(folder, tree, "spiral", "command", "1 CPU device", config, {}, {}))


def numbers_of(tree):
    results = results_of(tree)
    return numbers(results, all_claims(results))


def changed(tree, **values):
    """A copy of a store whose pruned networks have other values: by variable, pairs of a place and a value."""
    found, pruned = tree.copy(deep=True), tree["pruned"].to_dataset().copy(deep=True)
    for name, pairs in values.items():
        for place, value in pairs:
            pruned[name].loc[place] = value
    found["pruned"] = xr.DataTree(pruned)
    return found


@pytest.fixture(scope="module")
def tree():
    return synthetic.make_tree()


@pytest.fixture(scope="module")
def results(tree):
    return results_of(tree)


@pytest.fixture(scope="module")
def written(tree, tmp_path_factory):
    return report_of(tree, tmp_path_factory.mktemp("spiral"), rendered=True)


@pytest.fixture(scope="module")
def least():
    """One seed, no other learning rates, three hidden layers."""
    return synthetic.make_tree(networks=1, choices=1, sizes=(2, 6, 5, 4, 2), rates=(), epochs=1)


def page_of(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    return re.sub(r"<style>.*?</style>|data:image[^\"]*", "", page, flags=re.S).replace("\u00a0", " ")


def ids(page, kind):
    return re.findall(rf'id="{kind}-(\w+)"', page)


def test_every_file_is_written_and_placed(written):
    films = {f"film_{name}" for name in FILMS}
    assert {path.name for path in (written / "tables").iterdir()} == {
        f"{n}.{k}" for n in TABLES for k in ("csv", "tex")
    }
    files = {path.name for path in (written / "figures").iterdir()}
    assert files == {f"{name}.png" for name in FIGURES} | {f"{name}.gif" for name in films}
    page = page_of(written)
    assert set(ids(page, "figure")) == FIGURES | films and set(ids(page, "table")) == TABLES
    assert not drawing.without_bars(written) and not drawing.unclear(written)


def test_the_page_holds_every_claim_and_its_numbers(written, tree, results):
    page, n, judged = page_of(written), numbers_of(tree), all_claims(results)
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
    folded = set(re.findall(r'<details class="section" id="([\w-]+)">', page))
    assert folded >= {"the-claims-one-by-one", "with-and-without-bias-compensation", "training-curves-and-films"}
    assert re.findall(r'<section id="([\w-]+)">', page)[:2] == ["in-short", "the-pictures"]


def test_tables_and_macros_are_the_same_twice(written, tree, results):
    for table in tables.all_tables(results):
        assert table.to_csv() == (written / "tables" / f"{table.name}.csv").read_text(encoding="utf-8")
    macros = numbers_of(tree).to_latex()
    assert macros == (written / "numbers.tex").read_text(encoding="utf-8")
    found = re.findall(r"^\\newcommand\{\\(spiral[A-Za-z]+)\}\{.+\}", macros, re.M)
    assert len(found) == len(macros.splitlines()) > 400
    assert {"spiralClaimPeaks", "spiralTrainedAccuracyLow"} <= set(found)


def test_the_synthetic_peak_is_found_and_explained(tree, results):
    np.testing.assert_allclose(
        results.peaks.sel(source="trained", of="all"), synthetic.DISTANCE * synthetic.RATE, atol=0.02
    )
    n = numbers_of(tree)
    assert n.single_gradient_distance.value == pytest.approx(6.006 * synthetic.RATE, abs=1e-3)
    assert n.published_learning_rate.value == pytest.approx(0.0982, abs=1e-3)


def test_one_seed_decides_nothing(least, tmp_path):
    page, judged = page_of(report_of(least, tmp_path)), all_claims(results_of(least))
    decided = {name for name, claim in judged.items() if claim.verdict not in ("undecided", "not measured")}
    assert decided <= {"constant_nothing"}
    assert all(claim.known != name.startswith("small") for name, claim in judged.items() if name != "uniform")
    assert "There is one seed" in page and "2-6-5-4-2" in page and "in hidden layer 3" in page
    assert "rates" not in ids(page, "figure") + ids(page, "table")
    assert 'id="what-the-learning-rate-does"' not in page
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", page)


def test_values_that_are_not_known_are_counted(tree):
    n = numbers_of(changed(tree, loss=[({"network": 0}, np.inf)]))
    assert n.unknown.value == 3 * 2 * 3
    assert n.random_pruned_with_loss.interval.networks == 2


def test_a_run_without_its_groups_is_refused(tree):
    broken = tree.copy()
    del broken["nodes"]
    with pytest.raises(ValueError, match="must be a group of the run"):
        results_of(broken)


def test_compensation_is_paired_and_has_its_sign(tree):
    with_it = {"pruned": 0.75, "finetuned": 0.25, "prune_first": 0.5}
    places = [({"compensation": "with", "arm": arm}, accuracy) for arm, accuracy in with_it.items()]
    other = changed(tree, accuracy=[({"compensation": "without"}, 0.5), *places])
    n = numbers_of(other)
    assert [n(f"random {arm} compensated accuracy").value for arm in ARMS] == [0.25, -0.25, 0.0]
    expected = [(kind, arm) for kind in NODES for arm in ("pruned", "finetuned")]
    assert report._facts(results_of(other))["compensated"] == expected


def test_a_film_has_its_frames(results, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "FILM_POINTS", 11)
    monkeypatch.setattr(pictures, "FRAMES", 2)
    with Image.open(pictures.film(results, "trained", tmp_path / "film.gif")) as film:
        assert film.n_frames == 2


def test_error_bars_are_as_long_as_the_intervals(results):
    two = [outcomes.Dot("a", "", Interval(1.0, 0.25, 3)), outcomes.Dot("b", "", Interval(2.0, np.nan, 1))]
    np.testing.assert_allclose(drawing.bars(outcomes.panels({"x": two}, {"": {}}).axes[0])[0], [0.5, 0.0])
    half = results.compensated("accuracy", "pruned", "random").half
    assert drawing.bars(outcomes.compensation(results).axes[0])[0][0] == pytest.approx(2 * half)
    found = rates.rates.each(results.rates.data["constant"], layer="layers/0")
    constant = rates.overview(results.rates.data).axes[0]
    np.testing.assert_allclose(drawing.bars(constant)[0], [2 * one.half for one in found])


def test_dots_of_one_row_stand_beside_each_other(results):
    figure = outcomes.outcomes(results)
    whole, compensated, plain = (container[0].get_ydata(orig=False) for container in figure.axes[0].containers)
    assert whole.tolist() == [0, 1, 2]
    np.testing.assert_allclose(plain - compensated, 0.26)
    np.testing.assert_allclose((plain + compensated) / 2, np.arange(3, 9))
    assert [text.get_text() for text in figure.legends[0].get_texts()][0] == "nothing removed"
