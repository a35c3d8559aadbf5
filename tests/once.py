"""What is made once for a whole session, however many processes run tests side by side."""

import os

from filelock import FileLock


def folder(tmp_path_factory, name, make):
    """Return a temporary folder after ``make(folder)`` has filled it, in this process or another."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    place, made = base / name, base / f"{name}.made"
    with FileLock(base / f"{name}.lock", timeout=200):
        if not made.exists():
            place.mkdir()
            make(place)
            made.touch()
    return place
