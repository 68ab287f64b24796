"""A model, its parameters and measurements: one density."""
