"""Records: a sweep on disk, written item by item, so that a killed sweep goes on where it stopped.

A record is a Zarr group with the sweep's dataset and a subgroup ``items`` with a flag for every item. The flag is
written last. What is in the record of an item without a flag does not count, and is written again.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

from analysis.errors import InputError, TakenError
from sweeps.layout import Array, Place

# Numbers of an item that the finished dataset's attributes add up.
COUNTS = ("nonpositive_losses", "nonfinite_losses")


class Record:
    """A record that is being written.

    Parameters
    ----------
    path : of the Zarr group
    identity : what makes this sweep this sweep; JSON-serialisable
    items : number of items
    group : name of the subgroup of the variables, or "" for the record itself

    Raises
    ------
    FileExistsError
        If there is something else at the path.
    ValueError
        If the record there is another sweep's; the message says what differs.
    """

    def __init__(self, path: Path, identity: dict[str, Any], items: int, group: str = ""):
        self.path, self._group, self._items = path, group, items
        self._identity = json.loads(json.dumps(identity))
        check(path, self._identity)

    @property
    def exists(self) -> bool:
        """Whether the record has been begun, by this run or an earlier one."""
        items = self.path / "items"
        return (items / "zarr.json").exists() and bool(_attributes(items).get("begun", False))

    @property
    def complete(self) -> bool:
        """Whether every item and the attributes are written."""
        return self.exists and bool(zarr.open_group(self.path, mode="r").attrs.get("complete", False))

    def begin(self, coordinates: xr.Dataset, arrays: Mapping[str, Array]) -> None:
        """Write coordinates and empty arrays, unless they are there; the flags come last: then the record exists."""
        if self.exists:
            self._clean()
            return
        if self.path.exists():
            # The remains of a record that was killed before it existed.
            shutil.rmtree(self.path)
        coordinates.assign_attrs(identity=json.dumps(self._identity), complete=False).to_zarr(
            self.path, mode="w-", consolidated=False
        )
        parent = zarr.open_group(self.path, mode="r+")
        home = parent.create_group(self._group) if self._group else parent
        for name, array in arrays.items():
            home.create_array(
                name,
                shape=array.shape,
                chunks=array.chunk,
                dtype=array.dtype,
                dimension_names=array.dims,
                compressors=[BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"), Crc32cCodec()],
            )
        flags = {"done": ("item", np.zeros(self._items, bool))}
        flags |= {name: ("item", np.zeros(self._items, np.int64)) for name in COUNTS}
        xr.Dataset(flags).to_zarr(
            self.path,
            group="items",
            mode="w-",
            encoding={name: {"chunks": (1,)} for name in flags},
            consolidated=False,
        )
        zarr.open_group(self.path / "items", mode="r+").attrs["begun"] = True

    def _clean(self) -> None:
        """Remove what a kill left half written."""
        for partial in self.path.rglob("*.partial"):
            partial.unlink(missing_ok=True)

    def done(self) -> np.ndarray:
        """Whether each item is done, shape (items,)."""
        return self._flags("done")

    def write(
        self, item: int, places: Mapping[str, Place], values: Mapping[str, np.ndarray], counts: Mapping[str, int]
    ) -> None:
        """Write the values of an item, then its counts, then its flag."""
        for name, place in places.items():
            # An empty chunk is written too: one that is not there is one that was lost.
            array = self._array(name).with_config({"write_empty_chunks": True})
            array[place.region] = values[name].reshape(place.shape)
        for name, count in counts.items():
            zarr.open_array(self.path / "items" / name, mode="r+")[item] = count
        zarr.open_array(self.path / "items" / "done", mode="r+")[item] = True

    def damaged(self, places: Mapping[str, Place]) -> bool:
        """Whether an item that has its flag cannot be read: a chunk is missing, or its checksum is wrong."""
        for name, place in places.items():
            if not (self._path(name) / "c" / Path(*map(str, place.chunk))).exists():
                return True
            try:
                self._array(name)[place.region]
            except (ValueError, RuntimeError, OSError):
                return True
        return False

    def _path(self, name: str) -> Path:
        return self.path / self._group / name

    def _array(self, name: str) -> zarr.Array:
        return zarr.open_array(self._path(name), mode="r+")

    def _flags(self, name: str) -> np.ndarray:
        return np.asarray(zarr.open_array(self.path / "items" / name, mode="r")[:])

    def counts(self) -> dict[str, int]:
        """Sums of the items' counts."""
        return {name: int(self._flags(name).sum()) for name in COUNTS}

    def parts(self) -> dict[str, np.ndarray]:
        """Return every variable whole, for merging."""
        home = zarr.open_group(self.path / self._group, mode="r")
        return {name: np.asarray(array[:]) for name, array in home.arrays()}

    def finish(self, data: xr.Dataset) -> None:
        """Write a dataset's variables and attributes beside the items, then mark the record complete."""
        if data.variables:
            for name in data.variables:
                # What a kill while finishing left.
                shutil.rmtree(self.path / str(name), ignore_errors=True)
            # Appending replaces the group's attributes, without which the record would be no record.
            kept = data.drop_attrs().assign_attrs(_attributes(self.path))
            kept.to_zarr(self.path, mode="a", consolidated=False)
        group = zarr.open_group(self.path, mode="r+")
        group.attrs.update({**data.attrs, "identity": json.dumps(self._identity)})
        group.attrs["complete"] = True

    def open(self) -> xr.Dataset:
        """Return the finished dataset, read when it is used."""
        data = xr.open_zarr(self.path, consolidated=False, chunks=None)
        data.attrs = {name: value for name, value in data.attrs.items() if name not in ("identity", "complete")}
        return data


def _attributes(path: Path) -> dict[str, Any]:
    return dict(zarr.open_group(path, mode="r").attrs)


def check(path: Path, identity: dict[str, Any]) -> None:
    """Raise if the path holds anything but a record of this very sweep; see Record."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if path.is_dir() and [one.name for one in path.iterdir()] == ["zarr.json"] and not _attributes(path):
        # A group that was killed before it had attributes.
        return
    found = _attributes(path).get("identity") if (path / "zarr.json").exists() else None
    if not isinstance(found, str):
        raise TakenError(f"store {path} already holds something that is no sweep; choose another path")
    before = json.loads(found)
    changed = [name for name in identity | before if before.get(name) != identity.get(name)]
    if changed:
        name = changed[0]
        raise InputError(
            f"store {path} holds another sweep: {name} was {before.get(name)}, now {identity.get(name)}"
            + (f" (also different: {', '.join(changed[1:])})" if changed[1:] else "")
        )
