"""NUTS on the crayfish problem: pumpleak against the same model in PyMC, sampled by nutpie.

Shows, for 4 chains of 1,000 + 1,000 iterations each:

* the log densities of the two models agree at draws from the prior;
* the smallest effective sample size per second of sampling, compilation apart (target: ratio >= 1);
* the wall time of a fresh process, compile caches empty, from its start to the posterior on disk
  (target: ratio <= 0.7), for `pumpleak infer` without its report and for the posterior alone;
* the posterior means agree within their Monte Carlo errors.

pumpleak samples as it does by default (dense mass matrix, the config's target acceptance), nutpie as it does (diagonal
mass matrix from draws and gradients, target acceptance 0.8).

    uv run --group bench python experiments/benchmarks/nuts_against_nutpie.py

Without PyMC and nutpie, pumpleak's own figures are printed and the comparison is skipped aloud.
"""

import argparse
import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

CONFIG = Path(__file__).parents[2] / "configs" / "crayfish_muscle.yaml"
CHAINS, WARMUP, DRAWS = 4, 1000, 1000
# pumpleak's name -> the name in the PyMC model
NAMES = {
    "P_Na_rel": "P_Na_rel",
    "P_Cl_rel": "P_Cl_rel",
    "T": "T",
    "K_i": "K_i",
    "Na_i": "Na_i",
    "Cl_i": "Cl_i",
    "V_offset": "V_offset",
    "LJP[K-gluconate, low chloride]": "LJP_gluconate",
    "Na_o[K-gluconate, low chloride]_total": "cations_gluconate",
    "Cl_o[K-gluconate, low chloride]": "Cl_o_gluconate",
    "Na_o[Na-free]": "Na_o_free",
    "Cl_o[Na-free]": "Cl_o_free",
    "extra_V_m": "extra_V_m",
}


def have_peers() -> bool:
    return all(importlib.util.find_spec(name) for name in ("pymc", "nutpie", "numba"))


# -- the two models ---------------------------------------------------------------------------------


def pymc_model():
    """The crayfish problem as a PyMC user would write it; numbers as in the config and the dataset."""
    import numpy as np
    import pymc as pm

    V_m = np.array([-70.912, -62.030, -43.398, -21.525, -72.657])
    sem = np.array([8.710, 6.630, 7.073, 7.447, 12.710]) / np.sqrt([16, 18, 15, 18, 17])
    K_o = np.array([5.4, 5.4, 40.0, 100.0, 5.4])
    gluconate = np.array([0.0, 1.0, 1.0, 1.0, 0.0])
    R, F = 8.314462618, 96485.33212
    with pm.Model() as model:
        P_Na = pm.LogNormal("P_Na_rel", np.log(0.03), np.log(3))
        P_Cl = pm.LogNormal("P_Cl_rel", np.log(0.3), np.log(3))
        T = pm.Normal("T", 294.15, 1)
        K_i = pm.LogNormal("K_i", np.log(150), np.log(1.4))
        Na_i = pm.LogNormal("Na_i", np.log(15), np.log(1.5))
        Cl_i = pm.LogNormal("Cl_i", np.log(15), np.log(1.5))
        V_offset = pm.Normal("V_offset", 0, 2)
        LJP = pm.Normal("LJP_gluconate", 0, 3)
        cations = pm.Normal("cations_gluconate", 212, 10)
        Cl_o_gluconate = pm.Uniform("Cl_o_gluconate", 20, 60)
        Na_o_free = pm.HalfNormal("Na_o_free", 1)
        Cl_o_free = pm.Normal("Cl_o_free", 240, 10)
        extra = pm.HalfNormal("extra_V_m", 2)
        Na_o = pm.math.stack([207.0, cations - 5.4, cations - 40.0, cations - 100.0, Na_o_free])
        Cl_o = pm.math.stack([242.4, Cl_o_gluconate, Cl_o_gluconate, Cl_o_gluconate, Cl_o_free])
        influx = K_o + P_Na * Na_o + P_Cl * Cl_i
        outflux = K_i + P_Na * Na_i + P_Cl * Cl_o
        mean = 1e3 * R * T / F * pm.math.log(influx / outflux) + V_offset + gluconate * LJP
        pm.Normal("reading", mean, pm.math.sqrt(sem**2 + extra**2), observed=V_m)
    return model


