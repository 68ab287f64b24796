"""From anywhere to rest: pseudo-transient steps, their failures, and how they are told apart."""

import math
from enum import IntEnum
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

from .cell import Bath, Cell
from .equations import Equations, eliminate, starting_point, water

_MAX_STEPS = 200  # of each of the three phases
_PATIENCE = 20  # steps after which a march is taken to go round in circles, and slowed down
_CAREFUL = 30.0  # of the pseudo-time step times the residual, then
_SWOLLEN = 1e-3  # X / Π_o below which existence is asked at X = 0
_BLOCK, _EARLY = 128, 10  # lanes that march together, and for how many steps
_BURST = 100.0  # Σc / Π_o at X = 0 beyond which there is nothing left to ask
FIRST, _GROWTH = 100.0, 3.0  # pseudo-time step: where it starts, and how it grows
_REACH = 3.0  # longest step in u, and downwards in ln c
_UP = 90.0  # longest relative rise of a concentration in one step
_EMPTY = 30.0  # e-folds below the osmolarity outside at which a cell holds none of an ion
_FARTHEST = 1e4  # |u| at most; chord leaks with a constant pump can ask for volts


class Status(IntEnum):
    """What came of the search for a steady state.

    Attributes:
        converged: it was found.
        no_steady_state: there is none: the cell swells without bound, or a pump empties it of an ion.
        not_converged: none was found, and none was ruled out.
        invalid: a number that is not finite or has the wrong sign, or a charged bath.

    Example:
        >>> from pumpleak import Bath, Cell, CubicPump, GHKLeak, steady_state
        >>> leaks = {f"leak_{ion}": GHKLeak(ion, P) for ion, P in {"Na": 4e-8, "K": 1e-6, "Cl": 1e-6}.items()}
        >>> cell = Cell({**leaks, "pump": CubicPump(0.008)}, z_X=-1.0, X_i=140.0, factors={"pump": 0.0})
        >>> bath = Bath(T=310.15, K_o=4.0, Na_o=145.0, Cl_o=149.0)
        >>> Status(int(steady_state(cell, bath).status)).name
        'no_steady_state'
    """

    converged = 0
    no_steady_state = 1
    not_converged = 2
    invalid = 3


class March(NamedTuple):
    """Where a march towards the steady state is: u = F V_m/RT, y = ln c of the ions, w = the water, and its progress."""

    u: Any
    y: tuple
    w: Any
    eta: Any  # pseudo-time step over the slowest ion's own time constant
    residual: Any
    phase: Any  # 0: from the start; 1: at X = 0; 2: again, from the swollen side or slowly; 3: done
    status: Any
    steps: Any  # of this phase
    total: Any


def first_march(eq: Equations, start, eta=FIRST) -> March:
    """Where a march from (u, y) begins."""
    u, y = start
    shape, dtype = jnp.broadcast_shapes(u.shape, eq.shape), u.dtype

    def full(value, like=dtype):
        return jnp.broadcast_to(jnp.asarray(value, like), shape)

    y = tuple(full(a) for a in y)
    zero = full(0, int)
    status = full(int(Status.not_converged), int)
    return March(
        u=full(u),
        y=y,
        w=full(water(eq, y)),
        eta=full(eta),
        residual=full(jnp.inf),
        phase=zero,
        status=status,
        steps=zero,
        total=zero,
    )


def march_many(cell: Cell, bath: Bath, guess, tolerance: float) -> March:
    """The march of any number of lanes, from the common start or from a guess where it is finite.

    Lanes that ``vmap`` adds are lanes like any others.
    """
    leaves, structure = jax.tree.flatten((cell, bath, guess))
    rank = len(jnp.broadcast_shapes(*(a.shape for a in leaves)))

    def begin(leaves):
        cell, bath, guess = jax.tree.unflatten(structure, leaves)
        eq = Equations(cell, bath)
        start = starting_point(eq)
        if guess is not None:
            good = jnp.isfinite(guess[0])
            start = jax.tree.map(lambda a, b: jnp.where(good, a, b), guess, start)
        return eq, start

    def together(leaves):
        eq, start = begin(leaves)
        return march_lanes(eq, start, tolerance, first_march(eq, start))

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
        end = march_many(cell, bath, guess, tolerance)
        return end, jax.tree.map(lambda _: True, end)

    return march(*leaves)


