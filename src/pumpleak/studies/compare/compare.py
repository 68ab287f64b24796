"""Comparison: which of several models the same readings support, and by how much."""

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engines.gate import heavy
from ...errors import InputError, kind_of
from ...inference.answer import answer_of
from ...inference.infer import infer
from ...inference.loo import elpd_se, loo_of
from ...problem.problem import Problem
from ...problem.rules import check_problem
from ...quantities.names import kind, unique_names
from ...reports.document import Picture, Table, unit_label
from ...reports.provenance import origin
from ...reports.study import Study
from .equivalence import Equivalence, equivalence
from .figures import plot_differences, plot_left_out
from .refits import Refit, Refitter
from .words import NATS, Rival, Standing, findings, verdict

if TYPE_CHECKING:
    from arviz_stats import ELPDData


_MOST_WEIGHT = 0.5  # that the models which have a ratio must carry together, for it to be averaged


@dataclass(frozen=True)
class _Looked:
    """What was found of one model on its own."""

    rival: Rival
    loo: "ELPDData"
    ratios: dict[str, np.ndarray]
    answer: str


def compare(
    problems: Mapping[str, Problem] | Sequence[Problem],
    *,
    engine: str | None = None,
    seed: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Compare models of the same readings by how well each predicts a reading that it has not seen.

    Of each model: elpd = Σ_i ln p(y_i | y_-i), exactly by a refit without reading i where it is the only one of its
    condition or its Pareto k̂ > 0.7, else by PSIS-LOO; the same exactly for whole conditions, by one refit without
    each; the evidence p(y); posterior predictive checks. A model is called worse where its elpd is lower by more than
    4 nats and by two standard errors; one survives that is not, and passes its own predictive check. Models that say the same under other names are not ranked.

    Args:
        problems: two or more, by name; of a sequence the names are the models'.
        engine: of `infer`; each config's by default. The refits are weighted points in any case.
        seed: the first config's by default.
        progress: called with (models done, models in all).

    Returns:
        A `Study`: the verdict, tables of models (N readings: elpd and evidence in nats), of conditions and of
        permeability ratios averaged over the models by their stacking weights, and two figures.

    Raises:
        InputError: fewer than two problems, or their readings differ; names the first difference.

    References:
        Vehtari, Gelman & Gabry 2017, Stat. Comput. 27:1413, doi 10.1007/s11222-016-9696-4 (PSIS-LOO); Yao, Vehtari,
        Simpson & Gelman 2018, Bayesian Anal. 13:917, doi 10.1214/17-BA1091 (stacking); Sivula, Magnusson, Matamoros &
        Vehtari 2020, arXiv:2008.10296 (when a difference means something); Gelman, Meng & Stern 1996, Stat. Sinica
        6:733 (predictive checks).

    Example:
        >>> import pandas as pd
        >>> from pumpleak import compare, lognormal, make_problem, normal, read_table
        >>> readings = {"K_o_mM": [2.5, 5.0, 20.0, 60.0], "V_m_mV": [-86.2, -75.3, -46.4, -20.3]}
        >>> baths = {"Na_o_mM": [147.5, 145.0, 130.0, 90.0], "K_i_mM": 140.0, "Na_i_mM": 10.0, "T_degC": 22.0}
        >>> table = read_table(pd.DataFrame(readings | baths | {"V_m_sem_mV": 1.0}))
        >>> known = {"extra_V_m": 0.0}
        >>> ghk = make_problem(table, known | {"P_Na_rel": lognormal(0.05, 3)})
        >>> nernst = make_problem(table, known | {"V_offset": normal(0, 5)}, model="nernst", ions=["K"])
        >>> compare([ghk, nernst], engine="importance", seed=1).verdict.partition(" By")[0]
        'ghk is favoured over nernst by 91 ± 41 nats (elpd). The data support ghk, and speak against nernst.'
    """
    if isinstance(problems, str | Problem) or not isinstance(problems, Iterable):
        raise InputError(
            f"several problems are to be compared, not {kind_of(problems)}", mend="Give a list of them"
        )
    for problem in problems.values() if isinstance(problems, Mapping) else problems:
        check_problem(problem)
    if not isinstance(problems, Mapping):
        problems = dict(zip(unique_names([p.model.name for p in problems]), problems, strict=True))
    if len(problems) < 2:
        raise InputError(f"there is {len(problems)} model to compare", mend="Give at least two configs")
    same_readings(problems)
    first = next(iter(problems.values()))
    seed = first.seed if seed is None else seed
    labels, folds = conditions(list(problems.values()))
    looked: dict[str, _Looked] = {}
    for name, problem in problems.items():
        if progress:
            progress(len(looked), len(problems))
        looked[name] = _look(name, problem, folds, engine, seed)
    same = [
        e
        for pair in combinations(problems, 2)
        if (e := equivalence(pair, (problems[pair[0]], problems[pair[1]]), seed=seed)) is not None
    ]
    standings = _ranked(looked, same)
    averages = _averaged(looked, standings)
    origins = tuple(origin(p, seed, name) for name, p in problems.items())
    said = looked[standings[0].head.name].answer
    return _study(first.title, standings, labels, said, same, averages, origins)


def same_readings(problems: Mapping[str, Problem]) -> None:
    """Refuse problems whose readings differ.

    Raises:
        InputError: names the first difference.
    """
    (name, first), *others = problems.items()
    mend = "Compare configs of one table, with the same observables"
    for other_name, other in others:
        a, b = _readings(first), _readings(other)
        for (key, x), (other_key, y) in zip(a, b, strict=False):
            if key != other_key:
                raise InputError(
                    f"the readings differ: {name} reads {key}, {other_name} reads {other_key}", mend=mend
                )
            for what, u, v in zip(("", "standard error of ", "number behind "), x, y, strict=True):
                if not np.isclose(u, v, rtol=1e-12, atol=0, equal_nan=True):
                    raise InputError(
                        f"the readings differ: {what}{key} is {u:.6g} in {name}, {v:.6g} in {other_name}",
                        mend=mend,
                    )
        if len(a) != len(b):
            longer, extra = (name, a[len(b)]) if len(a) > len(b) else (other_name, b[len(a)])
            raise InputError(f"the readings differ: only {longer} reads {extra[0]}", mend=mend)


def _readings(problem: Problem) -> list[tuple[str, tuple[float, float, float]]]:
    """What was read and where, with value, standard error and count."""
    m, x = problem.measurements, problem.arrays
    return [
        (f"{m.observable[i]} of '{name}'", (x.value[i], np.sqrt(x.variance[i]), x.count[i]))
        for i, name in enumerate(problem.reading_names)
        if x.mask[i]
    ]


def conditions(problems: Sequence[Problem]) -> tuple[list[str], list[np.ndarray]]:
    """Names of the conditions that have readings, and the places of each one's readings.

    Rows are one condition where every model takes them for alike.
    """
    first = problems[0]
    groups: dict[tuple, list[int]] = {}
    for i in np.flatnonzero(first.arrays.mask):
        row = int(np.asarray(first.measurements.row)[i])
        groups.setdefault(tuple(int(p.condition[row]) for p in problems), []).append(int(i))
    folds = [np.array(g) for g in groups.values()]
    m = first.measurements
    names = [first.reading_names[f[0]] if len(f) == 1 else m.labels[int(m.row[f[0]])] for f in folds]
    return unique_names(names), folds


def _look(name: str, problem: Problem, folds: Sequence[np.ndarray], engine: str | None, seed: int) -> _Looked:
    result = infer(problem, engine=engine, seed=seed)
    refitter = Refitter(problem, result, seed=seed)
    refits = [refitter.without(f) for f in folds]
    found = loo_of(result.tree)
    k_hat = np.asarray(found.pareto_k, float)
    bad = np.flatnonzero(heavy(k_hat))
    places = np.flatnonzero(problem.arrays.mask)
    known = {int(f[0]): r for f, r in zip(folds, refits, strict=True) if len(f) == 1}
    more = [np.array([places[i]]) for i in bad if int(places[i]) not in known]
    known |= {int(s[0]): refitter.without(s) for s in more}
    exact = {int(i): known[int(place)] for i, place in enumerate(places) if int(place) in known}
    _correct(found, {i: refit.elpd for i, refit in exact.items()})
    judged = result.verdict
    rival = Rival(
        name=name,
        usable=judged.usable,
        fits=judged.fits,
        misfit=judged.misfit,
        elpd=float(found.elpd),
        elpd_se=float(found.se),
        p_loo=float(found.p),
        elpd_error=_numerical(refitter.whole, list(exact.values()), len(places)),
        k_hat=float(k_hat.max()),
        refitted=len(exact),
        log_evidence=refitter.whole.log_evidence,
        log_evidence_se=refitter.whole.log_evidence_se,
        largest_p=refitter.largest_p,
        folds=tuple(refits),
        scattered=bool(judged.numbers["scattered"]),
    )
    ratios = {
        str(k): np.asarray(v).ravel()
        for k, v in result.tree["posterior"].data_vars.items()
        if kind(str(k)).is_ratio and v.ndim == 2
    }
    return _Looked(rival, found, ratios, answer_of(result.tree) if judged.usable else "")


def _numerical(whole: Refit, left: Sequence[Refit], n: int) -> float:
    """Numerical error of the sum of all densities; the evidence with all readings is in each of them."""
    if len(left) < n:
        return float("nan")
    return float(np.hypot(n * whole.log_evidence_se, np.linalg.norm([r.log_evidence_se for r in left])))


def _correct(found: "ELPDData", exact: Mapping[int, float]) -> None:
    """Put exact leave-one-out densities in place of those by PSIS, as `arviz_stats.reloo` does."""
    if not exact or found.elpd_i is None:
        return
    elpd_i = found.elpd_i.values
    # p_loo is ln of the density with the reading, less that without it: only the latter changes.
    found.p = float(found.p) + sum(elpd_i[i] - x for i, x in exact.items())
    for i, x in exact.items():
        elpd_i[i] = x
    found.pareto_k = found.pareto_k.copy()
    found.pareto_k.values[list(exact)] = 0.0
    found.elpd, found.se = float(elpd_i.sum()), elpd_se(elpd_i)
    found.warning = False


def _ranked(looked: Mapping[str, _Looked], same: Sequence[Equivalence]) -> list[Standing]:
    """The models best first, one standing for all that are one model."""
    from arviz_stats import compare as weigh

    classes: dict[str, list[str]] = {}
    best_first = sorted(looked, key=lambda n: -looked[n].rival.elpd)
    for name in best_first:
        twins = {e.first if e.second == name else e.second for e in same if name in (e.first, e.second)}
        head = next((h for h, members in classes.items() if twins & set(members)), name)
        classes.setdefault(head, []).append(name)
    # Densities over the best of each reading: the weights are the same, and e^-800 is no longer 0.
    top = np.max([looked[h].loo.elpd_i.values for h in classes], axis=0)
    rescaled = {h: copy.copy(looked[h].loo) for h in classes}
    for one in rescaled.values():
        one.elpd_i = one.elpd_i - top
        one.elpd = float(one.elpd_i.sum())
    with warnings.catch_warnings(action="ignore"):
        table = weigh(rescaled, method="stacking", round_to="none")
    out = []
    best = looked[best_first[0]].loo.elpd_i.values
    for head, members in classes.items():
        weight = float(np.clip(table.loc[head, "weight"], 0, 1))
        apart = looked[head].loo.elpd_i.values - best
        se = elpd_se(apart) if head != best_first[0] else 0.0
        out.append(Standing(tuple(looked[m].rival for m in members), float(apart.sum()), se, weight))
    return sorted(out, key=lambda s: -s.head.elpd)


def _averaged(looked: Mapping[str, _Looked], standings: Sequence[Standing]) -> dict[str, dict[str, Any]]:
    """Permeability ratios by the mixture of posteriors at the stacking weights.

    Models that are one share its weight equally. A ratio is averaged over the models that have it, where these carry
    most of the weight; ``share`` says how much.
    """
    weights = {r.name: s.weight / len(s.rivals) for s in standings for r in s.rivals}
    out = {}
    for ratio in dict.fromkeys(k for one in looked.values() for k in one.ratios):
        have = {n: w for n, w in weights.items() if ratio in looked[n].ratios}
        total = sum(have.values())
        if len(have) < 2 or total < _MOST_WEIGHT:
            continue
        draws = {n: looked[n].ratios[ratio] for n in have}
        x = np.concatenate(list(draws.values()))
        w = np.concatenate([np.full(len(draws[n]), have[n] / total / len(draws[n])) for n in have])
        parts = {n: np.quantile(d, [0.025, 0.5, 0.975]) for n, d in draws.items()}
        # Draws of weight 0 come first in the distribution, where the quantile function would find them.
        low, median, high = np.quantile(
            x[w > 0], [0.025, 0.5, 0.975], weights=w[w > 0], method="inverted_cdf"
        )
        out[ratio] = {
            "median": median,
            "low": low,
            "high": high,
            "weights": have,
            "models": parts,
            "share": total,
        }
    return out


def _study(
    title: str,
    standings: list[Standing],
    labels: list[str],
    said: str,
    same: Sequence[Equivalence],
    averages: dict[str, dict[str, Any]],
    origins: tuple[dict[str, Any], ...],
) -> Study:
    return Study(
        verb="compare",
        title=title,
        verdict=verdict(standings, labels, said),
        findings=tuple(findings(standings, labels, same, averages)),
        tables=tuple(_tables(standings, labels, averages)),
        pictures=_pictures(standings, labels),
        numbers={
            "models": [s.as_dict() for s in standings],
            "conditions": labels,
            "equivalent": [{"first": e.first, "second": e.second, "ratios": e.ratios} for e in same],
            "averaged": averages,
            "survivors": [r.name for s in standings if s.survives for r in s.rivals],
        },
        origins=origins,
    )


def _tables(
    standings: list[Standing], labels: list[str], averages: dict[str, dict[str, Any]]
) -> Iterator[Table]:
    rivals = [r for s in standings for r in s.rivals]
    yield _models_table(standings)
    yield Table.of(
        "Each condition left out, and predicted from the others",
        [
            "condition",
            "model",
            "unit",
            "read",
            "expected",
            "sd",
            "z",
            ("elpd", NATS),
            ("less than best", NATS),
            ("± ", NATS),
        ],
        [
            (
                label,
                r.name,
                unit_label(f.unit),
                f.read,
                f.expected,
                f.sd,
                f.z,
                f.elpd,
                f.elpd - best.elpd,
                float(np.hypot(f.elpd_se, best.elpd_se)),
            )
            for i, label in enumerate(labels)
            for best in [standings[0].head.folds[i]]
            for r in rivals
            for f in [r.folds[i]]
        ],
        "By one refit without each condition. expected ± sd: the mean reading as predicted, noise included, before rounding; "
        "z = (read − expected)/sd; ±: numerical error.",
    )
    if averages:
        rows = []
        for name, a in averages.items():
            rows += [(name, m, a["weights"][m], q[1], q[0], q[2]) for m, q in a["models"].items()]
            rows.append((name, "averaged", 1.0, a["median"], a["low"], a["high"]))
        header = ["ratio", "model", "weight", "median", "2.5 %", "97.5 %"]
        yield Table.of("Permeability ratios, and averaged over the models", header, rows)
    yield Table.of(
        "How well the densities are known",
        [
            "model",
            ("elpd", NATS),
            ("s.e.", NATS),
            ("its numerical error", NATS),
            "p_loo",
            "k̂ max",
            "refitted",
            ("± of ln evidence", NATS),
        ],
        [
            (r.name, r.elpd, r.elpd_se, r.elpd_error, r.p_loo, r.k_hat, r.refitted, r.log_evidence_se)
            for r in rivals
        ],
        "elpd is exact where a reading is a condition of its own or its k̂ > 0.7 (refitted), else by PSIS.",
    )


def _models_table(standings: list[Standing]) -> Table:
    return Table.of(
        "Models, best first",
        [
            "rank",
            "model",
            ("less than best", NATS),
            ("± ", NATS),
            "weight",
            ("ln evidence", NATS),
            "p of largest residual",
            "fits",
        ],
        [
            (rank, r.name, s.diff, s.diff_se, s.weight / len(s.rivals), r.log_evidence, r.largest_p, r.fits)
            for rank, s in enumerate(standings, 1)
            for r in s.rivals
        ],
        "Less than best: in elpd, ln of the predictive density of each reading given the others, summed. Models of one rank "
        "are one model under different names. p: how often a replicate of the readings has a larger residual than the "
        "largest here; fits: this and the other predictive checks of `infer` pass.",
    )


def _pictures(standings: list[Standing], labels: list[str]) -> tuple[Picture, ...]:
    return (
        Picture.of(
            "differences",
            "How much less each model expects of readings it has not seen than the best: in all, ± one standard "
            "error, and condition by condition.",
            lambda: plot_differences(standings, labels),
        ),
        Picture.of(
            "left_out",
            "Each condition as read, and as predicted from the others (± one sd); on the line where they agree.",
            lambda: plot_left_out(standings, labels),
        ),
    )
