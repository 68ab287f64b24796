"""A density in, points and weights out; no file, no table, no labelled array."""
