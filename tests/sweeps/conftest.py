"""One tiny run of the circle study, as the command line makes it, for all tests that read a run."""

import pytest

from sweeps import cli

SIZES = dict(draws=50, networks=2, train_examples=64, test_examples=64, epochs=2)
SMALLEST = [word for name, size in SIZES.items() for word in (f"--{name.replace('_', '-')}", str(size))]


@pytest.fixture(scope="session")
def circle_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "circle"
    cli.main(["study", "circle", "--out", str(folder), *SMALLEST])
    return folder
