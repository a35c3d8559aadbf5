"""The disk: one process at a time writes a folder, and errors of the system take one line."""

import os
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

import psutil

from analysis._errors import InputError, UnavailableError
from analysis._places import Address, Place
from sweeps._store.lease import Lease

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]


class Lock:
    """A folder that this process writes, until the lock is released or the process ends, however it ends.

    Within a process a folder may be locked several times.

    Parameters
    ----------
    folder : pathlib.Path
        It must exist.

    Raises
    ------
    InputError
        If another process has it locked.
    """

    _held: "weakref.WeakValueDictionary[tuple[int, int], _Descriptor]" = weakref.WeakValueDictionary()

    def __init__(self, folder: Path):
        status = os.stat(folder)
        place = (status.st_dev, status.st_ino)
        found = self._held.get(place)
        if found is None:
            found = self._held[place] = _Descriptor(folder)
        self._descriptor: _Descriptor | None = found

    def release(self) -> None:
        """Let other processes write."""
        self._descriptor = None


class _Descriptor:
    """A folder opened and locked; closed when nobody refers to it any more."""

    def __init__(self, folder: Path):
        self.number = os.open(folder, os.O_RDONLY) if fcntl is not None else None
        if self.number is None:
            return
        try:
            fcntl.flock(self.number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{folder} is being written by another process; wait until it ends, or choose another folder"
            ) from error
        except OSError:
            pass  # some network file systems have no locks

    def __del__(self) -> None:
        if getattr(self, "number", None) is not None:
            with suppress(OSError):
                os.close(self.number)  # type: ignore[arg-type]


def lock_of(folder: Place) -> Lock | Lease:
    """Lock a folder, or take the lease of an address."""
    return Lease.of(folder) if isinstance(folder, Address) else Lock(folder)


def check_held(place: Place) -> None:
    """Raise UnavailableError if another process has taken the lease of an address that this one writes."""
    if isinstance(place, Address):
        Lease.check(place)


@contextmanager
def locked(folder: Place) -> Iterator[None]:
    """Lock a folder, which is made where it is missing, for the time of a block; see Lock, and Lease for an address."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = lock_of(folder)
    try:
        yield
    finally:
        lock.release()


def reserved(folder: Place) -> AbstractContextManager[None]:
    """Hold the lease of an address for a block, so that a second process is refused before hours of training.

    A folder on a disk is locked once it is made: what fails before leaves none.
    """
    return locked(folder) if isinstance(folder, Address) else nullcontext()


@contextmanager
def writing(path: Place) -> Iterator[None]:
    """Raise UnavailableError, in one line, for an error of the system while something is written.

    Raises
    ------
    UnavailableError
        If the disk is full, the folder may not be written, and the like.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, InputError):
            raise
        raise UnavailableError(f"{error.filename or path} cannot be written: {error.strerror or error}") from error


def free_memory() -> int:
    """Return the bytes of memory that this process can still have, within the limit of its container."""
    free = int(psutil.virtual_memory().available)
    # The limits of control groups of version 2, as Slurm and Kubernetes set them; "max" is no limit.
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):
        limit = int((group / "memory.max").read_text())
        free = min(free, limit - int((group / "memory.current").read_text()))
    return max(free, 0)


def free_space(path: Path) -> int:
    """Return the bytes that can be written to where a path lies or will lie."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return int(psutil.disk_usage(str(path)).free)
