"""Relevance in numbers: heat maps, ledgers, deletion curves, rules beside each other, nodes, supervised trainings."""
