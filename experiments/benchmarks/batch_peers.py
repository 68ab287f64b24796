"""Peers of pumpleak's batch inference: the same posteriors by PyMC with nutpie, by NumPyro and by emcee.

`PEERS` holds a function each, ``(problem, readings (n, baths), *, seed, cores, keep, **settings) -> PeerResult``.
All use both cores, and the settings (`SETTINGS`, a problem each) that gave most usable posteriors a second among
those tried; where two were alike, the one with more of its cells usable. A posterior is usable if, for each
unknown, rank-normalised R-hat <= 1.01 and bulk and tail (5 %, 95 %) ESS >= 400, and no draw diverged; emcee's are
judged by less, see there. `run_s` ends with the draws as NumPy arrays: compiling and judging are apart.

All but nutpie sample z, each unknown's prior a standard normal (`batch_problems`), which leaves fewer scales for the
warm-up to learn.
"""

import functools
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np
from batch_problems import PROBLEMS, Titration

CHAINS = 4
RHAT, ESS = 1.01, 400
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "nutpie": {
        "well posed": {"adaptation": "low_rank", "tune": 400, "draws": 400, "target_accept": 0.8},
        "skewed": {"adaptation": "diag", "tune": 400, "draws": 1000, "target_accept": 0.95},
    },
    "numpyro_nuts": {
        "well posed": {"target_accept": 0.8, "warmup": 300, "draws": 300},
        "skewed": {"target_accept": 0.98, "warmup": 600, "draws": 1000},
    },
    "numpyro_vmapped_nuts": {
        "well posed": {"target_accept": 0.8, "warmup": 300, "draws": 300, "depth": 3, "chunk": 100},
        "skewed": {"target_accept": 0.9, "warmup": 500, "draws": 700, "depth": 4, "chunk": 100},
    },
    "numpyro_vmapped_hmc": {
        "well posed": {"steps": 3, "target_accept": 0.85, "warmup": 300, "draws": 300, "chunk": 100},
        "skewed": {"steps": 12, "target_accept": 0.92, "warmup": 400, "draws": 600, "chunk": 100},
    },
    "numpyro_vmapped_hmc_16": {
        "well posed": {"steps": 16, "target_accept": 0.9, "warmup": 500, "draws": 1000, "chunk": 100},
        "skewed": {"steps": 16, "target_accept": 0.9, "warmup": 500, "draws": 700, "chunk": 100},
    },
    "emcee": {
        "well posed": {"walkers": 32, "burn": 200, "first": 800, "most": 4000},
        "skewed": {"walkers": 32, "burn": 300, "first": 1300, "most": 6000},
    },
}


class PeerResult(NamedTuple):
    """What a peer gave for n cells.

    Attributes:
        compile_s: seconds to a program that takes any cell's readings (emcee: to two processes that wait).
        run_s: seconds of sampling, both cores.
        usable: (n,) bool.
        diagnostics: ``rhat`` (largest), ``bulk``, ``tail`` (smallest) and ``divergences`` of each cell; for emcee
            ``tau`` and ``steps``.
        draws: of the first `keep` cells, (chains, draws, 4) each, natural scale.
        settings: what was used.
        versions: of the packages.
    """

    compile_s: float
    run_s: float
    usable: np.ndarray
    diagnostics: dict[str, np.ndarray]
    draws: list[np.ndarray]
    settings: dict[str, Any]
    versions: dict[str, str]

    @property
    def rate(self) -> float:
        """Usable posteriors a second."""
        return float(self.usable.sum()) / self.run_s


