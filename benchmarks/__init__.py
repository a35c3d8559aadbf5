"""Benchmarks: gatesweep against alternatives and against the machine's limit, in one run."""
