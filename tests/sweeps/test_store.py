"""The run store: what it refuses, removes and records."""

import contextlib
import json
import platform

import jax
import numpy as np
import pytest
import xarray as xr
import zarr
from flax import nnx

import sweeps
from analysis import export, perceptron, runs
from sweeps._store import datasets
from sweeps._store import folder as store
from tests.sweeps.conftest import Killed

DATA = xr.Dataset({"loss": ("draw", np.arange(3.0))}, attrs={"seed": 17})


def run(folder, **options):
    return store.Run(
        folder,
        study="circle",
        config={"nodes": 20, "probability": [0.25]},
        seeds={"masks": 17},
        command="sweeps study circle",
        device="a device",
        **options,
    )


def assert_holds(stored, data):
    """The store may add attributes of its own."""
    xr.testing.assert_equal(stored.load(), data)
    assert data.attrs.items() <= stored.attrs.items()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_groups_read_back_identical(tmp_path):
    made = run(tmp_path / "deep" / "run")
    made.write("sweeps/bernoulli", DATA)
    made.write("task", DATA + 1)
    with xr.open_datatree(made.path, engine="zarr", consolidated=False) as tree:
        assert set(tree.groups) == {"/", "/sweeps", "/sweeps/bernoulli", "/task"}
        assert_holds(tree["sweeps/bernoulli"].to_dataset(), DATA)
    assert made.path == tmp_path / "deep" / "run" / "run.zarr"


def test_whatever_the_names_a_task_is_kept_and_exported(tmp_path):
    inputs = {"a/b": 0, "a": {"b": 1}, "a.b": 2, "$ <\\ ü": 3, "a b": 4, "a%2Fb": 5}
    batch = sweeps.Batch(jax.tree.map(lambda value: np.full((4, 1), value, np.float32), inputs), np.zeros(4, np.int32))
    settings = {"folder": "f", "files": [1, 2], "complete": False, "name": "other", "nothing": None, "in": {"x": [1]}}
    made = run(tmp_path / "run")
    made.write("task", datasets.of_task(sweeps.Task("mine", batch, batch, 2, settings)))
    stored = made.read("task")
    kept = {name.removeprefix("test_inputs."): stored[name].values[0, 0] for name in stored if "test_inputs" in name}
    assert kept == {"a%2Fb": 0, "a.b": 1, "a%2Eb": 2, "$ <%5C ü": 3, "a b": 4, "a%252Fb": 5}
    assert stored.attrs.items() >= ({**settings, "name": "mine", "complete": True}).items()
    with xr.open_datatree(export.to_netcdf(tmp_path / "run"), engine="h5netcdf") as tree:
        assert tree["task"].to_dataset().sizes["test_example"] == 4 and tree["task"].attrs["in"] == '{"x": [1]}'
        assert len(tree["task"].data_vars) == len(stored.data_vars) and tree["task"].attrs["nothing"] == "null"


def test_arrays_of_any_module_have_its_paths_as_names():
    class Mixed(nnx.Module):
        def __init__(self, seed, outputs=2):
            rngs = nnx.Rngs(seed)
            self.conv, self.norm = nnx.Conv(1, 3, (2, 2), rngs=rngs), nnx.BatchNorm(3, rngs=rngs)
            self.parts = nnx.Dict({"a/b": nnx.Linear(3, outputs, rngs=rngs)})
            # Numbers that are drawn are no part of what is kept.
            self.dropout = nnx.Dropout(0.5, rngs=rngs)

    networks = [Mixed(0), Mixed(1)]
    data = datasets.of_parameters(networks)
    assert {str(name): data[name].dims[1:] for name in data} == {
        "conv.kernel": ("conv.kernel.0", "conv.kernel.1", "conv.inputs", "conv.outputs"),
        "conv.bias": ("conv.outputs",),
        **{f"norm.{name}": (f"norm.{name}.0",) for name in ("scale", "bias", "mean", "var")},
        "parts.a%2Fb.kernel": ("parts.a%2Fb.inputs", "parts.a%2Fb.outputs"),
        "parts.a%2Fb.bias": ("parts.a%2Fb.outputs",),
    }
    for number, network in enumerate(networks):
        np.testing.assert_array_equal(data["conv.kernel"][number], network.conv.kernel[...])
    with pytest.raises(ValueError, match="networks must be one or more of one structure"):
        datasets.of_parameters([*networks, nnx.Linear(3, 2, rngs=nnx.Rngs(0))])


