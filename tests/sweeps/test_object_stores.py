"""Sweeps in object stores, with fsspec's own in memory."""

import json
import re

import fsspec
import pytest
import xarray as xr

import analysis
import sweeps
from analysis import _places, runs
from analysis._errors import DamagedError, InputError, NotInstalledError, TakenError, UnavailableError
from sweeps import _cli
from sweeps._config import run as configured
from sweeps._config import settings as config
from sweeps._engine import runner
from sweeps._store import lease
from sweeps._store.record import Record
from sweeps._studies import registry

PLACE = "memory://bucket/sweep"
FILES = fsspec.filesystem("memory")


@pytest.fixture(autouse=True)
def empty(monkeypatch):
    monkeypatch.setattr(runner, "CALL_VECTORS", 8)  # several items
    monkeypatch.setattr(lease, "SILENCE", 0.4)
    FILES.store.clear()
    yield
    FILES.store.clear()


@pytest.fixture(scope="module")
def objective():
    return sweeps.Objective.from_function(lambda gates: 1 + gates.sum(), nodes=3)


def swept(objective, store=PLACE, **options):
    return sweeps.sweep(objective, sweeps.Bernoulli(probability=0.5, draws=30), seed=1, store=store, **options)


def held(**changes):
    known = dict(lease="another", host="elsewhere", process=1, started=0.0, machine="elsewhere")
    FILES.pipe_file(f"{PLACE}.lease", json.dumps(known | changes).encode())


@pytest.mark.parametrize("keep", ["draws", "summary"])
def test_the_numbers_are_those_in_memory(objective, keep):
    xr.testing.assert_equal(swept(objective, keep=keep).load(), swept(objective, None, keep=keep))
    assert not FILES.exists(f"{PLACE}.lease")


def test_a_sweep_that_was_killed_goes_on(objective, monkeypatch):
    write, written = Record.write, []

    def killed(record, item, *arguments):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(item)
        write(record, item, *arguments)

    monkeypatch.setattr(Record, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        swept(objective)
    first, written[:] = list(written), ["not the limit", "of before", "again"]
    xr.testing.assert_equal(swept(objective).load(), swept(objective, None))
    assert len(first) == 2 and not set(first) & set(written[3:]) and len(first + written[3:]) == 4


def test_a_damaged_object_is_seen_and_written_anew(objective, capsys):
    wanted = swept(objective).load()
    chunk = f"{PLACE}/loss/c/0/0/1"
    content = bytearray(FILES.cat_file(chunk))
    content[-1] ^= 1
    FILES.pipe_file(chunk, bytes(content))
    FILES.rm_file(f"{PLACE}/loss/c/0/0/2")
    xr.testing.assert_equal(swept(objective).load(), wanted)
    assert f"{chunk} is damaged or missing, and is made anew" in capsys.readouterr().err


def test_what_is_not_ours_stays(objective):
    FILES.pipe_file(f"{PLACE}/thesis.tex", b"years of work")
    with pytest.raises(TakenError, match=f"store {PLACE} already holds something that is no sweep"):
        swept(objective)
    assert FILES.find(PLACE) == ["/bucket/sweep/thesis.tex"]


def test_another_sweep_is_refused(objective):
    swept(objective)
    with pytest.raises(InputError, match="holds another sweep: gradients was True, now False"):
        swept(objective, gradients=False)


class TestLeases:
    @pytest.mark.parametrize("knows_new", [True, False])
    def test_a_living_writer_is_seen(self, objective, monkeypatch, knows_new):
        held()
        if not knows_new:  # as stores that ignore that an object has to be new
            write = type(FILES).pipe_file
            monkeypatch.setattr(type(FILES), "pipe_file", lambda files, path, value, mode="": write(files, path, value))
        monkeypatch.setattr(lease.time, "sleep", lambda seconds: held(time="later"))
        with pytest.raises(InputError, match="is being written by process 1 on elsewhere"):
            swept(objective)
        assert not FILES.exists(PLACE)

    @pytest.mark.parametrize("content", [b"{}", b"half a le", None])
    def test_a_silent_one_is_replaced(self, objective, content):
        held()
        if content is not None:
            FILES.pipe_file(f"{PLACE}.lease", content)
        assert swept(objective)["loss"].size == 30
        assert not FILES.exists(f"{PLACE}.lease")

    @pytest.mark.skipif(not lease._machine(), reason="no machine is known here")
    def test_one_that_died_here_is_replaced_at_once(self, objective, monkeypatch):
        held(process=2**22 + 1, machine=lease._machine())
        monkeypatch.setattr(lease.time, "sleep", lambda seconds: pytest.fail("waited"))
        swept(objective)

    def test_who_lost_it_writes_no_more(self, objective):
        mine = lease.Lease.of(_places.place_of("store", PLACE))
        held()
        mine._seen = 0.0  # as after a long sleep
        with pytest.raises(UnavailableError, match="is being written by another process now"):
            swept(objective)
        mine.release()
        assert FILES.exists(f"{PLACE}.lease"), "it is the other's"


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("s3://bucket", "store must name a bucket and a folder in it"),
        ("s3://bucket/a//b", "store must name a bucket and a folder in it"),
        ("memory://bucket/../b", "store must name a bucket and a folder in it"),
        ("https://host/sweep", "store must be a path on a disk, or an address of s3:// or gs://"),
    ],
)
def test_what_is_no_address_is_named(objective, store, message):
    with pytest.raises(InputError, match=message):
        swept(objective, store)


def test_a_package_that_is_missing_is_named(objective, monkeypatch):
    monkeypatch.setattr(_places.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotInstalledError, match=r"gs:// needs the package gcsfs: pip install 'gatesweep\[gs\]'"):
        swept(objective, "gs://bucket/sweep")


