"""Every number that the page says and that a paper would quote, by name."""

from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

from analysis.claims import Claim, add_numbers
from analysis.intervals import LEVEL, Interval, interval, over_pairs
from analysis.numbers import Numbers
from sweeps._studies.spiral import claims, measures
from sweeps._studies.spiral.measures import Results, adam, idle, moves, rates, roles
from sweeps._studies.spiral.measures.commuting import MARGINS, in_words, judge
from sweeps._studies.spiral.measures.kernels import PAIRS
from sweeps._studies.spiral.measures.outcomes import FAILED, mean, without_failures
from sweeps._studies.spiral.measures.rates import Rates
from sweeps._studies.spiral.names import ARMS, CHOSEN, COMPENSATED, COMPENSATIONS, NODES, RANDOM


def numbers(results: Results, judged: dict[str, Claim]) -> Numbers:
    """Collect the numbers.

    Parameters
    ----------
    results : Results
    judged : dict of str to Claim

    Returns
    -------
    Numbers
    """
    found = Numbers("spiral")
    _setting(found, results)
    _outcomes(found, results)
    _failures(found, results)
    _commuting(found, results)
    _removed(found, results)
    _kernels(found, results)
    _distances(found, results)
    _idle(found, results)
    _roles(found, results.roles, results.strangers)
    if results.rates is not None:
        _rates(found, results.rates.data)
        _roles_by_rate(found, results.rates)
    add_numbers(found, judged)
    return found


def _add(numbers: Numbers, name: str, one: Interval, **parameters: Any) -> None:
    """Add a mean with its standard error, and the ends of its interval."""
    numbers.add(name, one.mean, one.error, digits=3, interval=one, **parameters)
    for end in ("low", "high"):
        numbers.add(f"{name} {end}", getattr(one, end), digits=3, comment="end of the 95 % interval", **parameters)


def _setting(numbers: Numbers, results: Results) -> None:
    numbers.add("networks", results.networks)
    numbers.add("choices", len(results.kernels.choices) - 1)
    numbers.add("share", results.run.config["share"], digits=None)
    numbers.add("learning rate", measures.learning_rate(results.run), digits=None)
    numbers.add("density width", measures.density_width(results.run), digits=None)
    numbers.add("standard errors", reach(results.networks), comment="from the mean to the end of its 95 % interval")
    losses = [data[name] for data in (results.full, results.pruned) for name in ("accuracy", "loss")]
    numbers.add("unknown", sum(int((~np.isfinite(one)).sum()) for one in losses))
    limits = {"failed below": FAILED, "single": claims.SINGLE, "near": moves.NEAR, "valley": moves.VALLEY}
    limits |= {"height": moves.HEIGHT, "published peak": claims.PUBLISHED_PEAK}
    limits |= {f"{quantity} margin": margin for quantity, margin in MARGINS.items()}
    for name, limit in limits.items():
        numbers.add(name, limit, digits=None)


def reach(networks: int) -> float:
    """How many standard errors an interval over so many networks reaches to both sides; NaN for one network."""
    return float(stats.t.ppf((1 + LEVEL) / 2, networks - 1)) if networks > 1 else float("nan")


def _outcomes(numbers: Numbers, results: Results) -> None:
    for measure in ("accuracy", "loss", "agreement"):
        for arm in ("trained", "reshuffled"):
            if (measure, arm) != ("agreement", "trained"):
                _add(numbers, f"{arm} {measure}", results.reference(measure, arm))
        for kind, arm, which in product(NODES, ARMS, COMPENSATIONS):
            _add(numbers, f"{kind} {arm} {which} {measure}", results.outcome(measure, arm, kind, which))
    _add(numbers, "others agreement", results.reference("agreement", "others"))
    for kind, arm in product(NODES, ARMS):
        _add(numbers, f"{kind} {arm} compensated accuracy", results.compensated("accuracy", arm, kind))
    _add(numbers, "random accuracy lost", results.against("accuracy", "pruned", RANDOM).negated())
    _add(numbers, "random prune first accuracy against full", results.against("accuracy", "prune_first", RANDOM))
    control = results.against("agreement", "prune_first", CHOSEN, "reshuffled")
    _add(numbers, f"{CHOSEN} agreement against control", control)


def _failures(numbers: Numbers, results: Results) -> None:
    """Count the trainings that failed, and add what the others say."""
    trained = results.full["accuracy"].sel(arm="trained").values.astype(np.float64)
    numbers.add("best accuracy", trained.max())
    numbers.add("worst accuracy", trained.min())
    numbers.add("trained failed", int((trained < FAILED).sum()))
    first = results.pruned["accuracy"].sel(arm="prune_first", compensation=COMPENSATED)
    differences = without_failures(results.full, results.pruned)
    for kind, choices in results.choices.items():
        accuracy = first.sel(choice=choices).values.astype(np.float64)
        failed = accuracy < FAILED
        numbers.add(f"{kind} trainings", accuracy.size)
        numbers.add(f"{kind} failed", int(failed.sum()))
        numbers.add(f"{kind} accuracy where not failed", float("nan") if failed.all() else accuracy[~failed].mean())
        _add(numbers, f"{kind} difference without failures", mean(differences, kind=kind))


def _commuting(numbers: Numbers, results: Results) -> None:
    for (kind, route, quantity), one in results.commuting.items():
        _add(numbers, f"{kind} {route} {quantity} difference", one.difference)
        numbers.add(f"{kind} {route} {quantity} verdict", in_words(one.verdict))


