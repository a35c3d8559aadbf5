"""Colours of the interactive page, those of the figures, and what they stand for: one range for all masks."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.colors import Colormap, to_hex

from analysis import perceptron
from analysis.figures import plane, style
from analysis.perceptron import Perceptron

#: Colours of a map that the page holds, and random masks whose maps the ranges are taken from.
SHADES, MASKS = 256, 16


class Scales(NamedTuple):
    """Ranges of the maps, the same for every mask, node and zoom.

    Attributes
    ----------
    loss : tuple of float
        Lowest and highest loss that have colours of their own, in nats.
    gradient : float
        Largest size of a gate gradient that has a colour of its own, in nats.
    """

    loss: tuple[float, float]
    gradient: float


def palette(classes: int) -> dict[str, Any]:
    """Give the colours of the figures, as hexadecimal numbers.

    Parameters
    ----------
    classes : int
        Of the network.

    Returns
    -------
    dict of str to str or list of str
        `certainty` of class 1, `loss` and `gradient` from low to high; `classes` and the colours of their `points`;
        `masks` for histograms; and `on`, `helps` and `hurts` for what is drawn in one colour.
    """
    helps, hurts = style.HELPS([0.0, 1.0])
    return {
        "certainty": _shades(plane.CERTAINTY.reversed()),
        "loss": _shades(plane.LOSS),
        "gradient": _shades(style.HELPS),
        "classes": list(style.CYCLE[:classes]),
        "points": [colour for _, colour in plane.POINTS] if classes == 2 else list(style.CYCLE[:classes]),
        "masks": list(style.CYCLE),
        "all": style.GREY,
        "on": style.BLUE,
        "helps": to_hex(helps),
        "hurts": to_hex(hurts),
    }


def _shades(colours: Colormap) -> list[str]:
    return [to_hex(colour) for colour in colours(np.linspace(0, 1, SHADES))]


def of_network(network: Perceptron, points: npt.NDArray[np.float64], targets: npt.NDArray[np.int64]) -> Scales:
    """Choose ranges that hold the maps of the full network, the empty one and some between.

    Parameters
    ----------
    network : Perceptron
    points : numpy.ndarray of float64, (points, inputs)
        Where losses and gradients are drawn, whatever the zoom.
    targets : numpy.ndarray of int64, (points,)

    Returns
    -------
    Scales
        Round numbers; all but the largest `analysis.figures.plane.CLIPPED` of each map are within them.
    """
    masks = np.random.default_rng(0).random((MASKS, network.nodes)) < np.linspace(0, 1, MASKS)[:, None]
    losses, gradients = 0.0, 0.0
    # The first is empty, and the last full.
    for gates in masks.astype(np.float64):
        each = perceptron.losses(network, points, targets, gates=gates)
        pull = np.abs(perceptron.gate_gradients(network, points, targets, gates=gates))
        losses = max(losses, float(np.quantile(each, 1 - plane.CLIPPED)))
        gradients = max(gradients, float(np.quantile(pull, 1 - plane.CLIPPED)))
    return Scales((plane.LOWEST_LOSS, max(_round(losses), 10 * plane.LOWEST_LOSS)), _round(gradients))


def _round(value: float) -> float:
    """Return the next larger number whose only digit is 1, 2 or 5; 1 for 0."""
    if value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(digit * power for digit in (1, 2, 5, 10) if digit * power >= value * (1 - 1e-9)))
