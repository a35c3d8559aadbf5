"""Reports of datasets alone, and of metrics and losses of examples, whichever way they come."""

import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import analysis
from analysis import _reports
from analysis._reports import examples
from analysis.figures import style
from tests import drawing
from tests.analysis import synthetic_run
from tests.analysis.synthetic_run import results_of
from tests.analysis.synthetic_summary import summary_of
from tests.analysis.test_sweep_report import PLANE, SWEEPS, TITLES, bernoulli, hypercube


def with_metrics(data, examples=9):
    """The sweep with a metric, one value of which is not finite, and losses of examples, of which the last has none."""
    random, loss = np.random.default_rng(1), data["loss"]
    right = 1 / (1 + loss.values.astype(float))
    right.flat[3] = np.nan
    data["right_share"] = loss.dims, right, dict(long_name="share of right classes", units="1")
    values = loss.values[..., None] * random.uniform(0.5, 1.5, (*loss.shape, examples))
    data["example_loss"] = (*loss.dims, "example"), values
    data["full_example_loss"] = "example", np.linspace(0.1, 0.3, examples)
    return data.assign_coords(example=np.arange(examples), counted=("example", [1] * (examples - 1) + [0]))


@pytest.mark.parametrize("name", ["bernoulli", "leave one out", "flip paths", "hypercube"])
def test_metrics_and_losses_of_examples(name, html, tmp_path, monkeypatch):
    monkeypatch.setattr(examples, "BLOCK", 100)  # a few masks at a time
    data = with_metrics(SWEEPS[name]())
    text = html(data)
    assert "Metrics" in text and "Examples" in text and 'id="figure-metrics"' in text and 'id="figure-examples"' in text
    assert ('id="figure-metrics_by_probability"' in text) == (name == "bernoulli")
    table = pd.read_csv(tmp_path / "tables" / "metrics.csv")
    rows = data["right_share"].values if name == "bernoulli" else [data["right_share"].values]
    known = [row[np.isfinite(row)] for row in rows]
    ddof = int(name == "bernoulli")
    np.testing.assert_allclose(table["mean"], [row.mean() for row in known])
    np.testing.assert_allclose(table["sd"], [row.std(ddof=ddof) for row in known])
    np.testing.assert_allclose(table["quantile_95"], [np.quantile(row, 0.95) for row in known])
    assert list(table["left_out"]) == ([1, 1, 0] if name == "bernoulli" else [1])
    if name == "bernoulli":
        np.testing.assert_allclose(table["mean_error"], [row.std(ddof=1) / len(row) ** 0.5 for row in known])
    if name == "flip paths":
        paths = data["right_share"].values[0].mean(axis=1)
        paths = paths[np.isfinite(paths)]
        np.testing.assert_allclose(table["mean_error"], paths.std(ddof=1) / len(paths) ** 0.5)
    losses = data["example_loss"].values.reshape(-1, 9)[:, :8]
    losses = losses[np.isfinite(losses).all(axis=1)]
    change = losses.mean(axis=0) - np.linspace(0.1, 0.3, 9)[:8]
    found = pd.read_csv(tmp_path / "tables" / "examples.csv")
    assert list(found["example"]) == list(np.argsort(-change)) and "of 8 examples is above" in text
    np.testing.assert_allclose(found["change"], np.sort(change)[::-1])
    np.testing.assert_allclose(found["sd"], losses.std(axis=0)[np.argsort(-change)])
    assert (tmp_path / "tables" / "examples_of_nodes.csv").exists() == (name == "leave one out")


def test_the_example_that_each_node_matters_for(html, tmp_path):
    data = with_metrics(SWEEPS["leave one out"]())
    html(data)
    found = pd.read_csv(tmp_path / "tables" / "examples_of_nodes.csv").set_index("node")
    rise = (data["example_loss"] - data["full_example_loss"]).values[:, :8]
    labels = list(map(str, data["node"].values))
    assert list(found["example"][labels]) == list(rise.argmax(axis=1))
    np.testing.assert_allclose(found["rise"][labels], rise.max(axis=1))
    np.testing.assert_allclose(found["share"][labels], (rise > 0).mean(axis=1))
    assert list(found["rise"]) == sorted(found["rise"], reverse=True)


