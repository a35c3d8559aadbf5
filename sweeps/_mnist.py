"""MNIST: its four IDX files, downloaded, read and checked."""

import gzip
import os
import zlib
from pathlib import Path

import numpy as np

from analysis._errors import InputError, MissingError, UnavailableError

SOURCE = "https://storage.googleapis.com/cvdf-datasets/mnist/"
# The published files, with their SHA-256.
FILES = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def fetched() -> Path:
    """Download MNIST to the user's cache if it is not there; return the folder."""
    import pooch

    home = Path(pooch.os_cache("gatesweep")) / "mnist"
    store = pooch.create(home, SOURCE, registry=FILES)
    for name in FILES:
        try:
            store.fetch(name)
        # Errors of requests and urllib3 are OSErrors; a wrong checksum is a ValueError.
        except (OSError, ValueError) as error:
            raise UnavailableError(
                f"MNIST could not be fetched ({type(error).__name__}): download {', '.join(FILES)} from "
                f"{SOURCE}, put them in a folder and pass it as folder="
            ) from error
    return home


def batch(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images, (examples, 784) float32 from 0 to 1, and labels, int32, of ``"train"`` or ``"t10k"``."""
    images_path, labels_path = (_path(folder, f"{part}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    images, labels = _read(images_path, 3), _read(labels_path, 1)
    if images.shape[1:] != (28, 28):
        raise InputError(f"{images_path} must hold images of 28 x 28 pixels, got {images.shape[1]} x {images.shape[2]}")
    if len(images) != len(labels):
        raise InputError(f"{labels_path} must hold {len(images)} labels, one an image, got {len(labels)}")
    if len(labels) == 0 or labels.max() > 9:
        raise InputError(f"{labels_path} must hold labels from 0 to 9, at least one")
    return images.reshape(len(images), -1).astype(np.float32) / 255, labels.astype(np.int32)


def _path(folder: Path, name: str) -> Path:
    """Return the path of a file, plain or compressed."""
    for path in (folder / name, folder / f"{name}.gz"):
        if os.path.isfile(path):  # unlike Path.is_file, false where the folder may not be entered
            return path
    raise MissingError(
        f"{folder / name} is not there, nor with .gz: download it from {SOURCE}, or pass another folder="
    )


def _read(path: Path, axes: int) -> np.ndarray:
    """Read an IDX file of bytes: a magic number that ends in the number of axes, the sizes, and the numbers."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnavailableError(f"{path} cannot be read: {error.strerror}") from error
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: compressed file is damaged or cut short: {error}") from None
    head = np.frombuffer(content[: 4 * (1 + axes)], ">u4") if len(content) >= 4 * (1 + axes) else np.zeros(1, int)
    # Two zero bytes, 8 for unsigned bytes, and the number of axes.
    if head[0] != 0x0800 + axes:
        raise InputError(f"{path} must hold an IDX file with magic number {0x0800 + axes}, got {head[0]}")
    shape, values = tuple(head[1:].tolist()), np.frombuffer(content, np.uint8, offset=4 * (1 + axes))
    if values.size != np.prod(shape, dtype=int):
        raise InputError(f"{path} must hold {np.prod(shape, dtype=int)} bytes for shape {shape}, got {values.size}")
    return values.reshape(shape)
