import re

import numpy as np
import pytest
import xarray as xr

from analysis import runs
from analysis.numbers import Numbers
from analysis.reports import sections, sweep, sweep_tables, sweep_text
from analysis.reports.sweep_results import measure
from analysis.runs import Run
from tests import drawing
from tests.analysis import synthetic_run
from tests.analysis.synthetic_summary import summary_of

NODES = synthetic_run.NODES


def bernoulli():
    data = synthetic_run.bernoulli(np.random.default_rng(0))
    data["loss"][0, 0, :2], data["loss"][1, 0, 3] = 0.0, np.nan
    return data


def one_axis(design, dim, gates=None):
    """A sweep without probabilities: the draws of p = 0.5, under another design's name and axes."""
    data = synthetic_run.bernoulli(np.random.default_rng(0)).isel(probability=1, drop=True)
    data = data[["loss", "gates"]].assign_attrs(design=design)
    if gates is not None:
        data["gates"] = (data["gates"].dims, gates(data["gates"].values))
    return data if dim == "draw" else data.isel(chain=0, drop=True).drop_vars("gates").rename(draw=dim)


def hypercube():
    masks = (np.arange(2**NODES)[:, None] >> np.arange(NODES)) & 1
    loss = 0.21 * np.exp((1 - masks) @ np.linspace(0.05, 0.6, NODES))
    return xr.Dataset(
        {"loss": ("mask", loss)},
        coords={"node": synthetic_run.node_labels()},
        attrs={"design": "Hypercube()", **synthetic_run.SWEPT},
    )


ALL_BITS = ((np.arange(2**NODES)[:, None] >> np.arange(NODES)) & 1).astype(bool)
SWEEPS = {
    "bernoulli": bernoulli,
    "bernoulli summary": lambda: summary_of(bernoulli()),
    "fixed size": lambda: one_axis("FixedSize(on=3, draws=200, chains=1)", "draw"),
    "fixed size summary": lambda: summary_of(one_axis("FixedSize(on=3, draws=200, chains=1)", "draw")),
    "masks": lambda: one_axis("Masks(array of shape (1, 200, 8))", "draw", lambda gates: 0.5 * gates),
    "leave one out": synthetic_run.leave_one_out,
    "leave one out summary": lambda: summary_of(synthetic_run.leave_one_out(), ~np.eye(NODES, dtype=bool)),
    "hypercube": hypercube,
    "hypercube summary": lambda: summary_of(hypercube(), ALL_BITS),
}


def results_of(data, config=None, change=None):
    tree = synthetic_run.configured_tree(data, config)
    if change is not None:
        change(tree)
    return measure(Run(None, tree, "sweep", "sweeps run mine.toml", "1 CPU device", config or {}, {}, {"masks": 17}))


def html(results, tmp_path):
    (tmp_path / "x.png").write_bytes(b"")
    pictures = dict.fromkeys(sections.draw(results), tmp_path / "x.png")
    page = sweep.page(results, None, sweep_tables.all_tables(results), pictures).to_html()
    text = re.sub(r"<style>.*?</style>|data:[^\"]*", "", page, flags=re.S).replace("\u00a0", " ")
    assert not re.search(r"\bnan\b|\bNone\b|\{|\}", text)
    return text


TABLES = {
    "bernoulli": {"loss", "log_loss", "masks", "best_masks"},
    "leave one out": {"loss", "log_loss", "leave_one_out"},
}
FIGURES = {
    "leave one out": {"training", "leave_one_out"},
    "leave one out summary": {"training"},
}
TITLES = {
    "bernoulli": "over random masks (circle)",
    "fixed size": "over random masks of fixed size (circle)",
    "masks": "over chosen masks (circle)",
    "leave one out": "over single removals (circle)",
    "hypercube": "over all masks (circle)",
}


@pytest.mark.parametrize("name", SWEEPS)
def test_every_design_gets_its_tables_figures_and_page(name, tmp_path):
    results = results_of(SWEEPS[name]())
    assert set(sweep_tables.all_tables(results)) == TABLES.get(name, {"loss", "log_loss", "best_masks"})
    assert set(sections.draw(results)) == FIGURES.get(name, {"training", "loss_density", "log_loss_density"})
    text = html(results, tmp_path)
    assert f"<title>Loss of a 2-8-2 network {TITLES[name.removesuffix(' summary')]}</title>" in text
    assert ("Moments, histograms and the best masks were kept" in text) == name.endswith("summary")
    macros = sweep_tables.add_numbers(Numbers("a"), results).macros
    assert ("aMeanLoss" in macros) != ("aMeanLossPZeroPointFive" in macros)


@pytest.mark.parametrize("name", ["hypercube", "hypercube summary", "leave one out", "leave one out summary"])
def test_all_masks_of_a_kind_are_a_population_and_the_report_says_so(name, tmp_path):
    data = SWEEPS[name]()
    results = results_of(data)
    draws = SWEEPS[name.removesuffix(" summary")]()["loss"].values.astype(float)
    tables = sweep_tables.all_tables(results)
    for table in (tables["loss"], tables["log_loss"]):
        assert all(column.errors is None for column in table.columns)
        assert "p_value" not in [column.key for column in table.columns]
    sd = next(column for column in tables["loss"].columns if column.key == "sd_loss")
    assert sd.values == [pytest.approx(draws.std())]  # divisor n
    text = html(results, tmp_path)
    assert "That is the whole population and no sample of it" in text
    assert "no standard errors; the standard deviation has divisor n" in text
    for phrase in ("in brackets the standard error", "one time in twenty", "rejected", "independent draws", "scatter"):
        assert phrase not in text, phrase
    macros = sweep_tables.add_numbers(Numbers("a"), results).macros
    assert "aPValue" not in macros and "(" not in macros["aMeanLoss"][0]


