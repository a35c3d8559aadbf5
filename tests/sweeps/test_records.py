"""Records: a sweep that was killed, ran out of disk or was damaged goes on and ends with the same files."""

import contextlib
import errno
import functools
import json
import re
import shutil
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
import zarr

import sweeps
from sweeps import InputError
from sweeps._engine import runner
from sweeps._store.record import Record
from tests.sweeps import helpers
from tests.sweeps.conftest import Killed
from tests.sweeps.helpers import SMALL

# Three items in each of two streams: eight draws of 2 bits + 4 bytes in an item; the last item has two.
DESIGN = sweeps.Bernoulli(probability=(0.25, 0.75), draws=18)
ITEMS, CALL_BYTES = 6, 8 * 4.25


@functools.cache
def objective():
    return sweeps.Objective.from_function(lambda gates: 1 + jnp.square(gates + 0.5).sum(), nodes=2)


def swept(path, keep="draws", design=DESIGN, made=None, **options):
    options = dict(seed=3, gradients=False, batch_size=4) | options
    return sweeps.sweep(made or objective(), design, store=path, keep=keep, **options).load()


def files(folder):
    """Every file under a folder, and what is in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_same_files(folder, wanted):
    found = files(folder)
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if found[name] != wanted[name]] == []


@pytest.fixture(autouse=True)
def small_items(monkeypatch):
    monkeypatch.setattr(runner, "CALL_BYTES", CALL_BYTES)


@pytest.fixture(scope="module", params=["draws", "summary"])
def whole(request, tmp_path_factory):
    """What is kept, and the files of a sweep that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "sweep.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "CALL_BYTES", CALL_BYTES)
        swept(folder, request.param)
    return request.param, folder, files(folder)


def interrupted(path, keep, monkeypatch, after, error):
    """Sweep until the item ``after``, whose writing raises."""
    write = Record.write

    def failing(record, item, *arguments):
        if item == after:
            raise error
        write(record, item, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Record, "write", failing)
        with pytest.raises(type(error), match=re.escape(str(error))):
            swept(path, keep)


def test_killed_at_any_write_it_goes_on(whole, writes, tmp_path):
    keep, _, wanted = whole
    swept(tmp_path / "counted", keep)
    total = writes.written
    assert_same_files(tmp_path / "counted", wanted)
    # Among the first few, in the items, and at the end.
    step, failures = total // (8 if keep == "draws" else 5), {}
    for number in [*range(4 if keep == "draws" else 0), *range(4, total, step)]:
        path = tmp_path / f"killed after {number}"
        writes.written, writes.killed_after = 0, number
        # The order of the files, and so their number a few more or less, may differ from run to run.
        with contextlib.suppress(Killed):
            swept(path, keep)
        writes.killed_after = float("inf")
        try:
            swept(path, keep)
            assert_same_files(path, wanted)
        except Exception as error:
            failures[number] = error
    assert not failures, f"of {total} writes"


def test_a_full_disk_keeps_what_is_finished(whole, evaluated, monkeypatch, tmp_path):
    keep, _, wanted = whole
    path = tmp_path / "sweep.zarr"
    interrupted(path, keep, monkeypatch, 2, OSError(errno.ENOSPC, "No space left on device"))
    assert 2 in evaluated
    evaluated.clear()
    swept(path, keep)
    assert evaluated == [2, 3, 4, 5], "the first two were finished"
    assert_same_files(path, wanted)


