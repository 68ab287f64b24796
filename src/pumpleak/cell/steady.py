"""The pump-leak steady state: where pumps, leaks, trapped charge and water balance each other.

Unknowns are u = F V_m/RT, y_j = ln c_j of each free ion, and w = ln(volume / reference volume). Equations:

    Σ z_j c_j + z_X X = 0                        electroneutrality
    Σ_mechanisms n_j rate = 0                    no net flux of any free ion
    Σ c_j + X = Π_o + wall (volume − 1)⁺,  X = X_i / volume    water (where the volume is not fixed)

Written so, the Jacobian is regular, and no concentration or volume can be negative. The march is
pseudo-transient: implicit Euler steps of d(c_j volume)/dt = −J_j, each ion on its own clock, growing into
Newton's method as the residual falls. It follows a cell's way of settling, so it nearly always lands on what is stable; `stable`
says whether it did, and `resting_state` chooses among several.

Whether water can balance at all is asked at X → 0, the cell swollen without bound: the ions then have an
osmolarity Σc* of their own, and a steady state exists where Σc* < Π_o. For chord leaks, passive Cl and a
constant pump this is the closed condition 2 √(A Cl_o) < Π_o.

Derivatives are those of the root (implicit function theorem), forward, reverse and of any order; an element
without an answer has NaN values, zero derivatives, a status, and no influence on its neighbours.
"""

import math
from enum import IntEnum
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap

from ..errors import InputError
from ..physics.constants import F
from ..physics.nernst import thermal_voltage
from ..quantities.ions import valence
from .cell import Bath, Cell, bounded
from .mechanisms import Membrane


class Status(IntEnum):
    """What came of the search for a steady state."""

    converged = 0
    no_steady_state = 1
    not_converged = 2
    invalid = 3


class SteadyState(NamedTuple):
    """A cell at rest in a bath. All arrays have the cell's and bath's broadcast shape (...).

    Attributes:
        V_m: membrane potential [mV]; like every value, NaN where `status` is not ``converged``.
        c_i: ion -> concentration inside [mM].
        X: concentration of the impermeants inside [mM].
        volume: volume over the reference volume [1].
        E: ion -> Nernst potential [mV].
        rates: mechanism -> cycles per membrane area [µmol cm⁻² s⁻¹].
        currents: mechanism -> current per membrane area, outward positive [µA cm⁻²].
        fluxes: mechanism -> ion -> flux, outward positive [µmol cm⁻² s⁻¹].
        atp: ATP consumed [µmol cm⁻² s⁻¹].
        conductance: slope of the free ions' current in V_m, concentrations fixed [mS cm⁻²].
        status: a `Status`, as integers.
        lysis: True where the volume exceeds `max_volume_ratio`.
        residual: largest relative misfit of any equation at the end.
        iterations: steps taken.
        rate_matrix: (..., n, n) d/dt of small changes in ln(amount) of the free ions [s⁻¹].
        constraint: (..., n) the combination of them that electroneutrality keeps at 0.
    """

    V_m: Any
    c_i: dict[str, Any]
    X: Any
    volume: Any
    E: dict[str, Any]
    rates: dict[str, Any]
    currents: dict[str, Any]
    fluxes: dict[str, dict[str, Any]]
    atp: Any
    conductance: Any
    status: Any
    lysis: Any
    residual: Any
    iterations: Any
    rate_matrix: Any
    constraint: Any

    @property
    def ok(self) -> Any:
        """True where there is a steady state and it was found."""
        return self.status == Status.converged

    @property
    def eigenvalues(self) -> np.ndarray:
        """Rates of return [s⁻¹] of the dynamics about this state, (..., n−1), slowest first; NaN unless ok."""
        M, g = np.asarray(self.rate_matrix), np.asarray(self.constraint)
        good = np.isfinite(M).all(axis=(-2, -1)) & np.asarray(self.ok)
        n = M.shape[-1]
        if n == 1:
            return np.empty((*M.shape[:-2], 0))
        M, g = np.where(good[..., None, None], M, 0.0), np.where(good[..., None], g, 1.0)
        basis = np.linalg.svd(g[..., None, :])[2][..., 1:, :]  # orthonormal, across the constraint
        values = np.linalg.eigvals(basis @ M @ np.swapaxes(basis, -1, -2))
        values = np.take_along_axis(values, np.argsort(-values.real, axis=-1), axis=-1)
        return np.where(good[..., None], values, np.nan)

    @property
    def time_constants(self) -> np.ndarray:
        """1/|rate of return| [s], (..., n−1), slowest first."""
        with np.errstate(divide="ignore"):
            return 1 / np.abs(self.eigenvalues.real)

    @property
    def stable(self) -> np.ndarray:
        """True where small disturbances of ions, water and charge die out."""
        settles = (self.eigenvalues.real < 0).all(axis=-1)
        return settles & (np.asarray(self.conductance) > 0) & np.asarray(self.ok)


