"""Exports: netCDF and CSV files hold the store's numbers, and ArviZ takes a sweep as it is."""

import arviz
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis import export, runs
from tests.analysis import synthetic_run


@pytest.fixture(scope="module")
def run(run_folder):
    return runs.open_run(run_folder)


def test_netcdf_holds_every_group(run, run_folder, tmp_path):
    path = export.to_netcdf(run_folder, out=tmp_path / "new" / "all.nc")
    with xr.open_datatree(path, engine="h5netcdf") as found:
        assert {node.path for node in found.subtree} == {node.path for node in run.tree.subtree}
        assert found.attrs["command"] == run.command and found.attrs["format"] == runs.FORMAT
        for node in run.tree.subtree:
            for name, variable in node.variables.items():
                np.testing.assert_array_equal(found[node.path].variables[name].values, variable.values)
            assert found[node.path].attrs.keys() == node.attrs.keys()


def test_csv_has_a_row_for_each_mask(run, run_folder, tmp_path, monkeypatch):
    # Rows are written a few at a time, with one header.
    monkeypatch.setattr(export, "_ROWS", 128)
    paths = {path.stem: path for path in export.to_csv(run_folder, out=tmp_path)}
    assert set(paths) == {"bernoulli", "leave_one_out", "flip_paths", "hypercube"}
    sweep, table = run.group("sweeps/bernoulli"), pd.read_csv(paths["bernoulli"])
    assert list(table.columns[:5]) == ["probability", "chain", "draw", "loss", "log_loss"]
    assert len(table) == sweep.loss.size
    np.testing.assert_array_equal(table["loss"].to_numpy(np.float32), sweep.loss.values.ravel())
    np.testing.assert_array_equal(table["probability"], np.repeat(synthetic_run.PROBABILITIES, synthetic_run.DRAWS))
    for node, label in enumerate(sweep.node.values):
        np.testing.assert_array_equal(table[f"gates {label}"], sweep.gates.values[..., node].ravel())
    cube = pd.read_csv(paths["hypercube"])
    assert list(cube["mask"]) == list(range(2**synthetic_run.NODES))
    walks = pd.read_csv(paths["flip_paths"])
    assert walks["step"].max() == synthetic_run.NODES
    assert list(pd.read_csv(paths["leave_one_out"])["node"]) == list(synthetic_run.node_labels())


def test_arviz_takes_a_sweep(run):
    data = export.to_arviz(run.group("sweeps/flip_paths"))
    assert data.posterior["log_loss"].dims == ("chain", "draw", "step")
    assert (arviz.ess(data, var_names=["log_loss"])["log_loss"] > 10).all()
    with pytest.raises(ValueError, match="chain"):
        export.to_arviz(run.group("sweeps/hypercube"))
