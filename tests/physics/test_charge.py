import jax.numpy as jnp
import numpy as np
import pytest

from pumpleak import charge_moved
from pumpleak.physics.constants import E_CHARGE, N_AVOGADRO, F


def test_charge_of_a_round_cell():
    moved = charge_moved(C_m=1.0, dV=100.0, r_um=10.0, c=140.0)
    area, volume = 4 * np.pi * 1e-6, 4 / 3 * np.pi * 1e-9  # cm², cm³
    assert moved.charge == pytest.approx(0.1, rel=1e-14)  # µC cm⁻²
    assert moved.amount == pytest.approx(0.1 / F, rel=1e-14)  # about 1 pmol cm⁻²
    assert moved.ions == pytest.approx(0.1e-6 * area / E_CHARGE, rel=1e-13)
    assert moved.fraction == pytest.approx(float(moved.ions) / (140e-6 * N_AVOGADRO * volume), rel=1e-13)
    explicit = charge_moved(1.0, 100.0, area=area, volume=volume, c=140.0)
    np.testing.assert_allclose(explicit.fraction, moved.fraction, rtol=1e-13)


def test_only_what_the_arguments_allow():
    moved = charge_moved(jnp.float32(1.0), jnp.array([70.0, -70.0], jnp.float32))
    assert moved.ions is None and moved.fraction is None
    assert moved.charge.dtype == jnp.float32 and moved.charge.shape == (2,)
    assert charge_moved(1.0, 70.0, area=1e-6).fraction is None


@pytest.mark.parametrize(
    "sizes",
    [
        dict(r_um=10.0, area=1.0),
        dict(r_um=1.0, volume=1.0),
        dict(c=140.0),
        dict(volume=1.0),
        dict(c=1.0, area=1.0),
    ],
)
def test_contradictory_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="Give"):
        charge_moved(1.0, 70.0, **sizes)
