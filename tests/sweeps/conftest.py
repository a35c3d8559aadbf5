"""Tiny runs for all tests that read one, as the command line makes them, and a disk whose writer can be killed."""

import subprocess
import sys
from pathlib import Path

import pytest
import zarr.storage._local

from analysis import _seals
from sweeps import _cli
from sweeps._engine import runner
from sweeps._studies import registry
from tests import once

SIZES = dict(nodes=12, draws=50, paths=40, networks=2, train_examples=64, test_examples=64, epochs=2)
SMALLEST = [word for name, size in SIZES.items() for word in (f"--{name.replace('_', '-')}", str(size))]


# A machine without JAX: what is hidden cannot be imported.
WITHOUT_JAX = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("jax", "jaxlib", "flax", "optax", "jaxtyping"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
"""


def without_jax(code):
    """Run a program where JAX cannot be imported, and return what it prints."""
    run = [sys.executable, "-c", WITHOUT_JAX + code]
    done = subprocess.run(run, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def circle_run(tmp_path_factory):
    """The run folder of a circle study, whose report a program without JAX has written, with coarse figures."""

    def report(out):
        without_jax(f"from tests import drawing\ndrawing.write_report({str(out)!r})")
        return out / "report.html"

    def make(folder):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(registry, "write_report", report)
            _cli.main(["study", "circle", "--out", str(folder / "circle"), *SMALLEST])

    return once.folder(tmp_path_factory, "runs", make) / "circle"


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
        patch.setattr(registry, "write_report", lambda out: out)
        _cli.main(["run", str(file), "--out", str(out), *flags])


@pytest.fixture(scope="session")
def configured_run(tmp_path_factory):
    """A configuration file, sweep.toml, and beside it the run folder, run, that the command line made of it."""

    def make(folder):
        (folder / "sweep.toml").write_text(CONFIG)
        run_configured(folder / "sweep.toml", folder / "run")

    return once.folder(tmp_path_factory, "configured", make)


class Killed(Exception):
    """What a killed process would not live to see."""


class Disk:
    """The files that Zarr and we write: how many there were, and after how many the process is killed."""

    def __init__(self):
        self.written, self.killed_after = 0, float("inf")

    def counting(self, put):
        """Return what writes a file, counted."""

        def counted(*arguments, **options):
            if self.written >= self.killed_after:
                raise Killed
            self.written += 1
            return put(*arguments, **options)

        return counted


@pytest.fixture
def writes(monkeypatch):
    made = Disk()
    monkeypatch.setattr(zarr.storage._local, "_put", made.counting(zarr.storage._local._put))
    monkeypatch.setattr(_seals, "write_whole", made.counting(_seals.write_whole))
    return made


@pytest.fixture
def evaluated(monkeypatch):
    """The numbers of the items that are evaluated."""
    found, begin = [], runner.Runner._begun

    def listed(work, index):
        found.append(index)
        return begin(work, index)

    monkeypatch.setattr(runner.Runner, "_begun", listed)
    return found
