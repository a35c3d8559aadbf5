"""The page on train first or prune first: every file, any store of its contract, and the same bytes twice."""

import re

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from analysis.intervals import Interval
from analysis.runs import Run
from sweeps.studies.spiral import answers as spiral_claims
from sweeps.studies.spiral import drawn as spiral_figures
from sweeps.studies.spiral import figures, report
from sweeps.studies.spiral import kernels as spiral_kernels
from sweeps.studies.spiral import results as spiral_results
from sweeps.studies.spiral import tables as spiral_tables
from sweeps.studies.spiral import text as spiral_text
from sweeps.studies.spiral.results import measure
from tests import drawing
from tests.analysis import synthetic_run
from tests.studies.spiral import synthetic

TABLES = ("claims", "outcomes", "commuting", "correlations", "unmoved", "peaks", "compensation", "deviations", "rates")
FIGURES = ("pictures", "pictures_without", "outcomes", "kernels", "correlations", "changes", "compensation")
FIGURES += ("deviations", "training", "rates")
FILMS = ("film_trained", "film_prune_first_random")


@pytest.fixture(scope="module")
def tree():
    return synthetic.make_tree()


@pytest.fixture(scope="module")
def least():
    return synthetic.make_tree(networks=1, choices=1, compensations=("with",), whole=False)


@pytest.fixture(scope="module")
def written(tree, tmp_path_factory):
    folder = synthetic_run.write_run(tmp_path_factory.mktemp("spiral"), tree)
    with pytest.MonkeyPatch.context() as patch:
        # What takes time is drawing.
        patch.setattr(spiral_results, "POINTS", 21)
        patch.setattr(spiral_results, "FILM_POINTS", 11)
        patch.setattr(spiral_results, "FRAMES", 2)
        return drawing.write_report(folder).parent


def results_of(tree, tmp_path, config=None):
    config = {"learning_rate": synthetic.RATE, "share": 0.5} if config is None else config
    return measure(Run(tmp_path, tree, "spiral", "command", "1 CPU device", config, {}, {}))


def plain(page):
    return (
        re.sub(r"<style>.*?</style>|data:image[^\"]*", "", page, flags=re.S)
        .replace("\u00a0", " ")
        .replace("&#39;", "'")
    )


def whole_page(results, tmp_path):
    made = spiral_tables.all_tables(results)
    (tmp_path / "x.png").write_bytes(b"")
    names = [*FIGURES, *(f"film_{name}" for name in results.films)]
    there = [name for name in names if name != "compensation" or "compensation" in made]
    there = [name for name in there if name != "rates" or results.rates is not None]
    there = [name for name in there if name != "training" or results.history is not None]
    return plain(report.page(results, made, dict.fromkeys(there, tmp_path / "x.png")).to_html())


