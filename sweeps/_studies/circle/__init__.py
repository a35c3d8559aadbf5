"""The circle study: the loss of a small network under random node removal."""