def density_difference(problem, n=200) -> float:
    """Largest relative difference of the two joint log densities, natural scale, at draws from the prior."""
    import jax
    import numpy as np
    from pymc.model.transform.conditioning import remove_value_transforms

    model = remove_value_transforms(pymc_model())
    theirs = model.compile_logp()
    with jax.enable_x64(True):
        draws = problem.prior_draws(np.random.default_rng(0), n)

        @jax.jit
        @jax.vmap
        def joint(sites):
            return problem.log_prior(sites) + problem.log_likelihood(sites).sum()

        ours = np.asarray(joint(draws))
    points = [{other: draws[name][i] for name, other in NAMES.items()} for i in range(n)]
    return float(np.max(np.abs(np.array([theirs(p) for p in points]) / ours - 1)))


# -- sampling, compilation apart --------------------------------------------------------------------


class _TimedPool(ThreadPoolExecutor):
    """The pool in which run_nuts's chains run: its lifetime is the sampling, all compiled before."""

    seconds = 0.0

    def __enter__(self):
        self._start = time.perf_counter()
        return super().__enter__()

    def __exit__(self, *exc):
        out = super().__exit__(*exc)
        _TimedPool.seconds = time.perf_counter() - self._start
        return out


def sample_pumpleak(problem, seed: int):
    """Natural draws as a dataset, seconds of sampling, seconds of everything before it, leapfrog steps."""
    import arviz_base
    import jax
    import jax.numpy as jnp
    import numpy as np

    from pumpleak.engines import nuts as sampling

    sampling.ThreadPoolExecutor = _TimedPool
    begin = time.perf_counter()
    with jax.enable_x64(True):
        rng = np.random.default_rng(seed)
        candidates = jnp.asarray(problem.unconstrain(problem.prior_draws(rng, 32 * CHAINS)))
        starts = sampling.chain_starts(problem.potential, candidates, CHAINS)
        drawn = sampling.run_nuts(
            problem.potential,
            starts,
            warmup=WARMUP,
            draws=DRAWS,
            target_accept=problem.config["sampler"]["target_accept"],
            seed=seed,
        )
        before = time.perf_counter() - begin - _TimedPool.seconds
        sites = jax.jit(jax.vmap(jax.vmap(problem.constrain)))(drawn.u)
    posterior = {NAMES[k]: np.asarray(v) for k, v in sites.items()}
    data = arviz_base.from_dict({"posterior": posterior})
    return data, _TimedPool.seconds, before, drawn.stats["n_steps"].mean()


def sample_nutpie(compiled, seed: int):
    """The same for nutpie."""
    import nutpie

    begin = time.perf_counter()
    tree = nutpie.sample(
        compiled, chains=CHAINS, tune=WARMUP, draws=DRAWS, seed=seed, progress_bar=False, save_warmup=False
    )
    return tree, time.perf_counter() - begin, float(tree.sample_stats.n_steps.mean())


def smallest_ess(tree, method: str) -> tuple[float, str]:
    import arviz_stats

    posterior = tree.posterior.to_dataset()[list(NAMES.values())]
    ess = arviz_stats.ess(posterior, method=method)
    values = {k: float(ess[k]) for k in NAMES.values()}
    worst = min(values, key=values.get)
    return values[worst], worst


