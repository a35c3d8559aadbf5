"""Seals: a finished Zarr group lists its files with their sizes and checksums, so that damage is seen.

The list stands in the attribute ``seal`` of the group's ``zarr.json``, which carries a checksum of its own. ``sweeps``
seals what it writes, and everything that opens a run looks at the seals first. A seal finds what happened by accident,
a flipped bit or a lost file; it is no signature.
"""

import json
import math
import os
import re
import uuid
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from analysis._errors import DamagedError, UnavailableError
from analysis._places import Address, Place, below

#: The file that holds a group's attributes.
DOCUMENT = "zarr.json"
SEAL = "seal"
#: JSON has no such numbers; Zarr writes fill values in these words.
WORDS = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}
#: Names of the partial files that Zarr and `write_whole` leave behind when they are killed.
PARTIAL = re.compile(r".+\.[0-9a-f]{32}\.partial")
#: Paths in a store of what Zarr writes: documents, and chunks by their numbers.
OF_ZARR = re.compile(r"(.+/)?(zarr\.json|c(/[0-9]+)*)")

Sums = dict[str, list[int]]


def sums(folder: Place, files: Iterable[Place]) -> Sums:
    """Return size and CRC-32 of files, by path relative to a folder that they lie in."""
    return {below(folder, path): _sum(path) for path in sorted(files)}


def sum_of(content: bytes) -> list[int]:
    """Return size and CRC-32 of what a file will hold."""
    return [len(content), zlib.crc32(content)]


def _sum(path: Place) -> list[int]:
    if isinstance(path, Address):
        return sum_of(path.read_bytes())
    size = checksum = 0
    with path.open("rb") as file:
        while part := file.read(2**20):
            size, checksum = size + len(part), zlib.crc32(part, checksum)
    return [size, checksum]


def changed(folder: Place, wanted: Mapping[str, list[int]]) -> list[Place]:
    """Return the files that are missing or hold something else than when their sums were taken."""
    return [folder / name for name, known in wanted.items() if not _is_as(folder / name, known)]


def _is_as(path: Place, known: list[int]) -> bool:
    if isinstance(path, Address):
        with suppress(FileNotFoundError):  # one request, where a disk has three
            return _sum(path) == known
        return False
    return path.is_file() and path.stat().st_size == known[0] and _sum(path) == known


def whole_files(folder: Place) -> list[Place]:
    """Return all files below a folder but for those that a killed writer left half written."""
    if isinstance(folder, Address):
        return [*folder.rglob("*")]
    return [path for path in folder.rglob("*") if path.is_file() and not PARTIAL.fullmatch(path.name)]


def sums_of_group(folder: Place) -> Sums:
    """Return size and checksum of all files that Zarr has written in a group but for its own document."""
    found = [path for path in whole_files(folder) if is_of_zarr(folder, path)]
    return sums(folder, [path for path in found if path != folder / DOCUMENT])


def is_of_zarr(folder: Place, path: Place) -> bool:
    """Whether a file below a folder has a name that Zarr gives, and not one that somebody else does."""
    return OF_ZARR.fullmatch(below(folder, path)) is not None


def seal(folder: Place, files: Sums, /, **attributes: Any) -> None:
    """Add attributes to a group, and the seal; what JSON cannot say becomes one of the words of Zarr.

    Parameters
    ----------
    folder : pathlib.Path or Address
        Of the group.
    files : dict
        Of `sums`, the files that belong to the group.
    **attributes
        Of the group.
    """
    _write(folder / DOCUMENT, document(folder / DOCUMENT), files, attributes)


def begin(folder: Place, /, **attributes: Any) -> None:
    """Write the document of a Zarr group that has attributes and a seal, and nothing else yet."""
    _write(folder / DOCUMENT, dict(zarr_format=3, node_type="group"), {}, attributes)


