"""Fixtures of the analysis tests: a synthetic run, as a tree and as a folder."""

import pytest
import synthetic_run


@pytest.fixture(scope="session")
def tree():
    return synthetic_run.make_tree()


@pytest.fixture(scope="session")
def clean_tree():
    return synthetic_run.make_tree(bad=False)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory, tree):
    return synthetic_run.write_run(tmp_path_factory.mktemp("run"), tree)
