"""Graph: searches, and the vertices that all ways from a value to where it is read go through."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from sweeps._program.values import EXIT


def reached(start: Iterable[int], onward: Callable[[int], Iterable[int]]) -> Iterator[int]:
    """Yield the vertices that are reached from some, these first, breadth first; EXIT is left out.

    Parameters
    ----------
    start : iterable of int
        The vertices to begin with.
    onward : callable
        Vertex -> vertices that it leads to; it is called after the vertex was yielded.
    """
    queue = list(dict.fromkeys(start))
    seen = {EXIT, *queue}
    for vertex in queue:
        yield vertex
        for after in onward(vertex):
            if after not in seen:
                seen.add(after)
                queue.append(after)


def ancestors(vertices: Iterable[int], after: Mapping[int, Iterable[int]]) -> set[int]:
    """Return all vertices from which one of these is reached."""
    before = reversed_edges(after)
    return set(reached(vertices, lambda vertex: before.get(vertex, ())))


def reversed_edges(after: Mapping[int, Iterable[int]]) -> dict[int, list[int]]:
    """Return the vertices that lead to each vertex."""
    before = defaultdict(list)
    for vertex, onward in after.items():
        for b in onward:
            before[b].append(vertex)
    return before


def post_dominators(after: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """Return the next vertex that all ways from each vertex to EXIT go through.

    References
    ----------
    Cooper, Harvey, Kennedy (2001), A simple, fast dominance algorithm.
    """
    order = _back_from_exit(after)
    rank = {vertex: number for number, vertex in enumerate([EXIT, *order])}
    above = {EXIT: EXIT}

    def meet(a: int, b: int) -> int:
        while a != b:
            while rank[a] > rank[b]:
                a = above[a]
            while rank[b] > rank[a]:
                b = above[b]
        return a

    changed = True
    while changed:
        changed = False
        for vertex in order:  # each follows a vertex that it leads to: some of these are known
            known = [b for b in after[vertex] if b in above]
            if known:
                new = known[0]
                for b in known[1:]:
                    new = meet(new, b)
                changed |= above.get(vertex) != new
                above[vertex] = new
    return above


def _back_from_exit(after: Mapping[int, Sequence[int]]) -> list[int]:
    """Vertices from which EXIT is reached, in reverse postorder of the edges followed backwards from EXIT."""
    before = reversed_edges(after)
    done: list[int] = []
    seen = {EXIT}
    stack = [(EXIT, iter(before[EXIT]))]
    while stack:
        vertex, rest = stack[-1]
        following = next((a for a in rest if a not in seen), None)
        if following is None:
            done.append(vertex)
            stack.pop()
        else:
            seen.add(following)
            stack.append((following, iter(before[following])))
    return done[-2::-1]


def ways_through(vertex: int, above: Mapping[int, int]) -> list[int]:
    """Return the vertices that all ways from a vertex to EXIT go through, the vertex itself first."""
    chain = []
    while vertex != EXIT and vertex in above:
        chain.append(vertex)
        vertex = above[vertex]
    return chain
