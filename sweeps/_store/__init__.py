"""The store: everything measured, in a run folder's Zarr tree; nothing is lost, and damage is seen."""