def _march_by_blocks(begin, tolerance: float, leaves) -> March:
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
    end = first_march(eq, start)
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
            state = march_lanes(eq, start, tolerance, jax.tree.map(lambda a: a[which], end), most)
            put = lambda a, b: lax.dynamic_update_slice(a, b, (done,))  # noqa: E731
            return done + _BLOCK, jax.tree.map(put, results, state)

        results = jax.tree.map(lambda a: jnp.zeros(size + _BLOCK, a.dtype), end)
        _, results = lax.while_loop(lambda carry: carry[0] < jnp.sum(under_way), block, (0, results))
        rank = jnp.cumsum(under_way) - 1
        end = jax.tree.map(lambda a, b: jnp.where(under_way, b[rank], a), end, results)
        return end, 4 * most

    end, _ = lax.while_loop(lambda carry: jnp.any(carry[0].phase != 3), sweep, (end, _EARLY))
    return jax.tree.map(lambda a: a.reshape(shape), end)


class _Here(NamedTuple):
    """The cell where a march is, before its next step: lists are by ion, matrices ion by ion."""

    limit: Any  # whether it is asked for its state at X = 0
    empty: Any  # ln c at which an ion counts as gone
    c: list
    total: Any  # Σc, held ions included
    X: Any
    J: Any
    Ju: Any
    Jy: Any
    scale: list  # of each flux: the sum of the magnitudes of its slopes
    charge: Any
    charges: Any  # of either sign, added up
    excess: Any  # of osmoles
    residual: Any  # the largest of the balances, each over its scale


class _Verdict(NamedTuple):
    """What is to come of a march where it is."""

    settled: Any
    back: Any  # from X = 0 to the cell again
    changed: Any  # of phase, other than by being done
    done: Any
    phase: Any
    status: Any


def march_lanes(eq: Equations, start, tolerance: float, state: March, most=4 * _MAX_STEPS) -> March:
    """Pseudo-transient continuation, lane by lane, by at most so many steps; it may restart from `start`."""
    empty = jnp.log(eq.Pi_o) - _EMPTY

    def step(s: March) -> March:
        here = _look(eq, s, empty)
        verdict = _judge(eq, s, here, tolerance)
        share, cut, dy, du, dw = _shortened(s, here, *_implicit_step(eq, s, here))
        eta = _next_eta(s, here, cut, verdict.changed)

        alive = s.phase != 3
        go = alive & ~verdict.done & ~verdict.changed & (share > 0)
        new_u = jnp.where(go, jnp.clip(s.u + share * du, -_FARTHEST, _FARTHEST), s.u)
        new_y = [jnp.where(go, a + _gently(d), a) for a, d in zip(s.y, dy, strict=True)]
        w = jnp.where(go, s.w - _gently(-share * dw), s.w)
        if not eq.fixed:
            room = jnp.maximum(eq.Pi_o - here.total, 1e-14 * eq.Pi_o)
            w = jnp.where(verdict.back, jnp.log(eq.cell.X_i / (0.5 * room)), w)
            # Where X = 0 had no answer either, once more from the start.
            anew = verdict.back & ~verdict.settled
            new_u = jnp.where(anew, start[0], new_u)
            new_y = [jnp.where(anew, a, b) for a, b in zip(start[1], new_y, strict=True)]
            w = jnp.where(anew, water(eq, start[1]), w)
        return March(
            u=new_u,
            y=tuple(new_y),
            w=w,
            eta=jnp.where(alive, eta, s.eta),
            residual=jnp.where(alive, here.residual, s.residual),
            phase=verdict.phase,
            status=jnp.where(verdict.done, verdict.status, s.status),
            steps=jnp.where(verdict.changed, 0, s.steps + 1),
            total=s.total + alive,
        )

    def going(carry):
        return jnp.any(carry[0].phase != 3) & (carry[1] < most)

    return lax.while_loop(going, lambda carry: (step(carry[0]), carry[1] + 1), (state, 0))[0]


