"""Fixtures of the analysis tests: a synthetic run, as a tree and as a folder."""

import shutil

import pytest
import synthetic_run

from analysis import reports
from tests import once


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
        reports.write(folder)

    return once.folder(tmp_path_factory, "written", make)
