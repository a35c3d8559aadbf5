"""The store: everything measured, in a run folder's Zarr tree."""

import json
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import Any

import xarray as xr

# Version of the layout of run.zarr; a reader refuses another.
FORMAT = 1
STORE_NAME = "run.zarr"
# What a run folder may hold; --overwrite removes these and nothing else.
RUN_PARTS = (STORE_NAME, "tables", "figures", "numbers.tex", "report.html")
PACKAGES = ("gatesweep", "jax", "jaxlib", "flax", "optax", "numpy", "xarray", "zarr")


class Run:
    """A run folder being written.

    Parameters
    ----------
    folder : where the run goes; made if it does not exist
    study : name of the study
    config : settings, JSON-serialisable
    seeds : named seeds
    command : the command that reproduces the run
    device : the device in words
    overwrite : whether an earlier run in the folder is removed

    Attributes
    ----------
    folder : Path
    path : Path of the Zarr store

    Raises
    ------
    FileExistsError
        If the folder holds another run and ``overwrite`` is false.
    NotADirectoryError
        If the folder is a file.
    """

    def __init__(
        self,
        folder: str | PathLike[str],
        *,
        study: str,
        config: dict[str, Any],
        seeds: dict[str, int],
        command: str,
        device: str,
        overwrite: bool = False,
    ):
        check_folder(folder, overwrite)
        self.folder = Path(folder)
        self.path = self.folder / STORE_NAME
        self._attributes = dict(
            format=FORMAT,
            study=study,
            command=command,
            device=device,
            config=json.dumps(config),
            seeds=json.dumps(seeds),
            versions=json.dumps(versions()),
        )
        clear(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        xr.Dataset(attrs=self._attributes).to_zarr(self.path, mode="w-", consolidated=False)

    def write(self, group: str, data: xr.Dataset) -> None:
        """Write a dataset as a group of the store, such as ``sweeps/bernoulli``."""
        data.to_zarr(self.path, group=group, mode="w-", consolidated=False)


def check_folder(folder: str | PathLike[str], overwrite: bool = False) -> None:
    """Raise, before any work is done, if a run cannot go into the folder.

    Raises
    ------
    FileExistsError
        If it holds a run and ``overwrite`` is false, or holds other files.
    NotADirectoryError
        If it is a file.
    """
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"the output folder {path} is a file")
    if not path.exists():
        return
    if (path / STORE_NAME).exists():
        if not overwrite:
            raise FileExistsError(f"{path} already holds a run; choose another folder or give --overwrite")
        return
    others = [entry.name for entry in path.iterdir()]
    if others:
        raise FileExistsError(f"{path} holds other files ({', '.join(sorted(others)[:3])}); choose an empty folder")


def clear(folder: Path) -> None:
    """Remove the parts of a run, and nothing else, from a folder."""
    for part in RUN_PARTS:
        path = folder / part
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
