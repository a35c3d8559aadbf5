"""Scale: several devices, several processes, a kill from outside, and batches that do not fit in memory."""

import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import jax
import numpy as np
import pytest
import zarr

import sweeps
from sweeps import _device
from sweeps._engine import batches, runner
from sweeps._plans import choosing, fused
from tests.sweeps import helpers
from tests.sweeps.conftest import run_configured
from tests.sweeps.helpers import PROBLEMS, SINGLE, SMALL
from tests.sweeps.test_records import CALL_BYTES, assert_same_files, files, swept

ROOT = Path(__file__).parents[2]


def started(code, *arguments, devices=1):
    """Start Python in a process of its own, from the root of the repository."""
    environment = os.environ | {
        # As this process compiles, or the last bits would differ.
        "XLA_FLAGS": re.sub(r"(device_count=)\d+", rf"\g<1>{devices}", os.environ["XLA_FLAGS"]),
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
    }
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process):
    """Exit status and everything that was printed."""
    printed = process.communicate(timeout=120)[0]
    return process.returncode, printed


# ---- several devices ----


# 2 x 53 draws in batches of 8: fourteen batches for both streams, or seven a stream, on four devices. The cube of six
# nodes is one batch, which one of the devices gets.
def swept_on_all_devices():
    objective, draws = helpers.objective(SMALL), sweeps.Bernoulli(probability=(0.25, 0.75), draws=53)
    return {
        "draws": sweeps.sweep(objective, draws, seed=3, batch_size=8),
        "kernel": swept_as_on_a_gpu(helpers.objective(SMALL), draws),
        "cube": sweeps.sweep(objective, sweeps.Hypercube(), gradients=False),
        "shared": swept_one_at_a_time(helpers.objective(PROBLEMS["three layers"], plan="vmapped")),
        "summary": sweeps.sweep(objective, draws, seed=3, batch_size=8, keep="summary", gradients=False),
    }


def swept_one_at_a_time(objective):
    """As a network that fills the cache: eight masks, of which each device evaluates two."""
    with patch.object(_device, "here", lambda: replace(_device.CPU, batch=1)):
        data = sweeps.sweep(objective, sweeps.LeaveOneOut(), gradients=False)
    assert data.attrs["plan"].startswith("shared: ")
    return data


def swept_as_on_a_gpu(objective, draws):
    """By the fused kernel, interpreted, with results that land in pinned memory while four calls are in flight."""
    objective.plan = choosing.Choice("fused", "a test", fused.build(objective.plan.tree, interpret=True))
    with patch.object(_device, "here", lambda: replace(_device.CPU, landing="pinned_host", in_flight=4)):
        return sweeps.sweep(objective, draws, seed=3, batch_size=8)


ON_FOUR_DEVICES = """
import pickle, sys, jax
from tests.sweeps import test_scale
assert len(jax.devices()) == 4
results = {name: data.load() for name, data in test_scale.swept_on_all_devices().items()}
pickle.dump(results, open(sys.argv[1], "wb"))
"""


# ---- the command line, killed and shared ----

WITHOUT_REPORT = """
import sys
from sweeps._studies import registry
from sweeps import _cli
from sweeps._engine import runner
from tests.sweeps import test_records
registry.write_report = lambda out: out
"""
# An item's first array is written, and then there is no more process.
KILLED = f"""{WITHOUT_REPORT}
import os, signal
kills = int(sys.argv.pop(1))
from sweeps._store.record import Record
write = Record.write
def killed(record, item, places, values, counts):
    if item == kills:
        name = list(places)[0]
        record._array(record._path(name))[places[name].region] = values[name].reshape(places[name].shape)
        os.kill(os.getpid(), signal.SIGKILL)
    write(record, item, places, values, counts)
Record.write = killed
_cli.main(sys.argv[1:])
"""
# One start of JAX for two sweeps: the command line's, and a summary.
SHARED = f"""{WITHOUT_REPORT}
summary, *arguments = sys.argv[1:]
_cli.main(arguments)
runner.CALL_BYTES = test_records.CALL_BYTES
test_records.swept(summary, "summary")
"""