def test_every_file_is_written(written):
    drawn = [*FIGURES, "graph"] if spiral_figures.has_networkx() else FIGURES
    assert sorted(path.name for path in (written / "tables").iterdir()) == sorted(
        f"{name}.{kind}" for name in TABLES for kind in ("csv", "tex")
    )
    assert sorted(path.name for path in (written / "figures").iterdir()) == sorted(
        [f"{name}.png" for name in drawn] + [f"{name}.gif" for name in FILMS]
    )
    page = (written / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/") == len(drawn) + len(FILMS)
    assert not re.search(r"https?://|<script|<link|url\(|@import", page)
    with Image.open(written / "figures" / "film_trained.gif") as film:
        assert film.n_frames == 2


def test_the_page_says_everything(written, tree, tmp_path):
    page = plain((written / "report.html").read_text(encoding="utf-8"))
    results = results_of(tree, tmp_path)
    for claim in results.claims.values():
        assert spiral_claims.verdict(claim) in page, claim.name
        assert spiral_claims.RULES[claim.name].replace("\u00a0", " ") in page, claim.name
    for expected in (
        "There are 3 seeds, 2 random choices each.",
        "Does pruning commute with training?",
        "The rules. Accuracy commutes",
        "by 6.01 learning rates in all",
        "0.098",
        "What the learning rate does",
        "sweeps study spiral --out runs/spiral",
        "95 % interval reaches 4.30 standard errors",
    ):
        assert expected in page, expected
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", page)


def test_macros_are_distinct_and_hold_letters_only(written):
    lines = (written / "numbers.tex").read_text(encoding="utf-8").splitlines()
    names = [re.match(r"\\newcommand\{\\(spiral[A-Za-z]+)\}\{.+\}", line)[1] for line in lines]
    assert len(set(names)) == len(names) > 100
    assert "spiralClaimPeaks" in names and "spiralTrainedAccuracy" in names


def test_tables_macros_and_pages_are_the_same_twice(written, tree, tmp_path):
    results = results_of(tree, tmp_path)
    for name, table in spiral_tables.all_tables(results).items():
        assert table.to_csv() == (written / "tables" / f"{name}.csv").read_text(encoding="utf-8")
    assert spiral_tables.numbers(results).to_latex() == (written / "numbers.tex").read_text(encoding="utf-8")
    paths = []
    for number in range(2):
        figure = figures.deviations.overview(results.nodes)
        paths.append(spiral_figures.style.save(figure, tmp_path / str(number), "same"))
    assert [path.read_bytes() for path in paths[0]] == [path.read_bytes() for path in paths[1]]


def test_the_synthetic_peak_is_found_and_explained(tree, tmp_path):
    results = results_of(tree, tmp_path)
    np.testing.assert_allclose(results.peaks["trained"][0], synthetic.DISTANCE, atol=0.02)
    # Few weights make few networks' intervals wide: what is tested is that the text follows them.
    said = spiral_kernels.single_gradient(results)
    assert "At the learning rate 0.1 of this run that is 0.601." in said
    assert f"(within 10\u00a0%, with its whole interval): {results.claims['single_gradient'].verdict}." in said
    unknown = results_of(tree, tmp_path, config={})
    assert "single_gradient" not in unknown.claims
    assert "states no learning rate" in spiral_kernels.single_gradient(unknown)


def test_one_seed_gives_a_page_without_intervals(least, tmp_path):
    results = results_of(least, tmp_path)
    assert {claim.verdict for claim in results.claims.values()} == {"not measured"}
    page = whole_page(results, tmp_path)
    assert "There is one seed, 1 random choice each: nothing here has an interval" in page
    assert "There is one seed, and so no standard error." in page
    assert "networks with bias compensation only" in page
    assert "Films" not in page and "What the learning rate does" not in page
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", page)
    spiral_tables.numbers(results).to_latex()


def test_without_networkx_the_page_says_how_to_get_the_drawing(least, tmp_path, monkeypatch):
    monkeypatch.setattr(spiral_figures, "has_networkx", lambda: False)
    results = results_of(least, tmp_path)
    assert "pip install 'gatesweep[graph]'" in whole_page(results, tmp_path)


def test_values_that_are_not_known_are_left_out_and_counted(tree, tmp_path):
    broken = tree.copy(deep=True)
    full, pruned = broken["full"].to_dataset(), broken["pruned"].to_dataset()
    full["accuracy"][:] = np.nan
    pruned["accuracy"][:] = np.nan
    pruned["loss"][..., 0] = np.inf
    broken["full"], broken["pruned"] = xr.DataTree(full), xr.DataTree(pruned)
    results = results_of(broken, tmp_path)
    page = whole_page(results, tmp_path)
    assert "accuracies and losses of the run are not finite" in page
    assert "The accuracy of the full networks is not known." in page
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", page)
    assert spiral_figures.known_measures(results) == ["loss", "agreement"]
    figure = spiral_figures._outcomes(results)
    assert [ax.get_xlabel() for ax in figure.axes] == ["test loss (nats)", "agreement with trained"]


def test_other_sizes_and_other_choices(tmp_path):
    tree = synthetic.make_tree(networks=2, choices=0, sizes=(2, 6, 5, 4, 2), whole=False)
    results = results_of(tree, tmp_path)
    assert list(results.kinds) == ["smallest deviation"] and "random_bad" not in results.claims
    page = whole_page(results, tmp_path)
    assert "at random" not in page
    assert "2-6-5-4-2" in page and "in hidden layer 3" in page
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", page)


def test_a_run_without_its_groups_is_refused(tree, tmp_path):
    broken = tree.copy()
    del broken["nodes"]
    with pytest.raises(ValueError, match="expected a group of the run"):
        results_of(broken, tmp_path)


def test_intervals_are_written_with_what_is_known():
    found = Interval(0.5, 0.02, 9, error=0.01)
    one = Interval(0.5, np.nan, 1)
    assert spiral_text.points(found) == "+50.0 percentage points [+48.0, +52.0]"
    assert spiral_text.points(one, False) == "50.0 percentage points"
    assert spiral_text.value(found, 2) == "0.50 [0.48, 0.52]"
    assert spiral_text.value(Interval(-0.0001, 0, 3), 2) == "0.00 [0.00, 0.00]"
    assert spiral_text.share(Interval(np.nan, np.nan, 0)) == "not known"


def test_compensation_is_said_either_way(tree, tmp_path):
    changed = tree.copy(deep=True)
    pruned = changed["pruned"].to_dataset()
    pruned["accuracy"].loc[{"compensation": "without"}] = 0.5
    pruned["accuracy"].loc[{"compensation": "with", "arm": "pruned"}] = 0.75
    pruned["accuracy"].loc[{"compensation": "with", "arm": "finetuned"}] = 0.25
    pruned["accuracy"].loc[{"compensation": "with", "arm": "prune_first"}] = 0.5
    changed["pruned"] = xr.DataTree(pruned)
    said = spiral_text.compensation(results_of(changed, tmp_path))
    assert "raises the accuracy with random nodes pruned by 25.0 percentage points" in said
    assert "lowers the accuracy with random nodes fine-tuned by 25.0 percentage points" in said
    assert "pruned first" not in said


def test_figures_refuse_nothing():
    for draw, word in (
        (lambda: figures.pictures.gallery([]), "rows"),
        (lambda: figures.outcomes.panels({}, {}, {}), "values"),
        (lambda: figures.kernels.against({}), "pairs"),
        (lambda: figures.kernels.changes({}, {}, 0.1), "values"),
        (lambda: figures.curves.overview({}, {}), "training"),
    ):
        with pytest.raises(ValueError, match=f"{word}: expected one .*or more, got none"):
            draw()


def test_failed_trainings_are_left_aside(tree, tmp_path):
    changed = tree.copy(deep=True)
    full, pruned = changed["full"].to_dataset(), changed["pruned"].to_dataset()
    full["accuracy"][:] = 1.0
    pruned["accuracy"][:] = 0.5
    pruned["accuracy"].loc[{"arm": "prune_first", "choice": "random 0"}] = 1.0
    changed["full"], changed["pruned"] = xr.DataTree(full), xr.DataTree(pruned)
    said = spiral_text.without_failures(results_of(changed, tmp_path))
    assert "−50.0 percentage points [−50.0, −50.0] with random nodes (3 seeds) in accuracy" in said
    pruned["accuracy"][:] = 0.5
    changed["pruned"] = xr.DataTree(pruned)
    assert spiral_text.without_failures(results_of(changed, tmp_path)) == ""