def _look(eq: Equations, s: March, empty) -> _Here:
    """Fluxes, charge and osmoles where a march is, and how far from balance they are."""
    n = len(s.y)
    limit = s.phase == 1
    c = [jnp.exp(a) for a in s.y]
    total = sum(c, start=eq.held_osmoles)
    X = eq.cell.X_i * jnp.ones_like(s.u) if eq.fixed else jnp.where(limit, 0, eq.cell.X_i * jnp.exp(-s.w))
    J, Ju, Jy = eq.slopes(s.u, s.y)
    tiny = _tiny(s)
    scale = [jnp.abs(Ju[j]) + sum(jnp.abs(Jy[j][k]) for k in range(n)) + tiny for j in range(n)]
    charge, excess = eq.charge(c, X), eq.excess(c, X, s.w)
    charges = sum((abs(z) * x for z, x in zip(eq.z, c, strict=True)), start=jnp.abs(eq.cell.z_X * X) + tiny)
    residual = jnp.abs(charge) / charges
    for j in range(n):
        residual = jnp.maximum(residual, jnp.abs(J[j]) / scale[j])
    if not eq.fixed:
        residual = jnp.maximum(residual, jnp.where(limit, 0, jnp.abs(excess) / eq.Pi_o))
    return _Here(
        limit=limit,
        empty=empty,
        c=c,
        total=total,
        X=X,
        J=J,
        Ju=Ju,
        Jy=Jy,
        scale=scale,
        charge=charge,
        charges=charges,
        excess=excess,
        residual=residual,
    )


def _judge(eq: Equations, s: March, here: _Here, tolerance: float) -> _Verdict:
    """The verdict on where a march is, before any step."""
    moved = not eq.fixed
    residual = here.residual
    # Slack of existence; where the condition is an equality, none.
    slack = 2.0**14 * float(jnp.finfo(s.u.dtype).eps)
    stalled = (residual <= 100 * tolerance) & (2 * residual > s.residual)
    settled = (residual <= tolerance) | stalled
    late = s.steps >= _MAX_STEPS
    # An ion is pumped out faster than it can leak in, at any concentration.
    emptied = jnp.zeros_like(settled)
    for j in range(len(s.y)):
        emptied |= (s.y[j] < here.empty) & (here.J[j] > 0) & (here.Jy[j][j] < 1e-3 * here.scale[j])
    emptied &= s.steps >= _PATIENCE
    swelling = jnp.zeros_like(settled)
    if moved:
        thin = here.X < _SWOLLEN * eq.Pi_o if eq.cell.wall is None else swelling
        swelling = (s.phase == 0) & ~settled & ~emptied & (thin | late)
    out_of_reach = here.limit & (
        (settled & (here.total >= eq.Pi_o * (1 - slack))) | (here.total > _BURST * eq.Pi_o)
    )
    back = here.limit & ~out_of_reach & ~emptied & (settled | late)
    finished = ~here.limit & settled
    gave_up = ~settled & (emptied | (late & ~swelling & ~here.limit))
    if moved:  # settled on swelling without end
        out_of_reach |= (finished | (gave_up & (here.total > eq.Pi_o))) & (here.X < slack * eq.Pi_o)
    done = (finished | out_of_reach | gave_up) & (s.phase != 3)
    status = jnp.where(finished, Status.converged, Status.not_converged)
    status = jnp.where(out_of_reach | (gave_up & emptied), Status.no_steady_state, status)
    phase = jnp.where(done | (s.phase == 3), 3, jnp.where(swelling, 1, jnp.where(back, 2, s.phase)))
    return _Verdict(settled, back, swelling | back, done, phase, status)