MAIN = "run.zarr/sweeps/main"


def trained_only(finished_run, folder):
    """Make a run that stopped when it had trained its network: so that not every test has to train one."""
    shutil.copytree(finished_run, folder)
    shutil.rmtree(folder / MAIN)
    return folder


@pytest.fixture
def trained(configured_run, tmp_path):
    return trained_only(configured_run / "run", tmp_path / "run")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the other processes write: four, killed, shared and summary.zarr."""
    return tmp_path_factory.mktemp("children")


@pytest.fixture(scope="module", autouse=True)
def children(configured_run, folder):
    """The other processes, started before all tests of this file and ended after them: starting JAX takes its time."""
    killed, shared, left = (
        trained_only(configured_run / "run", folder / name) for name in ("killed", "shared", "left")
    )
    command = ["run", configured_run / "sweep.toml", "--out"]
    distributed, leaving = (
        ["--distributed", "--coordinator", f"localhost:{free_port()}", "--processes", "2", "--process"]
        for _ in range(2)
    )
    made = {
        "devices": started(ON_FOUR_DEVICES, folder / "four", devices=4),
        "killed": started(KILLED, 2, *command, killed),
        "first": started(SHARED, folder / "summary.zarr", *command, shared, *distributed, 0),
        "second": started(SHARED, folder / "summary.zarr", *command, shared, *distributed, 1),
        # Items 1, 3 and 5 are the second process's.
        "survivor": started(KILLED, -1, *command, left, *leaving, 0),
        "lost": started(KILLED, 3, *command, left, *leaving, 1),
    }
    yield made
    for process in made.values():
        process.kill()
        process.wait()
        process.stdout.close()


def free_port():
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


# ---- a device with little memory ----


@pytest.fixture
def memory(monkeypatch):
    """A device on which no batch larger than most[0] fits; asked: the batches that were tried."""
    most, asked, program = [np.inf], [], batches.program

    def limited(mesh, landing):
        def call(plan, sampler, key, bases, *arguments, batch_size, **options):
            if not isinstance(bases, jax.core.Tracer):
                asked.append(batch_size)
                if batch_size > most[0]:
                    raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory trying to allocate 9 bytes")
            return program(mesh, landing)(plan, sampler, key, bases, *arguments, batch_size=batch_size, **options)

        return call

    monkeypatch.setattr(batches, "program", limited)
    return most, asked


SPHERE = sweeps.Objective.from_function(lambda gates: 1 + (gates**2).sum(), nodes=3)


class TestOutOfMemory:
    DESIGN = sweeps.Bernoulli(probability=0.5, draws=48)

    @pytest.mark.parametrize("keep", ["draws", "summary"])
    def test_the_batch_is_halved_until_it_fits(self, keep, memory, capsys):
        most, asked = memory
        wanted = sweeps.sweep(SPHERE, self.DESIGN, batch_size=16, keep=keep, gradients=False)
        most[0] = 4
        asked.clear()
        found = sweeps.sweep(SPHERE, self.DESIGN, batch_size=16, keep=keep, gradients=False)
        assert sorted(set(asked), reverse=True) == [16, 8, 4]
        assert capsys.readouterr().err == (
            "out of device memory: going on with batches of 8 gate vectors\n"
            "out of device memory: going on with batches of 4 gate vectors\n"
        )
        # Sums of three zeros and ones are exact; moments are sums over at most sixteen float32 numbers of a batch, and
        # the fourth takes four powers of them and is divided by two squares: six times 24 eps.
        for name in wanted:
            np.testing.assert_allclose(found[name], wanted[name], rtol=144 * SINGLE, atol=144 * SINGLE, err_msg=name)

    def test_the_smaller_batch_is_kept(self, memory, monkeypatch, tmp_path, capsys):
        # Four items of 16 draws of 3 bits and 4 bytes. The second one is sent before the first has failed.
        monkeypatch.setattr(runner, "CALL_BYTES", 16 * 4.375)
        memory[0][0] = 8
        design = sweeps.Bernoulli(probability=0.5, draws=64)
        data = sweeps.sweep(SPHERE, design, batch_size=16, gradients=False, store=tmp_path / "sweep.zarr")
        assert memory[1] == [16, 16, 8, 8, 8, 8] and capsys.readouterr().err.count("\n") == 1
        np.testing.assert_array_equal(data.loss, 1 + data.gates.sum("node"))

    def test_when_even_one_gate_vector_is_too_much(self, memory, tmp_path):
        memory[0][0] = 0
        with pytest.raises(MemoryError, match="a batch of 1 gate vectors does not fit in the device's memory"):
            sweeps.sweep(SPHERE, self.DESIGN, batch_size=4, gradients=False)

    def test_rows_of_the_cube_are_not_cut(self, memory):
        memory[0][0] = 63
        with pytest.raises(MemoryError, match="a batch of 64 gate vectors does not fit"):
            sweeps.sweep(helpers.objective(SMALL), sweeps.Hypercube(), gradients=False)

    def test_rows_of_the_cube_are_halved(self, memory, capsys):
        problem = helpers.problem((2, 12, 2), "tanh", "cross_entropy", 2, examples=9, seed=12)
        objective = helpers.objective(problem)
        wanted = sweeps.sweep(objective, sweeps.Hypercube())
        memory[0][0] = 2048
        found = sweeps.sweep(objective, sweeps.Hypercube())
        assert "going on with batches of 2048 gate vectors" in capsys.readouterr().err
        of_loss = helpers.rounding(problem, np.ones(12))[0]
        np.testing.assert_allclose(found.loss, wanted.loss, rtol=0, atol=2 * of_loss)

    def test_finished_parts_are_kept(self, memory, monkeypatch, tmp_path):
        monkeypatch.setattr(runner, "CALL_BYTES", 16 * 4.375)
        design, path = sweeps.Bernoulli(probability=0.5, draws=64), tmp_path / "sweep.zarr"
        begin = runner.Runner._begun

        def shrinking(work, index):
            memory[0][0] = 16 if index < 2 else 0
            return begin(work, index)

        with monkeypatch.context() as patch:
            patch.setattr(runner.Runner, "_begun", shrinking)
            with pytest.raises(MemoryError):
                sweeps.sweep(SPHERE, design, batch_size=16, gradients=False, store=path)
        memory[0][0] = np.inf
        memory[1].clear()
        sweeps.sweep(SPHERE, design, batch_size=16, gradients=False, store=path)
        assert len(memory[1]) == 2, "two of four items were left"

    def test_the_command_line_says_so_in_one_line(self, memory, configured_run, trained, capsys):
        memory[0][0] = 0
        with pytest.raises(SystemExit) as stopped:
            run_configured(configured_run / "sweep.toml", trained)
        assert stopped.value.code == 2
        assert "error: a batch of 1 gate vectors does not fit in the device's memory" in capsys.readouterr().err

    def test_other_errors_of_the_device_are_raised_as_they_are(self, monkeypatch):
        def broken(*arguments, **options):
            raise jax.errors.JaxRuntimeError("INTERNAL: the device is on fire")

        monkeypatch.setattr(batches, "program", lambda mesh, landing: broken)
        with pytest.raises(jax.errors.JaxRuntimeError, match="the device is on fire"):
            sweeps.sweep(SPHERE, self.DESIGN)


# ---- and what the other processes did ----


def test_four_devices_give_what_one_gives(children, folder):
    one = swept_on_all_devices()
    status, printed = finished(children["devices"])
    assert status == 0, printed
    four = np.load(folder / "four", allow_pickle=True)
    # Masks are equal; losses and gradients are those of two programs, each within its rounding.
    of_loss, of_gradient = helpers.rounding(SMALL, np.ones(SMALL.nodes))
    np.testing.assert_array_equal(four["draws"].gates, one["draws"].gates)
    for name in ("draws", "kernel"):
        np.testing.assert_array_equal(four[name].gates, one["draws"].gates)
        np.testing.assert_allclose(four[name].loss_gradient, one["draws"].loss_gradient, rtol=0, atol=2 * of_gradient)
        np.testing.assert_allclose(four[name].loss, one["draws"].loss, rtol=0, atol=2 * of_loss)
    for name in ("draws", "kernel", "cube"):
        assert four[name].sizes == one[name].sizes
        np.testing.assert_allclose(four[name].loss, one[name].loss, rtol=0, atol=2 * of_loss)
    of_three, _ = helpers.rounding(PROBLEMS["three layers"], np.ones(8))
    np.testing.assert_allclose(four["shared"].loss, one["shared"].loss, rtol=0, atol=2 * of_three)
    found, wanted = four["summary"], one["summary"]
    for count in ("draws", "nonpositive", "nonfinite", "loss_count", "log_loss_count"):
        np.testing.assert_array_equal(found[count], wanted[count], err_msg=count)
    np.testing.assert_array_equal(found.loss_bin, wanted.loss_bin)
    for kind in ("loss", "log_loss"):
        assert (found[f"{kind}_histogram"].sum(f"{kind}_bin") == wanted.draws).all() and (wanted.draws == 53).all()
    # Losses of order one with a standard deviation of some 0.1, whose logarithms and squares are as good as they are.
    for moment in ("loss_mean", "log_loss_mean", "loss_variance"):
        np.testing.assert_allclose(found[moment], wanted[moment], rtol=0, atol=4 * of_loss, err_msg=moment)
    np.testing.assert_allclose(found.best_loss, wanted.best_loss, rtol=0, atol=2 * of_loss)


def test_killed_from_outside_the_same_command_ends_with_the_same_store(children, configured_run, folder, monkeypatch):
    status, printed = finished(children["killed"])
    assert status == -signal.SIGKILL, printed
    wanted = files(configured_run / "run" / MAIN)
    assert files(folder / "killed" / MAIN).keys() < wanted.keys(), "killed with a store half full"
    evaluated, begin = [], runner.Runner._begun

    def listed(work, index):
        evaluated.append(work.layout.items[index].start)
        return begin(work, index)

    monkeypatch.setattr(runner.Runner, "_begun", listed)
    monkeypatch.setattr("sweeps._config.run.train", None)
    run_configured(configured_run / "sweep.toml", folder / "killed")
    assert evaluated == [80, 120, 160, 200], "neither trained again nor swept where it had been"
    assert_same_files(folder / "killed" / MAIN, wanted)


def test_two_processes_share_a_store(children, configured_run, folder, tmp_path, monkeypatch):
    status, printed = finished(children["first"])
    other_status, other_printed = finished(children["second"])
    assert status == other_status == 0, printed + other_printed
    assert "done: " in printed and "masks" not in other_printed and "done" not in other_printed
    assert_same_files(folder / "shared" / MAIN, files(configured_run / "run" / MAIN))
    monkeypatch.setattr(runner, "CALL_BYTES", CALL_BYTES)
    swept(tmp_path / "alone.zarr", "summary")
    assert_same_files(folder / "summary.zarr", files(tmp_path / "alone.zarr"))


def test_a_process_whose_partner_was_killed_says_so_in_one_line(children):
    status, printed = finished(children["lost"])
    assert status == 128 + signal.SIGKILL and "Traceback" not in printed
    status, printed = finished(children["survivor"])
    assert status == 75 and "*** " not in printed and "Traceback" not in printed
    assert printed.endswith(
        "sweeps: error: another process of this run has stopped; start the same command again in all of them: "
        "what is finished is kept\n"
    )


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.ENOSPC, "No space left on device"), (errno.EACCES, "Permission denied")]
)
def test_a_disk_that_cannot_be_written_is_said_in_one_line(
    number, reason, configured_run, trained, monkeypatch, capsys
):
    def failing(path, *_, **__):
        raise OSError(number, reason, str(path))

    monkeypatch.setattr(zarr.storage._local, "_put", failing)
    with pytest.raises(SystemExit) as stopped:
        run_configured(configured_run / "sweep.toml", trained)
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert re.fullmatch(rf"sweeps: error: {trained}/{MAIN}/\S+ cannot be written: {reason}\n", said)


def test_several_processes_need_a_store(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ValueError, match="several processes need a store to share: give store= a path"):
        sweeps.sweep(SPHERE, sweeps.Hypercube())
