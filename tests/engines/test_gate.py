"""One gate: what keeps draws from being used, one posterior at a time and cell by cell."""

import numpy as np
import pytest

from pumpleak.engines.gate import CellStatus, failed, gate


@pytest.mark.parametrize(
    "given, why",
    [
        ({"ess": [400.0, 1e4], "r_hat": [1.01, 1.0]}, ()),
        ({"ess": [399.9, 1e4], "r_hat": [1.01, 1.0]}, (CellStatus.ess,)),
        ({"ess": [400.0], "r_hat": [1.0, 1.0101]}, (CellStatus.r_hat,)),
        ({"ess": [np.nan], "r_hat": [np.nan]}, (CellStatus.r_hat, CellStatus.ess)),
        ({"ess": [400.0], "k_hat": 0.7}, ()),
        ({"ess": [100.0], "k_hat": 0.71}, (CellStatus.k_hat, CellStatus.ess)),
        ({"ess": [400.0], "k_hat": np.nan}, (CellStatus.k_hat,)),
        ({"ess": [400.0], "r_hat": [1.0], "divergences": 1}, (CellStatus.divergent,)),
    ],
)
def test_one_posterior_and_a_cell_of_a_batch_are_judged_alike(given, why):
    assert failed(**given) == why
    ess = np.array([given["ess"]])
    cell = {
        "k_hat": np.array([given.get("k_hat", np.nan)]),
        "ess_bulk": ess,
        "ess_tail": ess,
        "end_error": 0 * ess,
        "r_hat": np.array([given.get("r_hat", [np.nan] * ess.shape[1])]),
        "divergences": np.array([given.get("divergences", 0)]),
    }
    if not np.isnan(given.get("r_hat", [0.0])).all():
        gravest = min(why, key=lambda s: (s != CellStatus.divergent, s == CellStatus.ess), default=0)
        assert gate(cell)[0] == gravest
