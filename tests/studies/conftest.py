"""Runs that the tests of other rooms use, too."""

from tests.analysis.conftest import clean_tree, run_folder, tree, written_run  # noqa: F401
from tests.sweeps.conftest import circle_run  # noqa: F401
