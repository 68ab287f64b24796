"""The page of one cell of a batch: its verdict, readings, parameters and marginals."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..batch.results import Batch, CellStatus, Rung
from ..engines.gate import ESS, PARETO_K, PROBABILITIES, R_HAT, too_few
from ..problem.priors import prior_in
from ..quantities.names import as_read, safe_name
from ..quantities.symbols import symbol
from ..text import decimals_of, fixed, listing, minus, significant, tabulated
from . import batch_figures, html
from .batch_figures import Marginal, on_log_axis
from .batch_reading import (
    DETERMINED,
    LEVEL,
    RUNGS,
    UNTOUCHED,
    batch_document,
    capped,
    count_cells,
    file_name,
    provenance,
    table_file,
    title_of,
)
from .document import (
    Block,
    Code,
    Document,
    Facts,
    Lines,
    Name,
    Note,
    Number,
    Picture,
    Section,
    Share,
    Span,
    Table,
    law_as_read,
    lines,
    prior_as_read,
    unit_label,
)
from .provenance import reference_of
from .reading import pair_choice


def render_cell(batch: Batch, cell: str) -> str:
    """The page of one cell as text.

    Raises:
        InputError: there is no such cell.
    """
    return html.render(cell_document(batch, cell))


def cell_document(batch: Batch, cell: str) -> Document:
    """All that is to be said of one cell of a batch."""
    tree = batch.cell(cell)
    summary = tree["summary"].to_dataset()
    status, rung = CellStatus[tree.attrs["status"]], Rung[tree.attrs["rung"]]
    usable = status == CellStatus.usable
    rows = batch.manifest["parameters"]
    quantile = np.asarray(summary["quantile"])
    has = np.isfinite(quantile).all(axis=1)
    marginals = [_marginal(batch, p, tree, quantile[i]) for i, p in enumerate(rows) if has[i]]
    n_draws = max((m.draws.size for m in marginals), default=0)
    table = [_cell_row(p, summary, i) for i, p in enumerate(rows) if has[i]]
    absent = [p["name"] for p, there in zip(rows, has, strict=True) if not there]
    return batch_document(
        batch,
        "batch report",
        f"Cell {cell}",
        f"One of {count_cells(batch.n_cells)} of {title_of(batch)}; readings from `{batch.manifest['data_file']}`.",
        headline=CellStatus.words[status],
        status="good" if usable else "bad",
        label="Usable" if usable else f"Do not use ({status.name})",
        findings=(*_cell_findings(tree, summary, status, rows, has), _cell_numbers(summary, rung)),
        sections=(
            _parameters(table, absent, usable),
            Section("priors", "Prior and posterior", _marginals_figure(marginals, n_draws, len(table))),
            Section("pairs", "Pairs of parameters", _cell_pairs(marginals, summary, n_draws), "Pairs"),
            Section("again", "The same by a full inference", _as_infer(batch, cell), "The same by infer"),
            provenance(batch),
        ),
    )


def _parameters(rows: list[tuple[Any, ...]], absent: list[str], usable: bool) -> Section:
    if not rows:
        return Section("parameters", "Parameters", ("There are no numbers of this cell.",))
    warning = () if usable else ("These numbers are shown to see what went wrong, and are not to be used.",)
    lead = (
        f"Posterior median, {LEVEL} equal-tailed interval, mean and standard deviation, of all weighted points. "
        "Contraction: the share of the prior's variance that the readings removed (0 %, they said nothing; 100 %, they "
        f"decided). Fewer than {fixed(ESS, 0)} effective draws are marked."
    )
    columns = [
        "parameter",
        "unit",
        "median",
        f"{LEVEL} interval",
        "mean",
        "sd",
        "prior",
        "contraction",
        "ESS bulk",
        "ESS tail",
    ]
    note = f"Not of this cell: {', '.join(absent)}." if absent else ""
    table = Table.of("Parameters", columns, rows, note, lead=lead)
    return Section("parameters", "Parameters", (*warning, table))


def _cell_findings(
    tree: xr.DataTree, summary: xr.Dataset, status: CellStatus, rows: list, has: np.ndarray
) -> tuple[Lines, ...]:
    contraction = np.asarray(summary["contraction"])
    names = [p["name"] for p in rows]
    said = []
    detail = str(tree.attrs["detail"])
    if detail != CellStatus.words[status]:
        said.append(detail)
    if status == CellStatus.usable:
        for chosen, words, after in (
            (contraction >= DETERMINED, "The data determine", ""),
            (
                (contraction >= 0.5) & (contraction < DETERMINED),
                "The data narrow",
                ", but the prior still matters",
            ),
            (
                contraction < UNTOUCHED,
                "The data say next to nothing about",
                ": what is reported is the prior",
            ),
        ):
            these = [n for n, there, c in zip(names, has, chosen, strict=True) if there and c]
            if these:
                said.append(f"{words} {listing(these, 8)}{after}.")
        if bool(summary["prior_dominated"]):
            said.append(
                "The cell is marked as dominated by the prior: a sound posterior that tells of the prior."
            )
    return lines(*said)


def _cell_numbers(summary: xr.Dataset, rung: Rung) -> Facts:
    def value(name: str) -> float:
        return float(summary[name])

    out: list[tuple[str, Any]] = [
        ("Rung", f"{rung.name}: {RUNGS[rung]}"),
        ("Readings", f"{int(summary['n_readings']):,}"),
    ]
    if not math.isnan(value("k_hat")):
        out.append(("Pareto k-hat", f"{_said(value('k_hat'), 2)} (usable: at most {PARETO_K})"))
    ess = np.fmin(np.asarray(summary["ess_bulk"]), np.asarray(summary["ess_tail"]))
    if np.isfinite(ess).any():
        out.append(("Least effective draws", f"{np.nanmin(ess):,.0f} (usable: at least {fixed(ESS, 0)})"))
    r_hat = np.asarray(summary["r_hat"])
    if np.isfinite(r_hat).any():
        out.append(("Largest R-hat", f"{fixed(np.nanmax(r_hat), 3)} (usable: at most {R_HAT})"))
    if math.isfinite(value("log_evidence")):
        se = value("log_evidence_se")
        said = _said(value("log_evidence"), 2) + (f" ± {_said(se, 2)}" if math.isfinite(se) else "")
        out.append(("Log evidence", said))
    if math.isfinite(value("elpd_loo")):
        k = value("loo_k")
        said = _said(value("elpd_loo"), 2) + (
            f" (largest Pareto k {_said(k, 2)})" if not math.isnan(k) else ""
        )
        out.append(("Expected log predictive density (PSIS-LOO)", said))
    return Facts.of(*out)


def _said(x: float, decimals: int) -> str:
    return tabulated(x, decimals) if math.isinf(x) or abs(x) < 1e5 else minus(significant(x, 4))


def _cell_row(p: dict, summary: xr.Dataset, i: int) -> tuple[Any, ...]:
    def value(name: str) -> float:
        return float(summary[name][i])

    low, median, high = (float(summary["quantile"][i, PROBABILITIES.index(q)]) for q in (0.025, 0.5, 0.975))
    decimals = decimals_of(value("sd"))
    unit, shift = as_read(p["name"], p["unit"])
    return (
        Name(p["name"]),
        unit_label(unit),
        Number(median + shift, decimals),
        Span(low + shift, high + shift, decimals),
        Number(value("mean") + shift, decimals),
        Number(value("sd"), decimals),
        prior_as_read(p["name"], p["prior"]),
        Share(value("contraction")),
        *(Number(value(k), 0, marked=bool(too_few(value(k)))) for k in ("ess_bulk", "ess_tail")),
    )


def _marginal(batch: Batch, p: dict, tree: xr.DataTree, quantile: np.ndarray) -> Marginal:
    draws = np.empty(0)
    if safe_name(p["name"]) in tree["posterior"].data_vars:
        draws = np.asarray(tree["posterior"][safe_name(p["name"])], float).ravel()
        draws = draws if np.isfinite(draws).all() else np.empty(0)
    unit, shift = as_read(p["name"], p["unit"])
    five = quantile[[PROBABILITIES.index(q) for q in (0.025, 0.25, 0.5, 0.75, 0.975)]] + shift
    draws = draws + shift
    law = law_as_read(p["name"], prior_in(p))
    log = on_log_axis(p["name"], law, float(five[0]), float(five[-1])) and not (draws <= 0).any()
    return Marginal(
        name=p["name"],
        symbol=symbol(p["name"], reference_of(batch.manifest["config"])),
        unit=unit,
        law=law,
        log=log,
        quantiles=five,
        draws=draws,
    )


def _marginals_figure(rows: list[Marginal], n_draws: int, n: int) -> tuple[Block, ...]:
    if not rows:
        return ("There is nothing to draw.",)
    caption = (
        (
            f"Blue: {n_draws} thinned draws of the posterior. "
            if n_draws
            else "No draws of this cell were kept. "
        )
        + "Grey: the prior; where it is far wider, only its near part is drawn. Black: median, 50 % and 95 % interval, "
        "which come from all weighted points." + capped(n)
    )
    alt = "Histograms of the posterior draws of every parameter over its prior; the numbers are in the table above."
    return (Picture.of("priors", caption, lambda: batch_figures.plot_marginals(rows), alt),)


def _cell_pairs(rows: list[Marginal], summary: xr.Dataset, n_draws: int) -> tuple[Block, ...]:
    rows = [m for m in rows if m.draws.size > 2 and np.ptp(m.draws) > 0]
    if len(rows) < 2:
        return ("There is one parameter, and so no pair." if n_draws else "No draws of this cell were kept.",)
    contraction = dict(
        zip(map(str, summary["parameter"].values), np.asarray(summary["contraction"]), strict=True)
    )
    told = {m.name: float(np.nan_to_num(contraction[m.name])) for m in rows}
    kept = {e.name for e in pair_choice(rows, told)}
    rows = [m for m in rows if m.name in kept]
    caption = (
        "Draws of the parameters that the readings determined most or that depend most on one another (at most 5); on "
        "the diagonal, each alone; above it, rank correlations. A narrow oblique cloud is a trade-off: the readings "
        "know a combination, not each one."
    )
    alt = "Scatter plots of posterior draws, two parameters at a time, with their rank correlations."
    draws = np.stack([m.draws for m in rows])
    return (Picture.of("pairs", caption, lambda: batch_figures.plot_pairs(rows, draws), alt),)


def _as_infer(batch: Batch, cell: str) -> tuple[Block, ...]:
    """Python that takes one cell out of the table, and a command that infers it by NUTS.

    Of a problem made in Python there is no config, and so no command.
    """
    table, name = table_file(batch), file_name(cell)
    settings = batch.manifest["config"].get("batch")
    by = (settings.get("by") if isinstance(settings, dict) else None) or "cell"
    written = {read: x for x, read in batch.manifest["config"].get("columns", {}).items()}
    by = [written.get(x, x) for x in ([by] if isinstance(by, str) else by)]
    ending = Path(table).suffix.lower()
    read = {".parquet": "parquet", ".pq": "parquet", ".xlsx": "excel"}.get(ending, "csv")
    options = ", sep='\\t'" if ending in (".tsv", ".tab") else ""
    options += "" if read == "parquet" else f", dtype={dict.fromkeys(by, str)}".replace(f"{str!r}", "str")
    ids = f"table[{by[0]!r}].astype(str)"
    if len(by) > 1:
        ids = f"table[{by!r}].astype(str).agg('/'.join, axis=1)"
    python = [
        "import pandas as pd, yaml",
        "",
        f"table = pd.read_{read}({table!r}{options})",
        f"table[{ids} == {cell!r}].to_csv({f'{name}.csv'!r}, index=False)",
    ]
    intro = "NUTS with all its checks (predictive p-values, identifiability, misfit reading by reading) takes this cell's rows out of the table:"
    last = Note("The posterior is the same up to Monte Carlo error.")
    if not batch.manifest["config"].get("quantities"):
        made = "The problem was made in Python: make it again of these rows, and give it to `infer`."
        return intro, Code("\n".join(python).replace(", yaml", "")), made, last
    folder = str((batch.path or Path("RUN")) / "config.yaml")
    python += [
        f"config = yaml.safe_load(open({folder!r}, encoding='utf-8')) | {{'data': {f'{name}.csv'!r}}}",
        "config.pop('batch', None)",
        f"yaml.safe_dump(config, open({f'{name}.yaml'!r}, 'w', encoding='utf-8'), sort_keys=False)",
    ]
    then = "and then, where that wrote its two files:"
    return intro, Code("\n".join(python)), then, Code(f"pumpleak infer {name}.yaml"), last
