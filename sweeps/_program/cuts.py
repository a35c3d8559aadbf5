"""Cuts: the entries of parameters that make each node, act on it and read it, which go when the node is removed."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from sweeps._program import graph, rules
from sweeps._program.entries import Part
from sweeps._program.following import Follower, Label, Use, within
from sweeps._program.groups import Group
from sweeps._program.network import Network
from sweeps._program.sites import Site
from sweeps._program.values import Key, Source, root_of


class Meeting(NamedTuple):
    """An operation that combines weights with nodes.

    Attributes
    ----------
    key : Key
        The operation.
    ids : numpy.ndarray
        Number of the node at each place of the weights.
    made : numpy.ndarray or None
        Of a product, number of its own node at each place, of shape that broadcasts to the ids'.
    """

    key: Key
    ids: np.ndarray
    made: np.ndarray | None


class Cut(NamedTuple):
    """The entries of a parameter that belong to the nodes of a site.

    Attributes
    ----------
    path : str
        Of the parameter, or of state such as the mean of a batch normalisation.
    role : str
        ``makes`` and ``reads``, for kernels; ``bias``, for what is added to new nodes; ``added`` and ``beside``, for
        what elementwise operations combine with the nodes later.
    ids : numpy.ndarray
        Number of the node at each entry, -1 where there is none; of shape that broadcasts to the parameter's.
    meetings : tuple of Meeting
        The operations.
    reason : str
        Why the entries do not belong to these nodes alone; empty if they do.
    is_normalised : bool
        Whether a number of all its entries scales it, as in weight normalisation.
    bias : Cut or None
        Of a kernel that reads the nodes, the cut of its layer's bias, if there is one.
    """

    path: str
    role: str
    ids: np.ndarray
    meetings: tuple[Meeting, ...] = ()
    reason: str = ""
    is_normalised: bool = False
    bias: "Cut | None" = None

    @property
    def layer(self) -> str:
        """The path of the layer."""
        return self.path.rpartition("/")[0]

    @property
    def axis(self) -> int | None:
        """The axis along which the nodes lie; None if there are several."""
        along = [axis for axis, size in enumerate(self.ids.shape) if size > 1]
        return along[0] if len(along) == 1 else None if along else self.ids.ndim - 1


class Nodes(NamedTuple):
    """The nodes of a site, with the entries of parameters that belong to them.

    Attributes
    ----------
    site : Site
        The site.
    cuts : tuple of Cut
        Entries of parameters.
    ends : tuple of str
        Uses of the nodes other than by kernels that read each by itself, in words.
    reason : str
        Why the cuts do not make up whole nodes; empty if they do.
    """

    site: Site
    cuts: tuple[Cut, ...]
    ends: tuple[str, ...] = ()
    reason: str = ""


def of(network: Network, names: Sequence[str]) -> tuple[Nodes, ...]:
    """Return the cuts of all hidden nodes of a network, in the order of its sites.

    Parameters
    ----------
    network : Network
        The network.
    names : sequence of str
        Unique names of the leaves of its parameters and its state.

    Raises
    ------
    InputError
        If it has no hidden nodes.
    """
    return tuple(_Cutting(network, names).nodes())


class _Cutting:
    """Builds the cuts of all sites."""

    def __init__(self, network: Network, names: Sequence[str]):
        self._sites, self._names = network.hidden, names
        self._reader, self._placing = network.first.reader, network.first.placing
        program = network.first.program
        avals: list[Any] = [v.aval for v in program.jaxpr.invars[: len(names)]]
        self._shapes = [aval.shape for aval in avals]
        keys = {place.key for site in self._sites for place in site.places}
        self._followed = Follower(program, self._reader, self._owners(), keys)

    def _group(self, site: Site) -> Group:
        group = self._placing.group_of(site)
        assert group is not None  # hidden nodes have readers
        return group

    def _owners(self) -> dict[Source, np.ndarray]:
        """Return the number of the site of each node that a parameter makes, -1 for nodes of no site."""
        owners: dict[Source, np.ndarray] = {}
        for number, site in enumerate(self._sites):
            for source in (source for made in self._group(site).sources for source in made):
                root = root_of(source)
                owners.setdefault(root, np.full(len(root.labels), -1))[within(source)] = number
        return owners

    def nodes(self) -> Iterator[Nodes]:
        """Yield the nodes of each site."""
        followed = self._followed
        pairs = np.concatenate([*followed.pairs, np.zeros((2, 0), int)], axis=1)
        label = rules.closed_groups(pairs, followed.count)
        for number, site in enumerate(self._sites):
            if reason := self._why_not_cut(site):
                yield Nodes(site, (), (), reason)
                continue
            node, reason = self._numbers(number, site, label)
            ends = [word for elements, word in followed.ends if (node[elements] >= 0).any()]
            cuts = tuple(self._with_bias(cut) for cut in self._cuts(node))
            if not any(cut.role == "makes" for cut in cuts):
                reason = reason or "no parameter of their own makes them"
            yield Nodes(site, cuts, tuple(dict.fromkeys(ends)), reason or self._statistic(site, cuts))

    def _why_not_cut(self, site: Site) -> str:
        if site.stack:
            return "its layers are copies, over which a loop runs"
        if site.kind not in ("unit", "channel"):
            return f"they are {site.kind}s, which no one parameter makes"
        return ""

    def _numbers(self, number: int, site: Site, label: np.ndarray) -> tuple[np.ndarray, str]:
        """Return the number of each element's node, -1 for those of other sites, and a reason to refuse the site."""
        own, reason = self._followed.owner == number, ""
        of_group, clash = np.full(label.max(initial=-1) + 1, -1), False
        for place in site.places:
            elements = self._followed.at.get(place.key)
            if elements is None:
                return np.full(len(label), -1), "their value could not be followed"
            at, ids = (array.ravel() for array in np.broadcast_arrays(elements, place.ids))
            at, ids = at[at >= 0], ids[at >= 0]
            known = of_group[label[at]]
            clash |= bool(((known >= 0) & (known != ids)).any())
            of_group[label[at]] = ids
            clash |= bool((of_group[label[at]] != ids).any())
        if clash:
            reason = "they are mixed with each other"
        return np.where(own, of_group[label], -1), reason

    def _statistic(self, site: Site, cuts: Sequence[Cut]) -> str:
        """Return which statistic of all nodes, as of a normalisation, acts on each before its gate; empty if none."""
        group, values = self._group(site), self._reader.values
        gates = {vertex for vertex, _, _ in group.vertices}
        made = [own.vertex for sources in group.sources for source in sources for own in (source, root_of(source))]

        def onward(at: int) -> list[int]:
            return [] if at in gates else [edge.after for edge in self._placing.edges[at]]

        for vertex in graph.reached(made, onward):
            if values[vertex].kind == "statistic":
                makers = {cut.layer for cut in cuts if cut.role == "makes"}
                others = dict.fromkeys(cut.layer for cut in cuts if cut.role != "reads" and cut.layer not in makers)
                at = f" in {', '.join(others)}" if others else ""
                return (
                    f"{values[vertex].word or 'a number'} of all of them comes back to each{at}, as in a normalisation"
                )
        return ""

    # Entries

    def _cuts(self, node: np.ndarray) -> Iterator[Cut]:
        """Yield the cuts of the nodes of a site, given the node of each element."""
        cuts: dict[tuple[int, tuple[int, ...]], Cut] = {}
        for (key, _), use in self._followed.uses.items():
            for part, axes, label, ids, reason in self._labelled(use, node):
                at = part.number, axes
                meeting = Meeting(key, label.ids, self._made(key, use))
                if (before := cuts.get(at)) is None:
                    again = [other for other in use.parts if other.number == part.number and other is not part]
                    is_normalised = any(index is None for other in again for index in other.axes)
                    cuts[at] = Cut(self._names[part.number], label.role, ids, (meeting,), reason, is_normalised)
                    continue
                both = (before.ids >= 0) & (ids >= 0) & (before.ids != ids)
                cuts[at] = before._replace(
                    ids=np.where(before.ids >= 0, before.ids, ids),
                    meetings=(*before.meetings, meeting),
                    reason=before.reason or reason or ("one entry belongs to several of them" if both.any() else ""),
                )
        for (number, axes), cut in cuts.items():
            yield cut if cut.reason else cut._replace(reason=self._elsewhere(number, axes, cut.ids, node))

    def _made(self, key: Key, use: Use) -> np.ndarray | None:
        source = self._reader.sources.get((key, 0))
        start = None if source is None else self._followed.start.get(source)
        return next((label.ids - start for label in use.labels if label.role == "makes" and start is not None), None)

    def _with_bias(self, cut: Cut) -> Cut:
        source = self._reader.sources.get((cut.meetings[0].key, 0)) if cut.role == "reads" else None
        start = None if source is None else self._followed.start.get(source)
        if source is None or start is None:
            return cut
        node = np.full(self._followed.count, -1)
        node[start : start + len(source.labels)] = np.arange(len(source.labels))
        biases = [bias for bias in self._cuts(node) if bias.role == "bias" and not bias.reason]
        whole = [bias for bias in biases if np.unique(bias.ids).size == bias.ids.size == len(source.labels)]
        return cut._replace(bias=whole[0] if whole else None)

    def _labelled(self, use: Use, node: np.ndarray) -> Iterator[tuple[Part, tuple[int, ...], Label, np.ndarray, str]]:
        """Yield the entries of the parameters in some weights, with the node of each entry."""
        for role, elements in use.labels:
            ids = np.where(elements >= 0, node[elements], -1)
            label = Label(role, ids)
            if not (ids >= 0).any():
                continue
            of_parts = [(part, *_entries(part, ids, role, self._shapes[part.number])) for part in use.parts]
            for part, axes, entries, reason in of_parts:
                if axes:
                    yield part, axes, label, entries, reason
            if role in ("makes", "reads") and not any(axes for _, axes, _, _ in of_parts):
                yield use.parts[0], (), label, np.full([1], -1), "no entries of it are those of one node each"

    def _elsewhere(self, number: int, axes: tuple[int, ...], ids: np.ndarray, node: np.ndarray) -> str:
        """Return why a parameter's entries serve more than their nodes; empty if they do not."""
        for use in self._followed.uses.values():
            for part in use.parts:
                if part.number != number:
                    continue
                if any(part.axes[axis] is None for axis in axes):
                    return "what is computed of it needs all entries"
                own = np.full(ids.shape, -1)
                for other, along, _, entries, _ in self._labelled(use, node):
                    if other is part and along == axes:
                        own = np.where(entries >= 0, entries, own)
                at = _indices(part, axes, ids.ndim)
                if ((ids[at] >= 0) & (own[at] != ids[at])).any():
                    return "it is used for something else too"
        return ""


