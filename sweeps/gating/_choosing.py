"""Choosing: the sites of a network that have gates, and which gate each of their nodes has."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from analysis._errors import InputError, InputTypeError
from sweeps import _checks, _patterns
from sweeps._program import Network, Site
from sweeps.gating._tying import Tied
from sweeps.gating._wiring import Gates, Row, Wiring, plain

# The values of ``sites``: None, a pattern, a type of layer or a tie, a list of these, or numbers of groups by pattern.
Part = str | type | Tied
Selection = None | Part | Sequence[Part] | Mapping[str | type, int | tuple[int, str]]
Kinds = Callable[[], Mapping[str, type]]
PLACES = ("input", "output", "stream")
LISTED = 20  # most names in a message


def choose(network: Network, selection: Selection, kinds: Kinds) -> Wiring:
    """Return the gates of a selection, in the order of the program.

    Parameters
    ----------
    network : Network
        The network with its sites.
    selection : str, type, sweeps.Tied, list, dict or None
        As for ``sites=`` of ``sweeps.Objective``.
    kinds : callable
        () -> type of the module at each path.

    Returns
    -------
    Wiring
        Which gate each node has.

    Raises
    ------
    TypeError
        If the selection holds anything but patterns, types and ties.
    InputError
        If a part of it fits nothing or cannot be gated, or a node would have two gates.
    """
    if selection is None:
        sites: Sequence[Site] = network.hidden
        return Wiring([plain(Row(site, copy)) for site in sites for copy in range(len(site.copies))], sites)

    def match(part: str | type) -> list[Row]:
        return _of_part(network, part, kinds)

    gates: list[Gates] = []
    for part, groups in _parts(selection):
        found = part._resolved(match) if isinstance(part, Tied) else _of_rows(match(part), groups)
        gates += [own for own in found if not any(own.is_same(other) for other in gates)]
    sites = list(dict.fromkeys(row.site for part in gates for row in part.rows))
    order = {site.key: number for number, site in enumerate(network.sites)}
    sites.sort(key=lambda site: (order.get(site.key, len(order)), site.call or 0))
    _check_apart(sites)
    gates.sort(key=lambda part: min((sites.index(row.site), row.copy) for row in part.rows))
    return Wiring(gates, sites)


def _of_rows(rows: list[Row], groups: tuple[int, str] | None) -> list[Gates]:
    """Return a gate for each node, or for each of some groups of adjacent nodes of a row."""
    if groups is None:
        return [plain(row) for row in rows]
    return [Tied(row.path, groups=groups[0], name=groups[1])._of_rows([row], row.path) for row in rows]


def _parts(selection: Selection) -> list[tuple[Part, tuple[int, str] | None]]:
    several = isinstance(selection, Iterable) and not isinstance(selection, str)
    parts: list[Any] = list(selection) if several else [selection]  # type: ignore[arg-type]
    for part in parts:
        if isinstance(part, Mapping):
            raise InputTypeError(
                "sites: in a list, numbers of groups are ties, such as sweeps.Tied('a', groups=2, each='a'), "
                f"got {_checks.shown(part)}"
            )
        if not isinstance(part, str | type | Tied):
            raise InputTypeError(f"sites must be path patterns, types of layers and ties, got {_checks.shown(part)}")
        if isinstance(selection, Mapping) and isinstance(part, Tied):
            raise InputTypeError("sites: a tie has its own groups=; give it alone or in a list, not as a key of a dict")
    if not parts:
        raise InputError("sites must name at least one path or type, got none")
    if isinstance(selection, Mapping):
        return [(part, _groups(part, selection[part])) for part in parts]
    return [(part, None) for part in parts]


def _groups(part: str | type, given: Any) -> tuple[int, str]:
    """Return the number of groups, and what one is called."""
    called = part if isinstance(part, str) else part.__name__
    several = isinstance(given, tuple | list)
    if several and len(given) != 2:
        raise InputTypeError(
            f"sites: groups of {called} must be a number, or (number, name), got {_checks.shown(given)}"
        )
    number, name = given if several else (given, "group")
    number = _checks.whole(f"sites: the number of groups of {called}", number, least=1)
    return number, _checks.text(f"sites: the name of groups of {called}", name)


def _of_part(network: Network, part: str | type, kinds: Kinds) -> list[Row]:
    """Return the rows of a pattern or type."""
    if isinstance(part, type):
        known = kinds()
        makers = [site for site in network.first.makers if issubclass(known.get(site.path, object), part)]
        hidden = [site for site in makers if not site.reason and site.reads != "outputs"]
        inside = tuple(f"{path}/".removeprefix("/") for path, kind in known.items() if issubclass(kind, part))
        hidden = hidden or [site for site in network.sites if site.default and site.path.startswith(inside)]
        if not hidden:
            raise _refused(network, f"sites: no {part.__name__} makes nodes that are read")
        return [Row(site, copy) for site in hidden for copy in range(len(site.copies))]
    at, colon, path = part.rpartition(":")
    if colon and at not in PLACES:
        raise InputError(f"sites: a pattern may begin with input:, output: or stream:, got {part!r}")
    sites: Sequence[Site] = network.sites
    if at in ("input", "output"):
        layers = network.first.readers if at == "input" else [site.path for site in network.first.makers]
        sites = tuple(site for layer in layers if (site := network.first.site(f"{at}:{layer}")) is not None)
    # The path of a site is no pattern, whatever characters it holds.
    sites = [site for site in sites if part in (site.path, *site.copies)] or sites
    matches = {site: rows for site in sites if (rows := _matching(site, part))}
    for site in matches if len(matches) == 1 else ():
        if site.reason:
            raise InputError(f"sites: {site.path} cannot be gated: {site.reason}")
    rows = [row for site, its in matches.items() if not site.reason for row in its]
    if rows:
        return rows
    what = {"input": "that reads", "output": "that makes nodes"}.get(at)
    missing = f"no layer {what} is called {path!r}" if what else f"nothing that makes nodes is called {part!r}"
    paths = [path for site in sites for path in (site.path, *site.copies)]
    raise _refused(network, f"sites: {missing}{_patterns.hint(part, paths)}")


def _matching(site: Site, pattern: str) -> list[Row]:
    """Return the copies of a site that a pattern names, or of a call of it."""
    copies = range(len(site.copies))
    if _fits(site, site.path, pattern) or any(_patterns.fits(maker, pattern) for maker in site.makers):
        return [Row(site, copy) for copy in copies]
    path, at, number = pattern.rpartition("@")
    if at and number.isdigit() and int(number) < site.calls:
        return [Row(site.with_call(int(number)), row.copy) for row in _matching(site, path)]
    return [Row(site, copy) for copy in copies if _fits(site, site.copies[copy], pattern)]


def _fits(site: Site, path: str, pattern: str) -> bool:
    """Whether a pattern names a path, or a path and the kind of its nodes, on the same side of the layer."""
    same = path.rpartition(":")[0] == pattern.rpartition(":")[0]
    return same and (_patterns.fits(path, pattern) or _patterns.fits(f"{path} {site.kind}", pattern))


def _check_apart(sites: Iterable[Site]) -> None:
    """Refuse sites that would gate a value twice."""
    taken: dict[object, Site] = {}
    for site in sites:
        for place in site.places:
            if site.call is None or place.call == site.call:
                other = taken.setdefault(place.key, site)
                if other is not site:
                    raise InputError(f"sites: nodes of {site.path} would have gates twice, those of {other.path}")


def _refused(network: Network, reason: str) -> InputError:
    paths = [site.path for site in network.sites if not site.reason]
    more = f" and {len(paths) - LISTED} more, which sweeps.gating.sites prints" if len(paths) > LISTED else ""
    return InputError(f"{reason}; there are: {', '.join(paths[:LISTED])}{more}")