def test_a_failed_request_is_not_an_empty_store(objective, monkeypatch):
    def refused(*arguments, **options):
        raise PermissionError("Access Denied")

    monkeypatch.setattr(type(FILES), "info", refused)
    with pytest.raises(UnavailableError, match=f"{PLACE} cannot be reached: Access Denied"):
        swept(objective)
    assert not FILES.store


def test_a_missing_bucket_is_named(objective, monkeypatch):
    def missing(*arguments, **options):
        raise FileNotFoundError("https://host/upload/b/bucket/o")

    monkeypatch.setattr(type(FILES), "pipe_file", missing)
    with pytest.raises(UnavailableError, match="sweep.lease cannot be written: there is no bucket bucket"):
        swept(objective)


def contents():
    return {name: file.getvalue() for name, file in FILES.store.items()}


class TestRuns:
    ADDRESS = "memory://bucket/runs/mine"

    @staticmethod
    def settings():
        return config.Configuration(
            network=config.NetworkSettings(sizes=(2, 4, 2)),
            training=config.TrainingSettings(epochs=1),
            sweep=config.SweepSettings(draws=10),
        )

    @pytest.fixture
    def made(self, monkeypatch):
        monkeypatch.setattr(runner, "CALL_VECTORS", 2**10)
        configured.run(self.settings(), self.ADDRESS)
        return self.ADDRESS

    def test_a_run_is_made_gone_on_with_and_read(self, made, monkeypatch):
        before = contents()
        monkeypatch.setattr(configured, "train", lambda *arguments, **options: pytest.fail("trained again"))
        configured.run(self.settings(), made)
        assert contents() == before and not [name for name in before if name.endswith(".lease")]
        run = runs.open_run(made).finished()
        assert str(run.folder) == made and run.group("sweeps/main").sizes["draw"] == 10

    def test_a_damaged_run_is_refused(self, made):
        FILES.pipe_file(f"{made}/run.zarr/network/zarr.json", b"{}")
        with pytest.raises(DamagedError, match=f"{made}/run.zarr/network/zarr.json is damaged or missing"):
            runs.open_run(made)

    def test_overwriting_removes_what_is_ours(self, made):
        FILES.pipe_file(f"{made}/tables/deep/mine.tex", b"years of work")
        FILES.pipe_file(f"{made}/tables/loss.tex", b"a table")
        configured.run(self.settings(), made, overwrite=True)
        assert FILES.find(f"{made}/tables") == ["/bucket/runs/mine/tables/deep/mine.tex"]
        FILES.pipe_file(f"{made}/run.zarr/notes.txt", b"years of work")
        with pytest.raises(TakenError, match="notes.txt is no part of a run"):
            configured.run(self.settings(), made, overwrite=True)

    def test_what_is_made_of_it_goes_there(self, made, capsys):
        _cli.main(["report", made])
        assert capsys.readouterr().out == f"report: {made}/report.html\n"
        assert str(analysis.explore(made)) == f"{made}/explorer.html"
        capsys.readouterr()
        _cli.main(["export", made])
        _cli.main(["export", made, "--out", "memory://bucket/copy"])
        written = [f"{out}/{name}" for out in (made, "memory://bucket/copy") for name in ("run.nc", "csv/main.csv")]
        assert capsys.readouterr().out.split("export: ")[1:] == [f"{name}\n" for name in written]
        assert FILES.find("memory://bucket/copy") == ["/bucket/copy/csv/main.csv", "/bucket/copy/run.nc"]
        for name in ("report.html", "explorer.html", "run.nc", "csv/main.csv", "figures/loss_density.pdf"):
            assert FILES.size(f"{made}/{name}") > 100

    def test_a_study_holds_its_address_before_it_trains(self, monkeypatch):
        trained = []

        def run(study, settings, out, **options):
            trained.append((str(out), FILES.exists(f"{out}.lease")))

        monkeypatch.setattr(registry.Study, "run", run)
        monkeypatch.setattr(registry, "write_report", lambda out: out)
        _cli.main(["study", "spiral", "--out", self.ADDRESS])
        assert trained == [(self.ADDRESS, True)] and not FILES.exists(f"{self.ADDRESS}.lease")

    def test_several_processes_need_a_disk(self, tmp_path, capsys):
        (tmp_path / "a.toml").touch()
        with pytest.raises(SystemExit):
            _cli.main(["run", str(tmp_path / "a.toml"), "--out", self.ADDRESS, "--distributed"])
        assert "--out must be on a disk that all processes reach" in capsys.readouterr().err

    def test_a_list_has_what_is_below(self, made, capsys):
        FILES.pipe_file("memory://bucket/runs/.kept/run.zarr/zarr.json", b"{}")
        _cli.main(["list", "memory://bucket/runs"])
        FILES.rm_file(f"{made}/run.zarr/sweeps/main/loss/c/0/0/0")
        _cli.main(["list", made])
        shown = capsys.readouterr().out
        assert re.search(r"^mine +sweep +Bernoulli +30 +4 +no report +20\d\d-", shown, re.MULTILINE)
        assert "damaged: run.zarr/sweeps/main/loss/c/0/0/0 is damaged or missing" in shown and ".kept" not in shown

    def test_an_array_that_cannot_be_read_any_more_is_named(self, made, monkeypatch):
        class Cut(dict):
            def __getitem__(self, name):
                raise ConnectionError("the cable is cut")

        run = runs.open_run(made)
        monkeypatch.setattr(type(FILES), "store", Cut())
        with pytest.raises(
            UnavailableError, match=rf"{made}/run.zarr/sweeps/main/\S+ cannot be reached: the cable is cut"
        ):
            run.group("sweeps/main")["loss"].load()
