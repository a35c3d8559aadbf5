"""Places: where a store lies, a folder on a disk or an address of an object store such as ``s3://bucket/run``.

An address behaves as the part of ``pathlib.Path`` that the seals and the record use. It differs from the paths of
fsspec's own kind on purpose: nothing that was listed before is believed again, since another machine may write the
same address; and a refused or failed request raises, where ``UPath.is_file`` reads it as "there is no such file", after
which a run that is there would be begun anew.
"""

import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from analysis import _checks
from analysis._errors import InputError, InputTypeError, NotInstalledError, UnavailableError

#: What opens the addresses of a protocol: the package, and the extra of this one that installs it.
PACKAGES = {"s3": ("s3fs", "s3"), "gs": ("gcsfs", "gs"), "memory": ("fsspec", "s3")}
ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
#: Another process, or Zarr through a client of its own, may write what was listed before.
FRESH = {"use_listings_cache": False}


class Status(NamedTuple):
    """What is known of a file or an object without reading it: bytes, and seconds of the epoch when it was written."""

    st_size: int
    st_mtime: float


@dataclass(frozen=True, order=True)
class Address:
    """An object, or what begins with its name as if in a folder, in an object store.

    Parameters
    ----------
    protocol : str
        One of `PACKAGES`.
    path : pathlib.PurePosixPath
        Bucket and name.
    """

    protocol: str
    path: PurePosixPath

    def __str__(self) -> str:
        return f"{self.protocol}://{self.path}"

    def __truediv__(self, name: str | PurePosixPath) -> "Address":
        return Address(self.protocol, self.path / name)

    @property
    def name(self) -> str:
        """The last part."""
        return self.path.name

    @property
    def parent(self) -> "Address":
        """The address above."""
        return Address(self.protocol, self.path.parent)

    @property
    def parents(self) -> list["Address"]:
        """The addresses above, the nearest first, up to the bucket."""
        return [Address(self.protocol, one) for one in self.path.parents if str(one) != "."]

    def relative_to(self, other: "Address") -> PurePosixPath:
        """Return the path from another address."""
        return self.path.relative_to(other.path)

    @property
    def _files(self) -> Any:
        import fsspec

        return fsspec.filesystem(self.protocol, **FRESH)

    def _info(self) -> dict[str, Any] | None:
        """Return what the store knows of the object, or None if there is none."""
        with reaching(self):
            try:
                found: dict[str, Any] = self._files.info(str(self))
            except FileNotFoundError:
                return None
        return found

    def exists(self) -> bool:
        """Whether there is an object of this name, or one below it."""
        return self._info() is not None

    def is_file(self) -> bool:
        """Whether there is an object of this name."""
        return (self._info() or {}).get("type") == "file"

    def is_dir(self) -> bool:
        """Whether there are objects below this name."""
        return (self._info() or {}).get("type") == "directory"

    def is_symlink(self) -> bool:
        """Return False: an object store has no links."""
        return False

    def read_bytes(self) -> bytes:
        """Return what the object holds."""
        with reaching(self):
            content: bytes = self._files.cat_file(str(self))
        return content

    def write_bytes(self, content: bytes, *, new: bool = False) -> None:
        """Write the object, whole or not at all; raise FileExistsError if it must be new and is not."""
        how = {"mode": "create"} if new else {}
        with reaching(self):
            try:
                self._files.pipe_file(str(self), content, **how)
            except FileNotFoundError as error:
                raise UnavailableError(f"{self} cannot be written: there is no bucket {self.path.parts[0]}") from error
            except OSError as error:
                # How S3 says that an object is there.
                if new and "PreconditionFailed" in f"{error} {error.__cause__!r}":
                    raise FileExistsError(str(self)) from error
                raise

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object."""
        with reaching(self):
            try:
                self._files.rm_file(str(self))
            except FileNotFoundError:
                if not missing_ok:
                    raise

    def upload(self, path: Path) -> None:
        """Write a file as the object."""
        with reaching(self):
            self._files.put_file(str(path), str(self))

    def remove_below(self) -> None:
        """Remove the objects below this name."""
        with reaching(self), suppress(FileNotFoundError):
            self._files.rm(str(self), recursive=True)

    def mkdir(self, **options: Any) -> None:
        """Do nothing: an object store has no folders."""

    def all(self) -> "dict[Address, Status]":
        """Return what is known of every object below this name, from one listing."""
        found: dict[str, dict[str, Any]] = {}
        with reaching(self), suppress(FileNotFoundError):
            found = self._files.find(str(self), detail=True)
        every = {self._named(name): _status(info) for name, info in found.items()}
        every.pop(self, None)
        return every

    def _named(self, name: str) -> "Address":
        return Address(self.protocol, PurePosixPath(name.strip("/")))

    def rglob(self, pattern: str) -> "list[Address]":
        """Return the objects below this name whose last part matches."""
        return [one for one in self.all() if PurePosixPath(one.name).match(pattern)]

    def glob(self, pattern: str) -> "list[Address]":
        """Return the objects below this name whose path from it matches; ``**/`` stands for any folders."""
        steps = (re.escape(one).replace(r"\*", "[^/]*") for one in pattern.split("**/"))
        wanted = re.compile("(.*/)?".join(steps))
        return [one for one in self.rglob("*") if wanted.fullmatch(below(self, one))]

    def rmdir(self) -> None:
        """Do nothing: an object store has no folders."""

    def iterdir(self) -> "list[Address]":
        """Return what lies directly below this name."""
        return sorted({self / one.relative_to(self).parts[0] for one in self.rglob("*")})


def _status(info: dict[str, Any]) -> Status:
    # By the names of s3fs, gcsfs and the memory of a process.
    written = next((info[name] for name in ("LastModified", "mtime", "created") if name in info), 0.0)
    return Status(int(info["size"]), written.timestamp() if isinstance(written, datetime) else written)


#: A folder or file on a disk, or an address.
Place = Path | Address


def below(folder: Place, place: Place) -> str:
    """Return the path from a folder to what lies in it, with slashes."""
    return place.relative_to(folder).as_posix()  # type: ignore[arg-type]  # both are of one kind


def path_of(name: str, value: Any) -> Path:
    """Return a path on a disk, whether something is there or not.

    Parameters
    ----------
    name : str
        The argument, for the message.
    value : str or os.PathLike

    Raises
    ------
    InputTypeError
        If it is neither text nor a path.
    InputError
        If it is empty, or an address.
    UnavailableError
        If it is too long a name for the disk.
    """
    if not isinstance(value, str | PathLike) or not isinstance(os.fspath(value), str):
        raise InputTypeError(f"{name} must be a path, got {_checks.shown(value)}")
    text = os.fspath(value)
    if not text or "\0" in text or "://" in text:
        raise InputError(f"{name} must be a path on a disk, got {text!r}")
    try:
        Path(text).exists()
    except OSError as error:  # too long a name
        raise UnavailableError(f"{name} cannot be a path: {error.strerror}: {text}") from error
    return Path(text)


def place_of(name: str, value: Any) -> Place:
    """Return where something lies, from text or a path; refuse what is neither a path on a disk nor an address.

    Parameters
    ----------
    name : str
        The argument, for the message.
    value : str, os.PathLike or Address

    Raises
    ------
    InputError
        If it can be neither, or is an address of a kind that nothing opens here.
    NotInstalledError
        If the package that opens such addresses is not installed.
    """
    if isinstance(value, Address):
        return value
    found = ADDRESS.fullmatch(value) if isinstance(value, str) and "\0" not in value else None
    if found is None:
        return path_of(name, value)
    protocol, path = found[1].lower(), found[2].rstrip("/")
    if protocol not in PACKAGES:
        raise InputError(f"{name} must be a path on a disk, or an address of s3:// or gs://, got {value!r}")
    parts = path.split("/")
    if len(parts) < 2 or {"", ".", ".."} & set(parts) or re.search(r"[?#*\[\]]", path):
        raise InputError(
            f"{name} must name a bucket and a folder in it, such as {protocol}://bucket/run, got {value!r}"
        )
    package, extra = PACKAGES[protocol]
    if importlib.util.find_spec(package) is None:
        raise NotInstalledError(f"{name}: {protocol}:// needs the package {package}: pip install 'gatesweep[{extra}]'")
    return Address(protocol, PurePosixPath(path))


def for_zarr(place: Place) -> Any:
    """Return what Zarr opens: the path itself, or the store of an address."""
    if isinstance(place, Path):
        return place
    from analysis._reached import Reached

    with reaching(place):
        return Reached.from_url(str(place), storage_options=FRESH)


def remove_tree(place: Place) -> None:
    """Remove a folder, or the objects below an address."""
    if isinstance(place, Path):
        shutil.rmtree(place)
    else:
        place.remove_below()


@contextmanager
def made_in(place: Place) -> Iterator[Path]:
    """Yield a folder to write into: a folder itself; for an address one that is uploaded when the block has ended.

    Objects that are there and not made again stay.
    """
    if isinstance(place, Path):
        yield place
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)
        for path in sorted(Path(scratch).rglob("*")):
            if path.is_file():
                (place / below(Path(scratch), path)).upload(path)


@contextmanager
def read_in(place: Place) -> Iterator[Path]:
    """Yield a folder to read from: a folder itself; for an address one with a copy of its objects."""
    if isinstance(place, Path):
        yield place
        return
    with tempfile.TemporaryDirectory() as scratch:
        for one in place.rglob("*"):
            path = Path(scratch, below(place, one))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(one.read_bytes())
        yield Path(scratch)


@contextmanager
def reaching(place: "Address | str") -> Iterator[None]:
    """Raise UnavailableError, in one line, for an error of the connection to an object store in a block of requests.

    Raises
    ------
    UnavailableError
        If there are no credentials, they do not suffice, the bucket is missing, or nothing answers.
    """
    try:
        yield
    except (FileNotFoundError, FileExistsError, InputError):
        raise
    except Exception as error:  # each package has its own, and ValueError is gcsfs's for credentials that are refused
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnavailableError(f"{place} cannot be reached: {reason}") from error
