"""What runs lie below a folder, and what they hold, from the documents of their stores; nothing is computed."""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tqdm import tqdm

from analysis import _seals
from analysis._errors import DamagedError, MissingError, NotAFolderError
from analysis._places import Address, Place, Status, for_zarr, place_of
from analysis.runs import FORMAT, STORE

PAGE = "report.html"

#: What is known of the files below a folder.
Files = Mapping[Place, Status | os.stat_result]


class Sweep(NamedTuple):
    """A sweep of a run.

    Attributes
    ----------
    name, design : str
    nodes : int or None
    masks : int or None
        None where the sweep is a summary that is begun only.
    done, parts : int
        How many parts are written, and of how many.
    finished : bool
    """

    name: str
    design: str
    nodes: int | None
    masks: int | None
    done: int
    parts: int
    finished: bool


class Row(NamedTuple):
    """A run, or a folder that looks like one.

    Attributes
    ----------
    folder : str
    study : str or None
        Name of the study; "sweep" for a sweep from a file.
    state : str
        "finished"; "no report", where all is measured; "begun"; "damaged"; "of another version"; or what is wrong.
    sweeps : list of Sweep
    changed : str
        When the store was last written, in local time.
    size : int
        Bytes of the whole folder.
    command : str or None
    """

    folder: str
    study: str | None
    state: str
    sweeps: tuple[Sweep, ...] = ()
    changed: str = ""
    size: int = 0
    command: str | None = None


def rows(folder: str | PathLike[str] | Address) -> list[Row]:
    """Return a row for every run in a folder or below it; a folder that cannot be read has a row that says so.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    place = place_of("folder", folder)
    if not place.exists():
        raise MissingError(f"there is no folder {place}")
    if not place.is_dir():
        raise NotAFolderError(f"{place} is no folder")
    return [_row(one) for one in _in_store(place)] if isinstance(place, Address) else list(_below(place))


def _in_store(place: Address) -> list[Address]:
    """Return the run folders at or below an address, as `_below` finds them on a disk."""
    found = set()
    for one in place.all():
        parts = one.relative_to(place).parts
        if STORE in parts[:-1]:
            above = parts[: parts.index(STORE)]
            if not any(name.startswith(".") or name.endswith(".zarr") for name in above):
                found.add(place / PurePosixPath(*above))
    return sorted(found)


def _below(folder: Path) -> Iterator[Row]:
    failed: list[OSError] = []
    for place, folders, _ in os.walk(folder, onerror=failed.append):
        if STORE in folders:
            yield _row(Path(place))
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not name.endswith(".zarr"))
    for error in failed:
        yield Row(str(error.filename), None, f"cannot be read: {error.strerror}")


def _row(folder: Place) -> Row:
    store = folder / STORE
    files: Files = {}
    found: dict[str, Any] = {}
    sweeps: list[Sweep] = []
    try:
        files = _files(folder)
        found = _seals.document(store / _seals.DOCUMENT).get("attributes", {})
        if "study" not in found:
            state = "no run of gatesweep"
        elif found.get("format") != FORMAT:
            state = f"of another version: format {found.get('format')}, not {FORMAT}"
        else:
            documents: list[Place] = [*store.glob(f"sweeps/*/{_seals.DOCUMENT}")]
            sweeps += [_sweep(path.parent, files) for path in sorted(documents)]
            state = _state(folder, found["study"], sweeps, files)
    except DamagedError as error:
        state = f"damaged: {str(error).removeprefix(f'{folder}{os.sep}')}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        state = f"cannot be read: {error}"
    newest = max((status.st_mtime for path, status in files.items() if store in path.parents), default=0)
    size = sum(status.st_size for status in files.values())
    changed = datetime.fromtimestamp(newest).isoformat(" ", "minutes") if newest else ""
    return Row(str(folder), found.get("study"), state, tuple(sweeps), changed, size, found.get("command"))


def _files(folder: Place) -> Files:
    """Return what is known of every file below a folder."""
    if isinstance(folder, Address):
        return {path: status for path, status in folder.all().items()}
    return {path: path.stat() for path in folder.rglob("*") if path.is_file()}


def _state(folder: Place, study: str, sweeps: Sequence[Sweep], files: Files) -> str:
    """Return how far a run came; raise DamagedError for what the documents and sizes of its files show."""
    store = folder / STORE
    for group in (store, *filter(_seals.is_sealed, _seals.groups_below(store))):
        for name, (size, _) in _seals.files_of(group).items():
            if group / name not in files or files[group / name].st_size != size:
                raise DamagedError(f"{group / name} is damaged or missing")
    begun = [sweep for sweep in sweeps if not sweep.finished]
    if begun:
        return f"begun, {sum(one.done for one in begun)} of {sum(one.parts for one in begun)} parts"
    if study == "sweep" and not sweeps:
        return "begun"
    return "finished" if folder / PAGE in files else "no report"


def _sweep(group: Place, files: Files) -> Sweep:
    attributes = _seals.document(group / _seals.DOCUMENT)["attributes"]
    identity = json.loads(attributes.get("identity", "{}"))
    nodes = identity.get("nodes") or next(iter(_shape(group / "node")), None)
    return Sweep(
        name=group.name,
        design=attributes.get("design") or identity.get("design", ""),
        nodes=nodes,
        masks=_masks(group),
        done=sum(path.parent == group / "items" / "done" / "c" for path in files),
        parts=sum(_shape(group / "items" / "done")),
        finished=bool(attributes.get("complete")),
    )


def _masks(group: Place) -> int | None:
    """Return the number of masks, from the shape of their losses or from the counts of a summary."""
    if (group / "loss").exists():
        return math.prod(_shape(group / "loss"))
    if not (group / "loss_count").exists():
        return None
    import numpy as np
    import zarr

    counts = (zarr.open_array(for_zarr(group / name), mode="r")[...] for name in ("loss_count", "nonfinite"))
    return sum(int(np.asarray(count).sum()) for count in counts)


def _shape(array: Place) -> Sequence[int]:
    """Return the shape of an array, or () where there is none."""
    document = array / _seals.DOCUMENT
    shape: Sequence[int] = json.loads(document.read_bytes())["shape"] if document.exists() else ()
    return shape


def table(found: Sequence[Row], top: Place) -> str:
    """Return the rows as a table of text, the folders relative to one."""
    lines = [("run", "study", "designs", "masks", "nodes", "state", "written", "size")]
    for row in found:
        masks = [sweep.masks for sweep in row.sweeps]
        known = [number for number in masks if number is not None]
        lines.append(
            (
                os.path.relpath(row.folder, str(top)) if row.folder != str(top) else row.folder,
                row.study or "-",
                ", ".join(sweep.design.partition("(")[0] for sweep in row.sweeps) or "-",
                f"{sum(known):,}" if known and None not in masks else "-",
                ", ".join(dict.fromkeys(str(sweep.nodes) for sweep in row.sweeps)) or "-",
                row.state,
                row.changed,
                tqdm.format_sizeof(row.size, "B"),
            )
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def to_json(found: Sequence[Row]) -> str:
    """Return the rows as JSON, one object a run."""
    return json.dumps(
        [row._asdict() | {"sweeps": [sweep._asdict() for sweep in row.sweeps]} for row in found], indent=1
    )
