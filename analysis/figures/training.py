"""Training curves: loss and accuracy against the epoch, with what the trained network reaches on the test set."""

from typing import Literal

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import _checks
from analysis.figures import _axes, _names, style

__all__ = ["curve", "overview"]

#: What can be drawn.
_NAMES = ("loss", "accuracy")


def curve(
    training: xr.Dataset,
    *,
    variable: Literal["loss", "accuracy"] = "loss",
    test_value: float | None = None,
    unit: str = "nats",
    ax: Axes | None = None,
) -> Axes:
    """Draw one training curve against the epoch.

    Parameters
    ----------
    training : xarray.Dataset
        With `loss` and `accuracy`, each (epoch,): means over the batches during the epoch.
    variable : {"loss", "accuracy"}
        Which of the two.
    test_value : float, optional
        The same quantity of the trained network on the test set, drawn as a dashed line.
    unit : str
        Unit of the loss.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes
        The training curve, and a dashed line for the test set.

    Raises
    ------
    TypeError
        If `training` is no Dataset.
    ValueError
        If `variable` is unknown, or the variable or the dimension `epoch` is missing.

    See Also
    --------
    overview : Loss and accuracy.

    Examples
    --------
    >>> from analysis import figures
    >>> training = xr.Dataset({"loss": ("epoch", [0.7, 0.3, 0.1])}, {"epoch": [1, 2, 3]})
    >>> ax = figures.training.curve(training, variable="loss", test_value=0.15, unit="nats")
    >>> ax.get_ylabel(), len(ax.lines)
    ('loss (nats)', 2)
    """
    _checks.one_of("variable", variable, _NAMES)
    _checks.dataset_with("training", training, (variable,), ("epoch",))
    if test_value is not None:
        test_value = _checks.number("test_value", test_value, finite=False)
    with style.context():
        ax = _axes.axes_or_new(ax, width=style.SINGLE, height=2.2)
        ax.plot(training["epoch"], training[variable], "o-", markersize=2.8, label="training, during the epoch")
        if test_value is not None:
            ax.axhline(
                test_value,
                color=style.VERMILLION,
                linestyle=(0, (4, 2)),
                linewidth=1.0,
                label="test, at the end",
            )
        ax.set(xlabel="epoch", ylabel=f"loss ({_names.as_is(unit)})" if variable == "loss" else variable)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        if variable == "loss":
            ax.set_ylim(bottom=0)
        ax.legend()
    return ax


def overview(
    training: xr.Dataset, *, test_loss: float | None = None, test_accuracy: float | None = None, unit: str = "nats"
) -> Figure:
    """Draw loss and accuracy side by side, or the loss alone where there is no accuracy, as in a regression.

    Parameters
    ----------
    training : xarray.Dataset
        With `loss` and, for a classifier, `accuracy`, each (epoch,): means over the batches during the epoch.
    test_loss, test_accuracy : float, optional
        Loss and accuracy of the trained network on the test set, the accuracy as a share from 0 to 1.
    unit : str
        Unit of the loss.

    Returns
    -------
    matplotlib.figure.Figure
        One panel or two.

    Raises
    ------
    TypeError
        If `training` is no Dataset.
    ValueError
        If it lacks the loss or the dimension `epoch`.

    See Also
    --------
    curve : One panel.

    Examples
    --------
    >>> from analysis import figures
    >>> values = {"loss": ("epoch", [0.7, 0.3]), "accuracy": ("epoch", [0.6, 0.9])}
    >>> figure = figures.training.overview(xr.Dataset(values, {"epoch": [1, 2]}), test_accuracy=0.85)
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['loss (nats)', 'accuracy']
    """
    _checks.dataset_with("training", training, ("loss",), ("epoch",))
    with style.context():
        if "accuracy" not in training or training["accuracy"].isnull().all():
            return _axes.figure_of(curve(training, variable="loss", test_value=test_loss, unit=unit))
        figure, axes = style.new_figure(style.DOUBLE, 2.2, 1, 2)
        curve(training, variable="loss", test_value=test_loss, unit=unit, ax=axes[0])
        curve(training, variable="accuracy", test_value=test_accuracy, unit=unit, ax=axes[1])
        style.letter(axes)
    return figure
