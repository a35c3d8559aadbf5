"""``sweeps list``: what runs hold, and that no folder stops it."""

import json
import shutil

import pytest

from analysis import _seals
from analysis.runs import FORMAT
from sweeps import _cli
from tests.sweeps.conftest import run_configured, without_jax
from tests.sweeps.test_cli import refused


@pytest.fixture(scope="module")
def folder(circle_run, tmp_path_factory):
    """Runs of all states, by name."""
    top = tmp_path_factory.mktemp("runs")
    for name in ("finished", "deep/down/no_report", "damaged", "older"):
        shutil.copytree(circle_run / "run.zarr", top / name / "run.zarr")
    (top / "finished" / "report.html").touch()
    (top / "damaged" / "run.zarr" / "sweeps" / "bernoulli" / "loss" / "zarr.json").unlink()
    document = top / "older" / "run.zarr" / "zarr.json"
    document.write_text(document.read_text().replace(f'"format": {FORMAT}', '"format": 1'))
    begun(top / "begun" / "run.zarr")
    (top / "foreign" / "run.zarr").mkdir(parents=True)
    (top / "foreign" / "run.zarr" / "zarr.json").write_text('{"zarr_format": 3, "attributes": {}}')
    (top / "no_json" / "run.zarr").mkdir(parents=True)
    (top / "no_json" / "run.zarr" / "zarr.json").write_bytes(b"\xff")
    return top


def begun(store):
    """A sweep from a file of which two of five parts are written."""
    _seals.begin(store, format=FORMAT, study="sweep", command="sweeps run a.toml --out begun")
    main = store / "sweeps" / "main"
    for part in range(2):
        (main / "items" / "done" / "c").mkdir(parents=True, exist_ok=True)
        (main / "items" / "done" / "c" / str(part)).touch()
    (main / "items" / "done" / "zarr.json").write_text('{"shape": [5]}')
    (main / "loss").mkdir()
    (main / "loss" / "zarr.json").write_text('{"shape": [3, 1, 2000]}')
    identity = json.dumps({"design": "Bernoulli(draws=2000)", "nodes": 7})
    (main / "zarr.json").write_text(json.dumps({"attributes": {"identity": identity, "complete": False}}))


STATES = {
    "begun": "begun, 2 of 5 parts",
    "damaged": "damaged: run.zarr/sweeps/bernoulli/loss/zarr.json is damaged or missing",
    "deep/down/no_report": "no report",
    "finished": "finished",
    "foreign": "no run of gatesweep",
    "no_json": "damaged: run.zarr/zarr.json is damaged: it cannot be read",
    "older": f"of another version: format 1, not {FORMAT}",
}


def test_people_read_a_table_made_without_jax(folder):
    head, *lines = without_jax(f"from sweeps._cli import main\nmain(['list', {str(folder)!r}])").splitlines()
    starts = [head.index(word) for word in ("run", "study", "designs", "masks", "nodes", "state", "written", "size")]
    cells = [
        [line[start:stop].strip() for start, stop in zip(starts, [*starts[1:], None], strict=True)] for line in lines
    ]
    assert {name: state for name, *_, state, _, _ in cells} == STATES
    found = {name: rest for name, *rest in cells}
    assert found["begun"][:4] == ["sweep", "Bernoulli", "6,000", "7"]
    assert found["finished"][:2] == ["circle", "Bernoulli, FlipPaths, Hypercube, LeaveOneOut"]
    assert found["foreign"][:4] == ["-"] * 4


def test_programs_read_json(folder, circle_run, capsys):
    _cli.main(["list", str(folder), "--json"])
    found = {row["folder"].removeprefix(f"{folder}/"): row for row in json.loads(capsys.readouterr().out)}
    assert {name: row["state"] for name, row in found.items()} == STATES
    row = found["finished"]
    assert row["size"] == sum(path.stat().st_size for path in (folder / "finished").rglob("*") if path.is_file())
    assert row["command"].startswith("sweeps study circle ")
    cube = {sweep["name"]: sweep for sweep in row["sweeps"]}["hypercube"]
    assert cube["masks"] == 2 ** cube["nodes"] and cube["finished"] and cube["design"] == "Hypercube()"


@pytest.mark.parametrize("keep", ["draws", "summary"])
def test_masks_are_counted_whatever_is_kept(keep, configured_run, tmp_path, capsys):
    folder = configured_run
    if keep == "summary":
        run_configured(configured_run / "sweep.toml", folder := tmp_path, "--sweep.keep", "summary")
    capsys.readouterr()
    _cli.main(["list", str(folder), "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert row["state"] == "no report" and row["sweeps"][0]["masks"] == 3 * 2 * 40


def test_folders_without_runs(tmp_path, capsys):
    _cli.main(["list", str(tmp_path)])
    assert capsys.readouterr().out == f"no runs below {tmp_path}\n"
    assert "there is no folder" in refused(capsys, "list", str(tmp_path / "none"))
    (tmp_path / "file").touch()
    assert "is no folder" in refused(capsys, "list", str(tmp_path / "file"))
