"""Heat maps: one image under all methods, and several classes under a few."""

import xarray as xr
from matplotlib.figure import Figure

from analysis import _checks
from analysis.figures import style
from sweeps._studies.relevance.figures import looks
from sweeps._studies.relevance.measures.heat import groups, of_each_class
from sweeps._studies.relevance.names import names_of

#: Panels side by side, at most.
ACROSS = 6
#: Methods of the second figure.
FEW = ("lrp", "gradient_x_input", "lrp_alpha2beta1", "deeplift_mean", "guided_backprop", "integrated_gradients")


def all_methods(heat: xr.Dataset, image: int | None = None) -> Figure:
    """Draw one image under every method.

    Parameters
    ----------
    heat : xarray.Dataset
        `relevance` (attributed_by, image, row, column), `pixel` (image, row, column), `target`, `predicted` (image,).
    image : int, optional
        Its number; the attribute `shown` when left out.

    Returns
    -------
    matplotlib.figure.Figure
        The image first; each map has its own scale, whose end stands above it.

    Raises
    ------
    ValueError
        If there is no such image.
    """
    shown = heat.attrs["shown"] if image is None else image
    image = _checks.whole("image", shown, 0, heat.sizes["image"] - 1)
    one, names = heat.isel(image=image), names_of(heat)
    pixel = one["pixel"].transpose("row", "column").values
    columns = min(ACROSS, 1 + len(names))
    rows = -(-(1 + len(names)) // columns)
    with style.context():
        figure, axes = style.new_figure(style.DOUBLE, 0.75 + 1.52 * rows, rows, columns)
        looks.picture(axes[0], pixel)
        axes[0].set_title(_image_title(one), fontsize=7.5)
        for ax, (key, name) in zip(axes[1:], names.items(), strict=False):
            values = one["relevance"].sel({"attributed_by": key}).transpose("row", "column").values
            size = looks.heat_map(ax, values, pixel)
            ax.set_title(f"{looks.wrapped(name, 20)}\n±{looks.short(size)}", fontsize=7.5)
        for ax in axes[1 + len(names) :]:
            ax.set_axis_off()
        looks.scale_bar(figure, axes)
    return figure


def _image_title(one: xr.Dataset) -> str:
    return f"the image\ntrue {one['target'].item()}, named {one['predicted'].item()}"


def several_classes(heat: xr.Dataset, most: int = 8) -> Figure:
    """Draw an image of each class under a few methods.

    Parameters
    ----------
    heat : xarray.Dataset
        As for `all_methods`.
    most : int
        Classes.

    Returns
    -------
    matplotlib.figure.Figure
        Methods are rows, those of `FEW` that differ; each map has its own scale.
    """
    names, images = names_of(heat), of_each_class(heat, most)
    group_of = {key: tuple(group) for group in groups(heat) for key in group}
    # Of methods with the same maps the first is enough.
    methods = list({group_of[key]: key for key in reversed(FEW) if key in group_of}.values())
    methods.sort(key=FEW.index)
    with style.context():
        width = min(style.DOUBLE, 0.9 + 0.8 * len(images))
        figure, axes = style.new_figure(
            width, 0.6 + 0.78 * (1 + len(methods)), 1 + len(methods), len(images), gridspec_kw={"wspace": 0.02}
        )
        for column, image in enumerate(images):
            one = heat.isel(image=image)
            pixel = one["pixel"].transpose("row", "column").values
            looks.picture(axes[column], pixel)
            axes[column].set_title(_column_title(one), fontsize=8, loc="center")
            for row, key in enumerate(methods, 1):
                values = one["relevance"].sel({"attributed_by": key}).transpose("row", "column").values
                looks.heat_map(axes[row * len(images) + column], values, pixel)
        for row, label in enumerate(["image", *(names[key] for key in methods)]):
            axes[row * len(images)].set_ylabel(
                looks.wrapped(label, 13), fontsize=7.5, rotation=0, ha="right", va="center"
            )
        looks.scale_bar(figure, axes)
    return figure


def _column_title(one: xr.Dataset) -> str:
    target, predicted = one["target"].item(), one["predicted"].item()
    return str(target) if predicted == target else f"{target} (named {predicted})"