def test_stored_perceptrons_are_read_without_jax():
    networks = [sweeps.MLP((2, 4, 3, 2), seed=seed) for seed in range(2)]
    data = datasets.of_parameters(networks).assign_attrs(datasets.structure(networks[0]))
    inputs = np.float32([[0.5, -1.0], [2.0, 0.1]])
    for number, network in enumerate(networks):
        stored = perceptron.outputs(perceptron.from_dataset(data.isel(network=number)), inputs)
        np.testing.assert_allclose(stored, network(jax.numpy.asarray(inputs)), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_a_group_of_the_users_own_does_no_harm(tmp_path):
    made = run(tmp_path / "run")
    made.write("task", DATA)
    # It puts copies of all groups' documents into the store's own, too.
    (DATA + 1).to_zarr(made.path, group="mine/other", mode="a", consolidated=True)
    zarr.consolidate_metadata(made.path)
    tree = runs.open_run(tmp_path / "run").finished().tree
    xr.testing.assert_equal(tree["mine/other"].to_dataset(), DATA + 1)
    assert_holds(made.read("task"), DATA)


def test_config_seeds_versions_and_command_are_recorded(tmp_path):
    with xr.open_zarr(run(tmp_path / "run").path, consolidated=False) as root:
        attributes = root.attrs
    assert attributes["format"] == store.FORMAT == 3
    assert json.loads(attributes["config"]) == {"nodes": 20, "probability": [0.25]}
    assert json.loads(attributes["seeds"]) == {"masks": 17}
    assert (attributes["study"], attributes["command"], attributes["device"]) == (
        "circle",
        "sweeps study circle",
        "a device",
    )
    versions = json.loads(attributes["versions"])
    assert versions["python"] == platform.python_version() and versions["numpy"] == np.__version__
    assert versions["gatesweep"] == sweeps.__version__
    assert {"jax", "jaxlib", "flax", "optax", "xarray", "zarr"} < set(versions)


def test_a_package_that_is_not_installed_is_no_error(monkeypatch):
    monkeypatch.setattr(store, "PACKAGES", ("numpy", "no-such-package"))
    assert store.versions()["no-such-package"] == "not installed"


class TestFolders:
    def test_an_empty_or_absent_folder_will_do(self, tmp_path):
        store.check_folder(tmp_path)
        store.check_folder(tmp_path / "new" / "run")
        assert names(tmp_path) == [], "checking makes nothing"

    def test_another_run_is_refused(self, tmp_path):
        run(tmp_path).write("task", DATA)
        with pytest.raises(FileExistsError, match="already holds a run; choose another folder or give --overwrite"):
            run(tmp_path)
        with xr.open_zarr(tmp_path / "run.zarr", group="task", consolidated=False) as kept:
            assert_holds(kept, DATA)

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_a_folder_of_other_files_is_refused(self, tmp_path, overwrite):
        (tmp_path / "thesis.tex").write_text("years of work")
        with pytest.raises(FileExistsError, match=r"holds other files \(thesis.tex\); choose an empty folder"):
            run(tmp_path, overwrite=overwrite)
        assert (tmp_path / "thesis.tex").read_text() == "years of work"

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_a_file_is_refused(self, tmp_path, overwrite):
        (tmp_path / "out").write_text("a file")
        with pytest.raises(NotADirectoryError, match="the output folder .*out is a file"):
            run(tmp_path / "out", overwrite=overwrite)

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_an_empty_store_makes_no_folder_ours(self, tmp_path, overwrite):
        (tmp_path / "run.zarr/deep").mkdir(parents=True)
        (tmp_path / "tables").mkdir()
        (tmp_path / "tables/mine.csv").write_text("years of work")
        with pytest.raises(FileExistsError, match=r"holds other files \(tables\)"):
            run(tmp_path, overwrite=overwrite)
        assert (tmp_path / "tables/mine.csv").read_text() == "years of work"

    def test_of_a_run_that_finished_nothing_the_store_alone_is_removed(self, tmp_path):
        run(tmp_path)
        (tmp_path / "tables").mkdir()
        (tmp_path / "tables/mine.csv").write_text("years of work")
        run(tmp_path)
        assert (tmp_path / "tables/mine.csv").read_text() == "years of work"

    @pytest.mark.parametrize("name", ["thesis.txt", "c/thesis.txt", "c/0/thesis.txt", "loss/c0"])
    def test_what_zarr_does_not_write_is_not_removed(self, tmp_path, name):
        path = run(tmp_path).path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("years of work")
        for overwrite in (False, True):
            with pytest.raises(FileExistsError, match=f"{name} is no part of a run"):
                run(tmp_path, overwrite=overwrite)
        assert path.read_text() == "years of work"

    def test_a_store_behind_a_link_is_not_removed(self, tmp_path):
        run(tmp_path / "elsewhere").write("task", DATA)
        (tmp_path / "here").mkdir()
        (tmp_path / "here/run.zarr").symlink_to(tmp_path / "elsewhere/run.zarr")
        with pytest.raises(FileExistsError, match="run.zarr is a link"):
            store.check_folder(tmp_path / "here", overwrite=True)

    def test_overwriting_removes_the_parts_of_a_run_and_nothing_else(self, tmp_path):
        run(tmp_path).write("task", DATA)
        for part in ("tables/a.tex", "tables/mine.txt", "figures/a.pdf", "checkpoint/d/0"):
            (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / part).write_text("old")
        for part in ("numbers.tex", "report.html", "notes.txt"):
            (tmp_path / part).write_text("old")
        run(tmp_path, overwrite=True)
        assert names(tmp_path) == ["notes.txt", "run.json", "run.zarr", "tables"]
        assert names(tmp_path / "tables") == ["mine.txt"]
        with xr.open_datatree(tmp_path / "run.zarr", engine="zarr", consolidated=False) as tree:
            assert set(tree.groups) == {"/"}, "the old run's groups are gone"


def test_a_run_of_another_format_does_not_go_on(monkeypatch, tmp_path):
    monkeypatch.setattr("sweeps._store.folder.FORMAT", 2)
    run(tmp_path / "run", resume=True).write("task", DATA)
    monkeypatch.undo()
    with pytest.raises(FileExistsError, match="run.zarr is of format 2, this version writes 3; choose another folder"):
        run(tmp_path / "run", resume=True)


def test_killed_at_any_write_the_same_run_goes_on(writes, tmp_path):
    def begin(folder):
        made = run(folder, resume=True)
        if not made.has("task"):
            made.write("task", DATA)
        return made

    begin(tmp_path / "counted")
    failures = {}
    for number in range(writes.written):
        writes.written, writes.killed_after = 0, number
        with contextlib.suppress(Killed):
            begin(tmp_path / f"killed after {number}")
        writes.killed_after = float("inf")
        try:
            assert_holds(begin(tmp_path / f"killed after {number}").read("task"), DATA)
        except Exception as error:
            failures[number] = error
    assert not failures
