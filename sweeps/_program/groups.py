"""Groups: the sources of a site's nodes."""

from sweeps._program.values import Source


class Group:
    """The sources of a site's nodes.

    Attributes
    ----------
    sources : list of list of Source
        By call, those whose nodes share gates.
    vertices : list of tuple
        The values at which gates stand, each with the source that numbers it and the number of the call.
    """

    def __init__(self) -> None:
        self.sources: list[list[Source]] = []
        self.vertices: list[tuple[int, Source, int]] = []

    @property
    def first(self) -> Source:
        """The source that names the group."""
        return min((source for made in self.sources for source in made), key=lambda source: source.order)

    @property
    def has_calls(self) -> bool:
        """Whether a layer is called several times; parts of a single call do not count."""
        return sum(len(made[0].labels) for made in self.sources) > len(self.numbers)

    @property
    def numbers(self) -> list[int]:
        """Numbers of the nodes among all that their parameter makes."""
        bases = [base for _, base, _ in self.vertices] or [self.first]
        return sorted({int(label) for base in bases for label in base.labels})
