"""What a name means: ions, units, kind of quantity, symbol, plausible range."""
