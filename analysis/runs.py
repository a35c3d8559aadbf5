"""Open a run folder: the store with everything measured, and the settings it was measured with.

A run can be read on a machine that could not have made it: no JAX is needed. Every file carries a checksum, and a
damaged one is refused.
"""

import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import xarray as xr

from analysis import _derived, _seals
from analysis._errors import DamagedError, InputError, MissingError
from analysis._places import Address, Place, for_zarr, place_of

__all__ = ["FORMAT", "RECORD", "STORE", "Run", "open_run"]

#: The version of the store's layout that this package reads and ``sweeps`` writes.
FORMAT = 3
STORE = "run.zarr"
#: A copy of the attributes of the store, as it was begun.
RECORD = "run.json"


@dataclass(frozen=True)
class Run:
    """A run folder, opened for reading.

    Attributes
    ----------
    folder : pathlib.Path
        The run folder, or its address in an object store, which prints as text.
    tree : xarray.DataTree
        Everything measured, a group a sweep below ``sweeps``; arrays are read when they are used.
    study : str
        Name of the study that made it.
    command : str
        The command line that reproduces it.
    device : str
        What it was computed on.
    config, versions, seeds : dict
        Settings, versions of the software, and seeds, each by name.

    See Also
    --------
    open_run : Opens one.
    """

    folder: Place
    tree: xr.DataTree
    study: str
    command: str
    device: str
    config: dict[str, Any]
    versions: dict[str, Any]
    seeds: dict[str, Any]

    def finished(self) -> "Run":
        """Return the run itself, or refuse one that was not written to its end.

        Returns
        -------
        Run
            The same run.

        Raises
        ------
        InputError
            If a group of it was begun and not finished; the message says how to finish it.
        """
        begun = [node.path for node in self.tree.subtree if _is_begun_only(node)]
        if begun:
            raise InputError(
                f"folder must be a finished run in {self.folder}, got one of which {begun[0].strip('/')} is begun "
                f"only; {_remedy(self.folder / STORE, 'to finish it,')}"
            )
        return self

    def group(self, path: str, *, on_disk: Collection[str] = ()) -> xr.Dataset:
        """Return one group as a Dataset, its arrays loaded.

        Parameters
        ----------
        path : str
            For example "sweeps/bernoulli".
        on_disk : sequence of str
            Variables that are not loaded, but read when they are used; names that the group lacks are ignored.

        Returns
        -------
        xarray.Dataset
            With its coordinates and attributes, such as the `unit` of the loss and the `design`.

        Raises
        ------
        ValueError
            If the store has no such group, or it was not written to its end.
        """
        if path.strip("/") not in {node.path.strip("/") for node in self.tree.subtree}:
            groups = sorted(node.path for node in self.tree.subtree if node.path != "/")
            raise InputError(f"path must be a group of the run in {self.folder}, got {path!r}, not among {groups}")
        data = self.tree[path].to_dataset()
        if not data.attrs.get("complete"):
            remedy = _remedy(self.folder / STORE, "to finish it,")
            raise InputError(f"path must be a finished group of {self.folder}, got {path!r}, begun only; {remedy}")
        return data.assign({name: data[name].load() for name in data.variables if name not in on_disk})


def open_run(folder: str | PathLike[str] | Address, *, study: str | None = None) -> Run:
    """Open a run folder for reading.

    Parameters
    ----------
    folder : str or os.PathLike
        The folder that holds ``run.zarr``, or its address in an object store, such as ``s3://bucket/run``.
    study : str, optional
        The study that it has to be a run of; any when left out.

    Returns
    -------
    Run
        The store is checked as a whole, but its arrays are read later.

    Raises
    ------
    FileNotFoundError
        If there is no store in the folder.
    InputError
        If a file of what the run has finished is missing or damaged; the message names it, and what to do.
    InputError
        If the store is of another format version or study, or lacks an attribute.

    See Also
    --------
    Run.group : Reads one sweep of it.
    analysis.export.to_netcdf : Copies a run into one file.

    Examples
    --------
    Of a run folder that ``sweeps run`` made:

    >>> from analysis import runs
    >>> run = runs.open_run("runs/mine")  # doctest: +SKIP
    >>> run.group("sweeps/main")["loss"].dims  # doctest: +SKIP
    ('probability', 'chain', 'draw')
    """
    return _opened(place_of("folder", folder), study)


