"""Fixtures of the analysis tests: a synthetic run, as a tree and as a folder, and one with its interactive page."""

import re
import shutil
from unittest import mock

import pytest

from analysis import _explorer, runs
from analysis._explorer.data import collect
from analysis._reports import sweep
from analysis.figures import style
from sweeps._studies import registry
from tests import browser, drawing, once, reference
from tests.analysis import synthetic_explorer, synthetic_run


@pytest.fixture(scope="session")
def tree():
    return synthetic_run.make_tree()


@pytest.fixture(scope="session")
def clean_tree():
    return synthetic_run.make_tree(bad=False)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory, tree):
    return synthetic_run.write_run(tmp_path_factory.mktemp("run"), tree)


@pytest.fixture(scope="session")
def written_run(run_folder, tmp_path_factory):
    """A run folder with its report."""

    def make(folder):
        shutil.copytree(run_folder / "run.zarr", folder / "run.zarr")
        with mock.patch.object(style, "save", drawing.fine):
            registry.write_report(folder)

    return once.folder(tmp_path_factory, "written", make)


@pytest.fixture(scope="module")
def explorable_tree(clean_tree):
    return synthetic_explorer.with_network(clean_tree, (2, synthetic_run.NODES, 2))


@pytest.fixture(scope="module")
def explorable_folder(tmp_path_factory, explorable_tree):
    return synthetic_run.write_run(tmp_path_factory.mktemp("explored"), explorable_tree)


@pytest.fixture(scope="module")
def explorer_page(explorable_folder):
    return _explorer.explore(explorable_folder)


@pytest.fixture(scope="module")
def explorable(explorable_folder):
    return collect(runs.open_run(explorable_folder))


@pytest.fixture(scope="module")
def problem(explorable):
    """The stored network on the stored test points, for the oracle."""
    network = explorable.network
    layers = tuple(zip(network.kernels, network.biases, strict=True))
    return reference.Problem(layers, "relu", explorable.inputs, explorable.targets, "cross_entropy")


@pytest.fixture
def html(tmp_path, monkeypatch):
    """What makes the text of the page of a sweep, with stand-ins for the figures."""
    monkeypatch.setattr(style, "save", drawing.blank)

    def make(data, *arguments):
        text = drawing.text_of(sweep.write_results(synthetic_run.results_of(data, *arguments, folder=tmp_path)))
        assert not re.search(r"\bnan\b|\bNone\b|\{|\}|\\\\", text)
        return text

    return make


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    if browser.find() is None:
        pytest.skip(f"no browser: none of {', '.join(browser.NAMES)} is installed")
    running = browser.Browser(browser.find(), tmp_path_factory.mktemp("profile"))
    yield running
    running.close()
