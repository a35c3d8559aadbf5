"""Numbers of single connections, overfitting and retraining; see `numbers`."""

import xarray as xr

from analysis.intervals import interval
from analysis.numbers import Numbers
from sweeps._studies.sparsity.measures import Connections, Results, overfitting, ways


def add(numbers: Numbers, results: Results) -> None:
    """Add what the store has."""
    if results.connections is not None:
        _add_connections(numbers, results.connections)
    if results.overfitting is not None:
        _add_overfitting(numbers, results.overfitting)
    if results.reactivated is not None:
        _add_reactivated(numbers, results.reactivated)


def _add_connections(numbers: Numbers, found: Connections) -> None:
    layers, harm, check = found.layers.mean("layer"), found.harm, found.check
    for name in ("magnitude", "loss", "implied", "nodes"):
        numbers.add_interval(f"crucial {name} in weak nodes", interval(layers[name].values).times(100))
    numbers.add_interval("pairs of equal norm", interval(harm["pairs"].values))
    for name, factor in (("loss", 1), ("accuracy", 100)):
        with_them, without = (harm[name].sel(nodes=nodes).values for nodes in ("with", "without"))
        numbers.add_interval(f"{name} with pairs off difference", interval(with_them - without).times(factor))
        numbers.add_interval(f"{name} with crucial off", interval(with_them).times(factor))
        numbers.add_interval(f"{name} with others off", interval(without).times(factor))
    numbers.add_interval("correlation of predicted changes", interval(check["correlation"].values))
    numbers.add_interval("rank correlation of largest and norm", interval(check["ranks"].values))


def _add_overfitting(numbers: Numbers, data: xr.Dataset) -> None:
    numbers.add("small examples", int(data.attrs["examples"]))
    numbers.add("flipped labels", int(data.attrs["flipped"]))
    numbers.add("overfitting epochs", int(data.attrs["epochs"]))
    numbers.add("overfitting finetune epochs", int(data.attrs["finetune_epochs"]))
    for case in overfitting.cases():
        own, best = case.of(data).sel(percent=0), overfitting.best(overfitting.changes(data, case))
        for name in ("train", "test"):
            numbers.add_interval(f"{case.key} {name} unpruned", interval(own[name].values).times(100))
        numbers.add(f"{case.key} best sparsity", best.percent, digits=None)
        numbers.add_interval(f"{case.key} best test change", best.test.times(100))
        numbers.add_interval(f"{case.key} best gap change", best.gap.times(100))
        for what in ("flipped", "right", "test") if case.labels == "noisy" else ():
            numbers.add_interval(f"{case.key} {what} lost at", interval(overfitting.lost(data, case, what)))


def _add_reactivated(numbers: Numbers, data: xr.Dataset) -> None:
    numbers.add("retraining rounds", int(data.attrs["rounds"]))
    numbers.add("retraining epochs", int(data.attrs["epochs"]))
    for way in ways.WAYS:
        numbers.add_interval(f"{way} back", ways.back(data, way).times(100))
        numbers.add_interval(f"{way} accuracy gained", ways.gain(data, way).times(100))
