"""Results: the table of an inference, and the folder it is kept in, written whole or not at all."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, check_kind
from ..files.seal import sealed, unsealed
from ..files.things import check_thing
from ..files.whole import whole_folder
from ..quantities.names import safe_name
from ..text import visible
from ..traced import program
from .conflict import conflict_p

if TYPE_CHECKING:
    import pandas
    import xarray as xr

    from ..problem.problem import Problem
    from .findings import Finding
    from .verdict import Verdict

INTERVAL = 0.95
#: Every result tree has these groups; a file without them is not one of ours.
_GROUPS = ("posterior", "sample_stats", "table", "readings")
_CHECKED = 8  # draws at which a result's densities are computed anew


class Result:
    """An inference: `tree` (an ArviZ DataTree) holds everything; `table`, `verdict` and `findings` are read off it.

    Attributes:
        tree: groups posterior, prior, posterior_predictive, prior_predictive, log_likelihood, log_prior,
            sample_stats, observed_data (ArviZ's own), membrane and prior_membrane (V_m and the Nernst
            potentials of each condition), table, information, readings, curve; provenance in `attrs`.

    Example:
        >>> from pumpleak import infer, load_dataset, lognormal, make_problem
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> result = infer(problem, engine="importance", seed=1)
        >>> print(result.tree["posterior"]["P_Na_rel"].dims, list(result.table.columns[:3]))
        ('chain', 'draw') ['unit', 'median', 'mean']
        >>> print(result.findings[0].kind.name, *result.findings[0].parameters)
        determined P_Na_rel
    """

    def __init__(self, tree: "xr.DataTree"):
        self.tree = tree

    @property
    def title(self) -> str:
        return str(self.tree.attrs["title"])

    @property
    def verdict(self) -> "Verdict":
        """What can be believed, in words."""
        from .verdict import Verdict

        return Verdict.from_dict(json.loads(self.tree.attrs["verdict"]))

    @property
    def findings(self) -> "list[Finding]":
        """What the verdict is put in words from, as data: kind, parameters or readings, numbers."""
        from .verdict import findings_of

        return findings_of(self.tree)

    @property
    def table(self) -> "pandas.DataFrame":
        """One row a parameter: unit, posterior (median, mean, sd, 95 % equal-tailed interval), prior,
        contraction and diagnostics."""
        return self.tree["table"].to_dataset().to_dataframe()

    @property
    def attrs(self) -> dict[str, Any]:
        return {str(k): v for k, v in self.tree.attrs.items()}

    def save(
        self, out: str | Path, *, force: bool = False, extra: Callable[[Path], object] | None = None
    ) -> Path:
        """Write `posterior.nc`, `summary.csv`, and `config.yaml` with its `data.csv` into the folder `out`.

        The config is the resolved one, with every default filled in; ``pumpleak infer`` on it repeats the run.

        The folder appears when it is complete, or not at all.

        Args:
            out: the folder; its parents are made.
            force: replace an existing one.
            extra: called with the folder before it takes its name, to add files (a report).

        Raises:
            InputError: it exists already, or cannot be written.
        """
        with whole_folder(out, force=force) as folder:
            # By way of memory: HDF5 crashes the interpreter where the disk is full.
            content = bytes(self.tree.to_netcdf(engine="h5netcdf"))
            (folder / "posterior.nc").write_bytes(sealed(content))
            self.table.to_csv(folder / "summary.csv")
            (folder / "data.csv").write_text(str(self.tree.attrs["data_csv"]), encoding="utf-8")
            (folder / "config.yaml").write_text(_config_text(self.attrs), encoding="utf-8")
            if extra is not None:
                extra(folder)
        return Path(out)


def _config_text(attrs: dict[str, Any]) -> str:
    """The saved config as a file, which begins with what became of each column of the table that was read."""
    import yaml

    said = json.loads(str(attrs.get("columns", "[]")))
    config = yaml.safe_dump(saved_config(attrs), sort_keys=False, allow_unicode=True)
    return "".join(f"# {visible(line)}\n" for line in said) + config


def saved_config(attrs: dict[str, Any]) -> dict[str, Any]:
    """The resolved config of a result's own table, whose columns have the names that they were read by.

    Args:
        attrs: of the result's tree.
    """
    config = json.loads(str(attrs["config"])) | {"data": "data.csv"}
    header = next(csv.reader(str(attrs["data_csv"]).splitlines()), [])
    said = {name: name for name in config.get("columns", {}).values() if name in header}
    rest = {k: v for k, v in config.items() if k not in ("columns", "ignore", "missing")}
    blank = {} if config.get("missing") is None else {"missing": []}  # which are blank in the table by now
    return rest | ({"columns": said} if said else {}) | blank


def load_result(path: str | Path) -> Result:
    """Read a result: the folder that `infer` wrote, or its ``posterior.nc``.

    Args:
        path: the folder, or the file in it.

    Returns:
        The `Result`, as `infer` returned it.

    Raises:
        InputError: it is not there, is damaged or cut short, or was not written by pumpleak.

    Example:
        >>> from pumpleak import infer, load_dataset, load_result, lognormal, make_problem
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> import tempfile
        >>> folder = infer(problem, engine="importance", seed=1).save(tempfile.mkdtemp() + "/result")
        >>> print(load_result(folder).verdict.usable)
        True
    """
    path = Path(path)
    check_thing(path, "result")
    file = path / "posterior.nc" if path.is_dir() else path
    if not file.is_file():
        raise InputError(
            "there is no such result", mend="Give a folder with posterior.nc, or that file", file=path
        )
    try:
        import xarray as xr

        tree = xr.open_datatree(io.BytesIO(unsealed(file.read_bytes())), engine="h5netcdf")
        tree.load()
        tree.close()
    except Exception as error:
        raise InputError(
            f"cannot be read as a result ({type(error).__name__}: {error}); it is damaged, cut short or of another kind",
            mend="Run `pumpleak infer` again",
            file=file,
        ) from None
    absent = [g for g in _GROUPS if g not in tree.children]
    if absent or "pumpleak_version" not in tree.attrs:
        raise InputError(
            f"was not written by `pumpleak infer` (it lacks {', '.join(absent) or 'its provenance'})",
            mend="Give the folder that `pumpleak infer` wrote",
            file=file,
        )
    return Result(tree)


def check_is_result(result: object) -> None:
    """Refuse what is no result.

    Raises:
        InputError: says what it is.
    """
    check_kind(result, Result, "a result", "Make it by infer(problem), or read one by load_result(folder)")


def check_result(problem: "Problem", result: Result) -> None:
    """Refuse a result that is not this problem's: its densities at some of the draws are computed anew.

    Raises:
        InputError: its parameters or their levels are others; or its readings, priors, known numbers or noise.
    """

    import jax
    import jax.numpy as jnp

    check_is_result(result)

    def other(what: str) -> InputError:
        return InputError(
            f"the result '{result.title}' is of another problem: {what}",
            mend="Give a result of infer on this config, as it is now",
        )

    mine = {safe_name(s.name): None for p in problem.parameters if p.spread is not None for s in p.sites[:-1]}
    mine |= {safe_name(p.name): p.levels for p in problem.parameters}
    posterior = result.tree["posterior"]
    there = {
        str(k): x.dims[2:] and tuple(map(str, x[x.dims[2]].values)) for k, x in posterior.data_vars.items()
    }
    # None: a population within populations has levels of its own, of which those below say enough.
    unlike = [k for k in mine if k not in there or mine[k] not in (None, there[k])]
    if unlike := unlike + [k for k in there if k not in mine]:
        raise other(f"not alike in {unlike[0]}")

    value = np.asarray(problem.arrays.value)[problem.arrays.mask]
    was = np.asarray(result.tree["observed_data"]["reading"])
    if value.shape != was.shape:
        raise other(f"it has {was.size} readings, this one has {value.size}")
    if (moved := ~np.isclose(value, was, rtol=1e-6)).any():
        k = int(np.argmax(moved))
        name = str(np.asarray(result.tree["observed_data"]["obs"])[k])
        raise other(f"reading '{name}' was {was[k]:.6g} there and is {value[k]:.6g} here")

    def some(x):
        x = np.asarray(x)
        x = x.reshape(-1, *x.shape[2:])
        return x[np.linspace(0, len(x) - 1, min(len(x), _CHECKED)).astype(int)]

    with jax.enable_x64(True):
        sites = {
            k: jnp.asarray(v)
            for k, v in _sites(problem, lambda name: some(posterior[safe_name(name)])).items()
        }
        prior = {s.name: s.prior.numpyro().log_prob(sites[s.name]) for s in problem.sites}
        likelihood = program(jax.vmap(problem.log_likelihood))(sites)[:, problem.arrays.mask]
    for name, now in prior.items():
        if not np.allclose(now, some(result.tree["log_prior"][safe_name(name)]), rtol=1e-3, atol=0.01):
            raise other(f"the prior of {name} is another")
    if not np.allclose(likelihood, some(result.tree["log_likelihood"]["reading"]), rtol=1e-3, atol=0.01):
        raise other("known numbers, standard errors or the noise are others")


def posterior_points(problem: "Problem", result: Result) -> np.ndarray:
    """A result's draws as points (n, D) in the problem's unconstrained coordinates.

    Raises:
        InputError: the result is of another problem.
    """
    check_result(problem, result)
    posterior = result.tree["posterior"]

    def flat(name: str) -> np.ndarray:
        x = np.asarray(posterior[safe_name(name)])
        return x.reshape(-1, *x.shape[2:])

    return problem.unconstrain(_sites(problem, flat))


def _sites(problem: "Problem", of: Callable[[str], np.ndarray]) -> dict[str, np.ndarray]:
    sites: dict[str, np.ndarray] = {}
    for p in problem.parameters:
        sites |= p.to_sites(of)
    return sites


def element_table(problem, posterior: dict, prior: dict) -> "xr.Dataset":
    """Posterior, prior, contraction and diagnostics of every parameter element.

    Contraction is 1 − var(z | data), with z standard normal under the prior (z = Φ⁻¹(F(x))): 0 where
    the data said nothing, near 1 where they decided. For a pooled parameter the prior's draws give F. How surprising
    the posterior's place is to the prior, ``prior_p``, is that of `conflict_p`: blank for levels that are pooled.
    ``end_error`` is the largest Monte Carlo error of low, median and high, as a share of the interval's width
    (`engines.gate.end_errors`).
    """
    from arviz_stats.base import array_stats as stat
    from scipy.special import ndtri

    from ..engines.gate import end_errors

    tail = (1 - INTERVAL) / 2
    rows: dict[str, list] = {k: [] for k in _COLUMNS}
    names: list[str] = []
    scores: dict[str, np.ndarray] = {}
    laws: dict[str, dict] = {}
    for p in problem.parameters:
        blocks = [(safe_name(p.name), p.element_names, p.spread is None, p.unit, p.prior)]
        if p.spread is not None:
            *mean, spread, _ = p.sites
            population = [(m.name, (m.name,), True, p.unit, m.prior) for m in mean]
            blocks = [*population, (spread.name, (spread.name,), False, "", spread.prior), *blocks]
        for variable, elements, exact, unit, law in blocks:
            x = np.asarray(posterior[variable]).reshape(*np.asarray(posterior[variable]).shape[:2], -1)
            x0 = np.sort(np.asarray(prior[variable]).reshape(x.shape[-1] and -1, x.shape[-1]), axis=0)
            ends = end_errors(x, np.asarray(law.unbounded(x)))
            for i, name in enumerate(elements):
                draws, before = x[..., i], x0[:, i]
                if exact:
                    z = p.prior.scipy().cdf(draws)
                else:
                    z = (np.searchsorted(before, draws) + 0.5) / (len(before) + 1.0)
                z = ndtri(np.clip(z, 1e-16, 1 - 1e-16))
                if exact:
                    scores[name] = z.ravel()
                names.append(name)
                laws[name] = law.as_dict()
                low, median, high = np.quantile(draws, [tail, 0.5, 1 - tail])
                p_low, p_median, p_high = np.quantile(before, [tail, 0.5, 1 - tail])
                if exact:
                    p_low, p_median, p_high = (float(q) for q in p.prior.quantile([tail, 0.5, 1 - tail]))
                values = (
                    unit,
                    median,
                    draws.mean(),
                    draws.std(ddof=1),
                    low,
                    high,
                    str(law),
                    p_median,
                    p_low,
                    p_high,
                    1 - z.var(),
                    z.mean(),
                    float(stat.rhat(draws, chain_axis=0, draw_axis=1)),
                    float(stat.ess(draws, chain_axis=0, draw_axis=1, method="bulk")),
                    float(stat.ess(draws, chain_axis=0, draw_axis=1, method="tail", prob=(0.05, 0.95))),
                    float(ends[i]),
                )
                for key, value in zip(_COLUMNS[:-1], values, strict=True):
                    rows[key].append(value)
    import xarray as xr

    each, together = conflict_p(np.column_stack([*scores.values()])) if scores else (np.array([]), 1.0)
    prior_p = dict(zip(scores, each, strict=True))
    rows["prior_p"] = [prior_p.get(name, np.nan) for name in names]
    return xr.Dataset(
        {
            k: ("parameter", np.array(v, dtype=str if k in ("unit", "prior") else float))
            for k, v in rows.items()
        },
        coords={"parameter": names},
        # netCDF knows no more than text and numbers
        attrs={"interval": f"{INTERVAL:.0%} equal-tailed", "laws": json.dumps(laws), "prior_p": together},
    )


_COLUMNS = (
    "unit",
    "median",
    "mean",
    "sd",
    "low",
    "high",
    "prior",
    "prior_median",
    "prior_low",
    "prior_high",
    "contraction",
    "shift",
    "r_hat",
    "ess_bulk",
    "ess_tail",
    "end_error",
    "prior_p",
)
