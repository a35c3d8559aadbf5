"""The general sweep: a network, a task and a design from a TOML file."""
