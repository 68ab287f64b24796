"""The equations of a cell at rest: what must vanish, and what follows from V_m and the concentrations."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..quantities.ions import valence
from .cell import Bath, Cell
from .mechanisms import Membrane


class Equations:
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


def starting_point(eq: Equations):
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


def water(eq: Equations, y):
    """ln(volume) that balances water for these concentrations, or nearly."""
    if eq.fixed:
        return jnp.zeros_like(y[0])
    c = sum((jnp.exp(a) for a in y), start=eq.held_osmoles)
    return jnp.log(eq.cell.X_i / jnp.maximum(eq.Pi_o - c, 0.2 * eq.Pi_o))


def eliminate(rows):
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


def implicit(eq: Equations, x, ok):
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
        solved = eliminate(rows)
        return tuple(solved[order.index(i)] for i in range(size))

    return lax.custom_root(f, x, lambda f, x: x, tangent_solve)


def _row_scales(eq: Equations, x):
    n = len(eq.ions)
    u, y = x[0], x[1 : n + 1]
    c = [jnp.exp(a) for a in y]
    _, Ju, Jy = eq.slopes(u, y)
    flux = [
        jnp.abs(Ju[j]) + sum(jnp.abs(Jy[j][k]) for k in range(n)) + jnp.finfo(u.dtype).tiny for j in range(n)
    ]
    total = sum(c, start=eq.held_osmoles) + eq.Pi_o
    return [total, *flux, *([] if eq.fixed else [total])]


def floats(tree):
    """All numbers of a tree as arrays of one floating dtype (the arrays' own, or JAX's default)."""
    leaves, structure = jax.tree.flatten(tree)
    found = [a.dtype for a in leaves if hasattr(a, "dtype") and jnp.issubdtype(a.dtype, jnp.floating)]
    dtype = jnp.result_type(*found) if found else jnp.result_type(float)
    return jax.tree.unflatten(structure, [jnp.asarray(a, dtype) for a in leaves])


def dynamics(eq: Equations, u, y, w, X):
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
