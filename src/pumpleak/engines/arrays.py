"""Linear algebra of small matrices, written out so that a batch of them compiles well; calls in blocks of rows; and cores."""

import os
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from ..traced import program

_WRITTEN_OUT = 6


def cores() -> int:
    """How many of the machine's cores this process may use."""
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def cholesky(A):
    """Lower factor of a positive definite matrix (D, D); a small one's written out: lanes under `vmap` stay arrays.

    LAPACK is called once a matrix, which for D = 4 takes longer than the arithmetic; for D = 12, compiling what
    is written out takes longer than both. A pivot that rounding has made negative is replaced by a tiny one.
    """
    n = A.shape[0]
    if n > _WRITTEN_OUT:
        L = jnp.linalg.cholesky(A)
        return jnp.where(jnp.all(jnp.isfinite(L)), L, jnp.diag(jnp.sqrt(jnp.maximum(jnp.diag(A), 1e-300))))
    tiny = 1e-12 * jnp.max(jnp.abs(jnp.diag(A)))
    L = [[jnp.zeros((), A.dtype)] * n for _ in range(n)]
    for j in range(n):
        pivot = A[j, j] - sum((L[j][k] ** 2 for k in range(j)), start=0.0)
        L[j][j] = jnp.sqrt(jnp.maximum(pivot, tiny))
        for i in range(j + 1, n):
            L[i][j] = (A[i, j] - sum((L[i][k] * L[j][k] for k in range(j)), start=0.0)) / L[j][j]
    return jnp.stack([jnp.stack(row) for row in L])


def inverse_lower(L):
    """Inverse of a lower triangular matrix; a small one's written out."""
    n = L.shape[0]
    if n > _WRITTEN_OUT:
        return jax.scipy.linalg.solve_triangular(L, jnp.eye(n, dtype=L.dtype), lower=True)
    out = [[jnp.zeros((), L.dtype)] * n for _ in range(n)]
    for j in range(n):
        out[j][j] = 1 / L[j, j]
        for i in range(j + 1, n):
            out[i][j] = -sum((L[i, k] * out[k][j] for k in range(j, i)), start=0.0) / L[i, i]
    return jnp.stack([jnp.stack(row) for row in out])


def solve_spd(A, b):
    """A⁻¹ b for a small positive definite A."""
    inverse = inverse_lower(cholesky(A))
    return inverse.T @ (inverse @ b)


def in_chunks(function: Callable, x: np.ndarray, size: int = 4096):
    """A function of one point at many (..., D), in one compiled shape: a tree of arrays (..., ·)."""
    flat, run = x.reshape(-1, x.shape[-1]), program(jax.vmap(function))
    parts = []
    for start in range(0, len(flat), size):
        part = flat[start : start + size]
        padded = np.concatenate([part, np.repeat(part[:1], size - len(part), axis=0)])
        parts.append(jax.tree.map(np.asarray, run(jnp.asarray(padded))))
    return jax.tree.map(
        lambda *a: np.concatenate(a)[: len(flat)].reshape(*x.shape[:-1], *a[0].shape[1:]), *parts
    )