def _indices(part: Part, axes: Sequence[int], ndim: int) -> tuple[np.ndarray, ...]:
    """Return the index of each known entry along some axes, and zero along the others."""
    arrays = np.broadcast_arrays(*[index for axis in axes if (index := part.axes[axis]) is not None])
    there = np.all([array >= 0 for array in arrays], axis=0)
    chosen = dict(zip(axes, [array[there] for array in arrays], strict=True))
    zeros = np.zeros(int(there.sum()), int)
    return tuple(chosen.get(axis, zeros) for axis in range(ndim))


def _entries(part: Part, ids: np.ndarray, role: str, shape: tuple[int, ...]) -> tuple[tuple[int, ...], np.ndarray, str]:
    """Return the axes of a parameter along which nodes lie, the node at each index, and a reason to refuse them."""
    varied = {axis for axis, size in enumerate(ids.shape) if size > 1}
    axes = tuple(
        axis for axis, index in enumerate(part.axes) if index is not None and any(index.shape[a] > 1 for a in varied)
    )
    if not varied:
        axes = _of_single(shape, role)
    sizes = [n if axis in axes else 1 for axis, n in enumerate(shape)]
    if not axes:
        return (), np.full(sizes, -1), ""
    arrays = np.broadcast_arrays(ids, *[index for axis in axes if (index := part.axes[axis]) is not None])
    node, indices = arrays[0], arrays[1:]
    there = np.all([index >= 0 for index in indices], axis=0)
    at = tuple(dict(zip(axes, [i[there] for i in indices], strict=True)).get(a, 0) for a in range(len(shape)))
    entries = np.full(sizes, -1)
    entries[at] = node[there]
    reason = "one entry belongs to several of them, or to others too" if (entries[at] != node[there]).any() else ""
    return axes, entries, reason


def _of_single(shape: tuple[int, ...], role: str) -> tuple[int, ...]:
    """Return the axis of a single node: the last of length one, but not the outputs of a kernel that reads it."""
    alone = [axis for axis, size in enumerate(shape) if size == 1]
    inner = [axis for axis in alone if axis < len(shape) - 1]
    return tuple((inner if role == "reads" and inner else alone)[-1:])
