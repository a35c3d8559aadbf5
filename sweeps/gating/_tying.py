"""Ties: nodes that share gates, as a head's queries, keys and values do."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis._errors import InputError, InputTypeError
from sweeps import _checks, _patterns
from sweeps.gating._wiring import Gates, Row

Part = str | type
Group = tuple[int, ...] | Mapping[Part, tuple[int, ...]]
# Returns the rows that a pattern or a type of layer names.
Match = Callable[[Part], list[Row]]


@dataclass(frozen=True, init=False)
class Tied:
    """Nodes that share gates: ``sites=`` of an objective takes it, alone or in a list.

    Without ``groups`` and ``nodes``, nodes of the same number in all that the paths name share a gate.

    Parameters
    ----------
    *paths : str or type
        Patterns and types of layers, as ``sites=`` of ``sweeps.Objective`` takes them.
    groups : int, optional
        Number of gates: the nodes of each path, in order, are cut into so many equal groups, and the groups of the same
        number share a gate. 1: everything that the paths name has one gate. Nodes of which an attention makes heads are
        grouped by head, also where a layer makes queries, keys and values together. Where heads share keys and values
        (grouped queries), it is at most the number of heads that have keys: a gate is then for the queries that share
        them.
    name : str, default "group"
        What a gate is called: ``head`` makes ``blocks/0 head 3``.
    each : str, optional
        A pattern: every path that it fits is tied by itself, and names the gates. ``"blocks/*"`` ties within
        ``blocks/0`` and within ``blocks/1``. None ties across all paths. A tie of a single gate is numbered by its
        path: with ``name="block"``, the gate of ``blocks/3`` is ``blocks block 3``.
    nodes : list or dict, optional
        Groups of your own, one gate for each: lists of node numbers, ``[[0, 3], [1, 2]]``, which hold for each path; or
        dicts from paths to node numbers, ``[{"layers/0": [1, 2], "layers/1": [5]}]``, without ``paths``. A dict by
        itself is one group. Nodes that are not listed have no gate: they stay on.

    Raises
    ------
    TypeError
        If a value is of another type.
    InputError
        If two values contradict each other, or a number or name does not fit.

    See Also
    --------
    sweeps.gating.sites : Lists the paths.

    Notes
    -----
    A gate's value multiplies all of its nodes, and its gradient is the sum of theirs.

    Examples
    --------
    >>> import sweeps
    >>> task = sweeps.tasks.circle(test_examples=4)
    >>> pairs = sweeps.Tied("layers/0", groups=2, name="pair")
    >>> sweeps.Objective(sweeps.MLP((2, 4, 2)), task.test, sites=pairs).nodes
    ('layers/0 pair 0', 'layers/0 pair 1')
    """

    paths: tuple[Part, ...]
    groups: int | None
    name: str
    each: str | None
    nodes: tuple[Group, ...] | None

    def __init__(
        self,
        *paths: Part,
        groups: int | None = None,
        name: str = "group",
        each: str | None = None,
        nodes: Sequence[Any] | Mapping[Part, Any] | None = None,
    ):
        for path in paths:
            if not isinstance(path, str | type):
                raise InputTypeError(f"Tied: paths must be patterns and types of layers, got {_checks.shown(path)}")
        groups = None if groups is None else _checks.whole("Tied: groups", groups, least=1)
        name, each = _checks.text("Tied: name", name), None if each is None else _checks.text("Tied: each", each)
        if not name.strip() or "/" in name:
            raise InputError(f"Tied: name must be a word for a gate, such as 'head', got {name!r}")
        chosen = (
            None if nodes is None else tuple(map(_group, [nodes] if isinstance(nodes, Mapping) else _listed(nodes)))
        )
        _check(paths, groups, each, chosen)
        for key, value in dict(paths=paths, groups=groups, name=name, each=each, nodes=chosen).items():
            object.__setattr__(self, key, value)

    def _resolved(self, match: Match) -> list[Gates]:
        """Return the gates: those of each path that ``each`` fits, or of all together.

        Parameters
        ----------
        match : callable
            Pattern or type -> the rows that it names.

        Returns
        -------
        list
            In the order in which the paths name them.

        Raises
        ------
        InputError
            If a path names nothing, numbers of nodes do not agree, or a node is not there.
        """
        if self.nodes is not None and not self.paths:
            return [self._of_circuits(match)]
        rows = _once(row for path in self.paths for row in match(path))
        if self.each is None:
            return [self._of_rows(rows, common([row.path for row in rows]))]
        owner: dict[str, list[Row]] = {}
        for row in rows:
            owner.setdefault(_owner(row, self.each), []).append(row)
        return [self._of_rows(own, layer) for layer, own in owner.items()]

    def _of_rows(self, rows: list[Row], layer: str) -> Gates:
        """Return the gates of some rows tied together, under a layer's name.

        Parameters
        ----------
        rows : list of object
            Where the nodes are.
        layer : str
            Names the gates.

        Returns
        -------
        object
            One for each group.

        Raises
        ------
        InputError
            If the rows have different numbers of nodes, or the groups do not fit them.
        """
        if self.nodes is not None:
            index = [_numbered(row, self.nodes) for row in rows]
            return self._named(layer, tuple(range(len(self.nodes))), rows, index)
        if self.groups is not None:
            _check_heads(rows, self.groups)
            index = [_in_groups(row, self.groups) for row in rows]
            return self._named(layer, tuple(range(self.groups)), rows, index)
        numbers = rows[0].site.numbers
        for row in rows:
            if len(row.site.numbers) != len(numbers):
                raise InputError(
                    f"sites: tied node by node, {rows[0].path} has {len(numbers)} nodes and {row.path} "
                    f"{len(row.site.numbers)}; give groups= for as many groups in each"
                )
        return self._named(layer, numbers, rows, [np.arange(len(numbers))] * len(rows))

    def _of_circuits(self, match: Match) -> Gates:
        assert self.nodes is not None
        found = [{part: match(part) for part in group} for group in self.nodes if isinstance(group, Mapping)]
        rows = _once(row for group in found for own in group.values() for row in own)
        index = []
        for row in rows:
            listed = [
                tuple(node for part, own in parts.items() if row in own for node in group[part])
                for group, parts in zip(self.nodes, found, strict=True)
                if isinstance(group, Mapping)
            ]
            index.append(_numbered(row, listed))
        return self._named(common([row.path for row in rows]), tuple(range(len(self.nodes))), rows, index)

    def _named(self, layer: str, numbers: tuple[int, ...], rows: list[Row], index: list[np.ndarray]) -> Gates:
        ending = re.fullmatch(r"(.+?)[/_]?(\d+)", layer)
        if self.each is not None and len(numbers) == 1 and ending:
            layer, numbers = ending[1], (int(ending[2]),)
        return Gates(layer, self.name, numbers, tuple(rows), tuple(index))


def common(paths: Sequence[str]) -> str:
    """Return a name for several paths: the levels that all begin with, or else all of them."""
    distinct = list(dict.fromkeys(paths))
    if len(distinct) == 1:
        return distinct[0]
    levels = [_without_side(path).split("/") for path in distinct]
    shared = []
    for level in zip(*levels, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    if shared:
        return "/".join(shared)
    return " + ".join(distinct) if len(distinct) < 4 else f"{distinct[0]} and {len(distinct) - 1} more"


def _check(paths: tuple[Part, ...], groups: int | None, each: str | None, nodes: tuple[Group, ...] | None) -> None:
    with_paths = [isinstance(group, Mapping) for group in nodes or ()]
    if nodes is not None and groups is not None:
        raise InputError("Tied: give groups= for equal groups, or nodes= for groups of your own, not both")
    if any(with_paths) and not all(with_paths):
        raise InputError("Tied: nodes must all be lists of node numbers, or all dicts from paths to node numbers")
    if any(with_paths) and (paths or each is not None):
        raise InputError("Tied: nodes= with dicts names its paths itself: leave out the other paths and each=")
    if not paths and not any(with_paths):
        raise InputError("Tied needs at least one path, such as Tied('blocks/0/attention', groups=1)")


def _listed(nodes: Any) -> Sequence[Any]:
    if isinstance(nodes, Mapping):
        return [nodes]
    if isinstance(nodes, str) or not isinstance(nodes, Sequence | np.ndarray) or not len(nodes):
        raise InputTypeError(f"Tied: nodes must be a list of groups, or a dict, got {_checks.shown(nodes)}")
    return list(nodes)


def _group(group: Any) -> Group:
    if isinstance(group, Mapping):
        if not group or not all(isinstance(part, str | type) for part in group):
            raise InputTypeError(f"Tied: a group must have paths and node numbers, got {_checks.shown(group)}")
        return {part: _numbers(numbers) for part, numbers in group.items()}
    return _numbers(group)


def _numbers(numbers: Any) -> tuple[int, ...]:
    if isinstance(numbers, str) or not isinstance(numbers, Sequence | np.ndarray | range) or not len(numbers):
        raise InputTypeError(
            "Tied: a group must be a list of node numbers, as in nodes=[[1, 2]] for one gate, "
            f"got {_checks.shown(numbers)}"
        )
    return tuple(_checks.whole("Tied: a node number", number) for number in numbers)


def _once(rows: Iterable[Row]) -> list[Row]:
    return list(dict.fromkeys(rows))


def _owner(row: Row, pattern: str) -> str:
    """Return the longest beginning of a path, of whole levels, that a pattern fits."""
    levels = _without_side(row.path).split("/")
    for end in range(len(levels), 0, -1):
        if _patterns.fits("/".join(levels[:end]), pattern):
            return "/".join(levels[:end])
    raise InputError(f"sites: {row.path} is tied, and no part of its path fits each={pattern!r}")


def _without_side(path: str) -> str:
    return path.rpartition(":")[2]


def _in_groups(row: Row, groups: int) -> np.ndarray:
    """Return the group of each node: of its head where an attention makes heads of the nodes."""
    nodes, heads, head_of = row.site.nodes, row.site.heads, row.site.head_of
    if nodes % groups:
        raise InputError(f"sites: {row.path} has {nodes} nodes, not so many times {groups}")
    if head_of is not None and heads and heads % groups == 0:
        return head_of // (heads // groups)
    if head_of is not None and groups > 1 and (not heads or (np.diff(head_of) < 0).any()):
        raise InputError(
            f"sites: {row.path} makes queries, keys and values together, whose heads are no {groups} groups of nodes "
            "in a row: give nodes= lists of the nodes of each gate"
        )
    return np.arange(nodes) // (nodes // groups)


def _check_heads(rows: Sequence[Row], groups: int) -> None:
    """Refuse groups that would tie a head's queries with keys of other heads, where fewer heads have keys."""
    known = {row.path: row.site.heads for row in rows if row.site.heads}
    least = min(known.values(), default=0)
    fits = all(heads % groups == 0 for heads in known.values())
    if not fits and (len(set(known.values())) > 1 or groups % least):
        listed = ", ".join(f"{path} {heads}" for path, heads in known.items())
        raise InputError(f"sites: {groups} groups do not fit the numbers of heads ({listed}): give groups={least}")


def _numbered(row: Row, groups: Iterable[Group]) -> np.ndarray:
    """Return the group of each node, by the numbers in the nodes' names."""
    index, at = np.full(row.site.nodes, -1), {number: node for node, number in enumerate(row.site.numbers)}
    for gate, group in enumerate(groups):
        for number in dict.fromkeys(group):
            if number not in at:
                last = row.site.numbers[-1]
                raise InputError(
                    f"sites: {row.path} has no node {number}; its nodes are {row.site.numbers[0]} to {last}"
                )
            if index[at[number]] >= 0:
                raise InputError(f"sites: node {number} of {row.path} is in two groups of a tie")
            index[at[number]] = gate
    return index