_MAX_STEPS = 200  # of each of the three phases
_PATIENCE = 20  # steps after which a march is taken to go round in circles, and slowed down
_CAREFUL = 30.0  # of the pseudo-time step times the residual, then
_SWOLLEN = 1e-3  # X / Π_o below which existence is asked at X = 0
_BLOCK, _EARLY = 128, 10  # lanes that march together, and for how many steps
_BURST = 100.0  # Σc / Π_o at X = 0 beyond which there is nothing left to ask
_FIRST, _GROWTH = 100.0, 3.0  # pseudo-time step: where it starts, and how it grows
_REACH = 3.0  # longest step in u, and downwards in ln c
_UP = 90.0  # longest relative rise of a concentration in one step
_EMPTY = 30.0  # e-folds below the osmolarity outside at which a cell holds none of an ion
_FARTHEST = 1e4  # |u| at most; chord leaks with a constant pump can ask for volts


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
        self.shape = jnp.broadcast_shapes(*(jnp.shape(a) for a in jax.tree.leaves((cell, bath))))

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
        # Without a barrier XLA computes them anew in every kernel that reads them: half the time of a march.
        return lax.optimization_barrier((J, columns[0], [[c[j] for c in columns[1:]] for j in range(len(y))]))

    def charge(self, c, X):
        return sum(
            (z * x for z, x in zip(self.z, c, strict=True)), start=self.held_charge + self.cell.z_X * X
        )

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
    eta: Any  # pseudo-time step over the slowest ion's own time constant
    residual: Any
    phase: Any  # 0: from the start; 1: at X = 0; 2: again, from the swollen side or slowly; 3: done
    status: Any
    steps: Any  # of this phase
    total: Any


def _start(eq: _Equations):
    """One start for all: Cl⁻ at equilibrium at −50 mV, and most of the bath's Na⁺ traded for K⁺."""
    dtype = eq.Pi_o.dtype
    u = jnp.full(eq.shape, -2.0, dtype)
    y = []
    for ion, z in zip(eq.ions, eq.z, strict=True):
        if ion == "K" and "Na" in eq.ln_o:
            level = jnp.log(0.45 * eq.Pi_o)
        elif ion == "Na":
            level = jnp.log(0.06 * eq.Pi_o)
        else:  # anions at equilibrium, multivalent cations far below it
            level = eq.ln_o[ion] - (2.0 if z < 0 else 4.0 * (z - 1)) * (-z if z < 0 else 1)
        y.append(jnp.broadcast_to(level, eq.shape).astype(dtype))
    return u, tuple(y)


def _water(eq: _Equations, y):
    """ln(volume) that balances water for these concentrations, or nearly."""
    if eq.fixed:
        return jnp.zeros_like(y[0])
    c = sum((jnp.exp(a) for a in y), start=eq.held_osmoles)
    return jnp.log(eq.cell.X_i / jnp.maximum(eq.Pi_o - c, 0.2 * eq.Pi_o))


def _first(eq: _Equations, start, eta=_FIRST) -> _March:
    """Where a march from (u, y) begins."""
    u, y = start
    shape, dtype = jnp.broadcast_shapes(u.shape, eq.shape), u.dtype

    def full(value, like=dtype):
        return jnp.broadcast_to(jnp.asarray(value, like), shape)

    y = tuple(full(a) for a in y)
    zero = full(0, int)
    status = full(int(Status.not_converged), int)
    return _March(full(u), y, full(_water(eq, y)), full(eta), full(jnp.inf), zero, status, zero, zero)


