"""Whether the model fits: predictive p, scatter, trends, and what may explain them."""

import json
import math
from typing import TYPE_CHECKING

import numpy as np

from ..engines.gate import PARETO_K
from ..quantities.names import kind
from .loo import loo_of

if TYPE_CHECKING:
    import xarray as xr


def predictive_p(tree: "xr.DataTree") -> np.ndarray:
    """Two-sided posterior predictive p-value of each reading: small where the model expects another."""
    return np.asarray(tree["readings"]["predictive_p"])


def misfit_of(tree) -> tuple[bool, list[str], dict]:
    readings = tree["readings"].to_dataset()
    names = readings["obs"].values
    value, expected = np.asarray(readings["value"]), np.asarray(readings["expected"])
    scatter = np.asarray(readings["total_scatter"])
    p = predictive_p(tree)
    loo = loo_of(tree)
    khat = np.asarray(loo.pareto_k, float)
    numbers = {
        "elpd_loo": float(loo.elpd),
        "elpd_loo_se": float(loo.se),
        "pareto_k_max": float(khat.max()),
        "predictive_p": dict(zip(map(str, names), map(float, p), strict=True)),
        "overall_p": _overall_p(tree),
    }
    clear = p < 0.05 / len(p)
    out = []
    for i in np.argsort(p):
        if p[i] < 0.05:
            word = "clearly fails at" if clear[i] else "strains at"
            out.append(
                f"The model {word} {names[i]}: read {value[i]:.4g}, expected {expected[i]:.4g} "
                f"(scatter {scatter[i]:.2g} mV; predictive p = {p[i]:.2g})."
            )
        out += _wrong_sign(tree, readings, i)
    excess = _scatter(tree, readings)
    out += excess
    numbers["scattered"] = bool(excess)
    numbers["unexplained"] = any("explains only" in w for w in excess)
    leaning = _leaning(tree, readings)
    out += leaning
    fits = (
        not leaning
        and not numbers["unexplained"]
        and not clear.any()
        and numbers["overall_p"] > 0.01
        and not any("wrong sign" in w for w in out)
    )
    if fits:
        word = "Taken together the readings are" if (p < 0.05).any() else "The readings are"
        out.append(
            f"{word} what the model expects (predictive p from {p.min():.2g}, overall {numbers['overall_p']:.2g})."
        )
    else:
        if numbers["overall_p"] <= 0.01:
            out.append(
                f"The readings together scatter more than the model allows (p {_below(numbers['overall_p'])})."
            )
        out += _rivals(tree)
    unknowns = len(tree["table"]["parameter"])
    if fits and unknowns >= len(p):
        out.append(f"With {unknowns} unknowns and {len(p)} readings, that it fits is no test of the model.")
    for name in tree["posterior"].data_vars:
        if kind(str(name)).what == "scatter":
            out.append(
                f"The scatter of single readings, {name} = {float(tree['posterior'][name].median()):.2g}, was inferred "
                "from these readings: the model fits only if that is plausible for your cells."
            )
    if khat.max() > PARETO_K:
        worst = [str(names[i]) for i in np.argsort(-khat) if khat[i] > PARETO_K]
        out.append(
            f"Single readings decide much of the answer (Pareto k above {PARETO_K}): {', '.join(worst)}; "
            "LOO is not reliable there."
        )
    return bool(fits), out, numbers


def _leaning(tree, readings: "xr.Dataset") -> list[str]:
    """Conditions read several times whose mean reading the model does not expect: single readings hide it."""
    replicate = np.asarray(tree["posterior_predictive"]["reading"])
    replicate = replicate.reshape(-1, replicate.shape[-1])
    value = np.asarray(readings["value"])
    plain = np.asarray(readings["reference"]) < 0
    key = [
        f"{o}{c}" for o, c in zip(readings["observable"].values, readings["condition"].values, strict=True)
    ]
    groups = [np.flatnonzero((np.array(key) == k) & plain) for k in dict.fromkeys(key)]
    groups = [g for g in groups if len(g) > 1]
    out = []
    for g in groups:
        mean, expected = value[g].mean(), replicate[:, g].mean(axis=1)
        # The mean of several readings is nearly normal, and a normal tail has no floor at 1/draws.
        p = math.erfc(abs(mean - expected.mean()) / expected.std() / math.sqrt(2))
        if p < 0.05 / len(groups):
            out.append(
                f"The {len(g)} readings alike to the model ({readings['obs'].values[g[0]]} among them) average "
                f"{mean:.4g}, where it expects {expected.mean():.4g} (predictive p = {p:.2g}): they lean to one side."
            )
    return out


