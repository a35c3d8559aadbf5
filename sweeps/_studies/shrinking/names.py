"""The methods, rankings and networks of the study, and what figures, tables and sentences call them."""

#: The methods of the paper, two of which predict from derivatives; and the two ways to rank.
METHODS = ("brute_force", "first_order", "second_order")
TAYLOR = METHODS[1:]
RANKINGS = ("single_pass", "reranked")
#: Keys of the networks that the paper reports on: one hidden layer, and two.
PAPER = ("1", "2")

#: Keys of networks of one layer whose training ended early begin with this, and end with the number of epochs.
EARLY = "early_"

METHOD_NAMES = {
    "brute_force": "brute force",
    "first_order": "first order",
    "second_order": "second order",
    "magnitude": "weight norm",
    "activation": "activation s.d.",
    "gradient": "size of gradient",
    "random": "random",
    "shapley": "Shapley value",
    "correlation": "most correlated pair",
    "contribution": "least contribution",
}
#: What takes over from a node that goes.
STAND_IN_NAMES = {
    "nothing": "nothing",
    "bias": "the biases",
    "partner": "the partner",
    "rest": "all that remain",
}
#: What is equal where pruning and Cascade Correlation are compared, and what its outputs read.
LEVEL_NAMES = {"loss": "training error", "accuracy": "training accuracy", "test_accuracy": "test accuracy"}
READ_NAMES = {1: "inputs and nodes", 0: "nodes alone"}
RANKING_NAMES = {"single_pass": "ranked once", "reranked": "re-ranked"}


def method_name(method: str) -> str:
    """Return what a method is called; one that is not known, by its own name in words.

    Examples
    --------
    >>> method_name("first_order"), method_name("of_my_own")
    ('first order', 'of my own')
    """
    return METHOD_NAMES.get(method, method.replace("_", " "))


def in_order(methods: list[str]) -> list[str]:
    """Sort methods as they are always listed; those that are not known come last."""
    known = list(METHOD_NAMES)
    return sorted(methods, key=lambda method: known.index(method) if method in known else len(known))


def layer_name(layer: str, layers: list[str]) -> str:
    """Return what a layer is called: its place among the hidden ones.

    Examples
    --------
    >>> layer_name("layers/1", ["layers/0", "layers/1"])
    'hidden layer 2 (outer)'
    """
    place = layers.index(layer) + 1
    return f"hidden layer {place}" + (" (outer)" if place == len(layers) > 1 else "")


def network_name(key: str) -> str:
    """Return what a network is called.

    Examples
    --------
    >>> network_name("2"), network_name("cross_entropy"), network_name("early_3")
    ('2 layers', 'cross-entropy', '3 epochs')
    """
    if key.startswith(EARLY):
        return f"{key.removeprefix(EARLY)} epoch{'' if key == f'{EARLY}1' else 's'}"
    if key.isdigit():
        return f"{key} layer{'' if key == '1' else 's'}"
    return key.replace("_", "-")


def macro_prefix(key: str) -> str:
    r"""Return the first words of the macros of a network, as in ``\shrinkingOneLayersLoss``."""
    return f"{key} layers" if key.isdigit() else key