def _march_many(cell: Cell, bath: Bath, guess, tolerance: float) -> _March:
    """The march of any number of lanes, from the common start or from a guess where it is finite.

    Lanes that ``vmap`` adds are lanes like any others.
    """
    leaves, structure = jax.tree.flatten((cell, bath, guess))
    rank = len(jnp.broadcast_shapes(*(a.shape for a in leaves)))

    def begin(leaves):
        cell, bath, guess = jax.tree.unflatten(structure, leaves)
        eq = _Equations(cell, bath)
        start = _start(eq)
        if guess is not None:
            good = jnp.isfinite(guess[0])
            start = jax.tree.map(lambda a, b: jnp.where(good, a, b), guess, start)
        return eq, start

    def together(leaves):
        eq, start = begin(leaves)
        return _march(eq, start, tolerance, _first(eq, start))

    @custom_vmap
    def march(*leaves):
        if math.prod(jnp.broadcast_shapes(*(a.shape for a in leaves))) <= 2 * _BLOCK:
            return together(leaves)
        by_blocks = partial(_march_by_blocks, begin, tolerance)
        return lax.platform_dependent(leaves, cpu=by_blocks, default=together)

    @march.def_vmap
    def _(size, batched, *leaves):
        rows = [
            a.reshape(size, *(1,) * (rank + 1 - a.ndim), *a.shape[1:]) if new else a
            for a, new in zip(leaves, batched, strict=True)
        ]
        cell, bath, guess = jax.tree.unflatten(structure, rows)
        end = _march_many(cell, bath, guess, tolerance)
        return end, jax.tree.map(lambda _: True, end)

    return march(*leaves)


def _march_by_blocks(begin, tolerance: float, leaves) -> _March:
    """The march by blocks of lanes that fit the nearest cache, each block as far as most lanes need.

    Those still under way are gathered into blocks of their own, which go four times as far, and so on: no
    lane waits for the slowest.
    """
    shape = jnp.broadcast_shapes(*(a.shape for a in leaves))
    size = math.prod(shape)
    varied = [a.size > 1 for a in leaves]
    table = jnp.stack(
        [jnp.broadcast_to(a, shape).reshape(size) for a, v in zip(leaves, varied, strict=True) if v], 1
    )
    eq, start = begin(leaves)
    end = _first(eq, start)
    end = jax.tree.map(lambda a: jnp.broadcast_to(a, shape).reshape(size), end)

    def sweep(carry):
        end, most = carry
        under_way = end.phase != 3
        (queue,) = jnp.nonzero(under_way, size=size + _BLOCK, fill_value=size)

        def block(carry):
            done, results = carry
            which = jnp.minimum(lax.dynamic_slice(queue, (done,), (_BLOCK,)), size - 1)
            row = table[which]
            some, k = [], 0
            for a, v in zip(leaves, varied, strict=True):
                some.append(row[:, k] if v else a.reshape(()))
                k += v
            eq, start = begin(some)
            state = _march(eq, start, tolerance, jax.tree.map(lambda a: a[which], end), most)
            put = lambda a, b: lax.dynamic_update_slice(a, b, (done,))  # noqa: E731
            return done + _BLOCK, jax.tree.map(put, results, state)

        results = jax.tree.map(lambda a: jnp.zeros(size + _BLOCK, a.dtype), end)
        _, results = lax.while_loop(lambda carry: carry[0] < jnp.sum(under_way), block, (0, results))
        rank = jnp.cumsum(under_way) - 1
        end = jax.tree.map(lambda a, b: jnp.where(under_way, b[rank], a), end, results)
        return end, 4 * most

    end, _ = lax.while_loop(lambda carry: jnp.any(carry[0].phase != 3), sweep, (end, _EARLY))
    return jax.tree.map(lambda a: a.reshape(shape), end)


