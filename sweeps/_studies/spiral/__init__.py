"""The spiral study: whether to train first or to prune first."""