def _write(path: Place, content: Mapping[str, Any], files: Sums, attributes: Mapping[str, Any]) -> None:
    found = {**attributes_of(content), **attributes}
    plain = in_json(found)
    # Paths of the words that stand for numbers, since a text may read the same.
    numbers = [
        name
        for name, value in plain.items()
        if isinstance(value, str) and value in WORDS and not isinstance(found[name], str)
    ]
    plain[SEAL] = {"files": files, "numbers": numbers}
    whole = {**content, "attributes": plain}
    plain[SEAL]["document"] = _sum_of_document(whole)
    write_whole(path, json.dumps(whole, indent=1, allow_nan=False).encode())


def in_json(value: Any) -> Any:
    """Return a value as JSON can say it: NumPy's numbers as Python's, what is not finite as one of `WORDS`."""
    if isinstance(value, Mapping):
        return {name: in_json(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [in_json(one) for one in value]
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return in_json(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return next(word for word, number in WORDS.items() if number == value or word == "NaN")
    return value


def _sum_of_document(content: Mapping[str, Any]) -> int:
    """Checksum of a document but for this very number, and for copies of documents below, which readers may add."""
    seal = {name: value for name, value in content["attributes"][SEAL].items() if name != "document"}
    plain = {**content, "attributes": {**content["attributes"], SEAL: seal}}
    plain.pop("consolidated_metadata", None)
    return zlib.crc32(json.dumps(plain, sort_keys=True).encode())


def document(path: Place) -> dict[str, Any]:
    """Return what stands in a group's document.

    Raises
    ------
    DamagedError
        If it is missing, or is no document of a Zarr group.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DamagedError(f"{path} is missing") from error
    except UnavailableError:  # nothing is known of the document
        raise
    except (ValueError, OSError) as error:
        raise DamagedError(f"{path} is damaged: it cannot be read") from error
    if not isinstance(content, dict) or not isinstance(content.get("attributes", {}), dict):
        raise DamagedError(f"{path} is damaged: it describes no Zarr group")
    return content


def attributes_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes in a document, as they were before they became JSON, without the seal."""
    found = dict(content.get("attributes", {}))
    numbers = found.pop(SEAL, {}).get("numbers", ())
    return {name: WORDS[value] if name in numbers else value for name, value in found.items()}


def sealed(path: Place) -> dict[str, Any]:
    """Return what stands in a sealed group's document.

    Raises
    ------
    DamagedError
        If there is no seal, or the document is no longer what was sealed.
    """
    content = document(path)
    try:
        if content["attributes"][SEAL]["document"] == _sum_of_document(content):
            return content
    except (KeyError, TypeError, AttributeError):
        pass
    raise DamagedError(f"{path} is damaged: it is not what was written")


def is_sealed(folder: Place) -> bool:
    """Whether a group has been written whole; its files may have been damaged since."""
    try:
        return SEAL in document(folder / DOCUMENT).get("attributes", {})
    except DamagedError:
        return False


def files_of(folder: Place) -> Sums:
    """Return the files that a group's seal lists; raises as `sealed`."""
    found: Sums = sealed(folder / DOCUMENT)["attributes"][SEAL]["files"]
    return found


def damage(folder: Place) -> list[Place]:
    """Return the damaged or missing files of a sealed group, its own document among them."""
    try:
        return changed(folder, files_of(folder))
    except DamagedError:
        return [folder / DOCUMENT]


def damage_below(folder: Place) -> list[Place]:
    """Return the damaged or missing files of a sealed group and of the sealed groups below it."""
    found = damage(folder)
    if folder / DOCUMENT in found:
        return found
    groups = [group for group in groups_below(folder) if is_sealed(group)]
    return [*found, *(path for group in groups for path in damage(group) if path not in found)]


def groups_below(folder: Place) -> list[Place]:
    """Return the groups that a group's seal lists, damaged or not, and all sealed ones below it."""
    listed: Iterable[str] = ()
    with suppress(DamagedError):
        listed = files_of(folder)
    found = {(folder / name).parent for name in listed}
    found |= {document.parent for document in folder.rglob(DOCUMENT) if is_sealed(document.parent)}
    return sorted(found - {folder})


def write_whole(path: Place, content: bytes) -> None:
    """Write a file, or an object, so that it is there whole or not at all."""
    if isinstance(path, Address):
        path.write_bytes(content)
        return
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.write_bytes(content)
    os.replace(partial, path)
