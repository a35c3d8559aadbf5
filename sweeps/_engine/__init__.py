"""The engine: evaluates an objective over a design, on all devices, and returns a labelled dataset."""
