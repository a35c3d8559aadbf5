"""What ways of pruning are called in figures, tables and sentences."""

BY_NAMES = {
    "magnitude": "magnitude",
    "norm": "norm of incoming weights",
    "activation": "activation s.d.",
    "gradient": "size of gradient",
    "first_order": "first order",
    "second_order": "second order",
    "brute_force": "brute force",
    "random": "random",
}
SCOPE_NAMES = {
    "layer": "within each layer",
    "global_raw": "global, raw",
    "global_normalised": "global, normalised",
}


def by_name(by: str) -> str:
    """Return what a heuristic is called; one that is not known, by its own name in words.

    Examples
    --------
    >>> by_name("first_order"), by_name("of_my_own")
    ('first order', 'of my own')
    """
    return BY_NAMES.get(by, by.replace("_", " "))


def scope_name(scope: str) -> str:
    """Return what a scope is called: what is ranked together.

    Examples
    --------
    >>> scope_name("global_raw")
    'global, raw'
    """
    return SCOPE_NAMES.get(scope, scope.replace("_", " "))


def method_name(kind: str, by: str, scope: str = "layer") -> str:
    """Return what a way of pruning is called; the published scope, within each layer, is not named.

    Examples
    --------
    >>> method_name("weights", "magnitude"), method_name("units", "norm", "global_raw")
    ('weights, magnitude', 'units, norm of incoming weights (global, raw)')
    """
    return f"{kind}, {by_name(by)}" + ("" if scope == "layer" else f" ({scope_name(scope)})")


def layer_name(layer: str, kind: str, sizes: list[int]) -> str:
    """Return what a layer is called, with the size of its weight matrix or its number of units.

    Examples
    --------
    >>> layer_name("layers/1", "weights", [64, 200, 100, 10]), layer_name("layers/1", "units", [64, 200, 100, 10])
    ('layer 2 (200 × 100)', 'layer 2 (100)')
    """
    place = layer.rpartition("/")[2]
    if not place.isdigit() or int(place) + 1 >= len(sizes):
        return layer
    first, second = sizes[int(place)], sizes[int(place) + 1]
    return f"layer {int(place) + 1} ({f'{first} × {second}' if kind == 'weights' else second})"
