"""One summary by layer of whatever a sweep holds."""

import xarray as xr

from analysis import _checks, _samples
from analysis._errors import InputError
from analysis.gradients._sums import NAMES
from analysis.layers._draws import gradients, slopes
from analysis.layers._removals import removals


def summary(sweep: xr.Dataset, *, full_loss: float | None = None) -> xr.Dataset:
    """Summarise a sweep by layer, whether nodes went off one at a time or at random.

    Parameters
    ----------
    sweep : xarray.Dataset
        A leave-one-out sweep; or independent draws with `gates`, gate gradients, or both; or the summary of a sweep
        with gate gradients. With the coordinates `node` and `layer`.
    full_loss : float, optional
        Of a leave-one-out sweep, the loss with every node on; its attribute `full_loss` when left out.

    Returns
    -------
    xarray.Dataset, (layer,) or (probability, layer)
        The axis `probability` is there also for a single one, as in the sweep. Of single removals what `removals`
        returns; otherwise what `gradients` returns of each gradient that is there,
        and what `slopes` returns where there are gates.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset or its values are no real numbers.
    ValueError
        If there is no coordinate `layer`, no full loss, no independent draws, or nothing to summarise.

    See Also
    --------
    removals, gradients, slopes : Of which it calls what the sweep has.
    layer_table : Makes a table of it.
    analysis.figures.layers.overview : Draws it.

    Examples
    --------
    >>> from analysis import layers
    >>> nodes = {"node": ["a unit 0", "a unit 1", "b head 0"], "layer": ("node", ["a", "a", "b"])}
    >>> data = layers.summary(xr.Dataset({"loss": ("node", [0.5, 0.3, 0.25])}, coords=nodes), full_loss=0.25)
    >>> data["mean_change"].values.round(3).tolist(), data["largest_node"].values.tolist()
    ([0.15, 0.0], ['a unit 0', 'b head 0'])
    """
    _checks.dataset_with("sweep", sweep, (), ("node",))
    if is_single(sweep):
        return removals(sweep, full_loss=full_loss)
    held = _samples.is_summary(sweep)
    parts = [gradients(sweep, variable=name) for name in NAMES if (f"{name}_mean" if held else name) in sweep]
    if not held and {"loss", "gates"} <= set(sweep.data_vars):
        parts.append(slopes(sweep))
    if not parts:
        raise InputError(
            "sweep must be single removals, or draws with gates or gate gradients, "
            f"got the variables {list(sweep.data_vars)}"
        )
    return xr.merge(parts, compat="equals", combine_attrs="override")


def is_single(data: xr.Dataset) -> bool:
    """Tell whether a sweep is of single removals: it has one loss for each node."""
    return "loss" in data and data["loss"].dims == ("node",)
