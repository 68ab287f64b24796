"""A cell through time: its differential equations and their integration."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import optimistix as optx
from jax import lax
from jax.typing import ArrayLike

from ..errors import InputError
from ..physics.constants import F
from ..physics.nernst import thermal_voltage
from ..physics.numerics import monotone_root
from .cell import Bath, Cell
from .equations import Equations, floats

MV = 25.0  # V_m is followed in units of this
SMALL = 1e-9  # of the bath's osmoles: charge that MV take in the neutral limit, and an ion's amount when gone
_LEAST = 1e-12  # of an ion's first amount: below it, its logarithm goes on as a straight line
_FARTHEST = 60.0  # |F V_m/RT| at most
_MOST = 1e15  # of any number of a cell, or of the state: a step that tried more has failed


class State(NamedTuple):
    """What the integrator follows, each number scaled to about 1 so that one tolerance serves all."""

    amounts: Any  # (n,) of the free ions, each over its first amount
    V: Any  # V_m / 25 mV
    volume: Any  # over the reference volume where water takes its time, else None


class System:
    """One cell in one bath as a right-hand side; amounts in mM at the reference volume."""

    def __init__(self, cell: Cell, bath: Bath, scale, neutral):
        self.cell, self.bath, self.scale, self.neutral = cell, bath, scale, neutral
        self.eq = Equations(cell, bath)
        self.z = jnp.asarray(self.eq.z, scale.dtype)
        # Charge [mM at the reference volume] that 25 mV take.
        farads = cell.C_m * (1e-3 * MV) / (F * cell.volume_to_area)
        self.capacity = jnp.where(neutral, SMALL * self.eq.Pi_o, farads)

    def water(self, m):
        """Volume that balances water at once, and its slope in any amount."""
        if self.eq.fixed:
            return jnp.ones_like(m[0]), jnp.zeros_like(m[0])
        inside = jnp.sum(m) + self.cell.X_i
        room = self.eq.Pi_o - self.eq.held_osmoles
        v, slope = inside / room, 1 / room
        if self.cell.wall is not None:  # wall v² + (room − wall) v = inside, where v > 1
            b = room - self.cell.wall
            root = jnp.sqrt(b * b + 4 * self.cell.wall * jnp.maximum(inside, 0))
            v, slope = jnp.where(v > 1, 2 * inside / (b + root), v), jnp.where(v > 1, 1 / root, slope)
        return v, slope

    def look(self, y: State):
        """Volume, d volume/d amount, d volume/dt of its own [s⁻¹], and the logarithms of c_i."""
        m = y.amounts * self.scale
        s = jnp.maximum(y.amounts, _LEAST)
        ln_m = jnp.log(s) + jnp.minimum(y.amounts / _LEAST - 1, 0) + jnp.log(self.scale)
        if y.volume is None:
            v, slope = self.water(m)
            return v, slope, jnp.zeros_like(v), ln_m - jnp.log(v)
        v = jnp.maximum(y.volume, _LEAST)
        ln_c = ln_m - jnp.log(v)
        excess = self.eq.excess(list(jnp.exp(ln_c)), self.cell.X_i / v, jnp.log(v))
        return v, jnp.zeros_like(v), self.cell.L_p * excess / self.cell.volume_to_area, ln_c

    def flow(self, V, ln_c):
        """−J_j per reference volume [mM s⁻¹]."""
        u = jnp.clip(V * MV / thermal_voltage(self.bath.T), -_FARTHEST, _FARTHEST)
        return -jnp.stack(self.eq.fluxes(u, *ln_c)) / self.cell.volume_to_area

    def __call__(self, t, y: State, args=None) -> State:
        return _slope(self.cell, self.bath, self.scale, y, self.neutral)

    def slope(self, y: State) -> State:
        """dy/dt [s⁻¹]."""
        _, slope, swell, ln_c = self.look(y)
        dm = self.flow(y.V, ln_c)
        weight = self.z + self.eq.held_charge * slope
        gathered = jnp.sum(weight * dm) + self.eq.held_charge * swell
        dm = dm - jnp.where(self.neutral, self.share(weight, y) * gathered, 0)
        dV = gathered / self.capacity
        return State(dm / self.scale, dV, None if y.volume is None else swell)

    def share(self, weight, y: State):
        """How much of each ion carries one unit of charge: in proportion to what there is of it."""
        part = weight * jnp.maximum(y.amounts, _LEAST) * self.scale
        return part / jnp.sum(weight * part)

    def rest(self, y: State, nearest: bool) -> jax.Array:
        """V at which no charge gathers: the nearest downhill from y.V, or any in reach."""
        _, slope, swell, ln_c = self.look(y)
        weight = self.z + self.eq.held_charge * slope
        unit = MV / thermal_voltage(self.bath.T)

        def outward(V):
            return -(jnp.sum(weight * self.flow(V, ln_c)) + self.eq.held_charge * swell)

        low, high = -_FARTHEST / unit, _FARTHEST / unit
        low, high = jnp.asarray(low, y.V.dtype), jnp.asarray(high, y.V.dtype)
        start = jnp.clip(y.V, low, high)
        if nearest:
            away = jnp.where(outward(start) > 0, low, high)
            grid = start + (away - start) * jnp.linspace(0, 1, 4001, dtype=start.dtype)
            crossed = jnp.sign(jax.vmap(outward)(grid)) != jnp.sign(outward(start))
            k = jnp.where(jnp.any(crossed), jnp.argmax(crossed), 1)
            low, high = jnp.sort(jnp.stack([grid[k - 1], grid[k]]))
            start = jnp.clip(0.5 * (low + high), low, high)
        return monotone_root(outward, low, high, start)


@jax.jit
def _slope(cell, bath, scale, y, neutral):
    """`System.slope`, traced once for the dozen places of an integration that ask for it.

    Of a state that is none, which a step too long may try, the slope is not a number and its derivatives are 0:
    that step is refused, and nothing that is not finite gets near the derivatives of those that stand.
    """
    system = System(cell, bath, scale, neutral)
    numbers = jnp.concatenate([jnp.ravel(a) for a in jax.tree.leaves(y)])
    sound = jnp.all(jnp.abs(numbers) < _MOST)  # not so for NaN
    sound &= system.water(jnp.where(sound, y.amounts, 1.0) * scale)[0] > _LEAST
    slope = system.slope(jax.tree.map(lambda a: jnp.where(sound, a, 1.0), y))
    return jax.tree.map(lambda a: jnp.where(sound, a, jnp.nan), slope)


class _Chord(diffrax.VeryChord):
    """Chord iteration that may take its time, and is content with a change far below the tolerance.

    Diffrax's own gives a step up unless the second iteration ends it, and takes two changes at the level of
    rounding, the second the larger, for divergence: steps then stay short for ever once a cell is at rest.
    """

    def terminate(self, fn, y, args, options, state, tags):
        rate = state.diffsize / state.diffsize_prev
        done = state.diffsize < self.kappa
        done |= (state.step >= 2) & (rate < 1) & (state.diffsize * rate < self.kappa * (1 - rate))
        lost = (state.step >= 1) & ~jnp.isfinite(state.diffsize) | (state.step >= 2) & (rate > 2)
        result = optx.RESULTS.where(lost & ~done, optx.RESULTS.nonlinear_divergence, state.result)
        return done | lost | (state.result != optx.RESULTS.successful), result


class _Term(diffrax.ODETerm):
    """Has stages found as increments of the state, on its scale, not as slopes, on none."""

    def is_vf_expensive(self, t0, t1, y, args):
        return True


def integrate(system, y0: State, dt0, rtol, atol, max_steps, steps=None, **settings):
    """Over a span of one unit of time, with a step ending at each of `steps`: no value is interpolated."""
    controller = diffrax.PIDController(rtol=rtol, atol=atol)
    if steps is not None:
        controller = diffrax.ClipStepSizeController(controller, step_ts=steps)
    chord = _Chord(rtol=rtol, atol=jnp.maximum(atol, 1e-12))  # rounding is never far below the tolerance
    return diffrax.diffeqsolve(
        _Term(system),
        diffrax.Kvaerno5(root_finder=chord),
        0.0,
        1.0,
        dt0,
        y0,
        stepsize_controller=controller,
        max_steps=max_steps,
        throw=False,
        **settings,
    )


def evolve(
    cell: Cell,
    bath: Bath,
    start_c: Mapping[str, ArrayLike],
    start_volume: ArrayLike,
    t: ArrayLike,
    *,
    start_V_m: ArrayLike | None = None,
    rtol: float = 1e-7,
    atol: float = 1e-9,
    max_steps: int = 1024,
) -> tuple[jax.Array, dict[str, jax.Array], jax.Array, jax.Array]:
    """One cell after a time t in one bath, charge exactly neutral: a pure function to trace.

    Under ``jit``, ``vmap`` (one cell a lane) and reverse-mode differentiation in every number given. Computes in
    double precision and returns the inputs' own.

    Args:
        cell: the cell; numbers without a shape.
        bath: its bath.
        start_c: free ion -> concentration inside at the start [mM], > 0; with the cell's impermeants and held
            ions they should be neutral. Charge they leave unexplained stays as it is.
        start_volume: volume over the reference volume at the start [1], > 0. Where water is at equilibrium at
            once, only the amounts count.
        t: time [s], >= 0.
        start_V_m: potential before [mV], to choose the nearest where the cell has several at the start's
            concentrations. Not differentiated.
        rtol: relative tolerance of the integration.
        atol: absolute tolerance, of amounts over their first ones and of V_m / 25 mV.
        max_steps: of the integration, at most.

    Returns:
        V_m [mV], ion -> c_i [mM], volume [1], and whether the integration got there.

    Raises:
        InputError: JAX's double precision is switched off.
    """
    if not jax.config.read("jax_enable_x64"):
        raise InputError(
            "evolve needs double precision, which is switched off",
            mend='jax.config.update("jax_enable_x64", True)',
        )
    start = {ion: start_c[ion] for ion in cell.ions}
    given = floats((cell, bath, start, start_volume, t))
    dtype = given[-1].dtype
    cell, bath, start, volume, t = jax.tree.map(lambda a: a.astype(float), given)
    c = jnp.stack([start[ion] for ion in cell.ions])
    # Guarded, so that nothing not finite gets near a derivative.
    good = jnp.all(jnp.isfinite(c) & (c > 0)) & jnp.isfinite(volume) & (volume > 0) & jnp.isfinite(t)
    good &= jnp.all(jnp.stack([jnp.all(jnp.abs(a) < _MOST) for a in jax.tree.leaves((cell, bath))]))
    good &= jnp.all(jnp.stack([jnp.asarray(bath.c[ion]) for ion in cell.ions]) > 0)
    cell, bath = jax.tree.map(lambda a: jnp.where(good, a, jnp.ones_like(a)), (cell, bath))
    m = jnp.where(good, c * volume, 1.0)
    volume, t = jnp.where(good, volume, 1.0), jnp.where(good, jnp.maximum(t, 0), 0)
    scale = lax.stop_gradient(m)
    system = System(cell, bath, scale, neutral=True)
    V = jnp.full_like(t, -2.0)
    if start_V_m is not None:
        before = lax.stop_gradient(jnp.asarray(start_V_m, t.dtype))
        V = jnp.where(jnp.isfinite(before), before / MV, V)
    y = State(m / scale, V, volume if water_is_slow(cell) else None)
    y = y._replace(V=system.rest(y, nearest=start_V_m is not None))
    # The span is one unit, so that a derivative in t is one of the right-hand side.
    solution = integrate(Stretched(system, t), y, 1e-4, rtol, atol, max_steps)
    end = jax.tree.map(lambda a: a[-1], solution.ys)
    ok = good & (solution.result == diffrax.RESULTS.successful)
    v, _, _, ln_c = system.look(end)
    inside: dict[str, Any] = dict(zip(cell.ions, jnp.exp(ln_c), strict=True))
    inside |= cell.held
    V_m, inside, v = jax.tree.map(lambda a: a.astype(dtype), (end.V * MV, inside, v))
    return V_m, inside, v, ok


class Stretched:
    """A right-hand side in time over `t`."""

    def __init__(self, system, t):
        self.system, self.t = system, t

    def __call__(self, t, y, args=None):
        return jax.tree.map(lambda a: self.t * a, self.system(t, y))


def water_is_slow(cell: Cell) -> bool:
    return cell.L_p is not None and cell.volume == "osmotic"
