"""Rules on what the paper tried without results, or left for later: correlations that choose, Cascade Correlation."""

from analysis.claims import FAILS, NOT_MEASURED, UNDECIDED, Claim, Statement, above, judged, within
from sweeps._studies.shrinking.measures import Results
from sweeps._studies.shrinking.measures.cascade import Level
from sweeps._studies.shrinking.measures.paths import TOLERATED
from sweeps._studies.shrinking.measures.replacing import CORRELATED, PLAIN, Way
from sweeps._studies.shrinking.names import LEVEL_NAMES, STAND_IN_NAMES, method_name, network_name
from sweeps._studies.shrinking.rules.judging import NEAR, claim_of

#: Numbers of nodes are the same where one is at least and at most so many times the other.
SAME = (0.8, 1.25)
#: Criteria that the choice by correlation should improve on.
RIVALS = ("brute_force", "second_order")
#: The levels that the claim is judged by.
JUDGED = ("loss", "test_accuracy")

_COUNTED = (
    f"it is judged by the nodes that go before the accuracy on the examples of the ranking falls by more than {NEAR}, "
    "paired by network"
)


def _differences(results: Results, statement: Statement, pairs: dict[str, tuple[Way, Way]]) -> Claim:
    """Judge that the first way of each pair removes more nodes than the second."""
    found = results.replacing
    parts = {} if found is None else {name: found.difference(*pair) for name, pair in pairs.items()}
    return claim_of(statement, parts, above, unit="nodes")


def correlated_choice(results: Results) -> Claim:
    """Judge the choice of one node of the most correlated pair against others, all else equal."""
    statement = Statement(
        "Correlations improve the choice of the next node",
        "in each case the node most correlated with the one that goes takes over. It holds where one node of the most "
        "correlated pair lets more nodes go than the choice of brute force, and than that of second order, and does "
        f"not hold where both let more go; {_COUNTED}",
        source="ours",
    )
    pairs = {method_name(name): (CORRELATED, CORRELATED._replace(choice=name)) for name in RIVALS}
    return _differences(results, statement, pairs)


def correlated_removal(results: Results) -> Claim:
    """Judge the whole idea, choice and compensation, against plain brute force."""
    statement = Statement(
        "Removing one of a correlated pair beats brute force",
        "it holds where more nodes can go one of the most correlated pair after the other, its partner taking over, "
        f"than by brute force with nothing taking over, and does not hold where fewer can; {_COUNTED}",
        source="ours",
    )
    return _differences(results, statement, {method_name("brute_force"): (CORRELATED, PLAIN)})


def taking_over(results: Results) -> Claim:
    """Judge whether more nodes go where correlated ones take over."""
    statement = Statement(
        "More nodes can go where correlated ones take over",
        "brute force chooses. It holds where more nodes can go if the most correlated node takes over than if nothing "
        "does, and still more if all that remain do, and does not hold where neither is so; "
        f"{_COUNTED}",
        source="ours",
    )
    ways = {name: PLAIN._replace(stand_in=name) for name in ("nothing", "partner", "rest")}
    pairs = {"partner": (ways["partner"], ways["nothing"]), "rest": (ways["rest"], ways["partner"])}
    return _differences(results, statement, {STAND_IN_NAMES[name]: pair for name, pair in pairs.items()})


def same_number(level: Level) -> str:
    """Judge that the numbers of nodes are the same; one that was not reached can only be larger."""
    verdict = within(level.ratio, *SAME)
    is_whole = level.reached == len(level.grown)
    return verdict if is_whole or (verdict == FAILS and level.ratio.low > SAME[1]) else UNDECIDED


def cascade(results: Results) -> Claim:
    """Judge the nodes that Cascade Correlation needs, as a multiple of those that pruning leaves."""
    statement = Statement(
        "Cascade Correlation arrives at the same number of nodes",
        f"brute force, re-ranked, prunes until the accuracy would fall by more than {NEAR}, or in a regression the "
        f"error rise above {TOLERATED:g} times its start; Cascade Correlation, as published, grows until its training "
        "error is as low, and until its test accuracy is as high. It holds where the intervals of all ratios of the "
        f"two numbers of nodes lie within {SAME[0]:g} to {SAME[1]:g}, and does not hold where all lie outside",
        source="ours",
    )
    levels = {
        f"{network_name(key)}, {LEVEL_NAMES[name]}": one.level(name)
        for key, one in results.grown.items()
        for name in one.names
        if name in JUDGED
    }
    if not levels:
        return Claim(statement, NOT_MEASURED)
    parts = {
        name: (same_number(level), dict.fromkeys(("found", "measured"), level.ratio)) for name, level in levels.items()
    }
    return judged(statement, parts)