def _removed(numbers: Numbers, results: Results) -> None:
    for place, layer in enumerate(results.constant["layer"].values, start=1):
        _add(numbers, "constant", mean(results.constant, layer=layer), layer=str(place))
    chosen = results.removed.sel(kind=CHOSEN)
    for name in ("constant", "variance"):
        _add(numbers, f"removed {name}", mean(chosen[name]))
    numbers.add("removed all constant", int((chosen["constant"] == 1).sum()), comment="networks")


def _kernels(numbers: Numbers, results: Results) -> None:
    for kind in NODES:
        for pair, of in product(PAIRS, ("weights", "changes")):
            _add(numbers, f"{kind} {pair} {of} correlation", mean(results.correlations, pair=pair, of=of, kind=kind))
        for arm in results.unmoved["arm"].values:
            _add(numbers, f"{kind} {arm} unmoved", mean(results.unmoved, arm=arm, kind=kind))
        _add(numbers, f"{kind} moved alike", mean(results.alike, kind=kind))


def _distances(numbers: Numbers, results: Results) -> None:
    for source in results.peaks["source"].values:
        _add(numbers, f"{source} peak", mean(results.peaks, source=source, of="all"))
    for sign in ("increases", "decreases"):
        _add(numbers, f"peak of {sign}", mean(results.peaks, source="trained", of=sign))
    once = adam.single_gradient()
    numbers.add("single gradient", once, comment="in learning rates")
    numbers.add("single gradient distance", once * measures.learning_rate(results.run))
    numbers.add("published learning rate", claims.PUBLISHED_PEAK / once, digits=2)
    if results.settled is not None and np.isfinite([results.settled.near, results.settled.further]).all():
        numbers.add("settled near", results.settled.near)
        numbers.add("settled further", results.settled.further)
        numbers.add("settled epoch", results.settled.checkpoint)


def _idle(numbers: Numbers, results: Results) -> None:
    """Add what trained networks and their constant nodes are, and how the weights that never moved are spread."""
    for name, one in results.idle.items():
        _add(numbers, f"idle {name}", interval(one.values))
    for of in results.spread["of"].values:
        _add(numbers, f"unmoved {of}", mean(results.spread, of=of, kind=RANDOM))
    differ = 1 - results.outcomes["agreement"]
    _add(numbers, "random space", mean(differ, arm="pruned", kind=RANDOM, compensation=COMPENSATED))
    limits = {"confident above": idle.CONFIDENT, "small change": idle.SMALL, "rounding": claims.ROUNDING}
    limits |= {"almost all": claims.ALMOST_ALL, "alike margin": claims.ALIKE, "beyond share": roles.BEYOND}
    for name, limit in (limits | {"permutations": roles.PERMUTATIONS}).items():
        numbers.add(name, limit, digits=None)


def _roles(numbers: Numbers, found: xr.Dataset, strangers: xr.DataArray, **rate: Any) -> None:
    for kind, pair in product(NODES, roles.PAIRS):
        for name in roles.Roles._fields:
            _add(numbers, f"{kind} {pair} role {name}", mean(found[name], pair=pair, kind=kind), **rate)
        _add(numbers, f"{kind} {pair} role difference", claims.alike(found, pair, kind), **rate)
        beyond = found["beyond"].sel(pair=pair, kind=kind)
        numbers.add(f"{kind} {pair} role networks", int(np.isfinite(beyond).sum()), **rate)
        numbers.add(f"{kind} {pair} role networks beyond", int((beyond == 1).sum()), **rate)
    for kind in NODES:
        alike = strangers.sel(kind=kind)
        _add(numbers, f"{kind} strangers", over_pairs(roles.between(alike)), **rate)
        _add(numbers, f"{kind} against strangers", over_pairs(roles.against_strangers(alike)), **rate)


def _roles_by_rate(numbers: Numbers, found: Rates) -> None:
    numbers.add("smallest rate", found.smallest, digits=None)
    for place, rate in enumerate(found.data["learning_rate"].values):
        some, apart = found.roles.isel(learning_rate=place), found.strangers.isel(learning_rate=place)
        _roles(numbers, some, apart, rate=f"{float(rate):g}")


def _rates(numbers: Numbers, data: xr.Dataset) -> None:
    numbers.add("rate networks", data.sizes["network"])
    numbers.add("rate standard errors", reach(data.sizes["network"]))
    names, peaks = [f"{float(rate):g}" for rate in data["learning_rate"].values], data["peak"].values
    for rate, constant, trained, row in zip(
        names, rates.each(data["constant"].mean("layer")), rates.each(data["trained"]), peaks, strict=True
    ):
        _add(numbers, "constant nodes", constant, rate=rate)
        _add(numbers, "trained accuracy", trained, rate=rate)
        _add(numbers, "peak in learning rates", interval(row), rate=rate)
        numbers.add("claim single gradient", claims.single_gradient(row)[0], rate=rate)
    for kind in NODES:
        accuracy = data["accuracy"].sel(kind=kind)
        pruned, first = (accuracy.sel(arm=arm, drop=True) for arm in ("pruned", "prune_first"))
        for arm in ARMS:
            for rate, one, alike in zip(
                names,
                rates.each(accuracy, arm=arm),
                rates.each(data["agreement"], arm=arm, kind=kind),
                strict=True,
            ):
                _add(numbers, f"{kind} {arm} accuracy", one, rate=rate)
                _add(numbers, f"{kind} {arm} agreement", alike, rate=rate)
        changes, orders = rates.each(pruned - data["trained"]), rates.each(pruned - first)
        for rate, change, order in zip(names, changes, orders, strict=True):
            _add(numbers, f"{kind} accuracy change", change, rate=rate)
            _add(numbers, f"{kind} accuracy difference", order, rate=rate)
            numbers.add(f"{kind} accuracy verdict", in_words(judge("accuracy", order)), rate=rate)
