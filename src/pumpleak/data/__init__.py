"""Tables as people write them, of one cell or of a million."""