def _march(eq: _Equations, start, tolerance: float, state: _March, most=4 * _MAX_STEPS) -> _March:
    """Pseudo-transient continuation, lane by lane, by at most so many steps; it may restart from `start`."""
    n, dtype, moved = len(state.y), state.u.dtype, not eq.fixed
    tiny = jnp.finfo(dtype).tiny
    slack = 2.0**14 * float(jnp.finfo(dtype).eps)  # of existence; where the condition is an equality, none
    empty = jnp.log(eq.Pi_o) - _EMPTY

    def step(s: _March):
        limit = s.phase == 1
        c = [jnp.exp(a) for a in s.y]
        total = sum(c, start=eq.held_osmoles)
        X = eq.cell.X_i * jnp.ones_like(s.u) if eq.fixed else jnp.where(limit, 0, eq.cell.X_i * jnp.exp(-s.w))
        J, Ju, Jy = eq.slopes(s.u, s.y)
        scale = [jnp.abs(Ju[j]) + sum(jnp.abs(Jy[j][k]) for k in range(n)) + tiny for j in range(n)]
        charge, excess = eq.charge(c, X), eq.excess(c, X, s.w)
        charges = sum(
            (abs(z) * x for z, x in zip(eq.z, c, strict=True)), start=jnp.abs(eq.cell.z_X * X) + tiny
        )
        residual = jnp.abs(charge) / charges
        for j in range(n):
            residual = jnp.maximum(residual, jnp.abs(J[j]) / scale[j])
        if moved:
            residual = jnp.maximum(residual, jnp.where(limit, 0, jnp.abs(excess) / eq.Pi_o))

        # Verdicts on where we are, before any step. Rounding may stop the fall a little above the tolerance.
        stalled = (residual <= 100 * tolerance) & (2 * residual > s.residual)
        settled = (residual <= tolerance) | stalled
        late = s.steps >= _MAX_STEPS
        # An ion is pumped out faster than it can leak in, at any concentration.
        emptied = jnp.zeros_like(settled)
        for j in range(n):
            emptied |= (s.y[j] < empty) & (J[j] > 0) & (Jy[j][j] < 1e-3 * scale[j])
        emptied &= s.steps >= _PATIENCE
        swelling = jnp.zeros_like(settled)
        if moved:
            thin = X < _SWOLLEN * eq.Pi_o if eq.cell.wall is None else swelling
            swelling = (s.phase == 0) & ~settled & ~emptied & (thin | late)
        out_of_reach = limit & ((settled & (total >= eq.Pi_o * (1 - slack))) | (total > _BURST * eq.Pi_o))
        back = limit & ~out_of_reach & ~emptied & (settled | late)
        finished = ~limit & settled
        gave_up = ~settled & (emptied | (late & ~swelling & ~limit))
        if moved:  # settled on swelling without end
            out_of_reach |= (finished | (gave_up & (total > eq.Pi_o))) & (X < slack * eq.Pi_o)
        done = (finished | out_of_reach | gave_up) & (s.phase != 3)
        status = jnp.where(finished, Status.converged, Status.not_converged)
        status = jnp.where(out_of_reach | (gave_up & emptied), Status.no_steady_state, status)
        phase = jnp.where(done | (s.phase == 3), 3, jnp.where(swelling, 1, jnp.where(back, 2, s.phase)))
        changed = swelling | back

        # One implicit step. One clock for all ions: on clocks of their own, an electroneutral cotransporter
        # would seem electrogenic. Water is eliminated first, then ions (each row's pivot its own), then u.
        clock = c[0] / scale[0]
        for j in range(1, n):
            clock = jnp.maximum(clock, c[j] / scale[j])
        held = [x / (s.eta * clock * a) for x, a in zip(c, scale, strict=True)]
        dw_c, dw_0 = [jnp.zeros_like(s.u)] * n, jnp.zeros_like(s.u)
        if moved:
            D = X if eq.cell.wall is None else X + eq.cell.wall * jnp.where(s.w > 0, jnp.exp(s.w), 0)
            inverse = jnp.where(limit, 0, 1 / jnp.where(limit, 1, D))
            dw_c, dw_0 = [x * inverse for x in c], excess * inverse
        # Charge that should not be there is taken from all ions at once: to carry it away, as the cell would,
        # tight leaks would need a potential of volts.
        excess_charge = charge / sum(z * z * x for z, x in zip(eq.z, c, strict=True))
        rows = []
        for j in range(n):
            row = [Jy[j][k] / scale[j] + held[j] * dw_c[k] for k in range(n)]
            row[j] = row[j] + held[j]
            before = held[j] * (dw_0 + eq.z[j] * excess_charge)
            rows.append([*row, Ju[j] / scale[j], -J[j] / scale[j] - before])
        zX = eq.cell.z_X * X
        rows.append(
            [(eq.z[k] * c[k] - zX * dw_c[k]) / charges for k in range(n)]
            + [jnp.zeros_like(s.u), (-charge + zX * dw_0) / charges]
        )
        *dy, du = _eliminate(rows)
        dw = dw_0 + sum(dw_c[k] * dy[k] for k in range(n))

        # The whole step is shortened for u and for what rises or swells too fast; what falls is cut on its own.
        longest = jnp.maximum(jnp.abs(du) / jnp.maximum(1, jnp.abs(s.u) / 6), dw) / _REACH
        for d in [-dw, *dy]:
            longest = jnp.maximum(longest, d / _UP)
        share = jnp.where(longest > 1, 1 / longest, 1)
        share = jnp.where(jnp.isfinite(share + dw + du + sum(dy)), share, 0)
        cut = share < 1
        for k in range(n):
            # Far down only where the law is one of ln c; a flux linear in c overshoots in ln c.
            depth = empty + _EMPTY - s.y[k]
            logarithmic = (depth > 7) & (Jy[k][k] > 1e-2 * scale[k])
            lowest = -jnp.where(logarithmic, depth, jnp.clip(_EMPTY + 9 - depth, 0, _REACH))
            cut |= share * dy[k] < lowest
            dy[k] = jnp.maximum(share * dy[k], lowest)

        slow = s.steps >= _PATIENCE
        drop = jnp.where(s.steps == 0, 1, s.residual / jnp.maximum(residual, tiny))
        grown = jnp.where(cut, s.eta, s.eta * _GROWTH * jnp.minimum(drop, 1e6))
        eta = jnp.where(drop < 0.9, s.eta * jnp.where(slow, 0.1, 0.3), grown)
        eta = jnp.where(slow, jnp.minimum(eta, _CAREFUL / jnp.maximum(residual, tiny)), eta)
        eta = jnp.where(changed, _FIRST, jnp.clip(eta, jnp.where(slow, 0.03, 1.0), 1e12))

        alive = s.phase != 3
        go = alive & ~done & ~changed & (share > 0)
        new_u = jnp.where(go, jnp.clip(s.u + share * du, -_FARTHEST, _FARTHEST), s.u)
        new_y = [jnp.where(go, a + _gently(d), a) for a, d in zip(s.y, dy, strict=True)]
        w = jnp.where(go, s.w - _gently(-share * dw), s.w)
        if moved:
            room = jnp.maximum(eq.Pi_o - total, 1e-14 * eq.Pi_o)
            w = jnp.where(back, jnp.log(eq.cell.X_i / (0.5 * room)), w)
            # Where X = 0 had no answer either, once more from the start.
            anew = back & ~settled
            new_u = jnp.where(anew, start[0], new_u)
            new_y = [jnp.where(anew, a, b) for a, b in zip(start[1], new_y, strict=True)]
            w = jnp.where(anew, _water(eq, start[1]), w)
        return _March(
            new_u,
            tuple(new_y),
            w,
            jnp.where(alive, eta, s.eta),
            jnp.where(alive, residual, s.residual),
            phase,
            jnp.where(done, status, s.status),
            jnp.where(changed, 0, s.steps + 1),
            s.total + alive,
        )

    def going(carry):
        return jnp.any(carry[0].phase != 3) & (carry[1] < most)

    return lax.while_loop(going, lambda carry: (step(carry[0]), carry[1] + 1), (state, 0))[0]


