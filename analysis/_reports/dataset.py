"""The report of a dataset: what `sweeps report` makes of a run, made of the result of one sweep."""

from os import PathLike
from typing import Any

import xarray as xr

from analysis import _derived, _samples, _seals
from analysis._errors import InputError, InputTypeError, NotAFolderError
from analysis._places import Place, path_of
from analysis._reports.results import GROUP, measure
from analysis._reports.sweep import write_results
from analysis.runs import Run

#: The dimension without which the losses of a design cannot be read.
DIMENSIONS = {"LeaveOneOut": "node", "Hypercube": "mask", "FlipPaths": "step"}
#: Attributes that a store adds to those of a sweep.
OF_STORE = ("identity", "complete", _seals.SEAL)


def report(dataset: xr.Dataset, folder: str | PathLike[str]) -> Place:
    r"""Write tables, macros, figures and a page on the result of a sweep.

    Parameters
    ----------
    dataset : xarray.Dataset
        What ``sweeps.sweep`` returned, of any design, with every draw or as a summary; or the same opened from its
        store, as by ``xarray.open_zarr``. Neither its network nor its task is needed.
    folder : str or os.PathLike
        Where to, made if it does not exist. ``tables/*.tex`` and ``*.csv``, ``numbers.tex``, ``figures/*.pdf`` and
        ``*.png``, and ``report.html`` in it are written anew; other files stay. Its name begins the names of the
        macros in ``numbers.tex``, so that several reports fit into one paper.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    TypeError
        If `dataset` is no Dataset.
    InputError
        If it is not what a sweep returned, or was not written to its end, or the folder is a file.

    See Also
    --------
    explore : The interactive page of a run.
    analysis.runs.open_run : Reads a run folder, whose page ``sweeps report`` writes.
    analysis.tables.Table : Tables of your own.

    Examples
    --------
    With the dataset that ``sweeps.sweep`` returned:

    >>> import analysis
    >>> analysis.report(data, "report")  # doctest: +SKIP
    PosixPath('report/report.html')
    """
    folder = path_of("folder", folder)
    if folder.exists() and not folder.is_dir():
        raise NotAFolderError(f"folder must be a folder, got the file {folder}")
    data = _checked(dataset)
    told = {name: value for name, value in data.attrs.items() if name != "seed"}
    tree = xr.DataTree.from_dict({f"/{GROUP}": data.assign_attrs(complete=True)})
    run = Run(folder, tree, "sweep", "", "", {"sweep": {"seed": data.attrs.get("seed"), **told}}, {}, {})
    results = measure(run)
    folder.mkdir(parents=True, exist_ok=True)
    return write_results(results)


def _checked(dataset: Any) -> xr.Dataset:
    """Return a sweep with what a store leaves out, and without the attributes that it adds."""
    if isinstance(dataset, xr.DataTree):
        raise InputTypeError('dataset must be one group of the tree, such as tree["sweeps/main"].to_dataset()')
    if not isinstance(dataset, xr.Dataset):
        raise InputTypeError(
            f"dataset must be an xarray.Dataset that sweeps.sweep returned, got {type(dataset).__name__}"
        )
    known = _seals.attributes_of(dict(attributes=dataset.attrs))
    missing = [name for name in ("design", "unit", "full_loss") if name not in known]
    if missing:
        raise InputError(
            f"dataset must be what sweeps.sweep returned, with its attributes, got one without {', '.join(missing)}"
        )
    if known.get("complete") is False:
        raise InputError("dataset must be a finished sweep, got one begun only; the same sweep again finishes it")
    data = dataset.drop_attrs(deep=False).assign_attrs(
        {name: value for name, value in known.items() if name not in OF_STORE}
    )
    return _with_dimensions(_derived.opened(data))


def _with_dimensions(data: xr.Dataset) -> xr.Dataset:
    """Return a sweep with the dimensions of its design; raise where what was chosen of it can no longer be read."""
    design = str(data.attrs["design"]).partition("(")[0]
    summary = _samples.is_summary(data)
    if "node" not in data.sizes or not (summary or "loss" in data):
        raise InputError(f"dataset must have losses and the dimension 'node', got the variables {list(data.data_vars)}")
    needed = None if summary else DIMENSIONS.get(design)
    if needed is not None and needed not in data["loss" if "loss" in data else "draws"].dims:
        raise InputError(
            f"dataset must have the losses of {design} over the dimension {needed!r}, got {dict(data.sizes)}"
        )
    if "probability" in data.coords and "probability" not in data.dims:
        chosen = data["loss_count" if summary else "loss"].dims
        names = [name for name in data.data_vars if {*chosen} <= {*data[name].dims}]
        return data.assign({name: data[name].expand_dims("probability") for name in names})
    return data
