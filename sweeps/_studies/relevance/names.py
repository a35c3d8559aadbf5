"""What methods, measures and trainings of the relevance study are called."""

import re

import xarray as xr

#: Names of what the store has no titles for, where they are not the key in words.
NAMES = {
    "lrp": "LRP",
    "lrp_logit": "LRP of the logit",
    "lrp_absolute": "LRP (mean size)",
    "gradient_x_activation": "gradient × activation",
    "gradients": "squared gradients",
    "slope_biases": "slope, with biases",
    "slope_all": "slope, all classes",
    "deeplift": "DeepLIFT",
    "compared": "DeepLIFT from another image",
    "shapley": "Shapley",
}


def name_of(key: str) -> str:
    """Return what a measure, a method or a rule is called.

    Examples
    --------
    >>> name_of("lrp"), name_of("gate_gradient")
    ('LRP', 'gate gradient')
    """
    return NAMES.get(key, key.replace("_", " "))


def typeset(title: str) -> str:
    """Write a title of the store as print does.

    Examples
    --------
    >>> typeset("gradient x input"), typeset("LRP, alpha 2 beta 1"), typeset("slope, radial maxima")
    ('gradient × input', 'LRP (α2β1)', 'slope (radial maxima)')
    """
    words = {r"\bx\b": "×", r"\bgamma\b": "γ", r"\balpha (?=\d)": "α", r" ?\bbeta (?=\d)": "β", r"\beps\b": "ε"}
    for pattern, sign in (words | {r"\bw-squared\b": "w²"}).items():
        title = re.sub(pattern, sign, title)
    # A comma within a name would look like one between names of a list.
    first, comma, rest = title.partition(", ")
    return f"{first} ({rest})" if comma else title


def keys(data: xr.Dataset | xr.DataArray, dim: str = "attributed_by") -> list[str]:
    """List the names along a dimension, as text."""
    return [str(key) for key in data[dim].values]


def names_of(data: xr.Dataset, dim: str = "attributed_by") -> dict[str, str]:
    """Return what everything along a dimension is called: its title where the store has titles.

    Parameters
    ----------
    data : xarray.Dataset
    dim : {"attributed_by", "measure", "training"}

    Returns
    -------
    dict of str to str
        By key, in the store's order.
    """
    there = keys(data, dim)
    if "title" in data.coords:
        return dict(zip(there, map(typeset, map(str, data["title"].values)), strict=True))
    return {key: name_of(key) for key in there}
