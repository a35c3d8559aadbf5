"""What methods, measures and trainings of the relevance study are called."""

import re

import xarray as xr

METHOD_NAMES = {
    "gradient": "gradient",
    "gradient_x_input": "gradient × input",
    "deconvnet": "deconvolution",
    "guided_backprop": "guided backpropagation",
    "lrp": "LRP",
    "lrp_gamma": "LRP (γ)",
    "lrp_alpha2beta1": "LRP (α2β1)",
    "lrp_z_plus": "LRP (z-plus)",
    "lrp_w_squared": "LRP (w² first)",
    "lrp_flat": "LRP (flat first)",
    "lrp_z_box": "LRP (z-box first)",
    "slope": "slope",
    "slope_radial": "slope (radial maxima)",
    "deeplift": "DeepLIFT",
    "deeplift_zeros": "DeepLIFT from zeros",
    "deeplift_mean": "DeepLIFT from the mean",
    "integrated_gradients": "integrated gradients",
    "random": "random",
}
MEASURE_NAMES = METHOD_NAMES | {
    "gradient_x_activation": "gradient × activation",
    "lrp_logit": "LRP of the logit",
    "lrp_absolute": "LRP (mean size)",
    "gate_gradient": "gate gradient",
    "gradients": "squared gradients",
    "slope_biases": "slope, with biases",
    "slope_all": "slope, all classes",
    "compared": "DeepLIFT from another image",
    "first_order": "first order",
    "second_order": "second order",
    "brute_force": "brute force",
    "shapley": "Shapley",
}
TRAINING_NAMES = {
    "plain": "plain",
    "gradient_penalty": "gradient penalty",
    "relevance_lrp": "relevance (LRP)",
    "relevance_slope": "relevance (slope)",
}


def method_name(key: str) -> str:
    """Return what a method is called; one that is not known, by its own name in words.

    Examples
    --------
    >>> method_name("gradient_x_input"), method_name("of_my_own")
    ('gradient × input', 'of my own')
    """
    return METHOD_NAMES.get(key, key.replace("_", " "))


def measure_name(key: str) -> str:
    """Return what a measure of nodes is called."""
    return MEASURE_NAMES.get(key, key.replace("_", " "))


def training_name(key: str) -> str:
    """Return what a training is called."""
    return TRAINING_NAMES.get(key, key.replace("_", " "))


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
    # In a list of names a comma within one is no help.
    first, comma, rest = title.partition(", ")
    return f"{first} ({rest})" if comma else title


def keys(data: xr.Dataset | xr.DataArray, dim: str = "attributed_by") -> list[str]:
    """List the names along a dimension, as text."""
    return [str(key) for key in data[dim].values]


def names_of(data: xr.Dataset, dim: str = "attributed_by") -> dict[str, str]:
    """Return what everything along a dimension is called: by the store's own titles where it has some.

    Parameters
    ----------
    data : xarray.Dataset
    dim : {"attributed_by", "measure", "training"}

    Returns
    -------
    dict of str to str
        By key, in the store's order.
    """
    name = {"attributed_by": method_name, "measure": measure_name, "training": training_name}[dim]
    if "title" in data.coords and data["title"].dims == (dim,):
        # A title that is missing is no title.
        titles = [title if isinstance(title, str) and title else None for title in data["title"].values]
        return {key: typeset(title) if title else name(key) for key, title in zip(keys(data, dim), titles, strict=True)}
    return {key: name(key) for key in keys(data, dim)}
