"""Graph: what all ways from a value to where it is read go through."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sweeps.program.values import EXIT


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
        for vertex in order:  # each after one that it leads to, so that some of these are known
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
    before = defaultdict(list)
    for vertex, onward in after.items():
        for b in onward:
            before[b].append(vertex)
    done: list[int] = []
    seen = {EXIT}
    stack = [(EXIT, iter(before[EXIT]))]
    while stack:
        vertex, rest = stack[-1]
        found = next((a for a in rest if a not in seen), None)
        if found is None:
            done.append(vertex)
            stack.pop()
        else:
            seen.add(found)
            stack.append((found, iter(before[found])))
    return done[-2::-1]


def ways_through(vertex: int, above: Mapping[int, int]) -> list[int]:
    """The vertices that all ways from a vertex to EXIT go through, the vertex itself first."""
    chain = []
    while vertex != EXIT and vertex in above:
        chain.append(vertex)
        vertex = above[vertex]
    return chain


def ancestors(vertices: Iterable[int], edges: Iterable[tuple[int, int]]) -> set[int]:
    """All vertices from which one of these is reached."""
    before = defaultdict(list)
    for a, b in edges:
        before[b].append(a)
    stack = list(vertices)
    seen = set(stack)
    while stack:
        for a in before[stack.pop()]:
            if a not in seen:
                seen.add(a)
                stack.append(a)
    return seen
