"""The report of a configured sweep: numbers, tables, figures and page of every design."""

import re

import numpy as np
import pytest
import xarray as xr

from analysis import _derived, runs
from analysis._reports import numbers, sweep, tables
from analysis._reports.results import measure
from analysis.numbers import Numbers
from tests import drawing
from tests.analysis import synthetic_run
from tests.analysis.synthetic_run import results_of
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
    "flip paths": lambda: synthetic_run.flip_paths(np.random.default_rng(0)),
    "flip paths summary": lambda: summary_of(synthetic_run.flip_paths(np.random.default_rng(0))),
    "hypercube": hypercube,
    "hypercube summary": lambda: summary_of(hypercube(), ALL_BITS),
}


def numbers_of(results):
    found = Numbers("a")
    numbers.add(found, results)
    return found


def tables_of(results):
    return {table.name: table for table in tables.all_tables(results)}


TABLES = {
    "bernoulli": {"loss", "log_loss", "masks", "best_masks"},
    "leave one out": {"loss", "log_loss", "leave_one_out"},
    "flip paths": {"loss", "log_loss", "flip_paths", "best_masks"},
}
PLANE = {"plane", "plane_masks", "plane_nodes"}
FIGURES = {
    "leave one out": {"training", "leave_one_out"},
    "leave one out summary": {"training"},
    "flip paths": {"training", "loss_density", "log_loss_density", "along_paths", "flip_paths"},
}
TITLES = {
    "bernoulli": "over random masks (circle)",
    "fixed size": "over random masks of fixed size (circle)",
    "masks": "over chosen masks (circle)",
    "leave one out": "over single removals (circle)",
    "flip paths": "over flip paths (circle)",
    "hypercube": "over all masks (circle)",
}


@pytest.mark.parametrize("name", SWEEPS)
def test_every_design_gets_its_tables_figures_and_page(name, html, tmp_path):
    text = html(SWEEPS[name]())
    assert f"<title>Loss of a 2-8-2 network {TITLES[name.removesuffix(' summary')]}</title>" in text
    assert ("Moments, histograms and the best masks were kept" in text) == name.endswith("summary")
    # The verdict stands in short and where the log loss is told.
    assert len(re.findall("log-normal law of the loss is (?:not )?rejected", text)) in (0, 2)
    made = {path.stem for path in (tmp_path / "tables").iterdir()}
    assert made == TABLES.get(name, {"loss", "log_loss", "best_masks"})
    assert set(re.findall('id="table-(\\w+)"', text)) == made
    drawn = FIGURES.get(name, {"training", "loss_density", "log_loss_density"}) | PLANE
    assert set(re.findall('id="figure-(\\w+)"', text)) == drawn
    macros = (tmp_path / "numbers.tex").read_text(encoding="utf-8")
    assert ("MeanLoss}" in macros) != ("MeanLossPZeroPointFive}" in macros)


@pytest.mark.parametrize("name", ["hypercube", "hypercube summary", "leave one out", "leave one out summary"])
def test_all_masks_of_a_kind_are_a_population_and_the_report_says_so(name, html):
    data = SWEEPS[name]()
    results = results_of(data)
    draws = SWEEPS[name.removesuffix(" summary")]()["loss"].values.astype(float)
    made = tables_of(results)
    for table in (made["loss"], made["log_loss"]):
        assert all(column.errors is None for column in table.columns)
        assert "p_value" not in [column.key for column in table.columns]
    sd = next(column for column in made["loss"].columns if column.key == "sd_loss")
    assert sd.values == [pytest.approx(draws.std())]  # divisor n
    text = html(data)
    assert "whole population" in text and "divisor n" in text
    for phrase in ("standard error, in", "one time in twenty", "rejected", "independent draws", "scatter"):
        assert phrase not in text, phrase
    found = numbers_of(results)
    assert "p value" not in found and "ks distance by chance" not in found and "(" not in found.mean_loss.text()


def test_a_summary_is_not_tested_and_says_what_its_bins_hide(html):
    draws, held = (results_of(SWEEPS[name]()) for name in ("bernoulli", "bernoulli summary"))
    text = html(SWEEPS["bernoulli summary"]())
    assert "a log-normal law is not tested" in text and "p-value" not in text
    drawn, kept = numbers_of(draws), numbers_of(held)
    assert 0 < kept.largest_ks_distance_hidden.value < 0.01 and drawn.largest_ks_distance_hidden.value == 0
    assert kept.quantile_resolution.text() == "0.00098" and "off by 0.00098 at most" in text
    assert draws.tested and draws.kept.all() and not held.tested
    # The same numbers of either, as far as the summary can say them.
    for name in ("full_loss", "all_draws", "all_nonpositive", "all_nonfinite", "lowest_loss", "lowest_loss_nodes_on"):
        assert drawn(name).text() == kept(name).text(), name
    for p in draws.probabilities:
        assert drawn("mean loss", p=p).text() == kept("mean loss", p=p).text()
    assert (kept.all_draws.value, kept.all_nonpositive.value, kept.all_nonfinite.value) == (600, 2, 1)


