"""Tiny runs for all tests that read one, as the command line makes them, and a disk whose writer can be killed."""

import pytest
import zarr.storage._local

from analysis import reports
from sweeps import cli

SIZES = dict(draws=50, networks=2, train_examples=64, test_examples=64, epochs=2)
SMALLEST = [word for name, size in SIZES.items() for word in (f"--{name.replace('_', '-')}", str(size))]


@pytest.fixture(scope="session")
def circle_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "circle"
    cli.main(["study", "circle", "--out", str(folder), *SMALLEST])
    return folder


# Six streams, each an item of its own.
CONFIG = """
[task]
train_examples = 64
test_examples = 20
[network]
sizes = [2, 5, 2]
[training]
epochs = 1
[sweep]
probability = [0.25, 0.5, 0.75]
chains = 2
draws = 40
batch_size = 16
gradients = false
"""


def run_configured(file, out, *flags):
    """Run ``sweeps run`` without its report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reports, "write", lambda out: out)
        cli.main(["run", str(file), "--out", str(out), *flags])


@pytest.fixture(scope="session")
def configured_run(tmp_path_factory):
    """A configuration file, sweep.toml, and beside it the run folder, run, that the command line made of it."""
    folder = tmp_path_factory.mktemp("configured")
    (folder / "sweep.toml").write_text(CONFIG)
    run_configured(folder / "sweep.toml", folder / "run")
    return folder


class Killed(Exception):
    """What a killed process would not live to see."""


class Disk:
    """The files that Zarr writes: how many there were, and after how many the process is killed."""

    def __init__(self, put):
        self._put, self.written, self.killed_after = put, 0, float("inf")

    def put(self, *arguments, **options):
        if self.written >= self.killed_after:
            raise Killed
        self.written += 1
        return self._put(*arguments, **options)


@pytest.fixture
def disk(monkeypatch):
    made = Disk(zarr.storage._local._put)
    monkeypatch.setattr(zarr.storage._local, "_put", made.put)
    return made
