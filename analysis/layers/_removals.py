"""What single removals say of each layer: the changes of the loss when one of its nodes alone goes off."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis import _checks, removal
from analysis.layers._groups import groups

#: The variables of single removals that are summarised, and what their statistics are called.
CHANGES = ("change", "log_change")


def removals(
    sweep: xr.Dataset, *, full_loss: float | None = None, quantiles: Sequence[float] = removal.QUANTILES
) -> xr.Dataset:
    """Summarise by layer what the loss changes by when each node alone goes off.

    Parameters
    ----------
    sweep : xarray.Dataset
        A leave-one-out sweep: `loss` (node,), the coordinates `node` and `layer`.
    full_loss : float, optional
        Loss with every node on; the attribute `full_loss` of `sweep` when left out.
    quantiles : sequence of float
        Which quantiles over the nodes of a layer, between 0 and 1.

    Returns
    -------
    xarray.Dataset, (layer,)
        Layers in the order of the gate vector, in the unit of the loss, with the attributes `full_loss` and, if `sweep`
        has it, `unit`:

        - `nodes`, and `unknown`, those of them without a finite loss, which everything else leaves out
        - `mean_change`, `sd_change`, `largest_change`, `lowest_change`, and `change_quantile` (layer, quantile), over
        the
          nodes of the layer
        - `mean_log_change` and so on: the same of the logarithm of the loss, which further leaves out losses of 0 or
        below
        - `largest_node`, `lowest_node`: the nodes of the largest and of the lowest change, empty where none is known
        - `share_lowering`: the share of nodes whose removal lowers the loss

    Raises
    ------
    TypeError
        If `sweep` is no Dataset or its losses are no real numbers.
    ValueError
        If a variable or a coordinate is missing, there is no full loss, or a quantile is out of range.

    See Also
    --------
    analysis.removal.leave_one_out : Node by node.
    node_table : The nodes that cost most and least.
    analysis.figures.layers.summary : Draws the spread of each layer.

    Notes
    -----
    Every node of a layer is there once. They are the whole population and no sample of it: the divisor of the standard
    deviations is n, and there are no standard errors.

    Examples
    --------
    >>> from analysis import layers
    >>> nodes = {"node": ["a unit 0", "a unit 1", "b head 0"], "layer": ("node", ["a", "a", "b"])}
    >>> sweep = xr.Dataset({"loss": ("node", [0.5, 0.3, 0.2])}, coords=nodes)
    >>> found = layers.removals(sweep, full_loss=0.25)
    >>> found["mean_change"].values.round(3).tolist(), found["share_lowering"].values.tolist()
    ([0.15, -0.05], [0.0, 1.0])
    """
    found = groups(sweep, called="sweep")
    quantiles = _checks.quantiles(quantiles)
    nodes = removal.leave_one_out(sweep, full_loss=full_loss)
    rows: list[dict[str, Any]] = []
    for layer in range(len(found.names)):
        members = found.of(layer)
        change = nodes["change"].values[members]
        finite = np.isfinite(change)
        row: dict[str, Any] = {"nodes": members.size, "unknown": int(np.count_nonzero(~finite))}
        for name in CHANGES:
            row |= _of_changes(name, nodes[name].values[members], quantiles)
        for word, pick in (("largest", np.argmax), ("lowest", np.argmin)):
            known = members[finite]
            row[f"{word}_node"] = found.labels[known[pick(change[finite])]] if known.size else ""
        row["share_lowering"] = float(np.mean(change[finite] < 0)) if finite.any() else float("nan")
        rows.append(row)
    variables = {
        key: (("layer", "quantile") if key.endswith("quantile") else ("layer",), np.array([row[key] for row in rows]))
        for key in rows[0]
    }
    coords = {"layer": found.names, "quantile": list(quantiles)}
    return xr.Dataset(variables, coords=coords, attrs=nodes.attrs)


def _of_changes(name: str, changes: np.ndarray, quantiles: Sequence[float]) -> dict[str, Any]:
    known = changes[np.isfinite(changes)]
    if not known.size:
        known = np.array([np.nan])
    return {
        f"mean_{name}": float(known.mean()),
        f"sd_{name}": float(known.std()),
        f"largest_{name}": float(known.max()),
        f"lowest_{name}": float(known.min()),
        f"{name}_quantile": np.quantile(known, quantiles),
    }
