"""Training losses by epoch: the median network, and between which losses the middle half of them lies."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures import style
from sweeps._studies.spiral.figures.looks import COLORS, DASHES, DOTTED
from sweeps._studies.spiral.measures import Results
from sweeps._studies.spiral.measures.outcomes import by_kind
from sweeps._studies.spiral.names import ARM_NAMES, COMPENSATED, NODES


def training(results: Results) -> Figure:
    """Draw the trainings from the start, and beside them the fine-tunings; choices of a kind are averaged."""
    history = results.history
    cut = by_kind(history[["prune_first", "finetuned"]].sel(compensation=COMPENSATED))
    with style.context():
        figure, (first, later) = style.new_figure(style.DOUBLE, 2.7, 1, 2, sharey=True)
        _curve(first, history["trained"], ARM_NAMES["trained"], color=style.BLACK, linewidth=1.4)
        _curve(first, history["reshuffled"], ARM_NAMES["reshuffled"], color=style.GREY, linestyle=DOTTED)
        for kind, words in NODES.items():
            for ax, arm in ((first, "prune_first"), (later, "finetuned")):
                # One label for both panels: the axes say which is which.
                _curve(ax, cut[arm].sel(kind=kind), f"{words} removed", color=COLORS[kind], linestyle=DASHES[kind])
        level = float(results.full["train_loss"].sel(arm="trained").median())
        later.axhline(level, color=style.BLACK, linewidth=0.8, label="trained, at end")
        first.set(xlabel="epoch of training", ylabel="training loss (nats)", yscale="log")
        later.set(xlabel="epoch of fine-tuning")
        entries = {
            name: handle for ax in (first, later) for handle, name in zip(*ax.get_legend_handles_labels(), strict=True)
        }
        figure.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=3)
        style.letter((first, later))
    return figure


def _curve(ax: Axes, losses: xr.DataArray, label: str, **look: Any) -> None:
    values = losses.transpose("network", ...).values.astype(float)
    epoch = np.arange(1, values.shape[1] + 1)
    # Medians, since a few networks that do not train at all would be all that a mean shows.
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    marker: dict[str, Any] = {"marker": "o", "markersize": 2.5} if epoch.size == 1 else {}
    ax.plot(epoch, middle, label=label, **look, **marker)
    ax.fill_between(epoch, low, high, color=look["color"], alpha=0.15, linewidth=0)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
