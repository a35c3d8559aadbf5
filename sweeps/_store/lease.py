"""The lease of an address: an object beside it, named so with ``.lease``, that tells which living process writes.

An object store has no locks. Where it lets an object be made only if it is new (Amazon's and Google's do), two
processes cannot both begin; elsewhere the second sees the first but for the moment in which both look. A process whose
lease was taken over stops at its next write, and what both wrote until then are the same numbers.
"""

import json
import os
import platform
import threading
import time
import uuid
import weakref
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from analysis._errors import InputError, UnavailableError
from analysis._places import Address

# Seconds between two signs of life, and without one before a lease is taken over; nobody's clock is trusted, since
# what counts is whether the object changes while it is watched.
BEAT, SILENCE = 15.0, 60.0


class Lease:
    """An address that this process writes, until the lease is released or the process ends.

    Parameters
    ----------
    place : Address

    Raises
    ------
    InputError
        If another process writes there.
    UnavailableError
        If the object store cannot be reached or written.
    """

    _held: "weakref.WeakValueDictionary[str, Lease]" = weakref.WeakValueDictionary()

    @classmethod
    def of(cls, place: Address) -> "Lease":
        """Return the lease of an address, or the one that this process holds of an address above it."""
        found = cls._held_for(place)
        if found is None:
            found = cls._held[str(place)] = cls(place)
        found._users += 1
        return found

    @classmethod
    def check(cls, place: Address) -> None:
        """Raise UnavailableError if another process has taken the lease of an address that this one holds."""
        held = cls._held_for(place)
        if held is None:
            return
        if time.time() - held._seen > SILENCE - BEAT:  # this computer may have slept while another process took over
            held.renew()
        if held._lost.is_set():
            raise UnavailableError(f"{place} is being written by another process now; the same command goes on later")

    @classmethod
    def _held_for(cls, place: Address) -> "Lease | None":
        return next((held for one in (place, *place.parents) if (held := cls._held.get(str(one))) is not None), None)

    def __init__(self, place: Address):
        self._place, self._object, self._mine = place, place.parent / f"{place.name}.lease", uuid.uuid4().hex
        self._users, self._lost, self._ended = 0, threading.Event(), threading.Event()
        self._take(place)
        self._seen = time.time()
        self._end = weakref.finalize(self, _remove, self._object, self._mine, self._ended)
        threading.Thread(target=_live_on, args=(weakref.ref(self), self._ended), daemon=True).start()

    def release(self) -> None:
        """Let other processes write."""
        self._users -= 1
        if self._users:
            return
        self._held.pop(str(self._place), None)
        self._end()

    def _take(self, place: Address) -> None:
        # Looked for first: some stores ignore that an object has to be new, and would replace that of a living process.
        before = _content(self._object)
        if before is not None:
            if not _is_dead(_holder(before)):
                self._watch(place, before)
            self._object.unlink(missing_ok=True)
        try:
            self._write(new=True)
        except FileExistsError as error:
            raise InputError(f"{place} is being written by another process; wait until it ends") from error

    def _watch(self, place: Address, before: bytes | None) -> None:
        """Return when a lease is gone or has been silent for long; raise InputError if it changes."""
        holder, end = _holder(before), time.monotonic() + SILENCE
        while before is not None and time.monotonic() < end:
            time.sleep(min(1.0, SILENCE / 4))
            now = _content(self._object)
            if now is not None and now != before:
                raise InputError(
                    f"{place} is being written by process {holder.get('process')} on {holder.get('host')}; wait "
                    "until it ends, or choose another address"
                )
            before = now

    def _write(self, new: bool = False) -> None:
        found = dict(
            lease=self._mine,
            host=platform.node(),
            process=os.getpid(),
            started=psutil.Process().create_time(),
            machine=_machine(),
            time=datetime.now(UTC).isoformat(),
        )
        self._object.write_bytes(json.dumps(found).encode(), new=new)

    def renew(self) -> None:
        """Give a sign of life, or note that another process has taken over."""
        if not _names(self._object, self._mine):
            self._lost.set()
        elif not self._ended.is_set():
            self._write()
            self._seen = time.time()


def _live_on(lease: "weakref.ref[Lease]", ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        held = lease()
        if held is None:
            return
        with suppress(OSError):  # a request that failed is tried again with the next
            held.renew()
        del held


def _remove(place: Address, mine: str, ended: threading.Event) -> None:
    """Remove a lease, if it is still the one; what is not removed is taken over later."""
    ended.set()
    with suppress(OSError, RuntimeError):
        if _names(place, mine):
            place.unlink(missing_ok=True)


def _names(place: Address, mine: str) -> bool:
    return bool(_holder(_content(place)).get("lease") == mine)


def _content(place: Address) -> bytes | None:
    with suppress(FileNotFoundError):
        return place.read_bytes()
    return None


def _holder(content: bytes | None) -> dict[str, Any]:
    with suppress(ValueError):
        found = json.loads(content or b"{}")
        return found if isinstance(found, dict) else {}
    return {}


def _machine() -> str:
    """Return what two processes have in common if one sees the other by its number, or nothing."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + os.readlink("/proc/self/ns/pid")
    return ""


def _is_dead(holder: dict[str, Any]) -> bool:
    """Whether the process that a lease names was on this machine and is no more."""
    if not holder.get("machine") or holder["machine"] != _machine():
        return False
    try:
        return bool(psutil.Process(int(holder["process"])).create_time() != holder["started"])
    except (psutil.NoSuchProcess, ValueError, TypeError, KeyError):
        return True
