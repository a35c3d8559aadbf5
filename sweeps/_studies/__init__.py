"""Studies: complete pieces of work, each a function that trains, sweeps and writes named datasets to a run."""