def _opened(folder: Place, study: str | None) -> Run:
    store = folder / STORE
    if not store.is_dir():
        # Not of an address: a bucket may hold very much.
        below = sorted(one.parent for one in folder.glob(f"*/{STORE}")) if isinstance(folder, Path) else []
        meant = f"; below it is {below[0]}" if below else ""
        raise MissingError(f"folder must be a run folder that holds {STORE}, got {folder}{meant}")
    _check(store)
    tree = xr.open_datatree(for_zarr(store), engine="zarr", consolidated=False)
    for node in tree.subtree:
        node.attrs = _seals.attributes_of(dict(attributes=node.attrs))
        node.dataset = _derived.opened(node.to_dataset(inherit=False))
    for node in list(tree.subtree):
        if _is_begun_only(node):
            # Zarr reads chunks that are not written yet as zeros.
            node.dataset = xr.Dataset(attrs={**node.attrs, "complete": False})
    if study is not None and tree.attrs.get("study") != study:
        found = tree.attrs.get("study")
        raise InputError(f"folder must be a run of the study {study!r}, got a run of {found!r} in {folder}")
    return Run(
        folder=folder,
        tree=tree,
        study=_attribute(tree, "study", folder),
        command=_attribute(tree, "command", folder),
        device=_attribute(tree, "device", folder),
        config=_json(tree, "config", folder),
        versions=_json(tree, "versions", folder),
        seeds=_json(tree, "seeds", folder),
    )


def _is_begun_only(node: xr.DataTree) -> bool:
    """Whether a group was not written to its end; what lies in a finished one is a part of that."""
    finished = any(one.attrs.get("complete") for one in (node, *node.parents))
    return not finished and node.attrs.get("complete") is False


def _check(store: Place) -> None:
    """Raise if a store is of another format, or is not what was written."""
    try:
        attributes = _seals.document(store / _seals.DOCUMENT).get("attributes", {})
    except DamagedError as error:
        raise DamagedError(f"{error}; {_remedy(store)}") from error
    bad = _seals.damage_below(store)
    found = attributes.get("format")
    if found != FORMAT and (not bad or _seals.SEAL not in attributes):
        raise InputError(f"folder must be a store of format {FORMAT} in {store.parent}, got format {found}")
    if bad:
        more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise DamagedError(f"{bad[0]} is damaged or missing{more}; {_remedy(store)}")


def _remedy(store: Place, otherwise: str = "restore it from a copy, or") -> str:
    """What mends a store, in words; the run's own command, where its document or the copy tells it."""
    for path in (store / _seals.DOCUMENT, store.parent / RECORD):
        with suppress(DamagedError):
            known = _seals.sealed(path)["attributes"].get("remedy")
            if known is not None:
                return f"{otherwise} {known}"
    return f"{otherwise} run the command again that made it"


def _attribute(tree: xr.DataTree, name: str, folder: Place) -> str:
    if not isinstance(tree.attrs.get(name), str):
        got = type(tree.attrs[name]).__name__ if name in tree.attrs else "none"
        raise InputError(f"folder must hold a store with a text attribute {name!r}, got {got}")
    return str(tree.attrs[name])


def _json(tree: xr.DataTree, name: str, folder: Place) -> dict[str, Any]:
    text = _attribute(tree, name, folder)
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise InputError(f"folder must hold a store whose attribute {name!r} is a JSON object, got {text!r}")
    return value
