"""The pump-leak steady state: where pumps, leaks, trapped charge and water balance each other.

Unknowns are u = F V_m/RT, y_j = ln c_j of each free ion, and w = ln(volume / reference volume). Equations:

    Σ z_j c_j + z_X X = 0                        electroneutrality
    Σ_mechanisms n_j rate = 0                    no net flux of any free ion
    Σ c_j + X = Π_o + wall (volume − 1)⁺,  X = X_i / volume    water (where the volume is not fixed)

Written so, the Jacobian is regular, and no concentration or volume can be negative. The march is
pseudo-transient: implicit Euler steps of d(c_j volume)/dt = −J_j, each ion on its own clock, growing into
Newton's method as the residual falls. It follows a cell's way of settling, so it lands on what is stable.

Whether water can balance at all is asked at X → 0, the cell swollen without bound: the ions then have an
osmolarity Σc* of their own, and a steady state exists where Σc* < Π_o. For chord leaks, passive Cl and a
constant pump this is the closed condition 2 √(A Cl_o) < Π_o.

Derivatives are those of the root (implicit function theorem), forward, reverse and of any order; an element
without an answer has NaN values, zero derivatives, a status, and no influence on its neighbours.
"""

from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ._numerics import as_floats
from .cell import Bath, Cell
from .constants import F
from .ions import valence
from .mechanisms import Membrane
from .nernst import thermal_voltage


class Status(IntEnum):
    """What came of the search for a steady state."""

    converged = 0
    no_steady_state = 1
    not_converged = 2
    invalid = 3


_MAX_STEPS = 60  # of each of the three phases
_SWOLLEN = 1e-3  # X / Π_o below which existence is asked at X = 0
_BURST = 100.0  # Σc / Π_o at X = 0 beyond which there is nothing left to ask


class _Equations:
    """The equations of a cell in a bath, elementwise over any leading shape."""

    def __init__(self, cell: Cell, bath: Bath):
        self.cell, self.bath = cell, bath
        self.ions = cell.ions
        self.z = [valence(ion) for ion in self.ions]
        self.ln_o = {ion: jnp.log(c) for ion, c in bath.c.items()}
        self.ln_held = {ion: jnp.log(c) for ion, c in cell.held.items()}
        self.held_charge = sum(valence(i) * c for i, c in cell.held.items())
        self.held_osmoles = sum(cell.held.values())
        self.Pi_o = bath.osmolarity
        self.fixed = cell.volume == "fixed"

    def membrane(self, u, y) -> Membrane:
        ln_i = {**dict(zip(self.ions, y, strict=True)), **self.ln_held}
        return Membrane(u, self.bath.T, self.bath.c, ln_i=ln_i, ln_o=self.ln_o)

    def fluxes(self, u, *y):
        m = self.membrane(u, y)
        out = self.cell.fluxes(m)
        return tuple(jnp.broadcast_to(out[ion], u.shape) for ion in self.ions)

    def slopes(self, u, y):
        """Fluxes, their slopes in u, and in each y: J[j], Ju[j], Jy[j][k]."""
        args, J, columns = (u, *y), (), []
        for k in range(len(args)):
            J, column = jax.jvp(
                lambda x, k=k: self.fluxes(*args[:k], x, *args[k + 1 :]), (args[k],), (jnp.ones_like(u),)
            )
            columns.append(column)
        return J, columns[0], [[c[j] for c in columns[1:]] for j in range(len(y))]

    def charge(self, c, X):
        return sum((z * x for z, x in zip(self.z, c, strict=True)), start=self.held_charge + self.cell.z_X * X)

    def excess(self, c, X, w):
        """Osmolarity inside minus what outside and the wall balance [mM]."""
        out = sum(c, start=self.held_osmoles + X) - self.Pi_o
        if self.cell.wall is not None:
            out = out - self.cell.wall * jnp.maximum(jnp.exp(w) - 1, 0)
        return out

    def residual(self, x):
        """All rows, from (u, *y, w) or, at fixed volume, (u, *y); unscaled."""
        n = len(self.ions)
        u, y = x[0], x[1 : n + 1]
        c = [jnp.exp(a) for a in y]
        J = self.fluxes(u, *y)
        if self.fixed:
            return (self.charge(c, self.cell.X_i), *J)
        w = x[n + 1]
        X = self.cell.X_i * jnp.exp(-w)
        return (self.charge(c, X), *J, self.excess(c, X, w))


