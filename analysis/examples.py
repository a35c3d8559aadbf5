"""Examples: what each node is worth to each example, from the losses of examples that a sweep has kept.

A sweep keeps them when it is asked to, by ``keep="examples"``.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import _checks, _samples
from analysis._errors import InputError

__all__ = ["node_effects"]

_Floats = npt.NDArray[np.float64]

_Parts = Iterator[tuple[_Floats, _Floats]]

#: Losses that are read at a time.
_BLOCK = 2**22


def node_effects(sweep: xr.Dataset) -> xr.Dataset:
    """Give what each node's being on changes in the loss of each example, and in the mean loss.

    Parameters
    ----------
    sweep : xarray.Dataset
        Made by ``sweeps.sweep(..., keep="examples")``: draws with `gates`, flip paths, a whole hypercube, or a
        leave-one-out sweep.

    Returns
    -------
    xarray.Dataset, (node, example)
        In the unit of the loss; a dimension `probability` stays.

        - `effect`: the mean loss of the example with the node on minus that with it off, negative where the example
        needs
          the node
        - `effect_error`: its standard error; 0 where nothing is random
        - `node_effect`, `node_effect_error` (node,): the same of the mean loss, which is the mean of `effect` over
          examples with the weights `counted`

        Of draws the means are over all draws, the other nodes as the design has them; of flip paths, over the changes
        where the node is flipped; of a hypercube, over all masks; of a leave-one-out sweep it is the loss with all
        nodes on minus that without this one. NaN where the node was never on, or never off, or a loss is not finite.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset.
    ValueError
        If the losses of examples are not in it, or its gates lie between 0 and 1.

    See Also
    --------
    analysis.figures.examples.heat_map : Draws the effects.
    analysis.hypercube.estimates.first_order : What single nodes do to the mean loss.

    Notes
    -----
    Of D draws, n1 have the node on and n0 off: the difference of the two means has the variance

        (s1^2 / n1 + s0^2 / n0) * D / (D - 1)

    with the variances s1^2 and s0^2 (divisors n1 and n0) of the losses in the two groups. Changes at flips have their
    variance over paths, divided by the number of paths: masks of a path depend on each other.

    Examples
    --------
    >>> from analysis import examples
    >>> losses = {
    ...     "loss": ("node", [0.5, 0.3]),
    ...     "example_loss": (("node", "example"), [[0.6, 0.4], [0.1, 0.5]]),
    ...     "full_example_loss": ("example", [0.1, 0.3]),
    ... }
    >>> sweep = xr.Dataset(losses, coords={"node": ["unit 0", "unit 1"]}, attrs={"full_loss": 0.2})
    >>> found = examples.node_effects(sweep)
    >>> found["effect"].values.round(3).tolist(), found["node_effect"].values.round(3).tolist()
    ([[-0.5, -0.1], [0.0, -0.2]], [-0.3, -0.1])
    """
    _checks.dataset_with("sweep", sweep, ("loss", "example_loss", "full_example_loss"), ("node", "example"))
    if "probability" in sweep.dims:
        parts = _samples.parts(sweep, "probability", "sweep")
        return xr.concat([node_effects(one) for one in parts], "probability", data_vars="all", coords="minimal")
    if "draw" in sweep.dims:
        _checks.dataset_with("sweep", sweep, ("gates",), ("chain",))
        found = _of_flips(sweep) if "step" in sweep.dims else _of_masks(sweep)
    else:
        found = _of_masks(sweep) if "mask" in sweep.dims else _left_out(sweep)
    effect, error = found
    data = xr.Dataset(
        {
            "effect": (("node", "example"), effect[:, :-1]),
            "effect_error": (("node", "example"), error[:, :-1]),
            "node_effect": ("node", effect[:, -1]),
            "node_effect_error": ("node", error[:, -1]),
        },
        attrs={name: sweep.attrs[name] for name in ("loss", "unit", "off", "design") if name in sweep.attrs},
    )
    names = [name for name in ("node", "layer", "example", "counted", "probability") if name in sweep.coords]
    return data.assign_coords({name: sweep[name].load() for name in names})


def _left_out(sweep: xr.Dataset) -> tuple[_Floats, _Floats]:
    """Changes of the losses of examples, and of the mean loss, by the node that is left out."""
    without = np.column_stack([sweep["example_loss"].transpose("node", "example"), sweep["loss"]]).astype(np.float64)
    full = np.append(sweep["full_example_loss"].values.astype(np.float64), float(sweep.attrs["full_loss"]))
    return full - without, np.zeros_like(without)


def _parts(sweep: xr.Dataset) -> _Parts:
    """Yield gates (draws, steps, nodes) of 0 and 1, and losses (draws, steps, examples + 1), the mean loss last."""
    along, nodes = "mask" if "mask" in sweep.dims else "draw", sweep.sizes["node"]
    most = max(1, _BLOCK // (sweep["example_loss"].size // sweep.sizes[along] + 1))
    for chain in _samples.parts(sweep, "chain" if along == "draw" else None, "sweep"):
        for start in range(0, sweep.sizes[along], most):
            part = chain.isel({along: slice(start, start + most)})
            number = part.sizes[along]
            if along == "mask":
                gates = np.arange(start, start + number)[:, None] >> np.arange(nodes) & 1
            else:
                gates = part["gates"].transpose("draw", ..., "node").values
            if not np.isin(gates, (0, 1)).all():
                raise InputError("sweep: a node must be on or off, gates of 0 or 1, got partial gains")
            losses = part["example_loss"].transpose(along, ..., "example").values
            mean = part["loss"].transpose(along, ...).values[..., None]
            both = np.concatenate([losses, mean], axis=-1).astype(np.float64)
            yield gates.reshape(number, -1, nodes).astype(np.float64), both.reshape(number, -1, both.shape[-1])


def _of_masks(sweep: xr.Dataset) -> tuple[_Floats, _Floats]:
    """Differences of means between masks that have a node on and off, (nodes, examples + 1), and their errors."""
    masks, on, centre = 0, np.zeros((sweep.sizes["node"], 1)), np.zeros(0)
    of_on, total, squares_on, squares = (np.zeros(()) for _ in range(4))
    for gates, losses in _parts(sweep):
        # Distances from one mask's losses: squares of the losses themselves would lose their digits.
        centre = centre if centre.size else losses[0, 0]
        flat, far = gates.reshape(-1, gates.shape[-1]), (losses - centre).reshape(-1, losses.shape[-1])
        masks, on = masks + len(flat), on + flat.sum(axis=0)[:, None]
        of_on, total = of_on + flat.T @ far, total + far.sum(axis=0)
        squares_on, squares = squares_on + flat.T @ far**2, squares + (far**2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = masks - on
        mean_on, mean_off = of_on / on, (total - of_on) / off
        spread = (squares_on - on * mean_on**2) / on**2 + (squares - squares_on - off * mean_off**2) / off**2
        error = np.sqrt(np.maximum(spread, 0) * (masks / np.float64(masks - 1)))
    effect = mean_on - mean_off
    return effect, np.where(np.isfinite(effect), 0.0, np.nan) if "mask" in sweep.dims else error


def _of_flips(sweep: xr.Dataset) -> tuple[_Floats, _Floats]:
    """Mean changes of the losses where each node is flipped on, or off with the other sign, and their errors."""
    draws, shape = 0, (sweep.sizes["node"], sweep.sizes["example"] + 1)
    total, squares, centre = np.zeros(shape), np.zeros(shape), None
    for gates, losses in _parts(sweep):
        for masks, each in zip(gates, losses, strict=True):
            # A node is flipped once on a path, so that its column of differences has one entry, 1 or -1.
            change = np.diff(masks, axis=0).T @ np.diff(each, axis=0)
            centre = change if centre is None else centre
            draws, total, squares = draws + 1, total + (change - centre), squares + (change - centre) ** 2
    assert centre is not None  # a sweep has a draw
    mean = total / draws
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.maximum(squares / draws - mean**2, 0) / np.float64(draws - 1)
    return mean + centre, np.sqrt(spread)
