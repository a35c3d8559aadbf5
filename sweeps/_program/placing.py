"""Placing: sites and the places of their gates, from the graph of a program.

A node's gate stands at the last value that all its ways to EXIT go through. Nodes that meet there share a gate. The
calls of a layer are one site, and so are the parts of what a layer makes.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

import jax.numpy as jnp
import numpy as np

from sweeps._program import graph, rules
from sweeps._program.flow import Edge
from sweeps._program.groups import Group
from sweeps._program.reading import Reader
from sweeps._program.sites import Place, Site, copies
from sweeps._program.tracing import Program
from sweeps._program.values import EXIT, Key, Source, Value, common, is_in_order, root_of


class Placing:
    """Where the nodes of a program have their gates.

    Attributes
    ----------
    reader : Reader
        Of the program.
    edges : dict of int to list of Edge
        By the vertex at which they begin.
    """

    @classmethod
    def of(cls, program: Program) -> "Placing":
        """Read a program; maxima that never act on the nodes over which they are taken make nodes of their own."""
        reader = Reader(program)
        own = reader.own_maxima()
        return cls(Reader(program, own) if own else reader)

    def __init__(self, reader: Reader):
        self.reader, self._values = reader, reader.values
        self._groups_by_key: dict[str, Group] = {}
        self.edges = reader.edges_after()
        self._after = {vertex: [edge.after for edge in edges] for vertex, edges in self.edges.items()}
        above = graph.post_dominators(self._after)
        self._sources = sorted((s for s in reader.sources.values() if s.kind != "mixed"), key=lambda s: s.order)
        self._chains = {s: graph.ways_through(s.vertex, above) for s in reader.sources.values()}
        self._passed = {s: set(chain) for s, chain in self._chains.items()}
        self._hidden = graph.ancestors((read.value.vertex for read in reader.reads.values()), reader.after)
        self._read_of = {
            source: self.copied(reader.reads[key].value.vertex)
            for (key, _), source in reader.sources.items()
            if key in reader.reads
        }
        self._at = {s: self._last(s) for s in self._sources}
        self._more: dict[int, list[int]] = {}
        for parent in {s.parent for s in self._sources if s.parent is not None}:
            self._join_parts([s for s in self._sources if s.parent is parent])
        for source in self._sources:
            self._join_parts(self._cell_of(source))
        self._words = {s: self._ends(s.vertex if at is None else at) for s, at in self._at.items()}
        self._together: dict[int, list[Source]] = defaultdict(list)
        for s, vertex in self._at.items():
            if vertex is not None:
                self._together[vertex].append(s)

    def sites(self, program: Program) -> tuple[Site, ...]:
        """Return all sites, in program order."""
        groups = self._groups()
        names = self._names(groups)
        sites = [self._site(group, name) for group, name in zip(groups, names, strict=True)]
        self._groups_by_key = dict(zip([site.key for site in sites], groups, strict=True))
        return tuple(sites + [_unread(path, nodes) for path, nodes in self._never_read(program, sites)])

    def _never_read(self, program: Program, sites: list[Site]) -> Iterator[tuple[str, int]]:
        """Yield the layer, or else the path, of each parameter that nothing reads, and the number of its nodes."""
        shapes = {path: shape for path, shape in program.unread.items() if len(shape) > 1}
        count, taken = Counter(path.rpartition("/")[0] for path in shapes), {site.path for site in sites}
        for path, shape in shapes.items():
            layer = path.rpartition("/")[0]
            name = layer if layer and count[layer] == 1 and layer not in taken else path
            if name not in taken:
                yield name, shape[-1]

    # Places

    def _last(self, source: Source) -> int | None:
        """Return the last value at which the nodes of a source can have a gate."""
        return self._last_of(source, self._chains, self._passed)

    def _last_of(self, source: Source, chains: dict, passed: dict) -> int | None:
        chain = self._until_normalised(chains[source])
        for at in reversed(range(len(chain))):
            value = self._values[chain[at]]
            if self._fits(value, source) and all(chain[at] in passed[other] for other in value.sources):
                return self._before_moves(chain[: at + 1], source)
        return None

    def _until_normalised(self, chain: list[int]) -> list[int]:
        """Cut a chain behind the activation at which a statistic of all nodes is taken, as by a normalisation."""
        for at, vertex in enumerate(chain[:-1]):
            if self._leads_to_statistic(vertex, chain[at + 1]):
                return chain[: at + 1] if self._values[vertex].is_bent else chain
        return chain

    def _leads_to_statistic(self, vertex: int, without: int) -> bool:
        def onward(at: int) -> Iterator[int]:
            return (after for after in self._after.get(at, ()) if after != without)

        return any(self._values[at].kind == "statistic" for at in graph.reached([vertex], onward))

    def _before_moves(self, chain: list[int], source: Source) -> int:
        """Return the end of a chain, or an earlier value in order of which the end is only a move."""
        for vertex, before in zip(chain[::-1], chain[-2::-1], strict=False):
            if is_in_order(self._values[vertex].ids):
                return vertex
            is_moved = [(edge.after, edge.word in rules.MOVING) for edge in self.edges[before]] == [(vertex, True)]
            if not is_moved or not self._fits(self._values[before], source):
                return chain[-1]
        return chain[0] if is_in_order(self._values[chain[0]].ids) else chain[-1]

    def _own(self, vertex: int, base: Source) -> int:
        """Return the value before a gate's at which nodes have been made, and since when they were only spread out.

        Pooling, masks of positions and products with data spread nodes over positions: gates may stand behind them,
        but what a node is when it is off is its own value, before them.
        """
        chain = self._chains[base]
        # A head is a product itself, of its weights and its values.
        earlier = chain[: chain.index(vertex)] if vertex in chain and base.kind != "head" else []
        for before in reversed(earlier):
            spread = [(edge.after, edge.word in rules.SPREADING) for edge in self.edges[before]] == [(vertex, True)]
            value, kept = self._values[before], self._values[vertex]
            fits = self._fits(value, base) and value.sources == kept.sources and value.is_bent == kept.is_bent
            if not spread or not fits or any(other.path for other in self.reader.beside.get(vertex, ())):
                break
            vertex = before
        return vertex

    def _join_parts(self, parts: list[Source]) -> None:
        """Join parts in a site although some also leave another way, as a cell's memory leaves by its loop.

        The gate stands where all parts have met. Nodes that leave earlier have another gate, at the last value on
        their other ways.
        """
        if len({self._at[s] for s in parts}) < 2:
            return
        for vertex in [vertex for s in parts for vertex in reversed(self._chains[s])]:
            value = self._values[vertex]
            if set(parts) <= value.sources and self._fits(value, parts[0]):
                break
        else:
            return
        without = {a: [b for b in onward if b != vertex] for a, onward in self._after.items()}
        above = graph.post_dominators(without)
        rest = [s for s in value.sources if vertex not in self._passed[s]]
        chains = {s: graph.ways_through(s.vertex, above) for s in rest}
        passed = defaultdict(set, {s: set(chain) for s, chain in chains.items()})
        more = {self._last_of(s, chains, passed) for s in rest}
        # The next step of a loop that Python unrolled is no other way out.
        more = {other for other in more if other is None or self._ends(other, without=vertex) != {"memory"}}
        if all(other is not None and self._values[other].first is value.first for other in more):
            self._more[vertex] = sorted(other for other in more if other is not None)
            self._at.update(dict.fromkeys(value.sources, vertex))

    def _cell_of(self, source: Source) -> list[Source]:
        """Return a cell's output gate and memory, if the memory has no other way out than its loop."""
        at = self._at[source]
        edges = [] if at is None else self.edges[at]
        if len(edges) != 1 or edges[0].word != "mul" or edges[0].after == EXIT:
            return []
        scaled = edges[0].after
        others = self._values[scaled].sources - self._values[edges[0].before].sources
        places = {self._at.get(other) for other in others}
        memory = places.pop() if len(places) == 1 else None
        if memory is None or not self._ends(memory, without=scaled) <= {"loop", "memory"}:
            return []
        return sorted(self._values[scaled].sources, key=lambda source: source.order)

    def _fits(self, value: Value, source: Source) -> bool:
        """Whether a gate can stand at a value: each node of the source has places of its own there."""
        return (
            value.kind == "nodes"
            and value.key is not None
            and not self.is_closed(value.key)
            and jnp.issubdtype(value.aval.dtype, jnp.floating)
            and value.ids.min(initial=0) >= 0
            and len(np.unique(value.ids)) == len(source.labels)
        )

    def is_closed(self, key: Key) -> bool:
        """Whether no gate can stand at a place."""
        return any(key[0][: len(closed)] == closed for closed in self.reader.closed)

    def group_of(self, site: Site) -> Group | None:
        """Return the group of a site's nodes; None if nothing reads the site."""
        return self._groups_by_key.get(site.key)

    def free_name(self, path: str) -> str:
        """Return a path, with a number if it is the name of a layer."""
        return f"{path} #2" if path in self._short.values() else path

    def name_of(self, path: str) -> str:
        """Return the name of the layer of a parameter."""
        return self._short.get(path, path)

    def stack_of(self, weights: Source | Value) -> list[tuple[str, int]]:
        """Return the common path of the parameters and the length, for each loop that slices a parameter."""
        return [(self.reader.prefixes.get(frame, ""), length) for frame, length in weights.stack]

    def _ends(self, vertex: int, without: int = EXIT) -> set[str]:
        """Return how the nodes of a value end, in words; "added" if they live on beside others in a sum.

        Ways through ``without`` are left out.
        """

        def onward(at: int) -> Iterator[int]:
            ways = (way for edge in self.edges[at] for way in (edge.after, edge.onward))
            return (way for way in ways if way != without)

        def word(edge: Edge) -> str:
            if edge.after == EXIT:
                return "added" if edge.word == "loop" and edge.before in self.reader.added else edge.word
            joins = self._values[edge.after].sources - self._values[edge.before].sources
            return "added" if edge.word in ("add", "sub") and joins else ""

        edges = (edge for at in graph.reached([vertex], onward) for edge in self.edges[at])
        return {word(edge) for edge in edges} - {""}

    # Groups

    def _groups(self) -> list[Group]:
        """Group the sources of each site: the calls of a layer, and the parts of what a layer makes."""
        divided = {s for s in self._sources if self._words[s] == {"part"}}
        own = [s for s in self._sources if s not in divided and (s.parent is None or s.parent in divided)]
        groups: list[Group] = []
        owner: dict[tuple, tuple[Group, Source]] = {}
        done: set[int] = set()
        for source in own:
            vertex = self._at[source]
            if vertex in done:
                continue
            made = [source] if vertex is None else [s for s in self._together[vertex] if s in own]
            if vertex is not None:
                done.add(vertex)
            traits = (vertex is not None and self._is_default(made), vertex is None)
            known = [(owner[k], s) for s in made for k in [self._identity(s, traits)] if k in owner]
            if known:
                (group, _), base = known[0]
            else:
                group, base = Group(), self._values[vertex].first if vertex is not None else source
                groups.append(group)
            group.sources.append(made)
            if vertex is not None:
                call = len(group.sources) - 1
                group.vertices += [(at, base, call) for at in (vertex, *self._more.get(vertex, []))]
            for s in made:
                owner.setdefault(self._identity(s, traits), (group, s))
        return groups

    def _identity(self, source: Source, traits: tuple[bool, ...]) -> tuple:
        lengths = tuple(length for _, length in source.stack)
        root = root_of(source)
        made: tuple = (root.path, root.axes) if root.axes else (source.path, source.order)
        return (*made, source.kind, lengths, *traits)

    def _is_default(self, made: list[Source]) -> bool:
        """Whether nodes are gated by default: hidden nodes, channels or heads with a value of their own."""
        vertex = self._at[made[0]]
        if vertex is None:
            return False
        words = set().union(*[self._words[s] for s in made])
        is_linear = not self._values[vertex].is_bent
        return (
            vertex in self._hidden
            and not all(self._words[s] <= {"attention", "part", "output"} for s in made)
            and not all(s.is_embedding for s in made)
            and not any(s.reason for s in made)
            and not words & rules.ORDERING
            and not (is_linear and ("added" in words or self._is_low_rank(made, words)))
        )

    def copied(self, vertex: int) -> int:
        """Return the value of which a value is a copy."""
        while vertex in self.reader.same:
            vertex = self.reader.same[vertex]
        return vertex

    def _is_low_rank(self, made: list[Source], words: set[str]) -> bool:
        """Whether each reader has a parallel layer that reads the inputs of these nodes, as in low-rank adaptation."""
        readers = {word.removeprefix("read by ") for word in words}
        if not words or not all(word.startswith("read by ") for word in words):
            return False
        own = {self._read_of[s] for s in made if s in self._read_of}
        mates = [
            {self._read_of.get(s) for s in together if s.path not in readers}
            for together in self._together.values()
            if readers & {s.path for s in together if s.kind != "head"}
        ]
        return bool(mates) and all(own & read for read in mates)

    # Names

    def _names(self, groups: list[Group]) -> list[str]:
        """Return the paths of the groups, unique within each kind."""
        layers = defaultdict(set)
        for s in self._sources:
            if s.kind != "head" and not s.path.endswith("/*"):
                layers[s.path.rpartition("/")[0]].add(s.path)
        self._short = {p: (layer if layer and len(p_) == 1 else p) for layer, p_ in layers.items() for p in p_}
        clash = Counter(self._short.values())
        self._short = {
            p: (short if clash[short] == 1 and short not in self._short else p) for p, short in self._short.items()
        }
        names: list[str] = []
        seen: dict[tuple[str, str], list[int]] = defaultdict(list)
        for group in groups:
            path, number = self._name(group), 2
            key = (path, group.first.kind)
            while set(seen[key]) & set(group.numbers):
                key, number = (f"{path} #{number}", group.first.kind), number + 1
            seen[key] += group.numbers
            names.append(key[0])
        return names

    def _name(self, group: Group) -> str:
        most = max(group.sources, key=lambda made: (len(made), any(s.path.endswith("/*") for s in made)))
        made = sorted(most, key=lambda s: (s.parent is not None, s.order))
        names = list(dict.fromkeys(self.name_of(s.path) for s in made))
        name = names[0] if len(names) == 1 else common([s.path for s in made]) or names[0]
        return name.removesuffix("/*").removesuffix("/~")  # parts of several layers; Haiku marks a method with ~

    def _site(self, group: Group, path: str) -> Site:
        first, numbers = group.first, group.numbers
        words = sorted({word for made in group.sources for s in made for word in self._words[s]}, key=self._order)
        stack = self.stack_of(first)

        def places_at(of: Callable[[int, Source], int]) -> tuple[Place, ...]:
            return tuple(
                Place(
                    self._values[of(vertex, base)].key or (),
                    np.searchsorted(numbers, base.labels)[self._values[of(vertex, base)].ids],
                    tuple(frame for frame, _ in base.stack),
                    call if group.has_calls else 0,
                )
                for vertex, base, call in group.vertices
            )

        places = places_at(lambda vertex, _: vertex)
        has_none = not places or first.reason or not numbers
        reason = self._reason(first, words) if has_none else self._ordered(words)
        names = copies(path, stack)
        return Site(
            path,
            first.kind,
            len(numbers),
            f"{names[0]} {first.kind} {numbers[0] if numbers else ''}",
            tuple(length for _, length in stack),
            tuple(numbers),
            names,
            default=bool(places) and not reason and self._is_default(group.sources[0]),
            reads=", ".join(dict.fromkeys(self._in_words(word) for word in words)),
            reason=reason,
            makers=tuple(dict.fromkeys(self.name_of(root_of(s).path) for made in group.sources for s in made)),
            places=places,
            own_places=places_at(self._own),
            shape=first.sizes if math.prod(first.sizes) == len(numbers) else (),
            head_of=_head_of(group, numbers),
        )

    def _order(self, word: str) -> tuple[int, str]:
        """Sort key: readers in program order, then other words."""
        path = word.removeprefix("read by ")
        return min((s.order for s in self._sources if s.path == path), default=len(self._sources) + 1), word

    def _in_words(self, word: str) -> str:
        path = word.removeprefix("read by ")
        if path != word:
            return self.name_of(path)
        return {
            "added": "a sum",
            "loop": "the next step",
            "memory": "the next step",
            "output": "outputs",
            "part": "parts of it",
        }.get(word, word)

    def _ordered(self, words: list[str]) -> str:
        orders = sorted(set(words) & rules.ORDERING)
        hint = "a node that is zero may still be chosen; gate what is made of the choice"
        return f"{', '.join(orders)} puts its nodes in order: {hint}" if orders else ""

    def _reason(self, source: Source, words: list[str]) -> str:
        if source.reason or not len(source.labels):
            return source.reason or "it has no nodes"
        value = self._values[source.vertex]
        if value.key is not None and self.is_closed(value.key):
            return "it is made within a branch, or within a function with a derivative of its own: move it out"
        if not jnp.issubdtype(value.aval.dtype, jnp.floating):
            return f"its values are {value.aval.dtype}, no floating-point numbers"
        return "its nodes are mixed with others before a gate can stand: give it a value of its own"


def _head_of(group: Group, numbers: list[int]) -> np.ndarray | None:
    """Return the head that an attention makes of each node, or None; see ``Site``."""
    if group.first.kind == "head":
        return np.arange(len(numbers))
    made = [source for own in group.sources for source in own]
    known = [(source.labels, source.head_of) for source in made if source.head_of is not None]
    if not known or len(known) < len(made):
        return None
    found = np.full(len(numbers), -1)
    for labels, head_of in known:
        found[np.searchsorted(numbers, labels)] = head_of
    return found if len({int(head_of.max()) for _, head_of in known}) == 1 else np.full(len(numbers), -1)


def _unread(path: str, nodes: int) -> Site:
    """Return the site of a parameter that nothing reads."""
    reason = "it is never read: nothing of it reaches the outputs"
    return Site(path, "unit", nodes, f"{path} unit 0", (), tuple(range(nodes)), (path,), reason=reason)
