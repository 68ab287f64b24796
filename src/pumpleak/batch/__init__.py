"""Many cells, each for itself, killed and resumed."""
