"""The results of the study "train first, or prune first?": everything its report says, computed once from the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from analysis import perceptron, plane, runs
from analysis.intervals import Interval, interval, over_pairs
from sweeps.studies.spiral import measures as commuting
from sweeps.studies.spiral.claims import Claim, all_claims
from sweeps.studies.spiral.measures import Commuting, adam, kernels, kinds_of, moves, outcomes

#: Points a side of the pictures of the plane.
POINTS = 121
#: Frames of an animation, at most, and points a side of them.
FRAMES, FILM_POINTS = 26, 81
#: Width of the kernel of densities of changes where the run states no learning rate.
WIDTH = 0.01
FILMS = ("trained", "finetuned_random", "prune_first_random", "finetuned_chosen", "prune_first_chosen")
#: Arms of the networks with nodes removed.
ARMS = ("pruned", "finetuned", "prune_first")


@dataclass(frozen=True)
class Results:
    """Networks with all nodes and with some removed, before training or after, and what they say.

    Attributes
    ----------
    run : analysis.runs.Run
        Where everything comes from.
    task, nodes, full, pruned : xarray.Dataset
        Groups of the store.
    history, rates : xarray.Dataset or None
    films : dict of str to xarray.Dataset
        Parameters of network 0 by checkpoint, as far as they were kept.
    compensation : str
        Of the networks that pictures, kernels and verdicts are about: "with" where the store has it.
    outcomes : xarray.Dataset, (arm, compensation, kind, network)
        `accuracy`, `loss`, `agreement` with the full trained network, mean over the choices of a kind.
    references : xarray.Dataset
        What `sweeps.studies.spiral.measures.outcomes.references` returns.
    commuting : dict of (kind, route, quantity) to Commuting
    kernels : sweeps.studies.spiral.measures.kernels.Kernels
    correlations, unmoved : xarray.DataArray, (pair, of, kind, network) and (arm, kind, network)
    peaks : dict of str to numpy.ndarray, (3, networks)
        By source: where the density of the sizes of changes peaks, of all, of increases and of decreases.
    alike : xarray.DataArray, (kind, network)
        Share of weights that moved by the preferred distance in the trained network and in the one pruned first.
    settled : tuple of float, float and int, or None
        What `measures.adam.settled` says of the film of the training; None without it or without a peak.
    removed : xarray.Dataset, (kind, network)
        What `sweeps.studies.spiral.measures.deviations.removed` returns, mean over the choices of a kind.
    constant : xarray.DataArray, (layer, network)
    claims : dict of str to Claim
    """

    run: runs.Run
    task: xr.Dataset
    nodes: xr.Dataset
    full: xr.Dataset
    pruned: xr.Dataset
    history: xr.Dataset | None
    rates: xr.Dataset | None
    films: dict[str, xr.Dataset]
    compensation: str
    outcomes: xr.Dataset
    references: xr.Dataset
    commuting: dict[tuple[str, str, str], Commuting]
    kernels: kernels.Kernels
    correlations: xr.DataArray
    unmoved: xr.DataArray
    peaks: dict[str, np.ndarray]
    alike: xr.DataArray
    settled: tuple[float, float, int] | None
    removed: xr.Dataset
    constant: xr.DataArray
    claims: dict[str, Claim]

    @property
    def networks(self) -> int:
        """Number of seeds."""
        return int(self.full.sizes["network"])

    @property
    def kinds(self) -> dict[str, list[str]]:
        """Names of the choices, by kind."""
        return kinds_of(self.nodes["choice"].values.tolist())

    @property
    def compensations(self) -> list[str]:
        """Which pruned networks there are: without compensation, with it."""
        return [str(one) for one in self.pruned["compensation"].values]

    def outcome(self, measure: str, arm: str, kind: str, compensation: str | None = None) -> Interval:
        """Mean of a measure over networks."""
        which = compensation or self.compensation
        return interval(self.outcomes[measure].sel(arm=arm, kind=kind, compensation=which).values)

    def reference(self, measure: str, arm: str) -> Interval:
        """Mean of a measure of full networks; the arm "others": agreement of different seeds."""
        if arm == "others":
            return over_pairs(self.references["others"].values)
        return interval(self.references[measure].sel(arm=arm).values)

    def compensated(self, measure: str, arm: str, kind: str) -> Interval:
        """Mean of a measure with bias compensation less without; nothing where the run lacks one of them."""
        one = self.outcomes[measure].sel(arm=arm, kind=kind)
        if {"with", "without"} - set(self.compensations):
            return interval([])
        return interval((one.sel(compensation="with") - one.sel(compensation="without")).values)

    def correlation(self, pair: str, of: str, kind: str) -> Interval:
        """Mean correlation of the weights, or of their changes, of a pair of networks."""
        return interval(self.correlations.sel(pair=pair, of=of, kind=kind).values)

    def still(self, arm: str, kind: str) -> Interval:
        """Mean share of weights equal to their start."""
        return interval(self.unmoved.sel(arm=arm, kind=kind).values)

    def unknown(self) -> int:
        """Number of losses and accuracies in the store that are not finite."""
        return sum(
            int((~np.isfinite(data[name].values.astype(np.float64))).sum())
            for data in (self.full, self.pruned)
            for name in ("accuracy", "loss")
        )


def measure(run: runs.Run) -> Results:
    """Compute the results.

    Parameters
    ----------
    run : analysis.runs.Run
        A run of the study "spiral".

    Returns
    -------
    Results

    Raises
    ------
    ValueError
        If the store lacks a group or a variable.
    """
    task, nodes, full, pruned = (run.group(name) for name in ("task", "nodes", "full", "pruned"))
    inside = outcomes.data_square(task, full)
    which = [str(one) for one in pruned["compensation"].values]
    compensation = "with" if "with" in which else which[0]
    by_kind = outcomes.by_kind(outcomes.outcomes(full, pruned, inside))
    references = outcomes.references(full, inside)
    main = kernels.read(full, pruned, nodes, compensation)
    correlations = kernels.correlations(main)
    unmoved = outcomes.by_kind(kernels.unmoved(main))
    found = dict(commuting.commuting(full, pruned, inside, correlations, compensation))
    kinds = kinds_of(main.choices)
    rate = learning_rate(run)
    peaks = _peaks(main, kinds, density_width(run))
    against, control = _against_trained(by_kind.sel(compensation=compensation), references)
    both = {kind: interval(unmoved.sel(arm="both", kind=kind).values) for kind in kinds}
    removed = outcomes.by_kind(commuting.deviations.removed(nodes))
    means = outcomes.by_kind(correlations)
    alike = outcomes.by_kind(moves.alike_shares(main, peaks["trained"][0]))
    films = _films(run)
    return Results(
        run=run,
        task=task,
        nodes=nodes,
        full=full,
        pruned=pruned,
        history=run.group("history") if "history" in run.tree.children else None,
        rates=commuting.rates.checked(run.group("rates")) if "rates" in run.tree.children else None,
        films=films,
        compensation=compensation,
        outcomes=by_kind,
        references=references,
        commuting=found,
        kernels=main,
        correlations=means,
        unmoved=unmoved,
        peaks=peaks,
        alike=alike,
        settled=_settled(films, main.layer, float(peaks["trained"][0][0])),
        removed=removed,
        constant=commuting.deviations.constant(nodes),
        claims=all_claims(against, control, found, both, peaks["trained"][0].tolist(), rate),
    )


def _films(run: runs.Run) -> dict[str, xr.Dataset]:
    there = run.tree["films"].children if "films" in run.tree.children else {}
    return {name: run.group(f"films/{name}") for name in FILMS if name in there}


def _settled(films: dict[str, xr.Dataset], index: int, at: float) -> tuple[float, float, int] | None:
    name = f"layers.{index}.kernel"
    if "trained" not in films or name not in films["trained"] or not np.isfinite(at):
        return None
    film = films["trained"]
    near, further, place = adam.settled(film[name].transpose("checkpoint", ...).values, at, moves.NEAR)
    return near, further, int(film["checkpoint"][place])


def _against_trained(
    data: xr.Dataset, references: xr.Dataset
) -> tuple[dict[tuple[str, str, str], Interval], dict[str, Interval]]:
    """Hold the pruned networks against the full trained one of the same seed."""
    accuracy = data["accuracy"] - references["accuracy"].sel(arm="trained", drop=True)
    usual = references["agreement"].sel(arm="reshuffled", drop=True)
    against, control = {}, {}
    for kind in data["kind"].values.tolist():
        for arm in ARMS:
            against["accuracy", arm, kind] = interval(accuracy.sel(arm=arm, kind=kind).values)
            against["agreement", arm, kind] = interval(data["agreement"].sel(arm=arm, kind=kind).values)
        difference = data["agreement"].sel(arm="prune_first", kind=kind, drop=True) - usual
        control[kind] = interval(difference.values)
    return against, control


def all_moves(main: kernels.Kernels, kinds: dict[str, list[str]]) -> dict[str, list[np.ndarray]]:
    """Return how far weights went, of every network, by source: arms, "prune_first KIND" and "difference KIND"."""
    networks = range(main.kept.shape[1])
    found = {arm: [moves.moves(main, arm, network) for network in networks] for arm in ("trained", "reshuffled")}
    for arm in ("prune_first", "difference"):
        for kind, names in kinds.items():
            choices = [main.choices.index(name) for name in names]
            found[f"{arm} {kind}"] = [moves.moves(main, arm, network, choices) for network in networks]
    return found


def learning_rate(run: runs.Run) -> float | None:
    """Return the learning rate that a run states, if it does."""
    rate = run.config.get("learning_rate")
    return float(rate) if isinstance(rate, int | float) and rate > 0 else None


def density_width(run: runs.Run) -> float:
    """Width of the kernel of densities of changes: half a learning rate, since steps of Adam are of its size."""
    return (learning_rate(run) or 2 * WIDTH) / 2


def _peaks(main: kernels.Kernels, kinds: dict[str, list[str]], width: float) -> dict[str, np.ndarray]:
    return {
        source: np.array(
            [
                [moves.peak(some, width).at for some in changes]
                for changes in (one, [some[some > 0] for some in one], [some[some < 0] for some in one])
            ]
        )
        for source, one in all_moves(main, kinds).items()
    }


def picture(data: xr.Dataset, attrs: dict[Any, Any], reach: float) -> xr.Dataset:
    """Evaluate one stored network over the plane."""
    net = perceptron.of_network(data.assign_attrs(attrs))
    return plane.maps(net, plane.grid(reach, POINTS))


def frames(film: xr.Dataset, attrs: dict[Any, Any], reach: float) -> list[xr.Dataset]:
    """Evaluate the checkpoints of a film over the plane, evenly thinned to `FRAMES` at most."""
    grid = plane.grid(reach, FILM_POINTS)
    return [
        plane.maps(perceptron.of_network(film.isel(checkpoint=index).assign_attrs(attrs)), grid).assign_coords(
            epoch=int(film["checkpoint"][index])
        )
        for index in chosen_frames(film.sizes["checkpoint"])
    ]


def chosen_frames(count: int) -> Sequence[int]:
    """Return which of `count` checkpoints are shown: the first, the last, and evenly between.

    Examples
    --------
    >>> chosen_frames(3)
    [0, 1, 2]
    """
    return list(dict.fromkeys(np.linspace(0, count - 1, min(count, FRAMES)).round().astype(int).tolist()))
