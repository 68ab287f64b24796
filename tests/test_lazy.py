"""Equations by NumPy, where no program is worth its compiling, against the same by JAX."""

import jax
import numpy as np
import pytest

from pumpleak import (
    activity_coefficient,
    henderson_voltage,
    ionic_strength,
    junction_potential,
    nernst_potential,
    shunted_voltage,
)
from pumpleak.lazy import arrays_in, is_traced, jnp, plain_numbers

C = np.array([4.0, 145.0, 1.8, 0.0])
CALLS = {
    "nernst": lambda: nernst_potential(C, np.array([140.0, 12.0, 1e-4, 3.0]), [1, 1, 2, -1], 310.15),
    "henderson": lambda: henderson_voltage(C, C[::-1], [1, 1, 2, -1], [1.0, 0.68, 0.4, 1.04], 295.0),
    "junction": lambda: junction_potential({"K": 140.0, "Cl": 140.0}, {"Na": 145.0, "Cl": 145.0}, 295.0),
    "strength": lambda: ionic_strength(C, [1, 1, 2, -1]),
    "davies": lambda: activity_coefficient(np.array([0.0, 160.0]), 2, 295.0),
    "shunt": lambda: shunted_voltage(C, 0.5, -3.0),
}


@pytest.mark.parametrize("name", CALLS)
def test_plain_numbers_are_those_of_a_program(name, assert_close):
    with plain_numbers():
        plain = CALLS[name]()
    with jax.enable_x64(True):
        by_jax = CALLS[name]()
    assert not isinstance(plain, jax.Array) and isinstance(by_jax, jax.Array)
    assert_close(np.asarray(plain), np.asarray(by_jax), rtol=1e-13, atol=1e-13)


def test_plain_numbers_end_with_their_block():
    with pytest.raises(ZeroDivisionError), plain_numbers():
        assert jnp.where is np.where
        raise ZeroDivisionError
    assert jnp.where is jax.numpy.where


def test_what_is_traced_is_known():
    assert not is_traced([1.0, np.ones(2)])
    assert jax.jit(lambda x: jax.numpy.array(is_traced([1.0, (x, 2)])))(1.0)
    a = np.ones(2)
    assert arrays_in([1, (a, 2.0), [[a]]]) == [a, a]
