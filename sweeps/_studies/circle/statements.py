"""What the circle study's source says, and by which rule each of it is judged: fixed before anything was measured."""

from analysis.claims import Statement
from sweeps._studies.circle.measures.cubes import SIGNIFICANT
from sweeps._studies.circle.measures.many import PATHS

#: A published number outside the range of our networks counts if one of them would lie there this rarely.
RARE = 0.1
#: Largest difference of distribution functions at which a law is called a good approximation.
CLOSE = 0.1
#: Share of the full network's loss that is called barely noticeable.
BARELY = 0.05
#: Part of the change by which its prediction may be off and still be called close.
NEAR = 1 / 3
#: Shares of cases from which on a claim on all of them holds, and down to which it fails.
MOST, HALF = 0.9, 0.5
#: Accuracy from which on the network is called accurate.
ACCURATE = 0.95
#: Share of flips from which on something is said to happen: one in twenty.
SOMETIMES = 0.05
#: Share of the variance that a part explains if it counts: one twentieth.
COUNTS = 0.05

OURS = "ours"
_RANGE = (
    "a published number holds if it lies within the range of our networks with the same circle as this run's, and does "
    "not hold outside; with fewer than 19 networks, whose range one more network leaves more than one time in ten, a "
    "number outside decides nothing"
)
_EVERY = "by an interval over our networks"
_DRAWN = (
    "it holds if the masks that the source's code draws (NumPy's generator, seed 17), drawn again, have these numbers; "
    "nothing is left to chance"
)