def judge(x: np.ndarray, diverging: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Which cells are usable, and why: x (cells, chains, draws, 4), diverging (cells, chains, draws)."""
    from arviz_stats.base import array_stats

    x = np.moveaxis(x, -1, 1)
    d = {
        "rhat": np.asarray(array_stats.rhat(x)).max(-1),
        "bulk": np.asarray(array_stats.ess(x, method="bulk")).min(-1),
        "tail": np.asarray(array_stats.ess(x, method="tail", prob=(0.05, 0.95))).min(-1),
        "divergences": diverging.sum((1, 2)),
    }
    # NaN, as of a chain that never moved, is not usable.
    usable = (d["rhat"] <= RHAT) & (d["bulk"] >= ESS) & (d["tail"] >= ESS) & (d["divergences"] == 0)
    return usable, d


def _natural(problem: Titration, z: np.ndarray) -> np.ndarray:
    return np.stack(list(problem.natural(z).values()), -1)


def _versions(*packages: str) -> dict[str, str]:
    return {p: metadata.version(p) for p in packages}


# -- PyMC and nutpie ------------------------------------------------------------------------------------


def pymc_model(problem: Titration):
    """The problem as a PyMC user would write it, its readings a `pm.Data`."""
    import pymc as pm

    with pm.Model() as model:
        readings = pm.Data("readings", np.zeros(len(problem.K_o)))
        values = {
            u.name: (pm.LogNormal if u.kind == "lognormal" else pm.Normal)(u.name, u.a, u.b)
            for u in problem.unknowns
        }
        sigma = (problem.known | values)["sigma_V_m"]
        pm.Normal("V_m", problem.predict(values, pm.math), sigma, observed=readings)
    return model


def nutpie(problem: Titration, readings, *, seed=0, cores=2, keep=5, **settings) -> PeerResult:
    """PyMC's model compiled once, nutpie's NUTS cell by cell with the readings swapped in.

    Two threads take a cell each (its chains one after another): as fast as one cell over both cores, or somewhat
    faster. nutpie's raw trace is read, since making its DataTree took as long again as sampling, or longer.
    Low-rank adaptation makes ESS 4 times as high on the well-posed problem, whose K_i and V_offset are strongly
    correlated, but not on the skewed one; there about half of the cells diverge at nutpie's target of 0.8.
    """
    import nutpie as package
    import pyarrow

    settings = SETTINGS["nutpie"][problem.name] | settings
    begin = time.perf_counter()
    compiled = package.compile_pymc_model(pymc_model(problem))
    compile_s = time.perf_counter() - begin

    def column(batch, name):
        return np.asarray(pyarrow.array(batch.column(name)).to_numpy(zero_copy_only=False))

    def sample(i):
        trace = package.sample(
            compiled.with_data(readings=readings[i]),
            chains=CHAINS,
            cores=1,
            seed=seed * 1_000_003 + i,
            progress_bar=False,
            save_warmup=False,
            return_raw_trace=True,
            **settings,
        )
        x, diverging = [], []
        for draws, stats in zip(*trace.get_arrow_trace(), strict=True):
            kept = ~column(stats, "tuning").astype(bool)
            x.append(np.stack([column(draws, name)[kept] for name in problem.names], -1))
            diverging.append(column(stats, "diverging")[kept].astype(bool))
        return np.stack(x), np.stack(diverging)

    sample(0)
    begin = time.perf_counter()
    with ThreadPoolExecutor(cores) as pool:
        x, diverging = zip(*pool.map(sample, range(len(readings))), strict=True)
    run_s = time.perf_counter() - begin
    usable, diagnostics = judge(np.stack(x), np.stack(diverging))
    versions = _versions("pymc", "nutpie", "numba")
    return PeerResult(compile_s, run_s, usable, diagnostics, list(x[:keep]), settings, versions)


# -- NumPyro --------------------------------------------------------------------------------------------


def numpyro_model(problem: Titration):
    """The problem in NumPyro, in z."""
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    def model(readings):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0).expand([len(problem.unknowns)]).to_event(1))
        values = problem.natural(z, jnp)
        sigma = (problem.known | values)["sigma_V_m"]
        numpyro.sample("V_m", dist.Normal(problem.predict(values, jnp), sigma).to_event(1), obs=readings)

    return model


def _numpyro(problem, readings, kernel, settings, *, seed, cores, keep, chunk) -> PeerResult:
    """Chunks of cells under vmap, `cores` chunks at a time in threads; without `chunk`, single chains instead."""
    import jax
    import jax.numpy as jnp
    from numpyro.infer import MCMC

    model = numpyro_model(problem)
    n, baths = readings.shape

    def sample(key, y, chains):
        # Kernel and MCMC are made anew in each trace: they hold tracers afterwards.
        mcmc = MCMC(
            kernel(model),
            num_warmup=settings["warmup"],
            num_samples=settings["draws"],
            num_chains=chains,
            chain_method=jax.vmap,
            progress_bar=False,
        )
        mcmc.run(key, y, extra_fields=("diverging",))
        return mcmc.get_samples(group_by_chain=True)["z"], mcmc.get_extra_fields(group_by_chain=True)[
            "diverging"
        ]

    if chunk:
        # As many chunks of one size as keep all cores busy to the end; the last is filled up with its last cell.
        chunks = cores * -(-n // (cores * chunk))
        chunk = -(-n // chunks)
        cell = np.minimum(np.arange(chunk * chunks), n - 1).reshape(chunks, chunk)
        program = jax.vmap(functools.partial(sample, chains=CHAINS))
    else:
        cell = np.repeat(np.arange(n), CHAINS)
        program = functools.partial(sample, chains=1)
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(seed), cell.size).reshape(cell.shape)
        tasks = [(keys[i], jnp.asarray(readings[cell[i]])) for i in range(len(cell))]
        begin = time.perf_counter()
        compiled = jax.jit(program).lower(*tasks[0]).compile()
        compile_s = time.perf_counter() - begin

    def run(task):
        with jax.enable_x64(True):  # the setting is a thread's own
            return tuple(np.asarray(a) for a in compiled(*task))

    begin = time.perf_counter()
    with ThreadPoolExecutor(cores) as pool:
        z, diverging = zip(*pool.map(run, tasks), strict=True)
    run_s = time.perf_counter() - begin
    z, diverging = (np.concatenate(a) for a in (z, diverging))
    if not chunk:  # each task gave one chain
        z, diverging = (a.reshape(n, CHAINS, *a.shape[1:]) for a in (z, diverging))
    usable, diagnostics = judge(z[:n], diverging[:n])
    draws = list(_natural(problem, z[:keep]))
    return PeerResult(
        compile_s, run_s, usable, diagnostics, draws, settings, _versions("numpyro", "jax", "jaxlib")
    )


def numpyro_nuts(problem: Titration, readings, *, seed=0, cores=2, keep=5, **settings) -> PeerResult:
    """NumPyro's NUTS with a dense mass matrix, one chain of one cell after another, compiled once.

    Two threads take a chain each: half as fast again, or much more, than the chains of a cell in lockstep, and
    a third of the compile time. On the well-posed problem 1,000 + 1,000 have half the rate of 300 + 300, which 96 %
    of the cells pass. On the skewed one a target of 0.98 costs nothing: a fifth of the cells diverged at 0.95, of
    which most pass then.
    """
    from numpyro.infer import NUTS, init_to_median

    settings = SETTINGS["numpyro_nuts"][problem.name] | settings
    kernel = functools.partial(
        NUTS, dense_mass=True, target_accept_prob=settings["target_accept"], init_strategy=init_to_median
    )
    return _numpyro(problem, readings, kernel, settings, seed=seed, cores=cores, keep=keep, chunk=None)


def numpyro_vmapped_nuts(problem: Titration, readings, *, seed=0, cores=2, keep=5, **settings) -> PeerResult:
    """NumPyro's NUTS under vmap over cells and chains.

    All lanes wait at each draw for the longest trajectory, so trees are cut at the depth that most draws need:
    with that of 10 that NumPyro allows, the well-posed problem gave 9 usable posteriors a second instead of 190, the
    skewed one 5 instead of 40 (processor time, chunks of 32). Depth 5 at a target of 0.98 gave 28, 0.95 with 1,000
    draws 32.
    """
    from numpyro.infer import NUTS, init_to_median

    settings = SETTINGS["numpyro_vmapped_nuts"][problem.name] | settings
    kernel = functools.partial(
        NUTS,
        dense_mass=True,
        target_accept_prob=settings["target_accept"],
        max_tree_depth=settings["depth"],
        init_strategy=init_to_median,
    )
    return _numpyro(
        problem, readings, kernel, settings, seed=seed, cores=cores, keep=keep, chunk=settings["chunk"]
    )


def numpyro_vmapped_hmc(
    problem: Titration, readings, *, seed=0, cores=2, keep=5, variant="numpyro_vmapped_hmc", **settings
) -> PeerResult:
    """NumPyro's HMC of a fixed number of leapfrog steps, dense mass matrix, under vmap over cells and chains.

    The number of steps matters more than all else, and its best value is the problem's: on the well-posed one
    three steps of 300 + 300 pass 92 % of the cells; two, four or five at most a quarter, and sixteen half of them
    after 500 + 1,000, since trajectories come back to where they began (a Gaussian's orbits are periodic, and NumPyro
    does not jitter them). On the skewed one 5 to 12 steps have about the same rate, and more of them more usable
    cells (50 to 80 %). Chunks of 100 were a tenth to a third faster than of 32 and of 250.
    `numpyro_vmapped_hmc_16` holds the steps at 16, as one who knew neither problem might.
    """
    from numpyro.infer import HMC, init_to_median

    settings = SETTINGS[variant][problem.name] | settings
    kernel = functools.partial(
        HMC,
        dense_mass=True,
        target_accept_prob=settings["target_accept"],
        num_steps=settings["steps"],
        trajectory_length=None,
        init_strategy=init_to_median,
    )
    return _numpyro(
        problem, readings, kernel, settings, seed=seed, cores=cores, keep=keep, chunk=settings["chunk"]
    )


# -- emcee ----------------------------------------------------------------------------------------------


def _emcee_cell(name: str, readings: np.ndarray, seed: int, walkers: int, burn: int, first: int, most: int):
    """Draws z (walkers, steps, 4) of one cell, and the longest autocorrelation time [steps]."""
    import emcee

    problem = PROBLEMS[name]
    moves = [(emcee.moves.DEMove(), 0.9), (emcee.moves.DEMove(gamma0=1.0), 0.1)]
    sampler = emcee.EnsembleSampler(
        walkers, len(problem.unknowns), problem.log_density, args=(readings,), vectorize=True, moves=moves
    )
    sampler.random_state = np.random.RandomState(seed).get_state()
    state = sampler.run_mcmc(np.random.default_rng(seed).standard_normal((walkers, 4)), burn)
    sampler.reset()
    steps = first
    while True:
        state = sampler.run_mcmc(state, steps - sampler.iteration)
        tau = float(np.max(sampler.get_autocorr_time(tol=0)))
        if not steps < 50 * tau or steps >= most:
            break
        steps = min(most, int(52 * tau) + 1)
    return np.moveaxis(sampler.get_chain(), 1, 0), tau


def _ready(barrier, name: str, readings: np.ndarray) -> None:
    """Once in each process: import and touch everything, then wait for the others."""
    _emcee_cell(name, readings, 0, walkers=32, burn=2, first=10, most=10)
    barrier.wait()


def emcee(problem: Titration, readings, *, seed=0, cores=2, keep=5, **settings) -> PeerResult:
    """emcee, 32 walkers from the prior, a vectorised density, one cell after another in each of two processes.

    Usable is what emcee's documentation asks for: 50 autocorrelation times of the slowest unknown, which are 1,600
    effective draws by that measure. Chains go on until they have them, up to ``most`` steps. This flatters it:
    walkers are not independent, no R-hat is asked for (with walkers as chains, R-hat <= 1.01 takes about 100
    autocorrelation times), nor anything of the tails. Moves of differential evolution have a third of the stretch
    move's autocorrelation time on the well-posed problem (14 steps instead of 43), half on the skewed one (25
    instead of 55). 64 walkers cost a quarter more a step for the same autocorrelation time. Processes are spawned,
    since one forked from JAX's threads may hang.
    """
    settings = SETTINGS["emcee"][problem.name] | settings
    context = multiprocessing.get_context("spawn")
    ready = (context.Barrier(cores), problem.name, readings[0])
    begin = time.perf_counter()
    with ProcessPoolExecutor(cores, context, initializer=_ready, initargs=ready) as pool:
        list(pool.map(abs, range(cores)))  # whichever process answers has waited for all
        compile_s = time.perf_counter() - begin
        begin = time.perf_counter()
        jobs = [
            pool.submit(_emcee_cell, problem.name, y, seed * 1_000_003 + i, **settings)
            for i, y in enumerate(readings)
        ]
        z, tau = zip(*(job.result() for job in jobs), strict=True)
        run_s = time.perf_counter() - begin
    tau, steps = np.array(tau), np.array([a.shape[1] for a in z])
    usable = (steps >= 50 * tau) & (settings["walkers"] * steps >= ESS * tau)
    draws = [_natural(problem, a) for a in z[:keep]]
    return PeerResult(
        compile_s, run_s, usable, {"tau": tau, "steps": steps}, draws, settings, _versions("emcee", "numpy")
    )


PEERS: dict[str, Callable[..., PeerResult]] = {
    "nutpie": nutpie,
    "numpyro_nuts": numpyro_nuts,
    "numpyro_vmapped_nuts": numpyro_vmapped_nuts,
    "numpyro_vmapped_hmc": numpyro_vmapped_hmc,
    "numpyro_vmapped_hmc_16": functools.partial(numpyro_vmapped_hmc, variant="numpyro_vmapped_hmc_16"),
    "emcee": emcee,
}


# -- agreement ------------------------------------------------------------------------------------------


def compare_means(a: PeerResult, b: PeerResult) -> np.ndarray:
    """z of the differences of posterior means over their Monte Carlo errors, (kept cells, 4).

    The errors are ArviZ's, with emcee's walkers as chains.
    """
    from arviz_stats.base import array_stats

    def summary(draws):
        x = np.moveaxis(draws, -1, 0)
        return x.mean((1, 2)), np.asarray(array_stats.mcse(x))

    pairs = zip(map(summary, a.draws), map(summary, b.draws), strict=False)
    return np.stack([(m - o) / np.hypot(s, t) for (m, s), (o, t) in pairs])
