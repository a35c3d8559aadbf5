"""Results of synthetic circle runs, without a folder."""

from analysis.runs import Run
from sweeps._studies.circle.measures import measure


def results_of(tree, folder=None):
    return measure(Run(folder, tree, "circle", "command", "1 CPU device", {}, {}, {"masks": 17}))