STATEMENTS = {
    "accurate": Statement(
        "With all nodes on, the network approximates the circle",
        f"it holds if the accuracy on the test set, {_EVERY}, is above {100 * ACCURATE:g} %: at most one point in "
        "twenty is on the wrong side",
        published="with all the nodes on, the network accurately approximates a circle",
    ),
    "full_loss": Statement("With every node on, the loss is 0.117", _RANGE, published="0.117"),
    "which_nodes": Statement(
        "Performance varies a lot with which nodes are off",
        f"it holds if, {_EVERY}, more than half of the variance of the log loss is among masks with the same number of "
        "nodes on: which nodes are off says more than how many",
        published="network performance varies a lot depending on which neurons in particular are removed",
    ),
    "one_flip": Statement(
        "One flip can matter, and usually does not change all",
        f"it matters if more than one flip in twenty changes the loss by a factor of {SIGNIFICANT:g} or more; it does "
        "not change all if the log loss before a flip explains more than half of the variance of that after it; both "
        f"{_EVERY}",
        published="can have a significant effect, but doesn't usually completely change the network behaviour",
    ),
    "mean_loss": Statement(
        "The mean loss with nodes removed at random",
        f"at each p {_RANGE}",
        published="1.028, 0.878, 0.584 at p = 0.25, 0.5, 0.75",
    ),
    "log_loss": Statement(
        "The mean and the standard deviation of the log loss",
        f"for each mean and each standard deviation, {_RANGE}",
        published="means −0.080, −0.285, −0.729; standard deviations 0.448, 0.554, 0.613",
    ),
    "more_nodes": Statement(
        "Networks with more nodes missing have a higher loss",
        "it holds if the mean loss falls from each p to the next, by an interval over our networks above 0, and fails "
        "if one interval is below 0",
        published="networks with more nodes missing generally have higher loss",
    ),
    "rises": Statement(
        "With few nodes the mean loss rises before it falls",
        f"it holds if the mean loss over all masks, {_EVERY}, rises at p = 0: if one node alone raises the loss of the "
        "empty network on average",
        source=OURS,
    ),
    "first_nodes": Statement(
        "It rises because a bias node alone does harm",
        f"it holds if, in the empty network and {_EVERY}, a bias node raises the loss and a slicing node lowers it",
        source=OURS,
    ),
    "wiggles": Statement(
        "The wiggles of the densities are noise",
        "it holds if the density of all masks, drawn with the same kernel, has fewer than half as many maxima as that "
        f"of the draws, {_EVERY}, all p together; a maximum counts if the density falls by a hundredth of its largest "
        "value on both sides",
        published="small local wiggles are probably just random noise",
    ),
    "full_masks": Statement(
        "At p = 0.75, 5 of 1,000 masks have every node on, and 3 lack node 14 alone",
        _DRAWN,
        published="5; 3.17 expected; 3",
    ),
    "distinct_masks": Statement("At p = 0.75, 952 masks of 1,000 are distinct", _DRAWN, published="952"),
    "skewed": Statement(
        "The loss is skewed to the right",
        "it holds if the skewness, by its interval over our networks, is above 0 at every p",
        published="the data looks rightward skewed",
    ),
    "noise": Statement(
        "The log loss departs from a bell curve by noise only",
        "over networks and p, the share of samples that lie as close to the normal law of best fit as 95 of 100 normal "
        f"samples do: it holds from {100 * MOST:g} % on, which leaves room for the scatter of such a share, and fails "
        f"at {100 * HALF:g} % or less",
        published="the variation could well be written off as noise",
    ),
    "approximation": Statement(
        "A log-normal law is a good approximation",
        "it holds if the largest difference of the distribution functions, at the p where it is largest, has an "
        f"interval over our networks below {CLOSE:g}: no probability that is read off the law is wrong by more than "
        "ten percentage points",
        published="assuming a log-normal distribution is a reasonably good approximation",
    ),
    "harmless": Statement(
        "One node can go at hardly any cost",
        f"it holds if the node that matters least changes the loss by less than {100 * BARELY:g} % of it, {_EVERY}; "
        "the source's node changed it by 1.7 %",
        published="0.119 without node 14, 0.117 with it: barely noticeable",
    ),
    "mean_gradients": Statement(
        "The mean gate gradients",
        f"for each quantity and p, {_RANGE}",
        published="loss −0.0693, −0.0475, 0.0270; log loss −0.0747, −0.0584, −0.0467",
    ),
    "sd_gradients": Statement(
        "The standard deviations of the gate gradients",
        f"for each quantity and p, {_RANGE}",
        published="loss 0.368, 0.335, 0.267; log loss 0.361, 0.384, 0.446",
    ),
    "negative": Statement(
        "The mean loss gradient is below 0",
        f"it holds if it is, at every p, {_EVERY}",
        published="the means are slightly negative",
    ),
    "tails": Statement(
        "The loss gradient has heavier tails than a normal law",
        f"it holds if the excess kurtosis is above 0 at every p, {_EVERY}",
        published="more pointy topped and heavy tailed than their bell curves",
    ),
    "check": Statement(
        "Ten times the mean loss gradient at p = 0.5 is close to the change of the mean loss",
        f"it holds if the prediction is off by less than a third of the change, {_EVERY}; the source calls 7 % "
        "reasonably close, and does not say what would not be",
        published="−0.475 against −0.443",
    ),
    "trough": Statement(
        "The density of the log-loss gradient has a trough at 0",
        "it holds if, at every p, the density at 0 is below the lower of the maxima on both sides, the share that is "
        f"missing being above 0 {_EVERY}",
        published="consistent trough at 0",
    ),
    "states": Statement(
        "The log-loss gradient is below 0 for nodes that are off, above 0 for nodes that are on",
        f"it holds if both means are so, at p = 0.5, {_EVERY}",
        published="off −0.1726, on 0.0558 at p = 0.5",
    ),
    "two_laws": Statement(
        "Nodes on and nodes off, each apart, still have the trough",
        f"it holds if in each of the two densities at p = 0.5 a share is missing at 0, {_EVERY}: the trough is then "
        "not that between two laws of one peak each",
        published="that wasn't quite what I expected",
    ),
    "unequal": Statement(
        "Some nodes make much less of a difference",
        "it holds if the root mean square of the log-loss gradient of the weakest node is less than half of that of "
        f"the strongest, at p = 0.5, {_EVERY}",
        published="some neurons just don't make as much of a difference",
    ),
    "reversal": Statement(
        "Covariances with the start and with the end of a path are equal",
        "they are by construction; it holds if the paths of this run do not deny it, by Hotelling's test of level 0.05",
        published="any difference can reasonably be attributed to sampling error",
    ),
    "decay": Statement(
        "After 5 or 6 flips a network is no longer correlated with the start",
        "more paths resolve smaller correlations, and the source does not say how many it has: not comparable; "
        f"measured are the flips after which {PATHS:,} paths would no longer tell the exact correlation from 0 (level "
        "0.05)",
        published="around 5 or 6 flips",
    ),
    "opposite": Statement(
        "A mask and its opposite have positively correlated log losses",
        f"it holds if the correlation over all masks is above 0, {_EVERY}",
        published="significant positive correlation",
    ),
    "good_opposites": Statement(
        "The opposite of a mask that scores well usually scores well",
        "it holds if, of the best tenth of all masks, more than half have an opposite that is better than half of all "
        f"masks, {_EVERY}",
        published="the result is usually still a well scoring network",
    ),
    "balance": Statement(
        "A pruned network scores well when its nodes balance",
        "over all masks, the numbers of slicing and of bias nodes that are on, their squares and product, and the "
        "imbalance of the directions explain more than half of the variance of the log loss; the imbalance adds more "
        f"than a twentieth of it; and imbalance raises the log loss; all three {_EVERY}",
        published="scores well when its nodes balance out",
    ),
    "whole_balance": Statement(
        "The full network is well balanced",
        f"it holds if its imbalance is less than half of that of the mean mask, {_EVERY}: only then does what is off "
        "balance nearly as what is on does",
        published="as the full network is well balanced",
    ),
    "explains": Statement(
        "That is why opposites are alike",
        "it holds if the products of the numbers and the imbalance of the directions each contribute more than 0 to "
        f"the correlation of opposites, and the correlation without both is below 0, {_EVERY}",
        published="this makes the nodes of the reversal also well balanced",
    ),
    "bias_nodes": Statement(
        "Some nodes act as a bias and assign all points to the inside",
        "4 bias nodes, active on every test point, lie within the range of our networks; and of all bias nodes at "
        f"least {100 * MOST:g} % push towards the inside (fewer than {100 * HALF:g} %: it fails)",
        published="nodes 0, 9, 10 and 19",
    ),
    "slices": Statement(
        "The other nodes slice off what lies far in one direction as outside",
        f"of all other nodes at least {100 * MOST:g} % push towards the outside, and are active on less than half of "
        f"the test points (fewer than {100 * HALF:g} %: it fails)",
        published="the other nodes slice a part of the space away at the edges",
    ),
    "edge": Statement(
        "Most of the loss lies around the edge of the circle",
        "it holds if more than half of the loss over the square lies where the network is uncertain, the probability "
        f"of either class above 0.05, {_EVERY}",
        published="most of the predictive loss occurs around the edge",
    ),
    "confident": Statement(
        "Where the network is confident, a change of the nodes has hardly any effect",
        "it holds if more than half of the absolute gate gradients over the square lie where the network is uncertain, "
        f"{_EVERY}",
        published="a marginal change to the neurons has a negligible effect on loss",
    ),
}
