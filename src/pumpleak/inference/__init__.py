"""One posterior: infer, fit, predict, and what may be said of it."""
