"""Gate gradients of a Bernoulli sweep."""
