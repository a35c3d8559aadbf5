"""Summaries by layer: what the nodes of each layer, of each convolution or of each attention block are worth."""

from analysis.layers.draws import gradients, slopes
from analysis.layers.groups import Groups, groups
from analysis.layers.removals import removals
from analysis.layers.summary import summary
from analysis.layers.tables import layer_table, node_table

__all__ = ["Groups", "gradients", "groups", "layer_table", "node_table", "removals", "slopes", "summary"]