class _March(NamedTuple):
    u: Any
    y: tuple
    w: Any
    eta: Any  # pseudo-time step, in units of each ion's own time constant
    residual: Any
    phase: Any  # 0: from the start; 1: at X = 0; 2: again, from the swollen side; 3: done
    status: Any
    steps: Any  # of this phase
    total: Any


def _start(eq: _Equations):
    """One start for all: Cl⁻ low, and the bath's Na⁺ mostly traded for K⁺, as in a cell that pumps."""
    shape = eq.Pi_o.shape
    u = jnp.full(shape, -2.0, eq.Pi_o.dtype)
    y = []
    for ion, z in zip(eq.ions, eq.z, strict=True):
        if ion == "K" and "Na" in eq.ln_o:
            level = jnp.log(0.45 * eq.Pi_o)
        elif ion == "Na":
            level = jnp.log(0.06 * eq.Pi_o)
        elif z < 0:
            level = eq.ln_o[ion] - z * u  # at equilibrium
        else:
            level = eq.ln_o[ion] - 2.0 * (z - 1) * 2.0
        y.append(jnp.broadcast_to(level, shape))
    c = sum((jnp.exp(a) for a in y), start=eq.held_osmoles)
    X = jnp.maximum(eq.Pi_o - c, 0.2 * eq.Pi_o)
    w = jnp.zeros(shape, u.dtype) if eq.fixed else jnp.log(eq.cell.X_i / X)
    return u, tuple(y), w


