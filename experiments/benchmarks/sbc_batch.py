"""Simulation-based calibration of the batch engine: thousands of replicates, each a cell of one batch.

The problems and the negative control are those of `sbc_nuts`. All replicates are ranked, flagged ones too: a gate that
hid failures would show as ranks that look right.

    uv run python experiments/benchmarks/sbc_batch.py [--model ghk|mullins_noda|chord|pump_leak] [--replicates 5000] [--engine auto]

Exits 1 if the calibrated run fails or the control passes.
"""

from sbc_nuts import main

if __name__ == "__main__":
    main("auto", 5000)
