"""The shrinking study: which node to remove next, and how many can go."""
