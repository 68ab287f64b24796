"""Quantities in, potential out: the registry that a new model joins."""
