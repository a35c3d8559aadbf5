"""The engine: an objective evaluated over a design, on all devices, into a labelled dataset."""
