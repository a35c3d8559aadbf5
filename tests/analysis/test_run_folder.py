import pytest
import xarray as xr

from analysis import _seals
from analysis._reports import sweep
from analysis.runs import Run, open_run
from sweeps._studies import registry
from sweeps._studies.circle import report as circle


def damaged(folder, **attributes):
    """A store with these root attributes and nothing else."""
    good = {"format": 3, "study": "circle", "command": "c", "device": "d", "config": "{}", "versions": "{}"}
    attributes = {key: value for key, value in {**good, "seeds": "{}", **attributes}.items() if value is not None}
    _seals.begin(folder / "run.zarr", **attributes)
    return folder


def test_a_run_is_opened_with_its_settings(run_folder):
    run = open_run(str(run_folder))
    assert (run.folder, run.study, run.device) == (run_folder, "circle", "1 CPU device")
    assert run.config["optimizer"] == {"name": "adam", "rate": 0.01}
    assert run.seeds == {"masks": 17, "test_set": 23, "network": 0}
    assert run.group("sweeps/bernoulli").sizes["node"] == 8
    assert run.group("/network").attrs["sizes"] == [2, 8, 2]
    with pytest.raises(ValueError, match=r"path must be a group of the run in .*, got 'sweeps/paths', not among"):
        run.group("sweeps/paths")


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder must be a run folder that holds run.zarr, got .*nowhere$"):
        open_run(tmp_path / "nowhere")
    (tmp_path / "run.zarr").mkdir()
    with pytest.raises(ValueError, match=r"run.zarr/zarr.json is missing; restore it from a copy, or run the"):
        open_run(tmp_path)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"format": 1}, "must be a store of format 3 in .*, got format 1"),
        ({"format": None}, "must be a store of format 3 in .*, got format None"),
        ({"study": None}, "must hold a store with a text attribute 'study', got none"),
        ({"command": 3}, "must hold a store with a text attribute 'command', got int"),
        ({"config": "{"}, "must hold a store whose attribute 'config' is a JSON object, got '{'"),
        ({"seeds": "[1]"}, r"must hold a store whose attribute 'seeds' is a JSON object, got '\[1\]'"),
    ],
)
def test_stores_that_cannot_be_read_are_refused_in_one_line(tmp_path, attributes, message):
    with pytest.raises(ValueError, match=message) as caught:
        open_run(damaged(tmp_path, **attributes))
    assert "\n" not in str(caught.value)


def test_a_study_without_a_report_is_named(tmp_path):
    with pytest.raises(
        ValueError, match=r"must be a run of a study among \['circle', .*'sweep'\], got a run of 'square'"
    ):
        registry.write_report(damaged(tmp_path, study="square"))


@pytest.mark.parametrize(("report", "study"), [(circle, "circle"), (sweep, "sweep")])
def test_a_report_refuses_another_study(tmp_path, report, study):
    with pytest.raises(ValueError, match=f"must be a run of the study '{study}', got a run of 'square' in"):
        report.write(damaged(tmp_path, study="square"))


def test_a_group_that_was_killed_half_written_is_refused(tmp_path, clean_tree):
    tree = clean_tree.copy()
    for group, mark in (("task", {"complete": False}), ("network", {})):
        tree[group].attrs = {**{k: v for k, v in tree[group].attrs.items() if k != "complete"}, **mark}
        with pytest.raises(ValueError, match=f"path must be a finished group of .*, got '{group}', begun"):
            Run(tmp_path, tree, "circle", "c", "d", {}, {}, {}).group(group)


def test_what_is_left_on_disk_is_read_when_it_is_used(run_folder):
    run = open_run(run_folder)
    data = run.group("sweeps/bernoulli", on_disk=("gates", "no such variable"))
    assert not data["gates"].variable._in_memory
    assert all(data[name].variable._in_memory for name in data.variables if name != "gates")
    xr.testing.assert_identical(data.load(), run.group("sweeps/bernoulli"))


def test_a_run_that_lacks_a_group_is_named(tmp_path):
    with pytest.raises(ValueError, match="got 'sweeps/bernoulli', not among"):
        registry.write_report(damaged(tmp_path))