def test_a_folder_that_cannot_be_written_is_said(monkeypatch, tmp_path):
    def denied(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(zarr.storage._local, "_put", denied)
    with pytest.raises(InputError, match="sweep.zarr/.* cannot be written: Permission denied"):
        swept(tmp_path / "sweep.zarr")


def unfinished(path, keep, monkeypatch):
    """A sweep of which the last item is missing."""
    interrupted(path, keep, monkeypatch, ITEMS - 1, RuntimeError("the lights went out"))


def chunk(path, keep, item):
    """A chunk of an item: streams of three items each."""
    return (
        path / "parts/loss_histogram/c" / f"{item}/0"
        if keep == "summary"
        else path / "loss/c" / f"{item // 3}/0/{item % 3}"
    )


def flipped(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x10
    file.write_bytes(bytes(content))


def test_damaged_chunks_are_computed_again(whole, evaluated, monkeypatch, tmp_path, capsys):
    keep, _, wanted = whole
    path = tmp_path / "sweep.zarr"
    unfinished(path, keep, monkeypatch)
    damaged = [chunk(path, keep, item) for item in (0, 1, 2, 4)]
    flipped(damaged[0])
    damaged[1].unlink()
    damaged[2].write_bytes(damaged[2].read_bytes()[: damaged[2].stat().st_size // 2])
    damaged[3].write_bytes(b"")
    evaluated.clear()
    swept(path, keep)
    assert evaluated == [0, 1, 2, 4, ITEMS - 1], "the fourth of six was neither damaged nor missing"
    assert capsys.readouterr().err == "".join(
        f"{file} is damaged: part {part} of {ITEMS} is computed again\n"
        for file, part in zip(damaged, (1, 2, 3, 5), strict=True)
    )
    assert_same_files(path, wanted)


def test_what_a_kill_left_half_written_is_removed(whole, monkeypatch, tmp_path):
    keep, _, wanted = whole
    path = tmp_path / "sweep.zarr"
    unfinished(path, keep, monkeypatch)
    for folder in (path, path / "items/done/c", chunk(path, keep, 0).parent):
        (folder / f"0.{'9f86d081884c7d65' * 2}.partial").write_bytes(b"half")
    swept(path, keep)
    assert_same_files(path, wanted)


def test_a_complete_record_is_returned_and_nothing_computed(whole, evaluated):
    keep, folder, wanted = whole
    found = swept(folder, keep)
    assert not evaluated and not {"identity", "complete"} & set(found.attrs)
    xr.testing.assert_equal(found, swept(None, keep))
    assert_same_files(folder, wanted)


def test_damage_in_a_finished_record_is_said_and_mended_by_the_same_call(whole, tmp_path, capsys):
    """One file of each kind: of each array its document and a chunk."""
    keep, folder, wanted = whole
    kinds = {re.sub(r"/c/.*", "/c", name): name for name in wanted}
    # A summary has a hundred arrays, of two kinds.
    names = sorted(kinds.values())
    chosen = {"zarr.json", "items/zarr.json", *names[:: -(-len(names) // (12 if keep == "draws" else 5))]}
    path = tmp_path / "sweep.zarr"
    shutil.copytree(folder, path)
    for index, name in enumerate(chosen):
        flipped(path / name) if index % 2 else (path / name).unlink()
        swept(path, keep)
        assert f"{path / name} is damaged" in capsys.readouterr().err, name
        assert_same_files(path, wanted)


def test_damage_after_opening_is_seen_when_the_chunk_is_read(whole, tmp_path):
    keep, folder, wanted = whole
    shutil.copytree(folder, tmp_path / "sweep.zarr")
    data = sweeps.sweep(
        objective(), DESIGN, seed=3, gradients=False, batch_size=4, store=tmp_path / "sweep.zarr", keep=keep
    )
    name = "loss" if keep == "draws" else "loss_histogram"
    flipped(next(path for path in (tmp_path / "sweep.zarr" / name / "c").rglob("0") if path.is_file()))
    with pytest.raises(ValueError, match="checksum"):
        data[name].load()


def test_a_record_without_any_document_of_its_own_is_refused(whole, tmp_path):
    keep, folder, _ = whole
    path = tmp_path / "sweep.zarr"
    shutil.copytree(folder, path)
    for name in ("zarr.json", "items/zarr.json"):
        (path / name).unlink()
    before = files(path)
    with pytest.raises(InputError, match="sweep.zarr already holds something that is no sweep"):
        swept(path, keep)
    assert_same_files(path, before)


def test_infinite_numbers_are_valid_json(tmp_path):
    made = sweeps.Objective.from_function(lambda gates: 1 - jnp.log(jnp.abs(gates.sum() - 2)), nodes=2)
    found = swept(tmp_path / "sweep.zarr", made=made)
    assert found.attrs["full_loss"] == np.inf
    for path in (tmp_path / "sweep.zarr").rglob("zarr.json"):
        json.loads(path.read_text(), parse_constant=pytest.fail)


def test_another_process_that_writes_the_record_is_told(tmp_path):
    program = (
        f"import pathlib, sys\nfrom sweeps._store import disk\n"
        f"with disk.locked(pathlib.Path({str(tmp_path)!r})):\n    print('locked', flush=True)\n    sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(InputError, match=f"{tmp_path} is being written by another process; wait until it ends"):
            swept(tmp_path)
        other.kill()
    swept(tmp_path)


def test_finished_parts_are_listed_nowhere_but_in_the_record(whole):
    keep, folder, _ = whole
    with xr.open_zarr(folder, consolidated=False) as data:
        assert not [name for name in data if "." in name or name == "done"]


class TestAnotherSweep:
    """What is in the way is left as it is."""

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (dict(seed=4), "seed was 3, now 4"),
            (
                dict(design=sweeps.Bernoulli(probability=(0.25, 0.75), draws=19)),
                r"design was .*draws=18.*, now .*draws=19",
            ),
            (
                dict(design=sweeps.Bernoulli(probability=(0.25, 0.7500001), draws=18)),
                "design was .*0.75.*, now .*0.7500001",
            ),
            (dict(gradients=True), "gradients was False, now True"),
            (dict(keep="other"), "keep was"),
            (dict(seed=4, gradients=True), r"seed was 3, now 4 \(also different: gradients"),
        ],
    )
    def test_is_refused_with_what_differs(self, change, message, whole, tmp_path):
        keep, folder, _ = whole
        path = tmp_path / "sweep.zarr"
        shutil.copytree(folder, path)
        zarr.open_group(path, mode="r+").attrs["complete"] = False
        before = files(path)
        if "keep" in change:
            change = dict(keep="summary" if keep == "draws" else "draws")
        with pytest.raises(ValueError, match=f"store .*sweep.zarr holds another sweep: {message}"):
            swept(path, **(dict(keep=keep) | change))
        assert_same_files(path, before)

    @pytest.mark.parametrize("package", ["gatesweep", "jax", "jaxlib"])
    def test_of_another_version_is_refused(self, package, whole, monkeypatch):
        keep, folder, wanted = whole
        now = runner.versions()
        monkeypatch.setattr(runner, "versions", lambda: now | {package: "99.0"})
        message = f"holds another sweep: {package} version was {now[package]}, now 99.0"
        with pytest.raises(ValueError, match=message.replace(".", r"\.")):
            swept(folder, keep)
        assert_same_files(folder, wanted)

    def test_of_another_format_is_refused(self, whole, monkeypatch):
        keep, folder, wanted = whole
        monkeypatch.setattr(runner, "FORMAT", runner.FORMAT + 1)
        with pytest.raises(ValueError, match=f"holds another sweep: format was {runner.FORMAT - 1}, now "):
            swept(folder, keep)
        assert_same_files(folder, wanted)

    def test_with_other_items_is_refused(self, whole, monkeypatch):
        keep, folder, _ = whole
        monkeypatch.setattr(runner, "CALL_BYTES", 2 * CALL_BYTES)
        with pytest.raises(ValueError, match="holds another sweep: rows was 8, now 16"):
            swept(folder, keep)

    @pytest.mark.parametrize("plan", ["affine", "vmapped"])
    def test_of_other_numbers_is_refused(self, plan, tmp_path):
        def of(problem):
            swept(tmp_path / plan, design=sweeps.LeaveOneOut(), made=helpers.objective(problem, plan=plan))

        of(SMALL)
        moved = SMALL.inputs.copy()
        moved[0, 0] += 0.5
        others = [SMALL._replace(inputs=moved), SMALL._replace(targets=1 - SMALL.targets)]
        for other in others:
            with pytest.raises(ValueError, match="holds another sweep: network was .*, now "):
                of(other)

    def test_of_another_activation_is_refused(self, tmp_path):
        def of(activation):
            made = helpers.objective(SMALL._replace(activation=activation), plan="vmapped")
            swept(tmp_path / "sweep.zarr", design=sweeps.LeaveOneOut(), made=made)

        of("relu")
        with pytest.raises(ValueError, match="holds another sweep: network was .*, now "):
            of("tanh")

    def test_of_another_function_is_refused(self, tmp_path):
        def of(power):
            made = sweeps.Objective.from_function(lambda gates: 1 + (gates**power).sum(), nodes=2)
            swept(tmp_path / "sweep.zarr", design=sweeps.Masks([[0.5, 0.5], [1, 2]]), made=made)

        of(2)
        with pytest.raises(ValueError, match="holds another sweep: "):
            of(3)

    def test_of_the_same_function_made_again_goes_on(self, tmp_path):
        for _ in range(2):
            made = sweeps.Objective.from_function(lambda gates: 1 + jnp.maximum(gates, 0.1).sum(), nodes=2)
            swept(tmp_path / "sweep.zarr", design=sweeps.LeaveOneOut(), made=made)

    def test_of_another_precision_is_refused(self, tmp_path):
        def of(precision):
            made = sweeps.Objective(helpers.network(SMALL), helpers.batch(SMALL), precision=precision)
            swept(tmp_path / "sweep.zarr", design=sweeps.LeaveOneOut(), made=made)

        of("highest")
        with pytest.raises(ValueError, match="holds another sweep: precision was highest, now default"):
            of("default")


class TestSomethingElse:
    def test_a_zarr_group_of_another_kind_is_refused(self, tmp_path):
        xr.Dataset({"loss": ("draw", np.arange(3.0))}).to_zarr(tmp_path / "mine", consolidated=False)
        before = files(tmp_path / "mine")
        with pytest.raises(FileExistsError, match="store .*mine already holds something that is no sweep of"):
            swept(tmp_path / "mine")
        assert_same_files(tmp_path / "mine", before)

    def test_a_file_is_refused(self, tmp_path):
        (tmp_path / "notes").write_text("mine")
        with pytest.raises((FileExistsError, NotADirectoryError), match="notes"):
            swept(tmp_path / "notes")
        assert (tmp_path / "notes").read_text() == "mine"

    def test_an_empty_folder_will_do(self, whole, tmp_path):
        keep, _, wanted = whole
        swept(tmp_path, keep)
        assert_same_files(tmp_path, wanted)


def test_a_record_says_which_plan_ran(tmp_path):
    made = helpers.objective(SMALL)
    swept(tmp_path / "cube", design=sweeps.Hypercube(), made=made)
    identity = json.loads(zarr.open_group(tmp_path / "cube", mode="r").attrs["identity"])
    assert (made.plan.name, identity["plan"]) == ("affine", "cube")


@pytest.mark.parametrize("whole", ["draws"], indirect=True)
def test_the_batch_size_may_change_when_it_goes_on(whole, monkeypatch, tmp_path):
    keep, folder, _ = whole
    path = tmp_path / "sweep.zarr"
    unfinished(path, keep, monkeypatch)
    found, wanted = swept(path, keep, batch_size=8), swept(folder, keep)
    for name in wanted:
        # Losses up to 6 and their moments, of two programs that sum two numbers.
        np.testing.assert_allclose(found[name], wanted[name], rtol=16 * helpers.SINGLE, atol=1e-6, err_msg=name)


def test_a_record_says_what_it_is_of(whole):
    keep, folder, _ = whole
    attributes = dict(zarr.open_group(folder, mode="r").attrs)
    identity = json.loads(attributes["identity"])
    assert attributes["complete"] is True
    assert (identity["seed"], identity["keep"], identity["gradients"]) == (3, keep, False)
    assert identity["design"] == repr(DESIGN) == attributes["design"]
