"""What `infer` has to say: one document of a result, made from its tree alone."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engines.gate import END, ESS, PARETO_K
from ..errors import InputError
from ..files.whole import check_taken, whole_file
from ..inference.answer import reference_ion
from ..inference.result import Result, load_result
from ..inference.trust import divergences, is_weighted
from ..quantities.symbols import ion_symbol
from ..text import counted, fixed, percent, plain, significant
from . import html
from . import posterior_figures as figures
from .data_figure import coloured_levels, electrode_shift, on_curve, plot_data
from .document import Code, Document, Lines, Note, Picture, Section, detail
from .known import known_tables
from .posterior_figures import MAX_PANELS
from .provenance import config_blocks, facts_of
from .reading import has, readings_of
from .result_tables import membrane_section, misfit_section, parameters_section, protocols_sections

if TYPE_CHECKING:
    from .study import Study

_NOISE = {
    "normal": "Normal noise: each reading scatters about the predicted one with its standard error and, "
    "where one is inferred, the extra scatter (added as squares).",
    "student_t": "Student-t noise: as normal noise, with tails that forgive single outliers; the degrees of "
    "freedom are ν.",
    "outliers": "Normal noise with outliers: a share of the readings scatters several times as widely.",
}


def report(
    result: Result | str | Path,
    out: str | Path | None = None,
    *,
    studies: Sequence["Study"] = (),
    force: bool = False,
) -> Path:
    """Write a result's report: one HTML file that needs nothing else, to open, mail or print.

    Args:
        result: a `Result`, the folder that `infer` wrote, or its ``posterior.nc``.
        out: the file to write, or a folder for ``report.html``; beside the result by default.
        studies: of the same problem, each a section of the page.
        force: replace an existing file.

    Returns:
        The path of the file.

    Raises:
        InputError: there is no such result, the file exists, or it cannot be written.

    Example:
        >>> from pumpleak import infer, load_dataset, lognormal, make_problem, report
        >>> known = {"P_Na_rel": lognormal(0.05, 3), "sigma_V_m": 1.0}
        >>> problem = make_problem(load_dataset("textbook_resting"), known)
        >>> import tempfile
        >>> print(report(infer(problem, engine="importance", seed=1), tempfile.mkdtemp()).name)
        report.html
    """
    if not isinstance(result, Result):
        path = Path(result)
        out = (path if path.is_dir() else path.parent) if out is None else out
        result = load_result(path)
    if out is None:
        raise InputError(
            "a result in memory has no folder of its own", mend="Say where to: report(result, out)"
        )
    out = Path(out)
    if out.suffix.lower() not in (".html", ".htm"):
        out = out / "report.html"
    check_taken(out, force)  # before the work, not after
    page = render(result, studies)
    return whole_file(out, lambda path: path.write_text(page, encoding="utf-8"), force=force)


def render(result: Result, studies: Sequence["Study"] = ()) -> str:
    """The page as text."""
    return html.render(result_document(result, studies))


def result_document(result: Result, studies: Sequence["Study"] = ()) -> Document:
    """All that is to be said of a result; `studies` of the same problem are sections of it."""
    said = json.loads(str(result.attrs.get("verdict") or "{}"))
    return Document(
        str(result.attrs.get("title", "untitled")),
        said.get("headline", "This result holds no verdict."),
        **_judgement(said),
        lead=_lead(result),
        findings=_findings(result, said),
        sections=(
            _data(result),
            parameters_section(result),
            _priors(result),
            _pairs(result),
            _chains(result),
            _information(result),
            misfit_section(result, said.get("numbers", {})),
            _assumptions(result),
            membrane_section(result),
            *protocols_sections(result),
            *(study.section() for study in studies),
            _reproduce(result),
        ),
        names=_names(result),
        reference=reference_ion(result.tree),
    )


def result_data(result: Result, out: Path) -> dict[str, Any]:
    """A result as plain data: where it lies, its verdict and its parameters."""
    table = json.loads(result.table.reset_index().to_json(orient="records", double_precision=15))
    return {"out": str(out), "verdict": plain(result.verdict.as_dict()), "parameters": table}


# -- the verdict ---------------------------------------------------------------------------------------


def _judgement(said: dict[str, Any]) -> dict[str, str]:
    if not said:
        return {}
    if not said["usable"]:
        return {"status": "bad", "label": "Do not use"}
    numbers = said["numbers"]
    but = numbers.get("but", "")  # results of earlier versions do not say
    if not but and not said["fits"]:
        but = "the model does not fit"
    return (
        {"status": "warn", "label": f"Usable, but {but}"}
        if but
        else {"status": "good", "label": "Usable, and the model fits"}
    )


def _lead(result: Result) -> str:
    attrs, n = result.attrs, int(result.tree["readings"].sizes["obs"])
    model = f" (`{attrs['model']}`)" if attrs.get("model") else ""
    ions = ", ".join(map(ion_symbol, filter(None, str(attrs.get("ions", "")).split(", "))))
    return (
        f"{attrs.get('equation') or 'a model that was not recorded'}{model}{f'; ions {ions}' if ions else ''}; "
        f"{n} reading{'' if n == 1 else 's'} from {attrs.get('data_file') or 'a table that was not recorded'}."
    )


def _findings(result: Result, said: dict[str, Any]) -> tuple[Lines, ...]:
    headings = {"data": "What the data determine", "misfit": "Misfit and rivals", "chains": _draws(result)}
    return tuple(Lines(words, tuple(said[k])) for k, words in headings.items() if said.get(k))


def _draws(result: Result) -> str:
    return "Weights" if is_weighted(result.tree) else "Chains"


def _names(result: Result) -> tuple[str, ...]:
    """Quantities that the sentences may name."""
    tree = result.tree
    names = ["V_m", *(str(n) for n in tree["table"]["parameter"].values)]
    if has(tree, "membrane"):
        names += [str(n) for n in tree["membrane"].data_vars]
    if has(tree, "information"):
        names += [str(n) for n in tree["information"]["element"].values]
    return tuple(names)


# -- what it rests on ----------------------------------------------------------------------------------


def _data(result: Result) -> Section:
    tree = result.tree
    r = readings_of(tree)
    curve = tree["curve"].to_dataset() if has(tree, "curve") else None
    caption = []
    if curve is not None:
        caption.append(
            "Lines and bands: what the model expects of the membrane potential (median, 50 % and 95 % of the "
            "posterior), a colour for each series."
        )
        if float(curve["x"].min()) == 0:
            caption.append("0 stands apart at the left, where the axis is broken: it has no logarithm.")
    along, x, series = on_curve(tree, r)
    if curve is not None and along.any():
        caption.append(
            "Points: readings; thick bar, ± standard error; thin bar, ± total scatter (standard error and extra scatter "
            "together). Below: reading less expected reading."
        )
        if coloured_levels(tree) is not None:
            caption.append("Its colours are the levels of a label that nothing is given by.")
        if {series[i] for i in r.row[along]} - set(map(str, curve["series"].values)):
            caption.append(
                "A series measured in one condition has, in place of bands, bars behind its point: the 50 % and 95 % "
                "interval of a predicted reading."
            )
        if len(np.unique(x[along])) < along.sum():
            caption.append("Readings at the same place are drawn side by side.")
        shift = electrode_shift(result)
        if shift > 0.05:
            caption.append(
                f"Above, readings are shown less what the electrode adds (offset and junction potential, by the "
                f"posterior mean; up to {fixed(shift, 1)} mV)."
            )
    if not along.all():
        by_name = curve is None or (~along & ~r.paired).any()
        what = "Readings by name" if by_name else "Changes from the reference row"
        caption.append(
            f"{what}: bars, 50 % and 95 % interval of a predicted reading, with its median; points, "
            "measured, ± standard error (thick) and ± total scatter (thin)."
        )
    worst = int(np.argmax(np.abs(r.value - r.expected) / r.scatter))
    against = f" against {curve.attrs['x_name']}" if curve is not None else ""
    alt = (
        f"{counted(len(r.value), 'reading')} of {', '.join(dict.fromkeys(r.observable.tolist()))} with the model's 50 % and 95 % "
        f"bands{against}. Farthest from what is expected: {r.names[worst]}, read {significant(r.value[worst], 4)}, "
        f"expected {significant(r.expected[worst], 4)}."
    )
    columns = json.loads(str(result.attrs.get("columns", "[]")))  # results of earlier versions do not say
    said = (Lines("What became of the table's columns", tuple(columns)),) if columns else ()
    picture = Picture.of("data", " ".join(caption), lambda: plot_data(result), alt)
    return detail("data", "Data and model", *said, picture)


def _priors(result: Result) -> Section:
    if not has(result.tree, "prior"):
        return detail("priors", "Prior and posterior", "This result holds no prior draws to compare with.")
    caption = (
        "Grey: what was believed before the readings. Blue: what is believed after them, with its median. Where blue "
        "lies on grey, the readings said nothing; where it is far narrower, only the near part of the grey is shown."
        + _capped(result)
    )
    alt = "Histograms of prior and posterior draws of every parameter; the numbers are in the table above."
    picture = Picture.of("priors", caption, lambda: figures.plot_prior_posterior(result), alt)
    return detail("priors", "Prior and posterior", picture)


def _capped(result: Result) -> str:
    n = result.tree.sizes.get("parameter", 0) or result.tree["table"].sizes["parameter"]
    return f" The first {MAX_PANELS} of {n} parameters are shown." if n > MAX_PANELS else ""


def _pairs(result: Result) -> Section:
    title = "Pairs of parameters"
    if result.tree["table"].sizes["parameter"] < 2:
        return detail("pairs", title, "There is one parameter, and so no pair.", short="Pairs")
    divergent, told = divergences(result.tree), ""
    if not is_weighted(result.tree):
        told = f"Red: {divergent} divergent draws." if divergent else "No draw diverged."
        if divergent and "diverging" not in result.tree["sample_stats"]:
            told = f"{divergent} draws diverged; which ones was not kept."
    caption = (
        "Posterior draws of the parameters that the readings determined most or that depend most on one another (at "
        "most 5); on the diagonal, each alone; above it, rank correlations. A narrow oblique cloud is a trade-off: the "
        "readings know a combination, not each one. " + told
    )
    alt = "Scatter plots of posterior draws, two parameters at a time, with their rank correlations."
    picture = Picture.of("pairs", caption, lambda: figures.plot_pairs(result), alt)
    return detail("pairs", title, picture, short="Pairs")


def _chains(result: Result) -> Section:
    if is_weighted(result.tree):
        text = (
            "The draws were picked from weighted points, one independently of the other: there is no chain to look at. "
            f"Their gate is Pareto k\u0302 at most {PARETO_K}, at least {fixed(ESS, 0)} effective draws of every parameter, "
            f"and errors of the interval's ends of at most {percent(END)} of its width."
        )
        return detail("chains", _draws(result), text)
    ranks = (
        "Ranks of each chain's draws (a colour for each chain) among all draws. Chains that found the same "
        "distribution give flat lines near 1; the grey band holds 99 % of the heights that chance gives independent "
        "draws, and draws that depend on one another stray somewhat farther." + _capped(result)
    )
    traces = (
        "Draws in the order they were made, for the parameters with the fewest effective draws. The chains should "
        "overlap and look like noise."
    )
    return detail(
        "chains",
        _draws(result),
        Picture.of(
            "ranks",
            ranks,
            lambda: figures.plot_ranks(result),
            "Rank histograms of every chain, parameter by parameter.",
        ),
        Picture.of(
            "traces",
            traces,
            lambda: figures.plot_traces(result),
            "Traces of the slowest-mixing parameters, all chains.",
        ),
    )


def _information(result: Result) -> Section:
    if not has(result.tree, "information"):
        return detail("information", "Identifiability", "This result holds no Fisher information.")
    from ..inference.determined import information_of

    info = information_of(result.tree)
    above, n = int((info.eigenvalues >= 1).sum()), len(info.eigenvalues)
    caption = (
        "Each bar is one independent direction in the space of the parameters, labelled with those it moves most; its "
        "length, how much the readings say about it, as a multiple of what the prior says. Right of the line at 1 "
        "(blue) the readings decide, left of it (grey) the prior."
        + (f" The {MAX_PANELS} largest of {n}." if n > MAX_PANELS else "")
    )
    alt = f"Bar chart of {n} eigenvalues of the Fisher information in prior widths; {above} of them are at least 1."
    summary = (
        f"The readings outweigh the prior in {above} of {n} independent directions."
        if above
        else f"In none of the {n} independent directions do the readings outweigh the prior."
    )
    picture = Picture.of("information", caption, lambda: figures.plot_spectrum(result), alt)
    return detail("information", "Identifiability", summary, Lines("", tuple(info.words())), picture)


def _assumptions(result: Result) -> Section:
    noise = str(result.attrs.get("noise", "not recorded"))
    assumed = json.loads(str(result.attrs.get("assumptions", "[]")))
    none = "No default had to stand in for something that was not given."
    blocks = (_NOISE.get(noise, noise), Lines("", tuple(assumed)) if assumed else none)
    known = known_tables(json.loads(str(result.attrs.get("known", "{}"))))
    return detail("assumptions", "Assumptions and defaults", *blocks, *known, short="Assumptions")


def _reproduce(result: Result) -> Section:
    attrs = result.attrs
    sampler, versions, config = (
        json.loads(str(attrs.get(k, "{}"))) for k in ("sampler", "versions", "config")
    )
    settings = ", ".join(f"{k} {v}" for k, v in sampler.items() if k != "seed")
    return detail(
        "reproduce",
        "How to reproduce this",
        facts_of(attrs | {"versions": versions}, ("Sampler", settings)),
        Code("pumpleak infer config.yaml --out results"),
        Note("The same seed gives the same draws on the same machine with the same versions."),
        *config_blocks(config, str(attrs.get("data_csv", ""))),
        short="Reproduce",
    )