def compare_means(ours, theirs) -> tuple[list[tuple], float]:
    """Parameter, both means, both Monte Carlo errors, z of their difference; all seeds' chains together."""
    import arviz_stats
    import xarray as xr

    def pool(trees):
        return xr.concat(
            [
                t.posterior.to_dataset()[list(NAMES.values())].assign_coords(
                    chain=range(CHAINS * i, CHAINS * (i + 1))
                )
                for i, t in enumerate(trees)
            ],
            "chain",
        )

    a, b = pool(ours), pool(theirs)
    error_a, error_b = (arviz_stats.mcse(x, method="mean") for x in (a, b))
    rows = []
    for name in NAMES.values():
        m, n, s, t = (float(x[name].mean()) for x in (a, b, error_a, error_b))
        rows.append((name, m, n, s, t, (m - n) / (s**2 + t**2) ** 0.5))
    return rows, max(abs(r[-1]) for r in rows)


# -- cold starts --------------------------------------------------------------------------------------


def cold(kind: str, out: Path) -> None:
    """What a fresh process does: from nothing to the posterior on disk."""
    if kind == "nutpie":
        import nutpie

        compiled = nutpie.compile_pymc_model(pymc_model())
        tree = nutpie.sample(
            compiled, chains=CHAINS, tune=WARMUP, draws=DRAWS, seed=1, progress_bar=False, save_warmup=False
        )
        tree.to_netcdf(out / "posterior.nc", engine="h5netcdf")
        return
    from pumpleak import load_problem

    problem = load_problem(CONFIG)
    if kind == "infer":
        from pumpleak import infer

        infer(problem, chains=CHAINS, warmup=WARMUP, draws=DRAWS, seed=1).save(out / "result")
        return
    sample_pumpleak(problem, 1)[0].to_netcdf(out / "posterior.nc", engine="h5netcdf")


def cold_seconds(kind: str) -> tuple[float, float]:
    """Wall and CPU time of a fresh process whose compile caches are empty or off."""
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {
            "JAX_ENABLE_COMPILATION_CACHE": "0",
            "NUMBA_CACHE_DIR": f"{folder}/numba",
            "PYTENSOR_FLAGS": f"base_compiledir={folder}/pytensor",
        }
        begin, before = time.perf_counter(), os.times()
        subprocess.run([sys.executable, __file__, "--cold", kind, "--out", folder], env=env, check=True)
        wall, after = time.perf_counter() - begin, os.times()
        assert any(Path(folder).rglob("posterior.nc"))
    return wall, sum(after[2:4]) - sum(before[2:4])