def _gently(d):
    """A step of a logarithm: as it is downwards, upwards no more than the linear step of the number."""
    return jnp.where(d > 0, jnp.log1p(jnp.maximum(d, 0)), d)


def _eliminate(rows):
    """Solve a small dense system, elementwise, given as rows with the right side last; diagonal pivots."""
    n = len(rows)
    rows = [list(r) for r in rows]
    for k in range(n):
        inverse = 1 / rows[k][k]
        for i in range(k + 1, n):
            factor = rows[i][k] * inverse
            tail = [a - factor * b for a, b in zip(rows[i][k + 1 :], rows[k][k + 1 :], strict=True)]
            rows[i] = rows[i][: k + 1] + tail
    x: list[Any] = [None] * n
    for k in reversed(range(n)):
        value = rows[k][n]
        for j in range(k + 1, n):
            value = value - rows[k][j] * x[j]
        x[k] = value / rows[k][k]
    return x


def _implicit(eq: _Equations, x, ok):
    """The root x as a function of everything the equations depend on; where not ok, a constant."""
    scales = [lax.stop_gradient(s) for s in _row_scales(eq, x)]

    def f(x):
        rows = eq.residual(x)
        return tuple(
            jnp.where(ok, r / s, a - lax.stop_gradient(a)) for r, s, a in zip(rows, scales, x, strict=True)
        )

    def tangent_solve(g, b):
        size = len(x)
        zeros, ones = jnp.zeros_like(b[0]), jnp.ones_like(b[0])
        columns = [g(tuple(ones if k == j else zeros for j in range(size))) for k in range(size)]
        # Order for diagonal pivots: volume, ions, then u (whose row is that of charge).
        order = [*([size - 1] if not eq.fixed else []), *range(1, len(eq.ions) + 1), 0]
        rows = [[columns[k][i] for k in order] + [b[i]] for i in order]
        solved = _eliminate(rows)
        return tuple(solved[order.index(i)] for i in range(size))

    return lax.custom_root(f, x, lambda f, x: x, tangent_solve)


