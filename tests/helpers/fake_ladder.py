"""An engine that takes no time, for tests of what stands around it; as a plugin it takes the real one's place.

Its numbers follow from a cell's name, seed and readings, and differ from field to field. FAKE_SECONDS: that each bucket takes; FAKE_LOG: a file
that gets a line with the bucket's cells when it is done.
"""

import hashlib
import os
import time
from dataclasses import replace

import numpy as np

from pumpleak.batch.store import FIELDS
from pumpleak.engines.gate import PROBABILITIES, CellStatus, Rung
from pumpleak.engines.ladder import Settings


class FakeLadder:
    def __init__(self, settings=None):
        self.settings = settings or Settings()

    def probe(self, template, arrays, ids):
        return FakeLadder(replace(self.settings, width=32)), 0.01, "Blocks of 32 cells, for this is a test."

    def solve(self, template, arrays, ids, progress=lambda done: None):
        if self.settings.engine == "interrupt":
            raise KeyboardInterrupt
        end = time.time() + float(os.environ.get("FAKE_SECONDS", 0))
        n, p = len(ids), len(template.layout.element_names)
        rng = [np.random.default_rng(int(hashlib.sha256(f"{i}".encode()).hexdigest()[:12], 16)) for i in ids]
        base = np.array([r.normal(size=p) for r in rng]).reshape(n, p)
        base = base + np.where(arrays.mask, arrays.value, 0.0).mean(axis=1)[:, None] + self.settings.seed
        sizes = {"parameter": p, "probability": len(PROBABILITIES)}
        out = {}
        for k, (name, (dtype, dims)) in enumerate(FIELDS.items()):
            shape = (n, *(sizes[d] for d in dims))
            if dtype == "<f8":  # no two fields have the same numbers
                out[name] = 100.0 * k + (base if dims else base[:, 0])
            else:
                out[name] = np.zeros(shape, dtype)
        out["quantile"] = base[:, :, None] + np.array(PROBABILITIES)
        out["prior_dominated"][:] = [r.random() < 0.3 for r in rng]
        out["status"][:] = [CellStatus.usable if r.random() < 0.9 else CellStatus.k_hat for r in rng]
        out["rung"][:] = Rung.importance
        out["n_readings"] = arrays.mask.sum(axis=1).astype(np.int32)
        if self.settings.draws:
            out["draws"] = np.repeat(base[:, None].astype(np.float32), self.settings.draws, axis=1)
        progress(n)
        while time.time() < end:
            time.sleep(0.01)
        if "FAKE_LOG" in os.environ:
            with open(os.environ["FAKE_LOG"], "a") as f:
                f.write(" ".join(map(str, ids)) + "\n")
        return out


def install(put):
    """Have `put(module, name, value)` set it wherever the real one is used."""
    from pumpleak.batch import chunk as batch_chunk
    from pumpleak.batch import plan as batch_plan

    put(batch_plan, "Ladder", FakeLadder)
    put(batch_chunk, "Ladder", FakeLadder)


if __name__ != "fake_ladder":
    install(setattr)
