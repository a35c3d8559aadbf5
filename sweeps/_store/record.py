"""Records: a sweep on disk, written item by item, so that a killed sweep goes on where it stopped.

A record is a Zarr group with the sweep's dataset and a subgroup ``items`` with a flag for every item. The flag is
written last; an item without a flag is written again. A finished record is sealed (see ``analysis._seals``). Damaged
parts are written again, whether or not the record is finished.
"""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
import zarr

from analysis import _derived, _seals
from analysis._errors import DamagedError, InputError, TakenError, UnavailableError
from analysis._places import Place as Where
from analysis._places import for_zarr, remove_tree
from sweeps._store.disk import check_held, writing
from sweeps._store.folder import COMPRESSORS, in_zarr

# Numbers of an item that the finished dataset's attributes add up.
COUNTS = ("nonpositive_losses", "nonfinite_losses")
FLAGS = ("done", *COUNTS)


class Array(NamedTuple):
    """An array on disk before it has values; an item fills a whole chunk.

    Attributes
    ----------
    dims : tuple of str
    shape, chunk : tuple of int
        Of the array, and of a chunk.
    dtype : numpy.dtype
    words : dict
        Its attributes: long name and unit.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    dtype: Any
    words: Mapping[str, str] = {}


class Place(NamedTuple):
    """Where an item's values lie in an array.

    Attributes
    ----------
    region : tuple of slice or int
        Index of the values.
    shape : tuple of int
        Of the values.
    chunk : tuple of int
        Number of the chunk that they fill, by axis.
    """

    region: tuple[slice | int, ...]
    shape: tuple[int, ...]
    chunk: tuple[int, ...]


class Record:
    """A record that is being written.

    Parameters
    ----------
    path : pathlib.Path or Address
        Of the Zarr group.
    identity : dict
        All that decides the sweep's numbers; JSON-serialisable.
    items : int
        Number of items.
    group : str
        Name of the subgroup of the variables, or "" for the record itself.

    Raises
    ------
    TakenError
        If there is something else at the path.
    InputError
        If the record there is another sweep's; the message says what differs.
    """

    def __init__(self, path: Where, identity: dict[str, Any], items: int, group: str = ""):
        self.path, self._group, self._items = path, group, items
        self._identity = json.loads(json.dumps(identity))
        check(path, self._identity)

    @property
    def finished(self) -> bool:
        """Whether every item and the attributes have been written; files may have been damaged since."""
        return _seals.is_sealed(self.path)

    def damage(self) -> list[Where]:
        """Return the files that were written whole and are damaged or missing now."""
        if not _seals.whole_files(self.path):
            return []
        document = self.path / _seals.DOCUMENT
        try:
            attributes = _seals.document(document).get("attributes", {})
        except DamagedError:
            return [document]
        if _seals.SEAL in attributes:
            return _seals.damage(self.path)
        return [document] if attributes.get("complete") else []

    def begin(self, coordinates: xr.Dataset, arrays: Mapping[str, Array]) -> None:
        """Write coordinates and empty arrays where they are missing or damaged; what is done stays."""
        with writing(self.path):
            for partial in self.path.rglob("*.partial"):
                if _seals.PARTIAL.fullmatch(partial.name):
                    partial.unlink(missing_ok=True)
            files = self._skeleton(coordinates, arrays)
            # The group's own document first: it has the identity.
            for name in sorted(files, key=lambda name: (name != _seals.DOCUMENT, name)):
                target = self.path / name
                if name == _seals.DOCUMENT and self.finished and target not in _seals.damage(self.path):
                    continue
                if not target.is_file() or target.read_bytes() != files[name]:
                    _seals.write_whole(target, files[name])

    def _skeleton(self, coordinates: xr.Dataset, arrays: Mapping[str, Array]) -> dict[str, bytes]:
        """Files of a record of which no item is done."""
        attributes = dict(identity=json.dumps(self._identity), complete=False)

        def add_arrays(parent: zarr.Group) -> None:
            home = parent.create_group(self._group) if self._group else parent
            # The identity is there twice, in case the group's document is lost.
            flags = parent.create_group("items", attributes=attributes)
            numbers = {name: bool if name == "done" else np.int64 for name in FLAGS}
            of_items = {name: Array(("item",), (self._items,), (1,), dtype) for name, dtype in numbers.items()}
            for group, found in ((home, arrays), (flags, of_items)):
                for name, array in found.items():
                    group.create_array(
                        name,
                        shape=array.shape,
                        chunks=array.chunk,
                        dtype=array.dtype,
                        dimension_names=array.dims,
                        compressors=COMPRESSORS,
                        attributes=dict(array.words),
                    )

        return in_zarr(coordinates.assign_attrs(attributes), add_arrays)

    def write(
        self, item: int, places: Mapping[str, Place], values: Mapping[str, np.ndarray], counts: Mapping[str, int]
    ) -> None:
        """Write the values of an item, then its counts, then its flag."""
        check_held(self.path)
        with writing(self.path):
            for name, place in places.items():
                self._array(self._path(name))[place.region] = values[name].reshape(place.shape)
            for name in COUNTS:
                self._array(self.path / "items" / name)[item] = counts.get(name, 0)
            self._array(self.path / "items" / "done")[item] = True

    def is_done(self, item: int) -> bool:
        """Whether an item has its flag, damaged or not."""
        return (self.path / "items" / "done" / "c" / str(item)).exists()

    def damaged(self, item: int, places: Mapping[str, Place]) -> Where | None:
        """Return a file of an item that is missing or cannot be read, or None."""
        flag = Place((item,), (), (item,))
        found = {self._path(name): place for name, place in places.items()}
        for path, place in ({self.path / "items" / name: flag for name in FLAGS} | found).items():
            chunk = path / "c" / PurePosixPath(*map(str, place.chunk))
            if not chunk.exists():
                return chunk
            try:
                # Reading checks the checksum.
                self._array(path)[place.region]
            except UnavailableError:  # it was not reached, and may be whole
                raise
            except (ValueError, RuntimeError, OSError):
                return chunk
        return None

    def _path(self, name: str) -> Where:
        return self.path / self._group / name

    def _array(self, path: Where) -> zarr.Array:
        # Empty chunks are written too, so that a missing chunk is a lost one.
        return zarr.open_array(for_zarr(path), mode="r+").with_config({"write_empty_chunks": True})

    def counts(self) -> dict[str, int]:
        """Sums of the items' counts."""
        return {name: int(np.asarray(self._array(self.path / "items" / name)[:]).sum()) for name in COUNTS}

    def parts(self) -> dict[str, np.ndarray]:
        """Return every variable whole, for merging."""
        home = zarr.open_group(for_zarr(self.path / self._group), mode="r")
        return {name: np.asarray(array[:]) for name, array in home.arrays()}

    def finish(self, data: xr.Dataset) -> None:
        """Write a dataset's variables and attributes beside the items, then seal the record."""
        check_held(self.path)
        with writing(self.path):
            if data.variables:
                for name in data.variables:
                    # A kill while finishing, or damage, may have left something.
                    if (self.path / str(name)).exists():
                        remove_tree(self.path / str(name))
                # Appending replaces the group's attributes: the identity has to be among the new ones.
                kept = data.drop_attrs(deep=False).assign_attrs(identity=json.dumps(self._identity), complete=False)
                encoding = {name: {"compressors": COMPRESSORS} for name in data.variables}
                kept.to_zarr(for_zarr(self.path), mode="a", consolidated=False, encoding=encoding)
            files = _seals.sums_of_group(self.path)
            _seals.seal(self.path, files, **data.attrs, identity=json.dumps(self._identity), complete=True)

    def open(self) -> xr.Dataset:
        """Return the finished dataset, read when it is used."""
        data = xr.open_zarr(for_zarr(self.path), consolidated=False, chunks=None)
        found = _seals.attributes_of(dict(attributes=data.attrs))
        data.attrs = {name: value for name, value in found.items() if name not in ("identity", "complete")}
        return _derived.opened(data)


def _identity_in(document: Where) -> dict[str, Any] | None:
    """Return the identity in a document, or None if it has none."""
    try:
        found = json.loads(_seals.document(document)["attributes"]["identity"])
    except UnavailableError:
        raise
    except (DamagedError, KeyError, TypeError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def check(path: Where, identity: dict[str, Any]) -> None:
    """Raise if the path holds anything but a record of this sweep; see Record."""
    if not path.exists() or (path.is_dir() and not _seals.whole_files(path)):
        return
    before = _identity_in(path / _seals.DOCUMENT) or _identity_in(path / "items" / _seals.DOCUMENT)
    if before is None:
        raise TakenError(f"store {path} already holds something that is no sweep of gatesweep; choose another path")
    changed = [name for name in identity | before if before.get(name) != identity.get(name)]
    if changed:
        name = changed[0]
        raise InputError(
            f"store {path} holds another sweep: {name} was {before.get(name)}, now {identity.get(name)}"
            + (f" (also different: {', '.join(changed[1:])})" if changed[1:] else "")
        )