# -- the whole ------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=7, help="sampling runs, a seed each")
    parser.add_argument("--cold-repeats", type=int, default=3, help="fresh processes of each kind; 0: none")
    parser.add_argument("--cold", choices=("infer", "posterior", "nutpie"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.cold:
        cold(args.cold, args.out)
        return

    import numpy as np

    from pumpleak import load_problem

    peers = have_peers()
    packages = ["pumpleak", "jax", "numpyro", "arviz-stats", "numpy"]
    packages += ["pymc", "nutpie", "numba"] if peers else []
    print(f"Python {platform.python_version()}, {len(os.sched_getaffinity(0))} cores; ", end="")
    print(", ".join(f"{p} {metadata.version(p)}" for p in packages))
    if not peers:
        print("SKIPPED: PyMC, nutpie or numba is not installed (uv sync --group bench): no comparison.")
    problem = load_problem(CONFIG)
    if peers:
        print(
            f"Largest relative difference of the two log densities at prior draws: {density_difference(problem):.1e}"
        )

    before = {}
    if peers:
        import nutpie

        begin = time.perf_counter()
        compiled = nutpie.compile_pymc_model(pymc_model())
        before["nutpie"] = time.perf_counter() - begin
        sample_nutpie(compiled, 0)
    ours, theirs = [], []
    for seed in range(args.repeats):
        # By turns, so that whatever else the machine does meets both alike.
        ours.append(sample_pumpleak(problem, seed))
        if peers:
            theirs.append(sample_nutpie(compiled, seed))
    before["pumpleak"] = min(r[2] for r in ours)
    runs = {"pumpleak": ours} | ({"nutpie": theirs} if peers else {})
    table = {name: _rates([r[0] for r in run], [r[1] for r in run]) for name, run in runs.items()}
    steps = {name: np.mean([r[-1] for r in run]) for name, run in runs.items()}

    print(f"\nSampling, {CHAINS} chains of {WARMUP} + {DRAWS}: median over {args.repeats} seeds (best)")
    columns = ("seconds", "min ESS bulk", "min ESS tail", "bulk/s", "tail/s")
    print(f"{'':10s}" + "".join(f"{c:>22s}" for c in columns) + f"{'before [s]':>12s}{'steps a draw':>14s}")
    for name, rates in table.items():
        cells = "".join(
            f"{np.median(v):12.4g} ({(np.min if c == 'seconds' else np.max)(v):7.4g})"
            for c, v in zip(columns, rates, strict=True)
        )
        print(f"{name:10s}{cells}{before[name]:12.2f}{steps[name]:14.1f}")
    if peers:
        pairs = [np.divide(a, b) for a, b in zip(table["pumpleak"], table["nutpie"], strict=True)]
        best = [
            (np.min if c == "seconds" else np.max)(a) / (np.min if c == "seconds" else np.max)(b)
            for c, a, b in zip(columns, table["pumpleak"], table["nutpie"], strict=True)
        ]
        print(
            "ratio     "
            + "".join(f"{np.median(r):12.3g} ({b:7.3g})" for r, b in zip(pairs, best, strict=True))
        )
        print(
            f"ESS per second, pumpleak/nutpie, seed by seed: bulk {np.median(pairs[3]):.2f}, "
            f"tail {np.median(pairs[4]):.2f}; best against best {best[3]:.2f}, {best[4]:.2f} (target >= 1)"
        )
        rows, worst = compare_means([r[0] for r in ours], [r[0] for r in theirs])
        print(
            f"\n{'parameter':20s}{'pumpleak':>12s}{'MCSE':>10s}{'nutpie':>12s}{'MCSE':>10s}{'difference/MCSE':>17s}"
        )
        for name, m, n, s, t, z in rows:
            print(f"{name:20s}{m:12.5g}{s:10.2g}{n:12.5g}{t:10.2g}{z:17.2f}")
        print(f"max |z| = {worst:.2f} over {len(rows)} (3.4 bounds 99 % of such maxima)")

    if not args.cold_repeats:
        return
    print(f"\nFresh process to posterior on disk, compile caches empty: best of {args.cold_repeats} (median)")
    kinds = {"infer": "pumpleak infer, no report", "posterior": "pumpleak, posterior only"}
    kinds |= {"nutpie": "nutpie, posterior only"} if peers else {}
    # By turns, so that whatever else the machine does meets all alike.
    times = {kind: [] for kind in kinds}
    for _ in range(args.cold_repeats):
        for kind in kinds:
            times[kind].append(cold_seconds(kind))
    print(f"{'':28s}{'wall [s]':>18s}{'CPU [s]':>18s}" + ("   wall, CPU over nutpie's" if peers else ""))
    for kind, what in kinds.items():
        cells = "".join(f"{min(x):9.2f} ({np.median(x):6.2f})" for x in zip(*times[kind], strict=True))
        pairs = (
            zip(zip(*times[kind], strict=True), zip(*times["nutpie"], strict=True), strict=True)
            if peers
            else ()
        )
        print(f"{what:28s}{cells}" + "".join(f"{min(a) / min(b):10.2f}" for a, b in pairs))
    print(
        "`pumpleak infer` also draws prior, prior predictive and posterior predictive, the pointwise "
        "log-likelihood,\nmembrane potentials, Fisher information and curve, ESS, R-hat and LOO, and judges them."
    )


def _rates(trees, seconds):
    """seconds, smallest bulk and tail ESS, and the two per second; one of each per run."""
    import numpy as np

    seconds = np.array(seconds)
    bulk = np.array([smallest_ess(t, "bulk")[0] for t in trees])
    tail = np.array([smallest_ess(t, "tail")[0] for t in trees])
    return seconds, bulk, tail, bulk / seconds, tail / seconds


if __name__ == "__main__":
    main()