def _implicit_step(eq: Equations, s: March, here: _Here):
    """One implicit step (dy, du, dw).

    One clock for all ions: on clocks of their own, an electroneutral cotransporter would seem electrogenic.
    Water is eliminated first, then ions (each row's pivot its own), then u.
    """
    n, c, X, scale = len(s.y), here.c, here.X, here.scale
    clock = c[0] / scale[0]
    for j in range(1, n):
        clock = jnp.maximum(clock, c[j] / scale[j])
    held = [x / (s.eta * clock * a) for x, a in zip(c, scale, strict=True)]
    dw_c, dw_0 = [jnp.zeros_like(s.u)] * n, jnp.zeros_like(s.u)
    if not eq.fixed:
        D = X if eq.cell.wall is None else X + eq.cell.wall * jnp.where(s.w > 0, jnp.exp(s.w), 0)
        inverse = jnp.where(here.limit, 0, 1 / jnp.where(here.limit, 1, D))
        dw_c, dw_0 = [x * inverse for x in c], here.excess * inverse
    # Charge that should not be there is taken from all ions at once: to carry it away, as the cell would,
    # tight leaks would need a potential of volts.
    excess_charge = here.charge / sum(z * z * x for z, x in zip(eq.z, c, strict=True))
    rows = []
    for j in range(n):
        row = [here.Jy[j][k] / scale[j] + held[j] * dw_c[k] for k in range(n)]
        row[j] = row[j] + held[j]
        before = held[j] * (dw_0 + eq.z[j] * excess_charge)
        rows.append([*row, here.Ju[j] / scale[j], -here.J[j] / scale[j] - before])
    zX = eq.cell.z_X * X
    rows.append(
        [(eq.z[k] * c[k] - zX * dw_c[k]) / here.charges for k in range(n)]
        + [jnp.zeros_like(s.u), (-here.charge + zX * dw_0) / here.charges]
    )
    *dy, du = eliminate(rows)
    return dy, du, dw_0 + sum(dw_c[k] * dy[k] for k in range(n))


def _shortened(s: March, here: _Here, dy, du, dw):
    """The share of a step to take, whether that or the cut of an ion shortens it, and (dy, du, dw).

    The whole step is shortened for u and for what rises or swells too fast; what falls is cut on its own: `dy`
    comes back as the part to take, `du` and `dw` whole.
    """
    longest = jnp.maximum(jnp.abs(du) / jnp.maximum(1, jnp.abs(s.u) / 6), dw) / _REACH
    for d in [-dw, *dy]:
        longest = jnp.maximum(longest, d / _UP)
    share = jnp.where(longest > 1, 1 / longest, 1)
    share = jnp.where(jnp.isfinite(share + dw + du + sum(dy)), share, 0)
    cut, taken = share < 1, []
    for k in range(len(dy)):
        # Far down only where the law is one of ln c; a flux linear in c overshoots in ln c.
        depth = here.empty + _EMPTY - s.y[k]
        logarithmic = (depth > 7) & (here.Jy[k][k] > 1e-2 * here.scale[k])
        lowest = -jnp.where(logarithmic, depth, jnp.clip(_EMPTY + 9 - depth, 0, _REACH))
        cut |= share * dy[k] < lowest
        taken.append(jnp.maximum(share * dy[k], lowest))
    return share, cut, taken, du, dw


def _next_eta(s: March, here: _Here, cut, changed):
    """The next pseudo-time step: longer as the residual falls, shorter where it rises or circles."""
    residual, tiny = here.residual, _tiny(s)
    slow = s.steps >= _PATIENCE
    drop = jnp.where(s.steps == 0, 1, s.residual / jnp.maximum(residual, tiny))
    grown = jnp.where(cut, s.eta, s.eta * _GROWTH * jnp.minimum(drop, 1e6))
    eta = jnp.where(drop < 0.9, s.eta * jnp.where(slow, 0.1, 0.3), grown)
    eta = jnp.where(slow, jnp.minimum(eta, _CAREFUL / jnp.maximum(residual, tiny)), eta)
    return jnp.where(changed, FIRST, jnp.clip(eta, jnp.where(slow, 0.03, 1.0), 1e12))


def _tiny(s: March):
    """The least normal number of a march's precision."""
    return jnp.finfo(s.u.dtype).tiny


def _gently(d):
    """A step of a logarithm: as it is downwards, upwards no more than the linear step of the number."""
    return jnp.where(d > 0, jnp.log1p(jnp.maximum(d, 0)), d)