def test_the_best_masks_name_the_fewer_nodes():
    results = results_of(hypercube())
    cells = {column.key: column.values for column in tables.best(results, results.best).columns}
    assert cells["loss"][0] == pytest.approx(0.21) and cells["nodes"][0] == "off: none"
    assert cells["nodes_on"][:3] == [8, 7, 7]
    assert cells["nodes"][1] == "off: 0"  # the node that is worth least
    assert numbers_of(results).lowest_loss_is_of_the_full_mask.value
    gains = tables_of(results_of(SWEEPS["masks"]()))["best_masks"]
    assert re.fullmatch(r"on: (\d at 0.5, )*\d at 0.5", gains.columns[-1].values[0])
    few = hypercube()
    few["loss"] = ("mask", few["loss"].values[::-1].copy())
    found = results_of(few)
    assert [c.values[0] for c in tables_of(found)["best_masks"].columns][2:] == [0, "on: none"]
    assert numbers_of(found).lowest_loss_nodes_on.value == 0
    assert not numbers_of(found).lowest_loss_is_of_the_full_mask.value


def test_a_regression_has_its_unit_and_no_accuracy(html):
    def regress(tree):
        for key in ("full_accuracy", "train_accuracy"):
            del tree["network"].attrs[key]
        tree["training"]["accuracy"][:] = np.nan

    data = SWEEPS["leave one out"]().assign_attrs(unit="squared units", loss="squared_error")
    text = html(data, None, regress)
    assert "nats" not in text and "accuracy" not in text.replace("train_accuracy", "")
    assert "loss is 0.210 squared units" in text
    drawn = sweep.draw(results_of(data, change=regress))
    assert [ax.get_ylabel() for ax in drawn["training"].axes] == ["loss (squared units)"]
    assert drawn["leave_one_out"].axes[0].get_ylabel() == "loss (squared units)"


@pytest.mark.parametrize("name", ["leave one out", "bernoulli", "flip paths"])
def test_off_values_are_told_in_text_and_captions(name, html):
    data = SWEEPS[name]()
    assert "off node" not in html(data.assign_attrs(off="zero")) and "multiplies its node" in html(data)
    text = html(data.assign_attrs(off="mean over 30 examples and positions"))
    note = "An off node's value is its mean over 30 examples and positions."
    captions = re.findall("<figcaption>(<b>Figure.*?)</figcaption>", text)
    swept = [one for one in captions if not re.search("Training|Probability|probability|Gate gradient", one)]
    assert swept and all(note in one.replace("&#39;", "'") for one in swept)
    assert results_of(data).plane is not None and 'id="figure-plane' not in text  # where off nodes are zero
    assert "(1 − g) c, where c is its mean over 30" in text and text.split("In short")[0].count("off node") == 1


def test_settings_of_other_designs_are_left_out(html):
    config = {
        "task": {"name": "circle", "noise": None},
        "sweep": {"design": "hypercube", "on": 1, "probability": [0.5]},
    }
    assert sweep.settings(config, "Hypercube") == {"task": config["task"], "sweep": {"design": "hypercube"}}
    text = html(hypercube(), config)
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
def test_a_sweep_with_one_value_everywhere_still_gives_a_report(name, value, html):
    data = SWEEPS[name]()
    data["loss"][:] = value
    assert "No fit has a shape to compare" in html(data) or name == "leave one out"
    assert "largest ks distance" not in numbers_of(results_of(data))


def test_the_masks_of_a_path_depend_on_each_other(html):
    data = SWEEPS["flip paths"]()
    loss = data["loss"].values[0].astype(float)
    results = results_of(data)
    error = loss.mean(axis=1).std(ddof=1) / np.sqrt(len(loss))
    assert results.losses["mean_loss_error"].values == [pytest.approx(error)]
    assert error > 1.2 * loss.std() / np.sqrt(loss.size)  # what independent masks would have
    np.testing.assert_allclose(results.walks.steps["mean"], loss.mean(axis=0))
    np.testing.assert_allclose(results.walks.steps["high"], np.quantile(loss, 0.95, axis=0))
    text = html(data)
    assert "the standard error of the mean is from whole paths" in text and "p-value" not in text
    assert "one time in twenty" not in text and "80 flip paths over its 8 gated nodes" in text
    summary = html(SWEEPS["flip paths summary"]())
    assert "a summary does not keep paths apart: there is no standard error" in summary


@pytest.mark.parametrize("change", [lambda loss: loss * 0 + 1, lambda loss: loss * np.nan, lambda loss: loss[:, :2]])
def test_paths_that_show_no_covariance(change, html):
    data = SWEEPS["flip paths"]()
    values = change(data["loss"].values)
    data = data.isel(draw=slice(values.shape[1])).drop_vars("log_loss")
    data["loss"] = data["loss"].dims, values
    assert "there is no covariance with the start" in html(_derived.with_logs(data))


def test_all_files_are_written(tmp_path):
    folder = synthetic_run.write_run(tmp_path, synthetic_run.configured_tree(SWEEPS["bernoulli summary"]()))
    assert drawing.write_report(folder) == folder / "report.html"
    made = [path for path in folder.rglob("*.*") if not {"run.zarr", "bars"} & set(path.parts) and path.is_file()]
    assert not drawing.without_bars(folder) and not drawing.unclear(folder)
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
    for figure in sweep.draw(results).values():
        points = [len(line.get_xdata()) for ax in figure.axes for line in ax.get_lines()]
        assert max(points, default=0) <= 1200
