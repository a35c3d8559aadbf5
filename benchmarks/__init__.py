"""Benchmarks: ours beside the alternatives and beside the machine's own limit, in one run."""
