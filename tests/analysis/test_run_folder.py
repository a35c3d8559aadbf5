import pytest
import xarray as xr

from analysis import reports
from analysis.runs import open_run


def damaged(folder, **attributes):
    """A store with these root attributes and nothing else."""
    good = {"format": 1, "study": "circle", "command": "c", "device": "d", "config": "{}", "versions": "{}"}
    attributes = {key: value for key, value in {**good, "seeds": "{}", **attributes}.items() if value is not None}
    xr.Dataset(attrs=attributes).to_zarr(folder / "run.zarr", consolidated=False)
    return folder


def test_a_run_is_opened_with_its_settings(run_folder):
    run = open_run(str(run_folder))
    assert (run.folder, run.study, run.device) == (run_folder, "circle", "cpu")
    assert run.config["optimizer"] == {"name": "adam", "rate": 0.01}
    assert run.seeds == {"masks": 17, "test_set": 23, "network": 0}
    assert run.group("sweeps/bernoulli").sizes["node"] == 8
    assert run.group("/network").attrs["sizes"] == [2, 8, 2]
    with pytest.raises(ValueError, match=r"path: expected a group of the run in .*, got 'sweeps/paths', not among"):
        run.group("sweeps/paths")


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder: expected a run folder that holds run.zarr, got .*nowhere$"):
        open_run(tmp_path / "nowhere")
    (tmp_path / "run.zarr").mkdir()
    with pytest.raises(ValueError, match=r"folder: expected a readable run.zarr in .*, got \w+$"):
        open_run(tmp_path)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"format": 2}, "expected a store of format 1 in .*, got format 2"),
        ({"format": None}, "expected a store of format 1 in .*, got format None"),
        ({"study": None}, "to have a text attribute 'study', got none"),
        ({"command": 3}, "to have a text attribute 'command', got int"),
        ({"config": "{"}, "expected attribute 'config' of the store in .* to be a JSON object, got '{'"),
        ({"seeds": "[1]"}, r"expected attribute 'seeds' of the store in .* to be a JSON object, got '\[1\]'"),
    ],
)
def test_stores_that_cannot_be_read_are_refused_in_one_line(tmp_path, attributes, message):
    with pytest.raises(ValueError, match=message) as caught:
        open_run(damaged(tmp_path, **attributes))
    assert "\n" not in str(caught.value)


def test_a_study_without_a_report_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"expected a run of a study among \['circle'\], got a run of 'square'"):
        reports.write(damaged(tmp_path, study="square"))


def test_a_run_that_lacks_a_group_is_named(tmp_path):
    with pytest.raises(ValueError, match="got 'sweeps/bernoulli', not among"):
        reports.write(damaged(tmp_path))
