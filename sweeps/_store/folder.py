"""Run folders: how a run is begun, resumed and written, and what is never removed."""

import json
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from typing import Any

import xarray as xr
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

from analysis import _derived, _seals
from analysis._errors import DamagedError, InputError, NotAFolderError, TakenError
from analysis._places import Address, Place, below, for_zarr, place_of, remove_tree
from analysis.runs import FORMAT, RECORD, STORE
from sweeps import __version__
from sweeps._store.disk import check_held, lock_of, writing

# Files that a run folder may hold beside the store; --overwrite removes these and nothing else.
RUN_PARTS = (
    RECORD,
    "checkpoint/**/*",
    "tables/*.tex",
    "tables/*.csv",
    "figures/*.pdf",
    "figures/*.png",
    "figures/*.gif",
    "csv/*.csv",
    "numbers.tex",
    "report.html",
    "explorer.html",
    "run.nc",
)
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "xarray", "zarr")
# Every chunk also has a checksum of its own, so that damage is seen whenever an array is read.
COMPRESSORS = (BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"), Crc32cCodec())

# The document of a group that holds groups alone.
PLAIN_GROUP = b'{"zarr_format": 3, "node_type": "group"}'


class Run:
    """A run folder being written.

    While this object lives no other process can write the folder.

    Parameters
    ----------
    folder : path
        Where the run goes; made if it does not exist.
    study : str
        Name of the study.
    config : dict
        Settings, JSON-serialisable.
    seeds : dict
        Seeds by name.
    command : str
        The command that reproduces the run.
    device : str
        The device in words.
    data : str
        Digest of the task and of the network as it is built.
    overwrite : bool
        Whether an earlier run in the folder is removed.
    resume : bool
        Whether an earlier run of the same study, settings and data goes on.
    partner : bool
        Whether another process of the same run has made the folder and writes it.

    Attributes
    ----------
    folder, path : pathlib.Path or Address
        Of the run, and of its Zarr store.
    put_back : list of pathlib.Path
        Documents that were damaged and have been restored.

    Raises
    ------
    TakenError
        If the folder holds another run and neither ``overwrite`` nor ``resume`` is true, or something else.
    InputError
        If a run is to go on with other settings or data (the message says what differs), or another process writes
        the folder.
    DamagedError
        If a run is to go on whose own attributes are lost.
    NotAFolderError
        If the folder is a file.
    """

    def __init__(
        self,
        folder: str | PathLike[str] | Address,
        *,
        study: str,
        config: dict[str, Any],
        seeds: dict[str, int],
        command: str,
        device: str,
        data: str = "",
        overwrite: bool = False,
        resume: bool = False,
        partner: bool = False,
    ):
        self.folder = place_of("folder", folder)
        self.path = self.folder / STORE
        self.put_back: list[Place] = []
        attributes = dict(
            format=FORMAT,
            study=study,
            command=command,
            remedy=f"run again: {command}" if resume else f"run again: {command} --overwrite",
            device=device,
            data=data,
            config=json.dumps(_seals.in_json(config)),
            seeds=json.dumps(seeds),
            versions=json.dumps(versions()),
        )
        if partner:
            return
        wanted = dict(study=study, config=config, data=data) if resume else None
        check_folder(folder, overwrite, wanted)
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = lock_of(self.folder)
            # Another process may have come first.
            check_folder(folder, overwrite, wanted)
            if resume and not overwrite and finished_groups(self.path):
                self._put_back()
                return
            clear(self.folder, RUN_PARTS if overwrite else (RECORD,))
            self._begin(attributes)

    def _begin(self, attributes: Mapping[str, Any]) -> None:
        """Write the store's document, which makes the folder a run's, and a copy of it."""
        _seals.begin(self.path, **attributes)
        _seals.write_whole(self.folder / RECORD, (self.path / _seals.DOCUMENT).read_bytes())

    def _put_back(self) -> None:
        """Restore the store's document from its copy where it is damaged."""
        document = self.path / _seals.DOCUMENT
        if document in _seals.damage(self.path):
            self.put_back.append(document)
            groups = finished_groups(self.path)
            _seals.write_whole(document, (self.folder / RECORD).read_bytes())
            self._list(groups)

    def has(self, group: str) -> bool:
        """Whether a group has been written whole."""
        return _seals.is_sealed(self.path / group)

    def damage(self, but: str) -> list[Place]:
        """Return the damaged or missing files of what was written whole, except below one group."""
        return [path for path in _seals.damage_below(self.path) if self.path / but not in path.parent.parents]

    def write(self, group: str, data: xr.Dataset) -> None:
        """Write a dataset as a group of the store, such as ``sweeps/bernoulli``."""
        check_held(self.path)
        path = self.place_for(group)
        with writing(path):
            if path.exists():
                # A kill may have left it half written.
                remove_tree(path)
            data = _derived.stored(data)
            files = in_zarr(data.drop_attrs(deep=False).assign_attrs(complete=False))
            for name, content in files.items():
                _seals.write_whole(path / name, content)
            # The seal comes last: a group without it does not count.
            known = {name: _seals.sum_of(content) for name, content in files.items() if name != _seals.DOCUMENT}
            _seals.seal(path, known, **{**data.attrs, "complete": True})
        self.add(group)

    def add(self, group: str) -> None:
        """List a group that has been written whole among those of the run."""
        check_held(self.path)
        with writing(self.path):
            self._list([group])

    def _list(self, groups: Iterable[str]) -> None:
        """Add the documents of groups, and of the groups above them, to the list in the store's own seal."""
        paths = [self.path / group for group in groups]
        documents = {one / _seals.DOCUMENT for path in paths for one in (path, *self._groups_above(path))}
        _seals.seal(self.path, _seals.files_of(self.path) | _seals.sums(self.path, documents))

    def read(self, group: str) -> xr.Dataset:
        """Read a group of the store."""
        data = xr.open_zarr(for_zarr(self.path), group=group, consolidated=False, chunks=None)
        data.attrs = _seals.attributes_of(dict(attributes=data.attrs))
        return _derived.opened(data).load()

    def place_for(self, group: str) -> Place:
        """Return the path at which a sweep may write a group itself."""
        for parent in self._groups_above(self.path / group):
            document = parent / _seals.DOCUMENT
            if not document.exists() or document.read_bytes() != PLAIN_GROUP:
                with writing(document):
                    _seals.write_whole(document, PLAIN_GROUP)
        return self.path / group

    def _groups_above(self, path: Place) -> list[Place]:
        """Groups between a group and the store itself."""
        return [parent for parent in path.parents if self.path in parent.parents]


def in_zarr(data: xr.Dataset, more: Callable[[zarr.Group], None] = lambda group: None) -> dict[str, bytes]:
    """Return the files of a dataset as a Zarr group, by path, to which a function may add arrays."""
    files: dict[str, Any] = {}
    memory = zarr.storage.MemoryStore(files)
    encoding = {name: {"compressors": COMPRESSORS} for name in data.variables}
    data.to_zarr(memory, mode="w-", consolidated=False, encoding=encoding)
    more(zarr.open_group(memory, mode="r+"))
    return {name: content.to_bytes() for name, content in sorted(files.items())}


def check_folder(
    folder: str | PathLike[str] | Address, overwrite: bool = False, resumed: Mapping[str, Any] | None = None
) -> None:
    """Raise, before any work is done and anything is touched, if a run cannot go into the folder.

    The folder may hold nothing; the remains of a run that had not finished anything; any run that is to be
    overwritten; or a run of the same study, settings and data that is to be resumed.

    Parameters
    ----------
    folder : path
        Where the run goes.
    overwrite : bool
        Whether a run that is there is removed.
    resumed : dict, optional
        Study, config and data of a run that may go on with the run that is there.

    Raises
    ------
    TakenError, InputError, DamagedError, NotAFolderError
        As Run.
    """
    _check_place(place_of("folder", folder), overwrite, resumed)


def _check_place(folder: Place, overwrite: bool, resumed: Mapping[str, Any] | None) -> None:
    path = folder / STORE
    if not folder.exists():
        return
    if not folder.is_dir():
        raise NotAFolderError(f"the output folder {folder} is a file")
    if not path.exists() or (path.is_dir() and not _seals.whole_files(path)):
        others = sorted(entry.name for entry in folder.iterdir() if entry != path or path.is_symlink())
        if others:
            raise TakenError(f"{folder} holds other files ({', '.join(others[:3])}); choose an empty folder")
        return
    if not path.is_dir() or not _is_ours(path):
        raise TakenError(f"{path} was not written by gatesweep; move it away, or choose another folder")
    if overwrite or not finished_groups(path):
        _check_removable(path, overwrite)
    elif resumed is None:
        raise TakenError(f"{folder} already holds a run; choose another folder or give --overwrite")
    else:
        _check_same(folder, resumed)


def _is_ours(path: Place) -> bool:
    """Whether a run made a store, by its document or, if that is damaged, its copy or finished groups."""
    for document in (path / _seals.DOCUMENT, path.parent / RECORD):
        with suppress(DamagedError):
            if {"format", "study"} <= set(_seals.document(document).get("attributes", {})):
                return True
    return bool(finished_groups(path))


def _attributes(path: Place) -> Iterator[dict[str, Any]]:
    """Attributes of the run in a store's own document and in its copy, of those that are undamaged."""
    for document in (path / _seals.DOCUMENT, path.parent / RECORD):
        with suppress(DamagedError):
            yield _seals.attributes_of(_seals.sealed(document))


def finished_groups(path: Place) -> list[str]:
    """Return the groups of a store that were written whole, also those that are damaged now."""
    return [below(path, group) for group in _seals.groups_below(path)]


def _check_removable(path: Place, overwrite: bool) -> None:
    """Raise TakenError if a store has files that Zarr does not write, or, unless overwritten, another format."""
    if path.is_symlink():
        raise TakenError(f"{path} is a link, and only what lies in the folder is removed; choose another folder")
    for file in _seals.whole_files(path):
        if not _seals.is_of_zarr(path, file):
            raise TakenError(f"{file} is no part of a run; move it away, or choose another folder")
    with suppress(DamagedError):
        found = _seals.document(path / _seals.DOCUMENT).get("attributes", {}).get("format", FORMAT)
        if not overwrite:
            _check_format(path, found)


def _check_format(path: Place, found: Any) -> None:
    if found != FORMAT:
        raise TakenError(
            f"{path} is of format {found}, this version writes {FORMAT}; choose another folder or give --overwrite"
        )


def _check_same(folder: Place, now: Mapping[str, Any]) -> None:
    """Raise if a run that is to go on has another study, settings or data, or they are lost."""
    before = next(_attributes(folder / STORE), None)
    if before is None:
        raise DamagedError(
            f"{folder / STORE / _seals.DOCUMENT} and {folder / RECORD} are damaged, and with them the run's settings; "
            "restore one of them, give --overwrite, or choose another folder"
        )
    _check_format(folder / STORE, before.get("format", FORMAT))
    known, wanted = (
        {"study": found["study"], **_flat(config)}
        for found, config in (
            (before, json.loads(before["config"])),
            (now, json.loads(json.dumps(_seals.in_json(now["config"])))),
        )
    )
    for name in known | wanted:
        if known.get(name) != wanted.get(name):
            raise InputError(
                f"{folder} holds a run with other settings: {name} was {known.get(name)}, "
                f"now {wanted.get(name)}; choose another folder or give --overwrite"
            )
    if before["data"] != now["data"]:
        raise InputError(
            f"{folder} holds a run on other data: the task's numbers, or the network as it is built, have changed "
            f"since (digest {before['data']}, now {now['data']}); choose another folder or give --overwrite"
        )


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings as one level with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        inner = _flat(value) if isinstance(value, dict) else None
        flat |= {name: value} if inner is None else {f"{name}.{key}": one for key, one in inner.items()}
    return flat


def clear(folder: Place, parts: Iterable[str]) -> None:
    """Remove a store, which check_folder has checked, and the files beside it that match; others stay."""
    if (folder / STORE).exists():
        remove_tree(folder / STORE)
    for pattern in parts:
        for path in folder.glob(pattern):
            if path.is_file():
                path.unlink()
    for part in ("checkpoint", "tables", "figures", "csv"):
        inside: list[Place] = [*(folder / part).rglob("*")]
        for one in [*sorted(inside, reverse=True), folder / part]:
            with suppress(OSError):  # what is not empty, or not there
                one.rmdir()


def versions() -> dict[str, str]:
    """Versions of Python, of this package, and of those that decide a result."""
    found = {"python": platform.python_version(), "gatesweep": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
