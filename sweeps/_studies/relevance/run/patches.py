"""Patches: digits on a larger canvas beside a patch that gives their class away in training and misleads in testing."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from sweeps._batches import Batch, Task

# Grey of the background: uniform from 0 to this.
NOISE = 0.05
# Without a patch.
NONE = -1


class Patched(NamedTuple):
    """Images of a canvas, flat, with the region where the digit is.

    Attributes
    ----------
    images : numpy.ndarray, (examples, pixels)
        From 0 to 1.
    regions : numpy.ndarray of bool, (examples, pixels)
        Whether a pixel is of the square that the digit stands in.
    targets : numpy.ndarray of int, (examples,)
        Class of the digit.
    told : numpy.ndarray of int, (examples,)
        Class that the patch tells, or ``NONE``.
    """

    images: Float[np.ndarray, "examples pixels"]
    regions: Bool[np.ndarray, "examples pixels"]
    targets: Int[np.ndarray, " examples"]
    told: Int[np.ndarray, " examples"]


class Sets(NamedTuple):
    """What is trained on, chosen by and tested on.

    Attributes
    ----------
    train : Patched
        The patch tells the right class.
    validation : Patched
        Not trained on; what is outside of the known regions, the patch too, is background again.
    right, clean, misleading : Patched
        The same test images with a patch of the right class, none, and of a wrong class.
    outside, inside : Patched
        ``right`` with the pixels outside of the region, or within, replaced by those of another image.
    alone : Patched
        ``right`` with background in place of the digit.
    canvas, words : int or str
        Pixels along a side, and what the patch is.
    """

    train: Patched
    validation: Patched
    right: Patched
    clean: Patched
    misleading: Patched
    outside: Patched
    inside: Patched
    alone: Patched
    canvas: int
    words: str


class Canvas(NamedTuple):
    """Sizes in pixels: of the canvas, of a digit, and of the patches, bars in a strip at the top, one column a class.

    Attributes
    ----------
    side, digit : int
        Along a side.
    strip, width : int
        Rows of the strip, columns of a bar.
    classes : int
        Number of bars.
    """

    side: int
    digit: int
    strip: int
    width: int
    classes: int

    def bars(self, told: Int[np.ndarray, " examples"]) -> Bool[np.ndarray, "examples rows columns"]:
        """Return where the patch is, nowhere for ``NONE``."""
        first = (self.side - self.classes * self.width) // 2
        column = (np.arange(self.side) - first) // self.width
        return (
            (np.arange(self.side)[:, None] < self.strip)
            & (column[None] == told[:, None])[:, None]
            & (told[:, None, None] != NONE)
        )


def canvas_of(task: Task) -> Canvas:
    """Return the canvas of a task's images; those of 16 pixels or more are halved first."""
    side = _side(task.train.inputs)
    digit = side // 2 if side >= 16 else side
    whole, classes = digit * 3 // 2, task.classes or 1
    return Canvas(whole, digit, digit // 4, whole // classes, classes)


def of_task(task: Task, examples: int, seed: int) -> Sets:
    """Return the sets made of a task's images.

    Parameters
    ----------
    task : Task
        Images of ten classes.
    examples : int
        Most training images, a fifth of them for validation, and most test images.
    seed : int
        Of the digits' places, the background and the wrong classes.
    """
    canvas = canvas_of(task)
    random = np.random.default_rng(seed)
    images, regions, targets = _placed(task.train, examples, canvas, random)
    cut = len(targets) - len(targets) // 5
    train = _with_patch(Patched(images, regions, targets, targets), canvas)
    # Whatever stands outside, the patch among it, is painted over.
    erased = Patched(images, regions, targets, np.full_like(targets, NONE))
    images, regions, targets = _placed(task.test, examples, canvas, random)
    wrong = (targets + random.integers(1, canvas.classes, len(targets)).astype(targets.dtype)) % canvas.classes
    clean = Patched(images, regions, targets, np.full_like(targets, NONE))
    right, misleading = (_with_patch(clean._replace(told=told), canvas) for told in (targets, wrong))
    outside, inside = _replaced(right, canvas, random)
    background = random.uniform(0, NOISE, right.images.shape).astype(np.float32)
    alone = right._replace(images=np.where(right.regions, background, right.images))
    rows = f"{canvas.strip} × {canvas.width} pixels"
    words = f"a white bar of {rows} at the top of a canvas of {canvas.side} × {canvas.side}; its column tells the class"
    first, last = slice(cut), slice(cut, None)
    return Sets(
        Patched(*(part[first] for part in train)),
        Patched(*(part[last] for part in erased)),
        right,
        clean,
        misleading,
        outside,
        inside,
        alone,
        canvas.side,
        words,
    )


def _placed(batch: Batch, examples: int, canvas: Canvas, random: np.random.Generator) -> tuple[Any, ...]:
    """Images of digits at random places below the strip, their regions and classes."""
    digits = _halved(np.asarray(batch.inputs)[:examples], canvas.digit)
    room = canvas.side - canvas.digit
    middle, apart = room // 2, canvas.digit // 8
    rows = random.integers(canvas.strip, room + 1, len(digits))
    columns = random.integers(middle - apart, middle + apart + 1, len(digits))
    images = random.uniform(0, NOISE, (len(digits), canvas.side, canvas.side)).astype(np.float32)
    regions = np.zeros(images.shape, bool)
    for index, (digit, row, column) in enumerate(zip(digits, rows, columns, strict=True)):
        place = index, slice(row, row + canvas.digit), slice(column, column + canvas.digit)
        images[place] = np.maximum(images[place], digit)
        regions[place] = True
    return _flat(images), _flat(regions), np.asarray(batch.targets)[:examples]


def _with_patch(plain: Patched, canvas: Canvas) -> Patched:
    return plain._replace(images=np.maximum(plain.images, _flat(canvas.bars(plain.told)).astype(np.float32)))


def _replaced(right: Patched, canvas: Canvas, random: np.random.Generator) -> tuple[Patched, Patched]:
    """Another image's background and patch around each digit, and another's digit in place of each."""
    other = random.permutation(len(right.targets))
    background = random.uniform(0, NOISE, right.images.shape).astype(np.float32)
    bars = _flat(canvas.bars(right.told[other])).astype(np.float32)
    outside = np.where(right.regions, right.images, np.maximum(background, bars))
    inside = right.images.copy()
    for index, source in enumerate(other):
        inside[index, right.regions[index]] = right.images[source, right.regions[source]]
    return right._replace(images=outside, told=right.told[other]), right._replace(
        images=inside, targets=right.targets[other]
    )


def _halved(images: Float[np.ndarray, "examples pixels"], digit: int) -> Float[np.ndarray, "examples rows columns"]:
    """Images of the size of the digits: means over squares of pixels."""
    size = _side(images) // digit
    return images.reshape(-1, digit, size, digit, size).mean(axis=(2, 4))


def _side(images: Float[np.ndarray, "examples pixels"]) -> int:
    return round(images.shape[1] ** 0.5)


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)
