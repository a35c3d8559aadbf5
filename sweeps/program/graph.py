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
    order = _finished(after)
    rank = {vertex: number + 1 for number, vertex in enumerate(order)} | {EXIT: 0}
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
        for vertex in order:
            known = [b for b in after[vertex] if b in above]
            if known:
                new = known[0]
                for b in known[1:]:
                    new = meet(new, b)
                changed |= above.get(vertex) != new
                above[vertex] = new
    return above


def _finished(after: Mapping[int, Sequence[int]]) -> list[int]:
    """Vertices, each after all that it leads to, but for loops."""
    order: list[int] = []
    seen: set[int] = set()
    for root in after:
        stack = [] if root in seen else [(root, iter(after[root]))]
        seen.add(root)
        while stack:
            vertex, rest = stack[-1]
            found = next((b for b in rest if b != EXIT and b not in seen and b in after), None)
            if found is None:
                order.append(vertex)
                stack.pop()
            else:
                seen.add(found)
                stack.append((found, iter(after[found])))
    return order


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
