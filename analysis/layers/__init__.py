"""Summaries by layer: what the nodes of each layer, of each convolution or of each attention block are worth.

`summary` takes what a sweep holds; the coordinate `layer` of its nodes says what belongs together.
"""

from analysis.layers._draws import gradients, slopes
from analysis.layers._groups import Groups, groups
from analysis.layers._removals import removals
from analysis.layers._summary import summary
from analysis.layers._tables import layer_table, node_table

__all__ = ["Groups", "gradients", "groups", "layer_table", "node_table", "removals", "slopes", "summary"]
