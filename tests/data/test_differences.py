"""Differences from one reading share its error: asked about, and with `references: shared` told as they are."""

import numpy as np
import pandas as pd
import pytest

from pumpleak import InputError, load_dataset, read_table

BATHS = [5.0, 10.0, 20.0, 40.0]


def table(s_ref=1.0, s=1.5, control=-70.0, d=(8.0, 20.0, 35.0), **own):
    frame = {
        "label": ["control", "a", "b", "c"],
        "K_o_mM": BATHS,
        "V_m_mV": [control, None, None, None],
        "V_m_sem_mV": [s_ref, None, None, None],
        "dV_m_mV": [None, *d],
        "dV_m_sem_mV": [None, s, s, s],
        "reference": ["", *["control"] * 3],
    }
    return pd.DataFrame(frame | own)


def test_differences_that_may_share_a_reading_are_asked_about():
    with pytest.raises(
        InputError, match="3 differences are taken from row 2 'control'.*own.*`references: shared`"
    ):
        read_table(table())
    unread = table().drop(columns=["V_m_mV", "V_m_sem_mV"])
    with pytest.raises(InputError, match="give the potentials themselves, V_m_mV"):
        read_table(unread)
    assert len(read_table(unread, references="own").value) == 3
    own = read_table(table(), references="own")
    assert (own.reference >= 0).sum() == 3 and own.sem.tolist() == [1.0, 1.5, 1.5, 1.5]


def test_what_cannot_share_is_not_asked_about():
    assert load_dataset("ehrlich_gstrein1987").reference.max() == 0  # errors below the control's own
    assert (read_table(table(s_ref=2.0)).reference >= 0).sum() == 3
    assert len(read_table(table().iloc[:2]).value) == 2  # one difference


def test_shared_references_have_the_covariance_of_their_reading():
    m = read_table(table(), references="shared")
    assert (m.reference < 0).all() and m.value.tolist() == [-70.0, -62.0, -50.0, -35.0]
    assert np.allclose(m.sem**2, [1.0, 1.25, 1.25, 1.25])
    back = np.array([[1, 0, 0, 0], [-1, 1, 0, 0], [-1, 0, 1, 0], [-1, 0, 0, 1]])
    covariance = back @ np.diag(m.sem**2) @ back.T  # of the reading and the differences
    assert np.allclose(np.diag(covariance), [1.0, 2.25, 2.25, 2.25])
    assert np.allclose(covariance[0, 1:], -1.0) and np.allclose(covariance[1, 2:], 1.0)
    again = read_table(m.to_frame())
    assert again.value.tolist() == m.value.tolist()
    with pytest.raises(InputError, match="wants a smaller error"):
        read_table(table(s=0.5), references="shared")


@pytest.mark.thorough
@pytest.mark.parametrize("shared", [False, True])
def test_intervals_cover_the_slope_of_a_ladder(shared):
    """V_m = a + b ln K by weighted least squares: 90 % with the covariance; without it, as before, too few."""
    rng, x, held = np.random.default_rng(5), np.log(np.array(BATHS) / 5), 0
    n = 400
    for _ in range(n):
        y = -70 + 20 * x + rng.normal(0, [3.0, 0.5, 0.5, 0.5])
        frame = table(s_ref=3.0, s=float(np.hypot(3, 0.5)), control=y[0], d=y[1:] - y[0])
        m = read_table(frame, references="shared" if shared else "own")
        a = np.where(m.reference[:, None] >= 0, [0.0, 1.0], [1.0, 1.0]) * np.stack([np.ones(4), x], axis=1)
        weight = 1 / m.sem**2
        cov = np.linalg.inv((a.T * weight) @ a)
        b = (cov @ (a.T * weight) @ m.value)[1]
        held += abs(b - 20) < 1.645 * np.sqrt(cov[1, 1])
    within = 3 * np.sqrt(0.9 * 0.1 / n)
    assert (abs(held / n - 0.9) < within) if shared else (held / n < 0.9 - within)
