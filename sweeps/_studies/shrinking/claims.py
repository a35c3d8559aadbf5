"""The claims of the paper on removal, each judged from the numbers by a rule that the page states beside it.

Every number is a mean over networks that differ in the seed, with its 95 % t-interval. A claim on several parts holds
where it holds in each of them, does not hold where it holds in none, and holds partly where some hold and some do not.
"Re-ranked" is meant throughout where nothing else is said.

References
----------
N. Wolfe, A. Sharma, B. Raj (2016), The Incredible Shrinking Neural Network: Pruning to Operate in Constrained Memory
Environments.
"""

from analysis.claims import Claim
from sweeps._studies.shrinking.measures import Results
from sweeps._studies.shrinking.rules import choices, curves, further, sizes

#: Every rule, in the order of the page.
RULES = (
    *(curves.second_over_first, curves.second_later, curves.brute_force, curves.brute_force_elsewhere),
    *(curves.removable, curves.harder, curves.single_pass, curves.proxy, curves.clearer, curves.taylor_beyond),
    *(choices.taylor_layers, choices.outer_layer, curves.deeper, curves.flat, choices.convexity, choices.accurate),
    *(choices.poor_choices, choices.closer, choices.cancelling, choices.uneven, choices.greedy),
    *(sizes.early_worse, sizes.early_error, sizes.early_accuracy, sizes.larger, sizes.larger_trained_on),
    *(sizes.memory, sizes.tradeoff, curves.cross_entropy, choices.smooth, choices.retraining),
    *(further.correlated_choice, further.correlated_removal, further.taking_over, further.cascade),
)


def all_claims(results: Results) -> dict[str, Claim]:
    """Judge every claim.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict of str to Claim
        By name, in the order of the page.
    """
    return {rule.__name__: rule(results) for rule in RULES}