def _row_scales(eq: _Equations, x):
    n = len(eq.ions)
    u, y = x[0], x[1 : n + 1]
    c = [jnp.exp(a) for a in y]
    _, Ju, Jy = eq.slopes(u, y)
    flux = [
        jnp.abs(Ju[j]) + sum(jnp.abs(Jy[j][k]) for k in range(n)) + jnp.finfo(u.dtype).tiny for j in range(n)
    ]
    total = sum(c, start=eq.held_osmoles) + eq.Pi_o
    return [total, *flux, *([] if eq.fixed else [total])]


def steady_state(
    cell: Cell,
    bath: Bath,
    *,
    max_volume_ratio: float | None = None,
    start: SteadyState | None = None,
) -> SteadyState:
    """The state in which pumps, leaks, charge and water balance, or the verdict that there is none.

    Solves electroneutrality, zero net flux of every free ion, and water balance at once (module docstring).
    One fixed start serves all cells; where a cell has several steady states, `steady_states` finds them and
    `start` chooses. Under ``jit``, ``vmap`` and every kind of differentiation it behaves as a function of all
    numbers in `cell` and `bath`; a lane without an answer leaves its neighbours alone.

    Args:
        cell: what the membrane and the inside are made of. Its numbers and the bath's may be arrays; they
            broadcast against each other to shape (...).
        bath: the solution outside.
        max_volume_ratio: volume over the reference volume beyond which a membrane bursts; such states are
            marked by `lysis`. None: never.
        start: a state to start from instead.

    Returns:
        A `SteadyState`. Values are NaN, with zero derivatives, where `status` is not ``converged``:
        ``no_steady_state`` (the cell swells without bound, or a pump empties it of an ion), ``not_converged``,
        or ``invalid`` (a number that is not finite or has the wrong sign, a charged bath).

    Raises:
        InputError: a mechanism moves an ion that the bath does not have; `max_volume_ratio` below 1.

    References:
        Mori 2012, Physica D 241:1865-1885, doi 10.1016/j.physd.2012.08.009 (existence and stability of
        pump-leak steady states). Keener & Sneyd 2009, Mathematical Physiology, 2nd ed., ch. 2. Kelley & Keyes
        1998, SIAM J. Numer. Anal. 35:508-523, doi 10.1137/S0036142996304796 (pseudo-transient continuation).

    Example:
        >>> from pumpleak import Bath, Cell, CubicPump, GHKLeak
        >>> leaks = {"leak_Na": GHKLeak("Na", 4e-8), "leak_K": GHKLeak("K", 1e-6), "leak_Cl": GHKLeak("Cl", 1e-6)}
        >>> cell = Cell({**leaks, "pump": CubicPump(0.008)}, z_X=-1.0, X_i=140.0)
        >>> state = steady_state(cell, Bath(T=310.15, K_o=4.0, Na_o=145.0, Cl_o=119.0, X_o=30.0))
        >>> print(f"{state.V_m:.2f} mV, K {state.c_i['K']:.1f}, Na {state.c_i['Na']:.1f} mM")
        -76.23 mV, K 136.0, Na 13.0 mM
    """
    if not (isinstance(cell, Cell) and isinstance(bath, Bath)):
        given = f"{type(cell).__name__} and {type(bath).__name__}"
        raise InputError(f"steady_state was given {given}", mend="Give a Cell, then a Bath")
    if isinstance(max_volume_ratio, (int, float)) and not max_volume_ratio >= 1:
        raise InputError(
            f"max_volume_ratio = {max_volume_ratio} is no volume at which a cell bursts",
            mend="Give 1 or more",
        )
    cell.check(bath)
    cell, bath = _floats((cell, bath))
    guess = None
    if start is not None:
        guess = (start.V_m / thermal_voltage(bath.T), tuple(jnp.log(start.c_i[i]) for i in cell.ions))
        guess = _floats(guess)
    return _solve(cell, bath, guess, jnp.inf if max_volume_ratio is None else max_volume_ratio)


def _floats(tree):
    """All numbers of a tree as arrays of one floating dtype (the arrays' own, or JAX's default)."""
    leaves, structure = jax.tree.flatten(tree)
    found = [a.dtype for a in leaves if hasattr(a, "dtype") and jnp.issubdtype(a.dtype, jnp.floating)]
    dtype = jnp.result_type(*found) if found else jnp.result_type(float)
    return jax.tree.unflatten(structure, [jnp.asarray(a, dtype) for a in leaves])


