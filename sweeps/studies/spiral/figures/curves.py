"""Training losses by epoch: the median network, and between which losses the middle half of them lies."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.errors import InputError
from analysis.figures import style


def _curve(ax: Axes, losses: Any, label: str, **look: Any) -> None:
    values = np.asarray(losses, float)
    epoch = np.arange(1, values.shape[1] + 1)
    # Medians, since a few networks that do not train at all would be all that a mean shows.
    known = np.isfinite(values).all(axis=0)
    if not known.any():
        return
    low, middle, high = np.quantile(values[:, known], [0.25, 0.5, 0.75], axis=0)
    marker: dict[str, Any] = {"marker": "o", "markersize": 2.5} if known.sum() == 1 else {}
    ax.plot(epoch[known], middle, label=label, **look, **marker)
    if len(values) > 1:
        ax.fill_between(epoch[known], low, high, color=look.get("color"), alpha=0.15, linewidth=0)


def overview(
    training: Mapping[str, tuple[Any, dict[str, Any]]],
    finetuning: Mapping[str, tuple[Any, dict[str, Any]]],
    level: float = float("nan"),
    unit: str = "nats",
) -> Figure:
    """Draw the trainings from the start, and beside them the fine-tunings.

    Parameters
    ----------
    training, finetuning : mapping of str to (array_like, dict)
        By label: losses (networks, epochs), and how the line looks. Without fine-tunings there is one panel.
    level : float
        Training loss of the full trained networks, drawn as a line beside the fine-tunings.
    unit : str
        Of the loss.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there are no trainings.
    """
    if not training:
        raise InputError("training: expected one curve or more, got none")
    with style.context():
        columns = 2 if finetuning else 1
        figure, axes = style.new_figure(
            style.DOUBLE if finetuning else style.SINGLE, 2.7, 1, columns, sharey=bool(finetuning)
        )
        for ax, curves in zip(axes, (training, finetuning), strict=False):
            for label, (losses, look) in curves.items():
                _curve(ax, losses, label, **look)
            ax.set_yscale("log")
            ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes[0].set(xlabel="epoch of training", ylabel=f"training loss ({style.as_is(unit)})")
        if finetuning:
            axes[1].set_xlabel("epoch of fine-tuning")
            if np.isfinite(level) and level > 0:
                axes[1].axhline(level, color=style.BLACK, linewidth=0.8, linestyle=(0, (4, 2)), label="trained, at end")
        entries = {name: handle for ax in axes for handle, name in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=3)
        style.letter(axes)
    return figure
