"""The store: everything measured, in a run folder's Zarr tree."""

import json
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import Any

import xarray as xr
import zarr

from analysis.errors import InputError, NotAFolderError, TakenError

# Version of the layout of run.zarr; a reader refuses another.
FORMAT = 1
STORE_NAME = "run.zarr"
# What a run folder may hold; --overwrite removes these and nothing else.
RUN_PARTS = (
    STORE_NAME,
    "checkpoint",
    "tables",
    "figures",
    "csv",
    "numbers.tex",
    "report.html",
    "explorer.html",
    "run.nc",
)
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
    resume : whether an earlier run of the same study and settings goes on

    Attributes
    ----------
    folder : Path
    path : Path of the Zarr store

    Raises
    ------
    FileExistsError
        If the folder holds another run and neither ``overwrite`` nor ``resume`` is true.
    ValueError
        If a run is to go on with other settings; the message says what differs.
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
        resume: bool = False,
    ):
        self.folder = Path(folder)
        self.path = self.folder / STORE_NAME
        if resume and not overwrite and self.path.exists():
            if self._begun:
                self._check_same(study, json.loads(json.dumps(config)))
                return
            # The remains of a run that was killed before it had anything.
            shutil.rmtree(self.path)
        check_folder(folder, overwrite)
        attributes = dict(
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
        xr.Dataset(attrs=attributes).to_zarr(self.path, mode="w-", consolidated=False)

    @property
    def _begun(self) -> bool:
        return (self.path / "zarr.json").exists() and "study" in zarr.open_group(self.path, mode="r").attrs

    def _check_same(self, study: str, config: dict[str, Any]) -> None:
        found = zarr.open_group(self.path, mode="r").attrs
        before = {"study": found["study"], **_flat(json.loads(str(found["config"])))}
        now = {"study": study, **_flat(config)}
        for name in before | now:
            if before.get(name) != now.get(name):
                raise InputError(
                    f"{self.folder} holds a run with other settings: {name} was {before.get(name)}, "
                    f"now {now.get(name)}; choose another folder or give --overwrite"
                )

    def has(self, group: str) -> bool:
        """Whether a group has been written whole."""
        path = self.path / group
        return (path / "zarr.json").exists() and bool(zarr.open_group(path, mode="r").attrs.get("complete", False))

    def write(self, group: str, data: xr.Dataset) -> None:
        """Write a dataset as a group of the store, such as ``sweeps/bernoulli``."""
        data.to_zarr(self.path, group=group, mode="w", consolidated=False)
        # Last, so that a group that was killed half written does not count.
        zarr.open_group(self.path / group, mode="r+").attrs["complete"] = True

    def read(self, group: str) -> xr.Dataset:
        """Read a group of the store."""
        return xr.open_zarr(self.path, group=group, consolidated=False, chunks=None).load()

    def place_for(self, group: str) -> Path:
        """Return the path at which a sweep may write a group itself."""
        parent = group.rpartition("/")[0]
        zarr.open_group(self.path, path=parent, mode="a")
        return self.path / group


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Nested settings as one level with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        inner = _flat(value) if isinstance(value, dict) else None
        flat |= {name: value} if inner is None else {f"{name}.{key}": one for key, one in inner.items()}
    return flat


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
        raise NotAFolderError(f"the output folder {path} is a file")
    if not path.exists():
        return
    if (path / STORE_NAME).exists():
        if not overwrite:
            raise TakenError(f"{path} already holds a run; choose another folder or give --overwrite")
        return
    others = [entry.name for entry in path.iterdir()]
    if others:
        raise TakenError(f"{path} holds other files ({', '.join(sorted(others)[:3])}); choose an empty folder")


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
