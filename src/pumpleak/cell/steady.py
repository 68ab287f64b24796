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

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..errors import InputError, check_kind
from ..physics.constants import F
from ..physics.nernst import thermal_voltage
from ..quantities.ions import valence
from ..traced import program
from .cell import Bath, Cell, check_in_bath
from .equations import Equations, dynamics, floats, implicit, starting_point, water
from .march import FIRST, March, Status, first_march, march_lanes, march_many


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

    Example:
        >>> from pumpleak import load_preset, steady_state
        >>> state = steady_state(*load_preset("neuron"))
        >>> print(f"{state.V_m:.1f} mV, volume {state.volume:.2f}, stable: {state.stable}")
        -72.6 mV, volume 1.00, stable: True
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
    check_in_bath(cell, bath)
    if start is not None:
        check_kind(start, SteadyState, "a steady state to start from", "Give what steady_state returned")
    if isinstance(max_volume_ratio, (int, float)) and not max_volume_ratio >= 1:
        raise InputError(
            f"max_volume_ratio = {max_volume_ratio} is no volume at which a cell bursts",
            mend="Give 1 or more",
        )
    cell.check(bath)
    cell, bath = floats((cell, bath))
    guess = None
    if start is not None:
        guess = (start.V_m / thermal_voltage(bath.T), tuple(jnp.log(start.c_i[i]) for i in cell.ions))
        guess = floats(guess)
    return _solve(cell, bath, guess, jnp.inf if max_volume_ratio is None else max_volume_ratio)


def _solved(cell: Cell, bath: Bath, guess, max_volume_ratio) -> SteadyState:
    valid = jnp.ones((), bool)
    for leaf in jax.tree.leaves((cell, bath)):
        valid = valid & jnp.isfinite(leaf)
    # Held ions too; in the same order in every process, or JAX's cache would not know the program again.
    for ion in dict.fromkeys(ion for m in cell.mechanisms.values() for ion in m.stoichiometry):
        valid = valid & (jnp.asarray(bath.c[ion]) > 0)
    for number in [bath.T, *cell.held.values(), *([cell.X_i] if cell.volume == "osmotic" else [])]:
        valid = valid & (jnp.asarray(number) > 0)
    for mechanism in cell.mechanisms.values():
        for field, number in mechanism.numbers().items():
            valid = valid & ~jnp.asarray(number.impossible(getattr(mechanism, field)))
    for number in [cell.X_i, bath.X_o, *cell.factors.values(), *([] if cell.wall is None else [cell.wall])]:
        valid = valid & (jnp.asarray(number) >= 0)
    valid = valid & bath.neutral
    # An invalid lane is solved as something harmless, so that nothing not finite gets near a derivative.
    safe_cell, safe_bath = jax.tree.map(lambda a: jnp.where(valid, a, jnp.ones_like(a)), (cell, bath))
    eq = Equations(safe_cell, safe_bath)
    start = starting_point(Equations(*lax.stop_gradient((safe_cell, safe_bath))))
    tolerance = 256 * float(jnp.finfo(start[0].dtype).eps)
    end = march_many(*lax.stop_gradient((safe_cell, safe_bath, guess)), tolerance)
    status = jnp.where(valid, end.status, Status.invalid)
    return _finish(eq, end, start, status, max_volume_ratio)


def _finish(eq: Equations, end: March, start, status, max_volume_ratio) -> SteadyState:
    ok = status == Status.converged
    n = len(eq.ions)
    # Lanes without an answer stand at the start, where every derivative is finite.
    harmless = (start[0], *start[1], *(() if eq.fixed else (lax.stop_gradient(water(eq, start[1])),)))
    found = (end.u, *end.y, *(() if eq.fixed else (end.w,)))
    x = tuple(jnp.where(ok, a, b) for a, b in zip(found, harmless, strict=True))
    x = implicit(eq, lax.stop_gradient(x), ok)
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
    matrix, constraint, slope = dynamics(eq, u, y, w, X)
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

    Example:
        >>> from pumpleak import load_preset
        >>> cell, bath = load_preset("mammalian_muscle")
        >>> [(round(float(s.V_m)), bool(s.stable)) for s in steady_states(cell, bath.change(K_o=1.5))]
        [(-109, True), (-86, False), (-67, True)]
    """
    check_in_bath(cell, bath)
    cell.check(bath)
    cell, bath = floats((cell, bath))
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
    others = [s for s in stable if s is not chosen]
    if abs(float(first.V_m) - chosen.V_m) < 1e-3:
        return first, others
    again = steady_state(cell, bath, max_volume_ratio=max_volume_ratio, start=chosen)
    return (again if bool(again.ok) and abs(float(again.V_m) - chosen.V_m) < 1e-3 else chosen), others


def usual_V_m(cell: Cell, bath: Bath) -> float | None:
    """V_m [mV] at which a cell rests before anything is changed; None where it has no stable state there."""
    state = steady_state(cell, bath)
    return float(state.V_m) if bool(state.ok) and bool(state.stable) else None


def plain_state(state: SteadyState) -> SteadyState:
    """The state with NumPy arrays for JAX's."""
    return jax.tree.map(np.asarray, state)


def _scanned(cell: Cell, bath: Bath) -> SteadyState:
    """From potentials between −130 and +50 mV, each by the march and by plain Newton (for the unstable)."""
    eq = Equations(cell, bath)
    u0 = jnp.linspace(-5.0, 2.0, 29, dtype=eq.Pi_o.dtype)
    u0, eta = jnp.concatenate([u0, u0]), jnp.repeat(jnp.asarray([FIRST, 1e12], u0.dtype), len(u0))
    eq.shape = u0.shape
    _, y = starting_point(eq)
    start = u0, y
    tolerance = 256 * float(jnp.finfo(u0.dtype).eps)
    end = march_lanes(eq, start, tolerance, first_march(eq, start, eta))
    return _finish(eq, end, start, end.status, jnp.inf)


_scan, _solve = program(_scanned, SteadyState), program(_solved, SteadyState)