@jax.jit
def _solve(cell: Cell, bath: Bath, guess, max_volume_ratio) -> SteadyState:
    valid = jnp.ones((), bool)
    for leaf in jax.tree.leaves((cell, bath)):
        valid = valid & jnp.isfinite(leaf)
    for ion in {ion for m in cell.mechanisms.values() for ion in m.stoichiometry}:  # held ones too
        valid = valid & (jnp.asarray(bath.c[ion]) > 0)
    for number in [bath.T, *cell.held.values(), *([cell.X_i] if cell.volume == "osmotic" else [])]:
        valid = valid & (jnp.asarray(number) > 0)
    bounds = [bound for m in cell.mechanisms.values() for bound in bounded(m)]
    for _, number, positive in bounds:
        valid = valid & (number > 0 if positive else number >= 0)
    for number in [cell.X_i, bath.X_o, *cell.factors.values(), *([] if cell.wall is None else [cell.wall])]:
        valid = valid & (jnp.asarray(number) >= 0)
    valid = valid & bath.neutral
    # An invalid lane is solved as something harmless, so that nothing not finite gets near a derivative.
    safe_cell, safe_bath = jax.tree.map(lambda a: jnp.where(valid, a, jnp.ones_like(a)), (cell, bath))
    eq = _Equations(safe_cell, safe_bath)
    start = _start(_Equations(*lax.stop_gradient((safe_cell, safe_bath))))
    tolerance = 256 * float(jnp.finfo(start[0].dtype).eps)
    end = _march_many(*lax.stop_gradient((safe_cell, safe_bath, guess)), tolerance)
    status = jnp.where(valid, end.status, Status.invalid)
    return _finish(eq, end, start, status, max_volume_ratio)


def _finish(eq: _Equations, end: _March, start, status, max_volume_ratio) -> SteadyState:
    ok = status == Status.converged
    n = len(eq.ions)
    # Lanes without an answer stand at the start, where every derivative is finite.
    harmless = (start[0], *start[1], *(() if eq.fixed else (lax.stop_gradient(_water(eq, start[1])),)))
    found = (end.u, *end.y, *(() if eq.fixed else (end.w,)))
    x = tuple(jnp.where(ok, a, b) for a, b in zip(found, harmless, strict=True))
    x = _implicit(eq, lax.stop_gradient(x), ok)
    u, y = x[0], x[1 : n + 1]
    w = jnp.zeros_like(u) if eq.fixed else x[n + 1]

    def shown(a):
        return jnp.where(ok, a, jnp.nan)

    m = eq.membrane(u, y)
    c = [jnp.exp(a) for a in y]
    X = eq.cell.X_i * jnp.exp(-w)
    rates = {k: jnp.broadcast_to(r, u.shape) for k, r in eq.cell.rates(m).items()}
    mechanisms = eq.cell.mechanisms
    fluxes = {k: {i: shown(v * rates[k]) for i, v in mechanisms[k].stoichiometry.items()} for k in rates}
    currents = {k: F * sum(valence(i) * j for i, j in fluxes[k].items()) for k in rates}
    inside = {**dict(zip(eq.ions, c, strict=True)), **eq.cell.held}
    E = {i: shown(m.E(i)) for i in inside if i in eq.bath.c}
    matrix, constraint, slope = _dynamics(eq, u, y, w, X)
    return SteadyState(
        V_m=shown(m.V_m),
        c_i={i: shown(a) for i, a in inside.items()},
        X=shown(X),
        volume=shown(jnp.exp(w)),
        E=E,
        rates={k: shown(r) for k, r in rates.items()},
        currents=currents,
        fluxes=fluxes,
        atp=shown(sum((mechanisms[k].atp * r for k, r in rates.items()), start=jnp.zeros_like(u))),
        conductance=shown(F * slope / thermal_voltage(eq.bath.T)),
        status=status,
        lysis=ok & (jnp.exp(w) > max_volume_ratio),
        residual=end.residual,
        iterations=end.total,
        rate_matrix=jnp.where(ok[..., None, None], matrix, jnp.nan),
        constraint=jnp.where(ok[..., None], constraint, jnp.nan),
    )


