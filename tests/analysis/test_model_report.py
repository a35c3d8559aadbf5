"""The report of a sweep of a network that is no MLP: its page, tables and numbers, exports, and no explorer."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis import _explorer, _reports, export, runs
from tests import drawing
from tests.analysis import synthetic_model, synthetic_run


def text_of(folder):
    return drawing.text_of(folder / "report.html")


def names(folder, part, ending):
    return {path.stem for path in (folder / part).glob(f"*.{ending}")}


@pytest.fixture(scope="module")
def removed(tmp_path_factory):
    folder = synthetic_run.write_run(
        tmp_path_factory.mktemp("removed"), synthetic_model.tree_of(synthetic_model.leave_one_out())
    )
    _reports.write(folder)
    return folder


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Of a network that was not trained in the run."""
    tree = synthetic_model.tree_of(synthetic_model.draws(), trained=False)
    folder = synthetic_run.write_run(tmp_path_factory.mktemp("drawn"), tree)
    _reports.write(folder)
    return folder


def test_single_removals_are_told_layer_by_layer(removed):
    assert names(removed, "figures", "png") == {"training", "leave_one_out", "nodes_head", "nodes_unit", "layers"}
    assert names(removed, "tables", "csv") == {"loss", "log_loss", "leave_one_out", "layers", "sites"}
    text = text_of(removed)
    assert "<title>Loss of the network my_package.models:build over single removals (my tokens)</title>" in text
    assert "The network my_package.models:build (12,345 parameters) was trained on the task my tokens" in text
    tokens = runs.open_run(removed).group("task")["test_mask"].values
    assert f"the mean over 12 test examples, {tokens.sum()} of whose 60 targets count, in nats" in text
    assert "accuracy" not in text and not re.search(r"\bnan\b|\bNone\b", text)
    assert "A node of blocks/0/attention is worth most on average" in text
    assert "the 15 costliest and the 15 cheapest removals of 56" in text


def test_sites_stand_in_for_sizes(removed):
    table = pd.read_csv(removed / "tables" / "sites.csv")
    assert list(table["source"]) == [path for path, _, _ in synthetic_model.TRANSFORMER]
    assert list(table["nodes"]) == [4, 24, 4, 24] and list(table["kind"]) == ["head", "unit"] * 2
    assert r"{24} & blocks/0/mlp\_in/out" in (removed / "tables" / "sites.tex").read_text(encoding="utf-8")


def test_numbers_name_the_layers_by_their_order(removed, drawn):
    numbers = (removed / "numbers.tex").read_text(encoding="utf-8")
    assert r"\newcommand{\myTokensLeaveOneOutParameters}{\ensuremath{12345}}" in numbers
    layers = pd.read_csv(removed / "tables" / "layers.csv")
    value = f"{layers['largest_change'][1]:#.3g}"
    assert rf"LayerOneLargestChange}}{{\ensuremath{{{value}}}}} % blocks/0/mlp_in, nats" in numbers
    assert r"\newcommand{\myTokensBernoulliLayerThreeSlopePZeroPointNine}" in (drawn / "numbers.tex").read_text("utf-8")


def test_draws_of_a_network_that_came_trained(drawn):
    assert names(drawn, "figures", "png") == {"layers", "loss_density", "log_loss_density"}
    assert names(drawn, "tables", "tex") == {"loss", "log_loss", "masks", "layers", "best_masks", "sites"}
    text = text_of(drawn)
    assert "was taken as it is, on the task my tokens" in text and "during training" not in text
    assert 'id="the-network"' in text and 'id="training"' not in text
    assert "The loss on the training set is 0.3500 nats" in text
    assert "Summed over the nodes of a layer, the gate gradient of the log loss is largest in size for" in text
    which = pd.read_csv(drawn / "tables" / "best_masks.csv")["nodes"]
    assert which.str.count("blocks/0/mlp_in unit").max() == 1  # named once, whatever its nodes


def test_the_explorer_refuses_in_one_line(removed, tmp_path):
    with pytest.raises(ValueError, match=r"^folder must be a run with a stored .* of two inputs, .*, got my_package"):
        _explorer.explore(removed)
    tree = synthetic_run.configured_tree(synthetic_run.leave_one_out())
    tree["task"] = tree["task"].to_dataset().rename(test_inputs="test_inputs.x")
    folder = synthetic_run.write_run(tmp_path, tree)
    with pytest.raises(ValueError, match=r"must be a run with one array of inputs and one of targets, got no test_in"):
        _explorer.explore(folder)


def test_exports_hold_every_input_and_name_the_layers(removed, drawn, tmp_path, monkeypatch):
    with xr.open_datatree(export.to_netcdf(removed, out=tmp_path / "run.nc"), engine="h5netcdf") as found:
        assert {"test_inputs.tokens", "test_inputs.image", "test_mask"} <= set(found["task"].data_vars)
        assert json.loads(found["network"].attrs["sites"]) == synthetic_model.sites()
    table = pd.read_csv(export.to_csv(removed, out=tmp_path)[0])
    expected = synthetic_model.coordinates()
    assert list(table.columns) == ["node", "layer", "loss", "log_loss"]
    assert list(table["node"]) == list(expected["node"]) and list(table["layer"]) == list(expected["layer"][1])
    # Few masks at a time where each has many numbers.
    monkeypatch.setattr(export, "_CELLS", 3000)
    wide = pd.read_csv(export.to_csv(drawn, out=tmp_path)[0])
    gates = synthetic_model.draws()["gates"].values.reshape(120, -1)
    np.testing.assert_array_equal(wide["gates blocks/1/attention head 3"], gates[:, 31])
