"""Export: a run's store as one netCDF file, its sweeps as CSV files, a sweep as an ArviZ object."""

import json
import warnings
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from analysis import _checks, _derived, runs
from analysis._errors import InputError
from analysis._places import Address, Place, made_in, place_of

__all__ = ["to_arviz", "to_csv", "to_netcdf"]

#: Most rows of a CSV file that are written at a time, and most numbers in them.
_ROWS, _CELLS = 2**16, 2**23


def to_netcdf(folder: str | PathLike[str] | Address, *, out: str | PathLike[str] | Address | None = None) -> Place:
    """Write everything a run has measured into one netCDF-4 file, a group for each of the store's.

    Parameters
    ----------
    folder : str or os.PathLike
        The run folder.
    out : str or os.PathLike, optional
        ``run.nc`` in the run folder when left out. A file that is there is replaced.

    Returns
    -------
    pathlib.Path
        Opened by ``xarray.open_datatree(out)`` or, a group of it, ``xarray.open_dataset(out, group="sweeps/...")``.

    Raises
    ------
    FileNotFoundError
        If there is no store in the folder.
    InputError
        If a file of the store is missing or damaged, the store is of another format, or the run is not finished.

    See Also
    --------
    to_csv : Text files of the sweeps alone.
    analysis.runs.open_run : Reads a run without a copy.

    Examples
    --------
    >>> from analysis import export
    >>> import tempfile
    >>> export.to_netcdf(tempfile.mkdtemp())  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    analysis._errors.MissingError: folder must be a run folder that holds run.zarr, got ...
    """
    run = runs.open_run(folder).finished()
    target = run.folder / "run.nc" if out is None else place_of("out", out)
    tree = run.tree.map_over_datasets(_plain)
    tree.attrs = _plain_attributes(run.tree.attrs)
    with made_in(target.parent) as folder:
        folder.mkdir(parents=True, exist_ok=True)
        tree.to_netcdf(folder / target.name, engine="h5netcdf")
    return target


def _plain(data: xr.Dataset) -> xr.Dataset:
    """Return data as netCDF can hold them: text as objects, attributes as text or numbers."""
    text = {name: variable for name, variable in data.variables.items() if variable.dtype.kind in "UTO"}
    changed = {name: (variable.dims, variable.values.astype(object), variable.attrs) for name, variable in text.items()}
    data = data.assign_coords({name: value for name, value in changed.items() if name in data.coords})
    data = data.assign({name: value for name, value in changed.items() if name not in data.coords})
    for variable in data.variables.values():
        variable.encoding, variable.attrs = {}, _plain_attributes(variable.attrs)
    data.attrs = _plain_attributes(data.attrs)
    return data


def _plain_attributes(attributes: Any) -> dict[str, Any]:
    plain = {name: int(value) if isinstance(value, bool) else value for name, value in attributes.items()}
    # Attributes that netCDF has no type for are written as JSON.
    return {name: value if _is_of_netcdf(value) else json.dumps(value) for name, value in plain.items()}


def _is_of_netcdf(value: Any) -> bool:
    """Whether an attribute is a text, a number, or a list of one of them."""
    return not isinstance(value, dict) and np.asarray(value, object).size > 0 and np.asarray(value).dtype.kind in "iufU"


def to_csv(folder: str | PathLike[str] | Address, *, out: str | PathLike[str] | Address | None = None) -> list[Place]:
    """Write every sweep of a run as a CSV file, a row for each mask.

    Parameters
    ----------
    folder : str or os.PathLike
        The run folder.
    out : str or os.PathLike, optional
        Folder of the files; ``csv`` in the run folder when left out.

    Returns
    -------
    list of pathlib.Path
        ``<sweep>.csv``. Columns: the coordinates of the mask, such as ``probability, chain, draw``, or the ``node``
        that is off and its ``layer``; its ``loss``, ``log_loss`` and metrics; and of what has a value for each node,
        ``gates`` and gradients, a column a node, such as ``loss_gradient layers/0 unit 3``. Numbers are written with
        the digits that give the same float32 again. A sweep kept as a summary has no masks and is left out, and so are
        the losses of examples.

    Raises
    ------
    FileNotFoundError
        If there is no store in the folder.
    InputError
        If a file of the store is missing or damaged, the store is of another format, or the run is not finished.

    See Also
    --------
    to_netcdf : Everything, in one file, without rounding.

    Examples
    --------
    Of a run folder that ``sweeps run`` made:

    >>> from analysis import export
    >>> [path.name for path in export.to_csv("runs/mine")]  # doctest: +SKIP
    ['main.csv']
    """
    run = runs.open_run(folder).finished()
    target = run.folder / "csv" if out is None else place_of("out", out)
    written = []
    for node in run.tree.subtree:
        if node.path.startswith("/sweeps/") and {"loss", "log_loss"} <= set(node.data_vars):
            with made_in(target) as made:
                made.mkdir(parents=True, exist_ok=True)
                _sweep_to_csv(node.to_dataset(), made / f"{node.name}.csv")
            written.append(target / f"{node.name}.csv")
    return written