def test_the_metrics_of_a_summary_are_those_of_its_draws(html, tmp_path):
    data = with_metrics(bernoulli())
    values = data["right_share"].values[:, 0]
    halves = np.split(values, 2, axis=1)
    held = summary_of(bernoulli()).isel(chain=[0, 0])
    moments = dict(
        count=lambda half: np.isfinite(half).sum(axis=1),
        mean=lambda half: np.nanmean(half, axis=1),
        variance=lambda half: np.nanvar(half, axis=1, ddof=1),
        skewness=lambda half: half[:, 0],
    )
    for name, moment in moments.items():
        held[f"right_share_{name}"] = ("probability", "chain"), np.stack([moment(half) for half in halves], axis=1)
    held["draws"] = held["draws"] // 2
    results = results_of(held)
    expected = results_of(data).metrics
    for name in ("mean", "sd", "error", "left_out"):
        np.testing.assert_allclose(results.metrics[name], expected[name])


@pytest.mark.parametrize("name", SWEEPS)
def test_a_dataset_alone_gets_the_same_but_for_its_network(name, html, tmp_path):
    text = html(SWEEPS[name]())
    page = drawing.text_of(analysis.report(SWEEPS[name](), tmp_path / "mine"))
    assert not re.search(r"\bnan\b|\bNone\b|\{|\}|\\\\", re.sub(r"FlipPaths\(.*?\)", "", page))
    title = TITLES[name.removesuffix(" summary")].removesuffix(" (circle)")
    assert f"<title>Loss of a network {title}</title>" in page
    assert "circle" not in page and "test set" not in page and "To do it again" not in page and "explore" not in page
    own = {*PLANE, "training"}
    figures = [set(re.findall('id="figure-(\\w+)"', one)) for one in (text, page)]
    assert figures[0] - own == figures[1]
    for table in (tmp_path / "tables").iterdir():
        assert (tmp_path / "mine" / "tables" / table.name).read_bytes() == table.read_bytes()
    assert (tmp_path / "mine" / "numbers.tex").read_text("utf-8").startswith("\\newcommand{\\mine")


def test_a_dataset_from_its_store_and_a_part_of_one(tmp_path, monkeypatch):
    monkeypatch.setattr(style, "save", drawing.blank)
    folder = synthetic_run.write_run(tmp_path, synthetic_run.configured_tree(bernoulli()))
    stored = xr.open_zarr(folder / "run.zarr", group="sweeps/main", consolidated=False)
    expected = drawing.text_of(analysis.report(bernoulli(), tmp_path / "mine"))
    assert drawing.text_of(analysis.report(stored, tmp_path / "mine")) == expected
    text = drawing.text_of(analysis.report(bernoulli().sel(probability=0.5), tmp_path / "part"))
    assert "for p = 0.5: 200 masks." in text
    part = SWEEPS["flip paths"]().isel(draw=slice(7))
    assert "63 masks of 7 flip paths" in drawing.text_of(analysis.report(part, tmp_path / "paths"))


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (np.ones(3), "dataset must be an xarray.Dataset that sweeps.sweep returned, got ndarray"),
        (bernoulli()["loss"], "dataset must be an xarray.Dataset that sweeps.sweep returned, got DataArray"),
        (xr.DataTree(), "dataset must be one group of the tree"),
        (xr.Dataset({"loss": ("draw", [1.0])}), "dataset must be what .* got one without design, unit, full_loss$"),
        (bernoulli().assign_attrs(complete=False), "dataset must be a finished sweep, got one begun only"),
        (bernoulli().drop_vars("loss"), "dataset must have losses and the dimension 'node', got the variables "),
        (hypercube().isel(mask=3), "dataset must have the losses of Hypercube over the dimension 'mask', got"),
    ],
)
def test_a_dataset_that_is_none_of_ours(dataset, message, tmp_path):
    with pytest.raises((ValueError, TypeError), match=message) as found:
        _reports.report(dataset, tmp_path / "mine")
    assert "\n" not in str(found.value) and not (tmp_path / "mine").exists()


def test_a_folder_that_is_none(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="^folder must be a folder, got the file "):
        _reports.report(bernoulli(), tmp_path / "file")
