"""One level followed along a sweep, and where it ends."""

from typing import Any


def own_rest(given) -> float | None:
    """V_m of the cell as its file has it, before any --set: where a changed cell comes from."""
    from .steady import steady_state

    state = steady_state(given.cell, given.bath)
    return float(state.V_m) if bool(state.ok) and bool(state.stable) else None


_HOP_mV = 6.0  # between neighbours of a sweep; more is taken for another branch


_MOST_ASKED = 24  # values of a sweep that are searched for a second stable state


def hops(states, swept, cell, bath, compensation) -> bool:
    """Whether a sweep left one stable state for another, or for an unstable one, while that one was there.

    Only where it met an unstable state or jumped in V_m are all the steady states searched for.
    """
    import numpy as np

    from .numbers import change
    from .steady import steady_states

    ok, V, volume = (np.asarray(a) for a in (states.ok, states.V_m, states.volume))
    hop = np.flatnonzero(ok[1:] & ok[:-1] & (np.abs(np.diff(V)) > _HOP_mV))
    asked = np.unique(np.concatenate([hop, hop + 1, np.flatnonzero(ok & ~np.asarray(states.stable))]))
    if len(asked) > _MOST_ASKED:
        asked = asked[np.linspace(0, len(asked) - 1, _MOST_ASKED).round().astype(int)]

    def another(i) -> bool:
        here = change(cell, bath, {swept.name: float(swept.values[i])}, compensation=compensation)
        return any(
            s.stable and (abs(s.V_m - V[i]) > 1e-2 or abs(s.volume / volume[i] - 1) > 1e-3)
            for s in steady_states(*here)
        )

    return any(another(i) for i in asked)


def followed(swept, given, cell, bath, compensation, max_volume_ratio):
    """The sweep once more, each value from its neighbour's stable state."""
    import jax
    import numpy as np

    from .numbers import cell_parameters, change
    from .steady import resting_state, steady_state
    from .words import plain_state

    own = float(cell_parameters(cell, bath)[swept.name].value)
    middle = int(np.argmin(np.abs(swept.values - own)))
    out: dict[int, Any] = {}
    for indices in (range(middle, len(swept.values)), range(middle - 1, -1, -1)):
        last = out.get(middle)
        near = own_rest(given) if last is None else float(last.V_m)
        for i in indices:
            here = change(cell, bath, {swept.name: float(swept.values[i])}, compensation=compensation)
            state = None
            if last is not None and last.ok:
                state = plain_state(steady_state(*here, max_volume_ratio=max_volume_ratio, start=last))
                near = float(last.V_m)
            if state is None or not (state.ok and state.stable):
                state = plain_state(resting_state(*here, near=near, max_volume_ratio=max_volume_ratio)[0])
            out[i] = last = state
    states = [out[i] for i in range(len(swept.values))]
    return jax.tree.map(lambda *a: np.stack(a), *states)


def jumps(swept, states) -> list[str]:
    import numpy as np

    V, ok = np.asarray(states.V_m), np.asarray(states.ok)
    gaps = np.where(ok[1:] & ok[:-1], np.abs(np.diff(V)), 0)
    where = np.flatnonzero(gaps > max(_HOP_mV, 2.5 * float(np.median(gaps))))
    return [
        f"Between {swept.key} {swept.shown[i]:.4g} and {swept.shown[i + 1]:.4g} V_m goes from {V[i]:.1f} to {V[i + 1]:.1f} mV."
        for i in where[:5]
    ]
