"""How kinds of nodes look in every figure of the study."""

from analysis.figures import style
from sweeps._studies.spiral.names import CHOSEN, RANDOM

COLORS = {RANDOM: style.VERMILLION, CHOSEN: style.BLUE}
MARKERS, DASHES = {RANDOM: "o", CHOSEN: "s"}, {RANDOM: "--", CHOSEN: "-."}
#: Where there is little room.
SHORT = {RANDOM: "random", CHOSEN: "smallest"}
DASHED, DOTTED = (0, (4, 2)), (0, (1, 1))
