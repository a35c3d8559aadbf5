"""Flip paths and the whole hypercube of one network."""
