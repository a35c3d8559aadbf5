"""Masks: designs, which say what gate vectors are evaluated, and the samplers that draw them."""