def _dynamics(eq: _Equations, u, y, w, X):
    """Linearised dynamics of a_j = δ ln(amount of ion j), what neutrality asks of them, and Σ z dJ/du.

    Water and charge follow at once: δw = Σ c_j a_j / (D + Σ c_j), D = X + wall volume; neutrality keeps
    Σ g_j a_j = 0, g_j = z_j c_j + q c_j / (D + Σ c_j), q the charge of held ions; u takes the value that does.
    """
    n = len(y)
    c = [jnp.exp(a) for a in y]
    _, Ju, Jy = eq.slopes(u, y)
    slope = sum(z * a for z, a in zip(eq.z, Ju, strict=True))
    if eq.fixed:
        follow = [jnp.zeros_like(u)] * n
    else:
        D = X if eq.cell.wall is None else X + eq.cell.wall * jnp.where(w > 0, jnp.exp(w), 0)
        whole = D + sum(c, start=eq.held_osmoles)
        follow = [a / whole for a in c]
    weight = [z + eq.held_charge * f / a for z, f, a in zip(eq.z, follow, c, strict=True)]
    handle = sum(g * a for g, a in zip(weight, Ju, strict=True))
    pull = [sum(weight[j] * Jy[j][k] for j in range(n)) / handle for k in range(n)]
    net = [[Jy[j][k] - Ju[j] * pull[k] for k in range(n)] for j in range(n)]
    speed = jnp.exp(-w) / eq.cell.volume_to_area
    rows = [[-speed / c[j] * (net[j][k] - follow[k] * sum(net[j])) for k in range(n)] for j in range(n)]
    matrix = jnp.stack([jnp.stack(jnp.broadcast_arrays(*r), -1) for r in rows], -2)
    return (
        matrix,
        jnp.stack(jnp.broadcast_arrays(*(g * a for g, a in zip(weight, c, strict=True))), -1),
        slope,
    )


def steady_states(cell: Cell, bath: Bath) -> list[SteadyState]:
    """Every steady state that many starts find, from the most negative V_m to the least.

    Voltage-dependent leaks can leave a cell two stable resting levels (muscle at low K⁺) with an unstable
    one between; each `SteadyState` says which by `stable`.

    Args:
        cell: one cell (numbers, not arrays).
        bath: its bath.

    Returns:
        The distinct states, empty where none was found.

    Raises:
        InputError: arrays in `cell` or `bath`; an ion the bath does not have.
    """
    cell.check(bath)
    cell, bath = _floats((cell, bath))
    if any(jnp.shape(a) for a in jax.tree.leaves((cell, bath))):
        raise InputError("steady_states takes one cell in one bath", mend="Loop over them")
    found = jax.tree.map(np.asarray, _scan(cell, bath))
    out: list[SteadyState] = []
    for i in np.argsort(found.V_m):
        if found.status[i] == Status.converged:
            state = jax.tree.map(lambda a, i=i: a[i], found)
            if not any(
                abs(state.V_m - s.V_m) < 1e-4 and abs(np.log(state.volume / s.volume)) < 1e-5 for s in out
            ):
                out.append(state)
    return out


def resting_state(
    cell: Cell, bath: Bath, *, near: float | None = None, max_volume_ratio: float | None = None
) -> tuple[SteadyState, list[SteadyState]]:
    """The steady state a cell stays in, and the other stable ones it has.

    Args:
        cell: one cell (numbers, not arrays).
        bath: its bath.
        near: V_m [mV] that it comes from; of several stable states the nearest is taken.
        max_volume_ratio: as in `steady_state`.

    Returns:
        The state (of one start's, where none is stable or none was found), and the other stable states.

    Raises:
        InputError: as `steady_states`.
    """
    first = steady_state(cell, bath, max_volume_ratio=max_volume_ratio)
    if not bool(first.ok):
        return first, []
    stable = [s for s in steady_states(cell, bath) if s.stable]
    if not stable:
        return first, []
    target = near if near is not None else float(first.V_m)
    chosen = min(stable, key=lambda s: abs(s.V_m - target))
    again = steady_state(cell, bath, max_volume_ratio=max_volume_ratio, start=chosen)
    others = [s for s in stable if s is not chosen]
    return (again if bool(again.ok) and abs(float(again.V_m) - chosen.V_m) < 1e-3 else chosen), others


@jax.jit
def _scan(cell: Cell, bath: Bath) -> SteadyState:
    """From potentials between −130 and +50 mV, each by the march and by plain Newton (for the unstable)."""
    eq = _Equations(cell, bath)
    u0 = jnp.linspace(-5.0, 2.0, 29, dtype=eq.Pi_o.dtype)
    u0, eta = jnp.concatenate([u0, u0]), jnp.repeat(jnp.asarray([_FIRST, 1e12], u0.dtype), len(u0))
    eq.shape = u0.shape
    _, y = _start(eq)
    start = u0, y
    tolerance = 256 * float(jnp.finfo(u0.dtype).eps)
    end = _march(eq, start, tolerance, _first(eq, start, eta))
    return _finish(eq, end, start, end.status, jnp.inf)