def _scatter(tree, readings: "xr.Dataset") -> list[str]:
    """Extra scatter that outgrows the standard errors is misfit under another name."""
    out = []
    known = np.asarray(readings["standard_error"])
    value, expected = np.asarray(readings["value"]), np.asarray(readings["expected"])
    plain = np.asarray(readings["reference"]) < 0
    inferred = any(kind(str(n)).what == "scatter" for n in tree["posterior"].data_vars)
    if inferred and len(np.unique(np.asarray(readings["condition"])[plain])) > 2:
        left = np.var((value - expected)[plain]) / max(np.var(value[plain]), 1e-12)
        if left > 0.5:
            out.append(
                f"The model explains only {max(0.0, 1 - left):.0%} of the spread between the readings; the rest it "
                "calls scatter."
            )
    for name in tree["posterior"].data_vars:
        if kind(str(name)).what != "extra scatter" or not np.isfinite(known).any():
            continue
        extra, typical = float(tree["posterior"][name].median()), float(np.nanmedian(known))
        if extra > 1.5 * typical:
            out.append(
                f"The model fits only with {extra:.2g} mV of scatter beyond the standard errors (typically "
                f"{typical:.2g} mV): something it leaves out moves the readings by that much."
            )
    return out


def _wrong_sign(tree, readings: "xr.Dataset", i: int) -> list[str]:
    """A paired difference whose sign the model gives nowhere in its prior, whatever its parameters."""
    if int(readings["reference"][i]) < 0:
        return []
    value, se = float(readings["value"][i]), float(readings["standard_error"][i])
    least, most = float(readings["prior_least"][i]), float(readings["prior_most"][i])
    opposite = (value > 0 and most <= 0.05 * value) or (value < 0 and least >= 0.05 * value)
    if abs(value) < 1.96 * se or not opposite:
        return []
    side = f"at most {most:+.2g}" if value > 0 else f"at least {least:+.2g}"
    return [
        f"{readings['obs'].values[i]} has the wrong sign for this model: measured {value:+.3g} ± {se:.2g} mV, "
        f"and with any parameters the prior allows the model gives {side} mV."
    ]


def _overall_p(tree) -> float:
    """Predictive p of the squared standardised residuals' sum, replicated at each draw."""
    replicate = np.asarray(tree["posterior_predictive"]["reading"])
    replicate = replicate.reshape(-1, replicate.shape[-1])
    centre = replicate.mean(axis=0)
    spread = np.maximum(replicate.std(axis=0), 1e-12)
    value = np.asarray(tree["observed_data"]["reading"])
    measured = (((value - centre) / spread) ** 2).sum()
    return float(((((replicate - centre) / spread) ** 2).sum(axis=1) >= measured).mean())


def _rivals(tree) -> list[str]:
    """Explanations other than the membrane, where the problem assumed them away."""
    assumed = " ".join(json.loads(str(tree.attrs["assumptions"])))
    out = []
    if "LJP" in assumed:
        out.append(
            "A rival explanation: no junction potential was corrected for. Changing the bath's ions changes it by "
            "millivolts; give LJP_mV for each solution (`junction_potential` computes it) and see whether the misfit stays."
        )
    if str(tree.attrs["model"]) in ("ghk", "mullins_noda"):
        out.append(
            "Other rivals: concentrations inside that moved with the bath, a permeability that depends on voltage or "
            "on the ion replaced, and transport the model leaves out (pump current, cotransport)."
        )
    return out


def _below(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"= {p:.2g}"