def _sweep_to_csv(data: xr.Dataset, path: Path) -> Path:
    dims = data["loss"].dims
    shape = data["loss"].shape
    data = data.drop_dims("example", errors="ignore")
    inner = next((dim for one in data.data_vars.values() for dim in one.dims if dim not in dims), None)
    labels = [str(label) for label in data[inner].values] if inner in data.coords else []
    size = int(np.prod(shape))
    step = max(1, min(_ROWS, _CELLS // (1 + len(data.data_vars) * len(labels))))
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for start in range(0, size, step):
            rows = slice(start, min(start + step, size))
            _rows(data, dims, inner, labels, rows).to_csv(file, index=False, header=start == 0, lineterminator="\n")
    return path


def _rows(data: xr.Dataset, dims: tuple[Any, ...], inner: Any, labels: list[str], rows: slice) -> pd.DataFrame:
    """Return some masks as a data frame."""
    where = np.unravel_index(np.arange(rows.start, rows.stop), tuple(data.sizes[dim] for dim in dims))
    pointed = {dim: xr.DataArray(index, dims="row") for dim, index in zip(dims, where, strict=True)}
    part = data.isel(pointed).load()
    columns: dict[str, Any] = {
        str(dim): part[dim].values if dim in part.coords else index for dim, index in zip(dims, where, strict=True)
    }
    if "node" in dims and "layer" in part.coords:
        columns["layer"] = part["layer"].values
    metrics = [name for name, one in part.data_vars.items() if one.dims == ("row",) and name not in _derived.NAMES]
    for name in ("loss", "log_loss", *metrics):
        columns[str(name)] = part[name].values
    for variable, values in part.data_vars.items():
        if inner in values.dims:
            table = values.transpose("row", inner).values
            table = table.astype(np.int8) if table.dtype == bool else table
            columns |= {f"{variable} {label}": table[:, place] for place, label in enumerate(labels)}
    return pd.DataFrame(columns)


def to_arviz(sweep: xr.Dataset, *, log_likelihood: Callable[[xr.DataArray], xr.DataArray] | None = None) -> Any:
    """Return a sweep as ArviZ has it: an InferenceData (ArviZ 0.x) or a DataTree (1.x), with the group ``posterior``.

    Parameters
    ----------
    sweep : xarray.Dataset
        A sweep with draws: dimensions `chain` and `draw`. Flip paths and probabilities are further dimensions, unless
        the sweep has the losses of examples (``keep="examples"``): then it is one probability's.
    log_likelihood : callable, optional
        Of the losses of examples (mean over an example's positions), their log likelihood; by default minus a
        cross-entropy, summed over the positions. Other losses need it: a squared error, with a standard deviation s,
        has ``lambda loss: -loss / (2 * s**2) - np.log(s * np.sqrt(2 * np.pi))`` for one output.

    Returns
    -------
    arviz.InferenceData or xarray.DataTree
        ArviZ calls draws a posterior; of Bernoulli masks they are independent. With the losses of examples also the
        group ``log_likelihood``, which ``arviz.loo`` and ``arviz.compare`` read; without examples of which nothing
        counts.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset.
    ValueError
        If it has no dimension `chain` or `draw`; or, with losses of examples, further dimensions, or a loss that is
        no log likelihood.

    See Also
    --------
    analysis.best.best_masks : The best draws.
    analysis.lognormal.fit_each : The law of the losses.

    Examples
    --------
    >>> from analysis import export
    >>> data = xr.Dataset({"loss": (("chain", "draw"), [[1.0, 2.0]])})
    >>> export.to_arviz(data).posterior["loss"].values.tolist()
    [[1.0, 2.0]]
    """
    _checks.dataset_with("sweep", sweep, (), ("chain", "draw"))
    import arviz  # here, because it imports pyplot, which analysis is to leave alone

    groups: dict[str, Any] = {"posterior": sweep.drop_dims("example", errors="ignore")}
    if "example_loss" in sweep:
        groups = {name: _of_one(group) for name, group in groups.items()}
        groups["log_likelihood"] = _log_likelihoods(_of_one(sweep), log_likelihood)
    groups = {name: group.transpose("chain", "draw", ...) for name, group in groups.items()}
    with warnings.catch_warnings():
        # ArviZ 0.23 announces 1.0 whenever it is used.
        warnings.simplefilter("ignore", FutureWarning)
        if hasattr(arviz, "convert_to_inference_data"):
            return arviz.InferenceData(**groups)
        return xr.DataTree.from_dict(groups)


def _of_one(data: xr.Dataset) -> xr.Dataset:
    """Return a sweep without a dimension of probabilities, of which it may have one."""
    if data.sizes.get("probability", 1) > 1 or "step" in data.dims:
        raise InputError(
            "sweep must be draws of one probability, of which ArviZ takes each example as an observation: select one, "
            "such as sweep.isel(probability=0)"
        )
    return data.squeeze("probability") if "probability" in data.dims else data


def _log_likelihoods(data: xr.Dataset, function: Callable[[xr.DataArray], xr.DataArray] | None) -> xr.Dataset:
    """Return the log likelihood of each example, by draw."""
    known, loss = ("cross_entropy", "binary_cross_entropy"), data.attrs.get("loss")
    if function is None and loss not in known:
        raise InputError(
            f"sweep: the loss is {loss}, and only a cross-entropy is minus a log likelihood; give log_likelihood= a "
            "function of the losses of examples"
        )
    losses = data["example_loss"].astype(np.float64).isel(example=data["counted"].values > 0)
    found = -losses * losses["counted"] if function is None else function(losses)
    return xr.Dataset({"targets": found})