def _march(eq: _Equations, tolerance: float):
    u, y, w = _start(eq)
    n = len(y)
    dtype = u.dtype
    tiny = jnp.finfo(dtype).tiny
    slack = 100 * float(jnp.finfo(dtype).eps)

    def step(s: _March):
        limit = s.phase == 1
        c = [jnp.exp(a) for a in s.y]
        X = eq.cell.X_i * jnp.ones_like(s.u) if eq.fixed else jnp.where(limit, 0, eq.cell.X_i * jnp.exp(-s.w))
        J, Ju, Jy = eq.slopes(s.u, s.y)
        scale = [jnp.abs(Ju[j]) + sum(jnp.abs(Jy[j][k]) for k in range(n)) + tiny for j in range(n)]
        charge, excess = eq.charge(c, X), eq.excess(c, X, s.w)
        charges = sum((abs(z) * x for z, x in zip(eq.z, c, strict=True)), start=jnp.abs(eq.cell.z_X * X))
        residual = jnp.abs(charge) / charges
        for j in range(n):
            residual = jnp.maximum(residual, jnp.abs(J[j]) / scale[j])
        moved = not eq.fixed
        if moved:
            residual = jnp.maximum(residual, jnp.where(limit, 0, jnp.abs(excess) / eq.Pi_o))

        # Verdicts on where we are, before any step.
        total_c = sum(c, start=eq.held_osmoles)
        settled = residual <= tolerance
        late = s.steps >= _MAX_STEPS
        emptied = jnp.zeros_like(settled)
        for j in range(n):
            emptied |= (s.y[j] < jnp.log(eq.Pi_o) - 40) & (J[j] > 0)
        phase, status = s.phase, s.status
        swelling = (s.phase == 0) & ~settled & ((X < _SWOLLEN * eq.Pi_o) | late) & moved
        if eq.cell.wall is not None:
            swelling &= late
        burst = limit & (total_c > _BURST * eq.Pi_o)
        out_of_reach = limit & settled & (total_c >= eq.Pi_o * (1 - slack)) | burst
        back = limit & ~out_of_reach & (settled | late)
        finished = (s.phase != 1) & settled
        gave_up = ((s.phase == 2) | (s.phase == 0 if not moved else jnp.zeros_like(settled))) & late & ~settled
        status = jnp.where(finished, Status.converged, status)
        status = jnp.where(out_of_reach | (gave_up & emptied), Status.no_steady_state, status)
        status = jnp.where(gave_up & ~emptied, Status.not_converged, status)
        done = finished | out_of_reach | gave_up
        phase = jnp.where(done, 3, jnp.where(swelling, 1, jnp.where(back, 2, s.phase)))
        changed = swelling | back

        # One implicit step: rows of ions first, each with its own concentration as pivot, then charge.
        eta = jnp.where(s.residual > 0, s.eta, s.eta)
        held = 1 / eta
        if moved:
            D = X + (0 if eq.cell.wall is None else eq.cell.wall * jnp.where(s.w > 0, jnp.exp(s.w), 0))
            inverse = jnp.where(limit, 0, 1 / jnp.where(limit, 1, D))
            dw_c = [x * inverse for x in c]
            dw_0 = excess * inverse
        else:
            dw_c, dw_0 = [jnp.zeros_like(s.u)] * n, jnp.zeros_like(s.u)
        rows = []
        for j in range(n):
            row = [Jy[j][k] / scale[j] + held * dw_c[k] for k in range(n)]
            row[j] = row[j] + held
            rows.append([*row, Ju[j] / scale[j], -J[j] / scale[j] - held * dw_0])
        zX = eq.cell.z_X * X
        rows.append(
            [*((eq.z[k] * c[k] - zX * dw_c[k]) / charges for k in range(n)), jnp.zeros_like(s.u)]
            + [(-charge + zX * dw_0) / charges]
        )
        delta = _eliminate(rows)
        du, dy = delta[n], delta[:n]
        dw = dw_0 + sum(dw_c[k] * dy[k] for k in range(n))
        longest = jnp.maximum(jnp.abs(du), jnp.abs(dw))
        for d in dy:
            longest = jnp.maximum(longest, jnp.abs(d))
        share = jnp.where(longest > _STEP, _STEP / longest, 1)
        share = jnp.where(jnp.isfinite(share), share, 0)
        drop = s.residual / jnp.maximum(residual, tiny)
        eta = jnp.where(
            changed, _ETA, jnp.where(share < 1, s.eta, s.eta * jnp.clip(_GROW * drop, 0.3, 1e6))
        )
        eta = jnp.minimum(eta, 1e12)
        move = jnp.where((s.phase == 3) | done | changed, 0, share)
        go = move > 0
        new_w = jnp.where(go, s.w + move * dw, s.w)
        if moved:
            room = jnp.maximum(eq.Pi_o - total_c, 1e-14 * eq.Pi_o)
            new_w = jnp.where(back, jnp.log(eq.cell.X_i / (0.5 * room)), new_w)
        alive = s.phase != 3
        return _March(
            jnp.where(go, s.u + move * du, s.u),
            tuple(jnp.where(go, a + move * d, a) for a, d in zip(s.y, dy, strict=True)),
            new_w,
            jnp.where(alive, eta, s.eta),
            jnp.where(alive, residual, s.residual),
            phase,
            status,
            jnp.where(changed, 0, s.steps + 1),
            s.total + alive,
        )

    shape = u.shape
    first = _March(
        u,
        y,
        w,
        jnp.full(shape, _ETA, dtype),
        jnp.full(shape, jnp.inf, dtype),
        jnp.zeros(shape, int),
        jnp.full(shape, int(Status.not_converged)),
        jnp.zeros(shape, int),
        jnp.zeros(shape, int),
    )
    return lax.while_loop(lambda s: jnp.any(s.phase != 3), step, first)


_ETA, _GROW, _STEP = 1.0, 2.0, 2.0


def _eliminate(rows):
    """Solve a small dense system given as rows of arrays, right side last; pivots on the diagonal."""
    n = len(rows)
    rows = [list(r) for r in rows]
    for k in range(n):
        inverse = 1 / rows[k][k]
        for i in range(k + 1, n):
            factor = rows[i][k] * inverse
            rows[i] = rows[i][: k + 1] + [a - factor * b for a, b in zip(rows[i][k + 1 :], rows[k][k + 1 :], strict=True)]
    x = [None] * n
    for k in reversed(range(n)):
        value = rows[k][n]
        for j in range(k + 1, n):
            value = value - rows[k][j] * x[j]
        x[k] = value / rows[k][k]
    return x