def test_a_summary_is_not_tested_and_says_what_its_bins_hide(tmp_path):
    draws, held = results_of(SWEEPS["bernoulli"]()), results_of(SWEEPS["bernoulli summary"]())
    text = html(held, tmp_path)
    assert "A summary keeps no draws, so a log-normal law is not tested" in text
    assert re.search(r"differ by at most 0\.\d{3} at p = 0\.\d+, or by up to 0\.00\d more, which the bins", text)
    assert "Quantiles, from a histogram, are off by 0.00098 at most" in text
    assert "p-value" not in text
    assert "independent draws, so the standard error of the mean is" in text
    assert "is rejected" in sweep_text.lognormal_verdict(draws) or "not rejected" in sweep_text.lognormal_verdict(draws)
    # the same sentences from either, as far as the summary can say them
    for say in (sweep_text.loss_summary, sweep_text.counts, sweep_text.best_summary):
        assert say(draws) == say(held)
    assert "Of the 600 losses of the sweep, 2 are zero and 1 are not finite" in text


def test_the_best_masks_name_the_fewer_nodes(tmp_path):
    table = sweep_tables.best(results_of(hypercube()))
    cells = {column.key: column.values for column in table.columns}
    assert cells["loss"][0] == pytest.approx(0.21) and cells["nodes"][0] == "off: none"
    assert cells["nodes_on"][:3] == [8, 7, 7]
    assert cells["nodes"][1] == "off: 0"  # the node that is worth least
    gains = sweep_tables.best(results_of(SWEEPS["masks"]()))
    assert re.fullmatch(r"on: (\d at 0.5, )*\d at 0.5", gains.columns[-1].values[0])
    few = hypercube()
    few["loss"] = ("mask", few["loss"].values[::-1].copy())
    assert [c.values[0] for c in sweep_tables.best(results_of(few)).columns][2:] == [0, "on: none"]
    assert "with 0 of 8 nodes on; with every node on it is 0.2100" in sweep_text.best_summary(results_of(few))
    assert "is that of the mask with every node on" in sweep_text.best_summary(results_of(hypercube()))


def test_a_regression_has_its_unit_and_no_accuracy(tmp_path):
    def regress(tree):
        for key in ("full_accuracy", "train_accuracy"):
            del tree["network"].attrs[key]
        tree["training"]["accuracy"][:] = np.nan

    data = SWEEPS["leave one out"]().assign_attrs(unit="squared units", loss="squared_error")
    results = results_of(data, change=regress)
    text = html(results, tmp_path)
    assert "nats" not in text and "accuracy" not in text
    assert "loss is 0.210 squared units on the test set" in text
    drawn = sections.draw(results)
    assert [ax.get_ylabel() for ax in drawn["training"].axes] == ["loss (squared units)"]
    assert drawn["leave_one_out"].axes[0].get_ylabel() == "loss (squared units)"


def test_settings_of_other_designs_are_left_out(tmp_path):
    config = {
        "task": {"name": "circle", "noise": None},
        "sweep": {"design": "hypercube", "on": 1, "probability": [0.5]},
    }
    results = results_of(hypercube(), config)
    assert sweep.settings(results) == {"task": config["task"], "sweep": {"design": "hypercube"}}
    text = html(results, tmp_path)
    assert "task.name" in text and "noise" not in text and "sweep.on" not in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("bernoulli", value) for value in (np.nan, 0.0, 1.0, np.inf)),
        ("fixed size", np.nan),
        ("hypercube", 1.0),
        ("leave one out", 0.0),
    ],
)
def test_a_sweep_with_one_value_everywhere_still_gives_a_report(name, value, tmp_path):
    data = SWEEPS[name]()
    data["loss"][:] = value
    results = results_of(data)
    html(results, tmp_path)
    sweep_tables.add_numbers(Numbers("a"), results)
    assert sweep_text.lognormal_departure(results) == "No fit has a shape to compare."


def test_all_files_are_written(tmp_path):
    folder = synthetic_run.write_run(tmp_path, synthetic_run.configured_tree(SWEEPS["bernoulli summary"]()))
    assert drawing.write_report(folder) == folder / "report.html"
    made = [path for path in folder.rglob("*.*") if "run.zarr" not in str(path) and path.is_file()]
    assert {path.relative_to(folder).as_posix() for path in made} == {
        *(
            f"figures/{name}.png"
            for name in ("training", "loss_density", "log_loss_density", "plane", "plane_masks", "plane_nodes")
        ),
        *(f"tables/{name}.{kind}" for name in ("loss", "log_loss", "best_masks") for kind in ("csv", "tex")),
        "numbers.tex",
        "report.html",
    }
    assert r"\newcommand{\circleBernoulliMeanLossPZeroPointFive}" in (folder / "numbers.tex").read_text()


def test_a_large_sweep_is_read_without_what_the_report_does_not_use(tmp_path):
    folder = synthetic_run.write_run(tmp_path, synthetic_run.configured_tree(bernoulli()))
    results = measure(runs.open_run(folder))
    kept = {name for name in results.sweep.data_vars if results.sweep[name].variable._in_memory}
    assert kept == {"loss"}
    for figure in sections.draw(results).values():
        points = [len(line.get_xdata()) for ax in figure.axes for line in ax.get_lines()]
        assert max(points) <= 1200
