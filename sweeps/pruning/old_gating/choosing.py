"""Choosing: which of the activations that were found have gates."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from analysis.errors import InputError, InputTypeError
from sweeps import checks
from sweeps.pruning.old_gating.finding import Calls, Found
from sweeps.pruning.old_gating.site import Site

# What ``sites`` may be: None, a pattern, a type of layer, a list of these, or numbers of groups by pattern.
Selection = None | str | type | Sequence[str | type] | Mapping[str, int]


def wanted_modules(selection: Selection) -> list[str]:
    """Patterns of modules whose own input or output is asked for: they are recorded, whatever they are."""
    return [pattern for one in _parts(selection) if isinstance(one, str) for at, pattern in [_place(one)] if at]


def choose(calls: Calls, found: Sequence[Found], selection: Selection) -> list[Site]:
    """Return the sites that a selection asks for, in the order in which the network reads them.

    Raises
    ------
    TypeError
        If the selection holds something else than patterns and types.
    ValueError
        If a part of it fits nothing, asks for what cannot be gated, or would gate an activation twice.
    """
    if selection is None:
        hidden = [one.site for one in found if one.is_hidden]
        if not hidden:
            raise InputError(_nothing_hidden(calls))
        for path in calls.read_directly():
            raise InputError(
                f"sites: gates of {path} do not reach the output: the layer is never called, though its kernel is "
                "read; to gate other layers alone, name them in sites="
            )
        return hidden
    chosen: dict[Site, Site] = {}
    for part in _parts(selection):
        for site in _of_part(calls, found, part, selection):
            whole = site._replace(copies=())
            chosen[whole] = site.joined(chosen.get(whole, site))
    gated: dict[tuple[str, str], Site] = {}
    for site in chosen.values():
        for layer in site.layers:
            other = gated.setdefault((layer, site.at), site)
            if other != site:
                raise InputError(f"sites: the {site.at} of {layer} would have gates twice, those of {other.path}")
    order = {call.path: index for index, call in reversed(list(enumerate(calls.calls)))}
    return sorted(chosen.values(), key=lambda site: (order[site.layers[0]], site.at))


def _parts(selection: Selection) -> list[str | type]:
    if selection is None:
        return []
    parts = list(selection) if isinstance(selection, Iterable) and not isinstance(selection, str) else [selection]
    for part in parts:
        if not isinstance(part, str | type):
            raise InputTypeError(f"sites must be path patterns and types of layers, got {checks.shown(part)}")
    for part, number in selection.items() if isinstance(selection, Mapping) else ():
        checks.whole(f"sites: the number of groups of {part}", number)
    if not parts:
        raise InputError("sites must name at least one path or type, got none")
    return parts


def _place(pattern: str) -> tuple[str, str]:
    """Split ``output:conv*`` in the place and the pattern; the place is empty where none is given."""
    at, colon, rest = pattern.partition(":")
    if colon and at not in ("input", "output"):
        raise InputError(f"sites: a pattern may begin with input: or output:, got {pattern!r}")
    return (at, rest) if colon else ("", pattern)


def _of_part(calls: Calls, found: Sequence[Found], part: str | type, selection: Selection) -> list[Site]:
    """Sites that one pattern or type asks for."""
    if isinstance(part, type):
        chosen = [one.site for one in found if any(issubclass(maker, part) for maker in one.makers)]
        return chosen or _refuse(calls, found, f"sites: no activation that a {part.__name__} makes is read by a layer")
    at, pattern = _place(part)
    if at:
        matches = calls.named(pattern, at)
        if not matches:
            _refuse(calls, found, f"sites: no module that is called has a path like {pattern!r}")
    else:
        matches = [one._replace(site=site) for one in found if (site := _with_copies(one.site, pattern)) is not None]
        if not matches:
            _refuse(calls, found, f"sites: nothing that is read by a layer is called {pattern!r}")
    if not isinstance(selection, Mapping):
        return [one.site for one in matches]
    return [_in_groups(one, selection[part]) for one in matches]


def _with_copies(site: Site, pattern: str) -> Site | None:
    """The site, with those of its copies whose path fits a pattern, or None if there are none."""
    if fnmatchcase(site.path, pattern):
        return site
    copies = tuple(index for index, group in enumerate(site.groups) if fnmatchcase(group, pattern))
    if not copies:
        return None
    return site._replace(copies=copies if len(copies) < len(site.groups) else ())


def _in_groups(found: Found, groups: int) -> Site:
    """Gates for equal groups of features that lie in a row."""
    if groups < 1 or found.features % groups:
        raise InputError(f"sites: {found.site.path} has {found.features} features, not so many times {groups}")
    return found.site._replace(kind="group", nodes=groups, inner=found.features // groups, tiles=1)


def _refuse(calls: Calls, found: Sequence[Found], reason: str) -> list[Site]:
    for one in calls.never_called():
        if repr(one.site.path) in reason:
            raise InputError(f"sites: gates of {one.site.path} do not reach the output: the layer is never called")
    names = [one.site.path for one in found]
    raise InputError(f"{reason}; there are: {', '.join(names)}")


def _nothing_hidden(calls: Calls) -> str:
    never = [one.site.path for one in calls.never_called()]
    reason = "network has no hidden activation to gate: expected two or more layers, one after the other"
    return f"{reason}; never called: {', '.join(never)}" if never else reason
