"""What was published about relevance, and what that leaves open: each statement with the rule by which it is judged."""

from analysis._reports.wording import number
from analysis.claims import Statement
from sweeps._studies.relevance.measures import demonstrations, heat, ledger
from sweeps._studies.relevance.measures.gamed import HALF

#: Two curves or shares match where they are nowhere farther apart than this.
MATCH = 0.01
#: Unstable where the largest relevance grows so many times; stable where it grows less than so many times.
UNSTABLE, STABLE = 10.0, 2.0
#: Two replacements rank alike where the interval of the rank correlation lies above this.
ALIKE = 0.8
#: Inflated where there is more than so many times plain training's; hidden where so much more lies outside.
INFLATED, HIDDEN = 2.0, 0.1
#: So much accuracy, as a share, is no gain.
MINOR = 0.02
_ENOUGH = (
    "it holds where for one training or more the interval of the paired difference, at the chosen strengths, lies "
    f"above zero; it does not hold where all intervals end below {100 * MINOR:g} points (Bonferroni over the trainings)"
)
_WHERE = "judged for every training that is gamed somewhere, at the strongest strength at which it is: "
_BOTH = "; it does not hold for a training where one of the intervals lies below (Bonferroni over the trainings)"
_SAME = number(demonstrations.SAME, digits=None)
STATEMENTS = {
    "conserved": Statement(
        "Nothing disappears: inputs, biases and what is absorbed add up to the output",
        "it holds where the largest error of any step and any image is at most "
        f"{number(ledger.TOLERANCE, digits=None)} of the output, for every method that promises it; one method above "
        "that is enough for it not to hold",
    ),
    "one_method": Statement(
        "With biases as inputs, LRP is the slope rule, and this gradient × input",
        f"two methods are the same where no pixel of any stored image differs by more than {heat.SAME:g} of the "
        "largest relevance of both",
    ),
    "blip": Statement(
        "The blip is a line of slope 1 that jumps over zero",
        f"x + ε sign(x) is met within {_SAME} at every point, so no divisor is smaller than ε in size",
    ),
    "radial_cases": Statement(
        "The radial maximum has the three published cases; shares are not negative and sum to 1",
        f"over a grid of pairs, the shares of each case and their sum are met within {number(1e-5, digits=None)}",
    ),
    "repeat": Statement(
        "Only the nonlinearity rule “repeat” is not linear in relevance",
        f"R(1) + R(−1) less R(0) through a relu is zero (within {_SAME}) for every other rule, and not for it",
    ),
    "scaling": Statement(
        "Under scaling, gradient goes with gradient, slope and repeat; normalised with ignore",
        "for every matrix rule beside every nonlinearity rule, the factors through b = αa agree where that was "
        f"published, and differ where it was not (within {_SAME}); it holds partly where some pairs do otherwise",
    ),
    "constants": Statement(
        "Under maxima with constants, gradient goes with gradient alone",
        f"gradient agrees with gradient (within {_SAME}), and no other pair agrees; the relu form is the gradient rule "
        "in other steps and does not count as another",
    ),
    "doubled": Statement(
        "That max(a, c) = max(a, c, c) ruins most ways to split credit",
        f"the share of a differs by more than {MATCH:g} between the two, for every maximum rule but those of the "
        "gradient; it holds partly where only some of the others do",
    ),
    "radial": Statement(
        "The radial maximum matches the slope for two objects", f"the shares differ by at most {MATCH:g} at every ratio"
    ),
    "forms": Statement(
        "Softmax limit and relu form of a maximum disagree", f"the share of an object differs by more than {MATCH:g}"
    ),
    "unstable": Statement(
        "The normalised rule with biases left out is unstable, the slope rule is not",
        f"from the largest stabiliser (difference) to the smallest, the largest relevance grows {UNSTABLE:g}-fold or "
        f"more, while that of the slope rule grows less than {STABLE:g}-fold; it does not hold where the first grows "
        f"less than {STABLE:g}-fold or the second {UNSTABLE:g}-fold or more, and is undecided between",
    ),
    "blamed": Statement(
        "With biases as inputs the normalised rule is stable, too",
        f"the largest relevance grows less than {STABLE:g}-fold; it does not hold where it grows {UNSTABLE:g}-fold or "
        "more, and is undecided between",
        source="ours",
    ),
    "ones": Statement(
        "Biases can be turned into inputs of value one, whose relevance is that of the biases",
        "in a small network whose biases are ones among the inputs, the relevance of inputs and of ones differs from "
        f"that of inputs and biases by at most {number(ledger.TOLERANCE, digits=None)} of the largest",
    ),
    "swapped": Statement(
        "Comparison with a baseline is symmetric in the two inputs",
        "with input and baseline swapped, every relevance is the negative of what it was, within "
        f"{number(ledger.TOLERANCE, digits=None)} of the largest",
    ),
    "beats_random": Statement(
        "Every method finds relevant regions better than chance",
        "it holds where the interval of the area between, less that of random order, image by image, lies above zero "
        "for all methods and replacements; it does not hold where one lies below (Bonferroni over the methods)",
        source="ours",
    ),
    "same_ranking": Statement(
        "The ranking of the methods does not depend on the replacement",
        "it does not hold where two methods are told apart in opposite ways (Bonferroni over all pairs); it holds "
        f"where no two are, and the interval of the rank correlation lies above {ALIKE:g}",
        source="ours",
    ),
    "node_relevance": Statement(
        "A relevance ranks hidden nodes better than the gate gradient does",
        "it holds where for one relevance or more the interval of the paired difference of rank correlations lies "
        "above zero; it does not hold where for all it lies below (Bonferroni over the relevances)",
        source="ours",
    ),
    "helps": Statement("Training relevance into the region helps where the patch misleads", _ENOUGH, source="ours"),
    "beats_penalty": Statement("It helps more than a gradient penalty", _ENOUGH, source="ours"),
    "gamed": Statement(
        "At the chosen strength the network games the trained measure",
        f"no more than {100 * HALF:g}\u00a0% of three numbers of plain training is to be left, network by network: of "
        "the share outside of the region by the trained measure; of the same by the other measure; and of the reliance "
        "on the patch, which is the accuracy where the patch tells the class less that where it misleads. The measure "
        "is gamed where the interval of what is left lies below the bound for the first and above it for the other "
        "two; it is not gamed where all three lie below, or not even the first does; it is partly gamed where the "
        "other two differ",
        published="“rampantly”, without numbers",
    ),
    "gamed_somewhere": Statement(
        "There are strengths at which the network games it",
        "the same at every strength that was tried; it holds where a training is gamed at one of them. The intervals "
        "are not corrected for the number of strengths, but three have to agree",
        published="“rampantly”, without numbers",
    ),
    "inflated": Statement(
        "Where it games, relevance inside is inflated and cancels",
        f"{_WHERE}there is more than {INFLATED:g} times as much relevance inside, in size, as in plain training, and a "
        f"larger share of it cancels{_BOTH}",
        source="ours",
    ),
    "other_outputs": Statement(
        "Where it games, the patch acts through the outputs of the other classes",
        f"{_WHERE}more than {100 * HALF:g}\u00a0% of what the patch adds to the margin is taken from the other "
        f"outputs, and more than in plain training{_BOTH}",
        source="ours",
    ),
    "to_biases": Statement(
        "Where it games, relevance moves into the biases",
        f"{_WHERE}the biases have a larger share of all relevance, in size, than in plain training{_BOTH}",
        source="ours",
    ),
    "alone": Statement(
        "A network that games its measure still answers by the patch alone",
        f"{_WHERE}with background in place of the digit, its accuracy lies above {100 * HALF:g}\u00a0%{_BOTH}",
        source="ours",
    ),
    "hidden": Statement(
        "Taking pixels out shows what the trained measure hides",
        f"{_WHERE}of what plain training has outside of the region, more than {100 * HIDDEN:g} points more are left by "
        f"occlusion of the margin than by the trained measure{_BOTH}",
        source="ours",
    ),
}
