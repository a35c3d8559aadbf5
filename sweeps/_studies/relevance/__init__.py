"""The relevance study: which inputs a decision comes from."""
