"""The sparsity study: how much of a network can be pruned, by weights and by nodes."""
