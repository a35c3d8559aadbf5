"""Choosing: the sites of a network that have gates."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from analysis.errors import InputError, InputTypeError
from sweeps import checks
from sweeps.program import Network, Site

# The values of ``sites``: None, a pattern, a type of layer, a list of these, or numbers of groups by pattern.
Selection = None | str | type | Sequence[str | type] | Mapping[str, int]
Kinds = Callable[[], Mapping[str, type]]
PLACES = ("input", "output", "stream")


def choose(network: Network, selection: Selection, kinds: Kinds) -> tuple[Site, ...]:
    """Return the sites of a selection, in the order of the program.

    Parameters
    ----------
    network : with the sites
    selection : see ``sweeps.Objective``
    kinds : () -> type of the module at each path

    Raises
    ------
    InputTypeError
        If the selection holds anything but patterns and types.
    InputError
        If a part of it fits nothing or cannot be gated, or a node would have two gates.
    """
    if selection is None:
        return network.hidden
    chosen: dict[tuple[str, int | None, int], Site] = {}
    for part in _parts(selection):
        for site in _of_part(network, part, kinds):
            if isinstance(selection, Mapping):
                site = _in_groups(site, selection[str(part)])
            at = site.key, site.call, site.features
            other = chosen.get(at, site)
            chosen[at] = site.with_copies({*site.chosen, *other.chosen})
    _check_apart(chosen.values())
    order = {site.key: number for number, site in enumerate(network.sites)}
    return tuple(sorted(chosen.values(), key=lambda site: (order.get(site.key, len(order)), site.call or 0)))


def _parts(selection: Selection) -> list[str | type]:
    parts: list[Any] = (
        list(selection) if isinstance(selection, Iterable) and not isinstance(selection, str) else [selection]
    )
    for part in parts:
        if not isinstance(part, str | type):
            raise InputTypeError(f"sites must be path patterns and types of layers, got {checks.shown(part)}")
    for part, number in selection.items() if isinstance(selection, Mapping) else ():
        checks.whole(f"sites: the number of groups of {part}", number)
    if not parts:
        raise InputError("sites must name at least one path or type, got none")
    return parts


def _of_part(network: Network, part: str | type, kinds: Kinds) -> list[Site]:
    """Return the sites of a pattern or type."""
    if isinstance(part, type):
        known = kinds()
        makers = [site for site in network.first.makers if issubclass(known.get(site.path, object), part)]
        hidden = [site for site in makers if not site.reason and site.reads != "outputs"]
        return hidden or _refuse(network, f"sites: no {part.__name__} makes nodes that are read")
    at, colon, path = part.rpartition(":")
    if colon and at not in PLACES:
        raise InputError(f"sites: a pattern may begin with input:, output: or stream:, got {part!r}")
    sites: Sequence[Site] = network.sites
    if at in ("input", "output"):
        layers = network.first.readers if at == "input" else [site.path for site in network.first.makers]
        sites = tuple(site for layer in layers if (site := network.first.site(f"{at}:{layer}")) is not None)
    # The path of a site is no pattern, whatever characters it holds.
    sites = [site for site in sites if part in (site.path, *site.copies)] or sites
    matches = [match for site in sites if (match := _matching(site, part)) is not None]
    for site in matches if len(matches) == 1 else ():
        if site.reason:
            raise InputError(f"sites: {site.path} cannot be gated: {site.reason}")
    matches = [site for site in matches if not site.reason]
    if matches:
        return matches
    what = {"input": "that reads", "output": "that makes nodes"}.get(at)
    missing = f"no layer {what} is called {path!r}" if what else f"nothing that makes nodes is called {part!r}"
    return _refuse(network, f"sites: {missing}")


def _matching(site: Site, pattern: str) -> Site | None:
    """Return the site, or the copies or the call of it that a pattern names; None if it names none."""
    if _fits(site.path, pattern) or pattern in site.makers:
        return site
    path, at, number = pattern.rpartition("@")
    if at and number.isdigit() and int(number) < site.calls:
        whole = _matching(site, path)
        return None if whole is None else whole.with_call(int(number))
    copies = [number for number, copy in enumerate(site.copies) if _fits(copy, pattern)]
    return site.with_copies(copies) if copies else None


def _fits(path: str, pattern: str) -> bool:
    return path == pattern or fnmatchcase(path, pattern)


def _in_groups(site: Site, groups: int) -> Site:
    if groups < 1 or site.nodes % groups:
        raise InputError(f"sites: {site.path} has {site.nodes} nodes, not so many times {groups}")
    return site.in_groups(groups)


def _check_apart(sites: Iterable[Site]) -> None:
    """Refuse sites that would gate a value twice."""
    taken: dict[object, Site] = {}
    for site in sites:
        for place in site.places:
            if site.call is None or place.call == site.call:
                other = taken.setdefault(place.key, site)
                if other is not site:
                    raise InputError(f"sites: nodes of {site.path} would have gates twice, those of {other.path}")


def _refuse(network: Network, reason: str) -> list[Site]:
    listed = ", ".join(site.path for site in network.sites if not site.reason)
    raise InputError(f"{reason}; there are: {listed}")
