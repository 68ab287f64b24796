"""The headline of a verdict: the answer, whether the draws can be trusted, and what speaks against the model."""

from collections.abc import Iterable, Mapping, Sequence

from ..engines.gate import CellStatus
from ..quantities.names import kind
from ..text import fixed, in_unit, listing, significant
from .answer import called
from .findings import Finding, Kind
from .words import LOOK, WEIGHTED, capital, gathered, heavy, surprises


def failure(status: CellStatus, rung: str, k_hat: float) -> str:
    """Why draws must not be used, as the headline says it."""
    if status == CellStatus.k_hat:
        return f"the {heavy(rung)} (Pareto k-hat {fixed(k_hat, 2)})"
    if status == CellStatus.ess:
        return f"too few {'effective' if rung in WEIGHTED else 'independent'} draws"
    return {
        CellStatus.ends: "too few draws to settle the ends of an interval",
        CellStatus.r_hat: "the chains disagree",
        CellStatus.divergent: "some transitions diverged, so part of the posterior may be missed",
    }[status]


#: What takes the word from "and the model fits", the gravest first, and its label.
DECISIVE = {
    Kind.levels_differ: "the model does not fit",
    Kind.one_reading: "one reading stands apart",
    Kind.one_bath: "one bath contradicts itself",
    Kind.order_matters: "the model does not fit",
    Kind.unexplained: "the model explains next to nothing",
    Kind.errors_too_small: "the standard errors look too small",
    Kind.clearly_fails: "the model does not fit",
    Kind.prior_conflict: "in conflict with a prior",
    Kind.extra_scatter: "the model does not fit within its errors",
    Kind.wide_scatter: "single readings scatter widely",
    Kind.no_test: "nothing tests the model",
}


def decisive(findings: Iterable[Finding], *, fits: bool) -> Finding | None:
    """What is to be said beside that the draws can be trusted; None where the model fits, and nothing else."""
    found: dict[Kind, Finding] = {}
    for f in findings:
        found.setdefault(f.kind, f)
    if not fits:
        found.setdefault(Kind.clearly_fails, Finding(Kind.clearly_fails))
    else:
        found.pop(Kind.clearly_fails, None)
    return next((found[kind] for kind in DECISIVE if kind in found), None)


def headline(
    *,
    usable: bool,
    failure: str,
    but: Finding | None,
    levels: Mapping[Kind, Sequence[str]],
    answer: str = "",
    reference: str = "K",
    unused: Sequence[str] = (),
) -> str:
    """The answer, and the verdict on it.

    Args:
        usable: as `Verdict` has it.
        failure: why the draws must not be used; "" where nothing speaks against them.
        but: as `decisive` has it.
        levels: kind of `LEVELS` -> the parameters of which it holds.
        answer: the numbers that were asked for.
        reference: the ion whose permeability is 1.
        unused: label columns that nothing is given by.
    """
    if not usable:
        if not failure:
            return f"{LOOK}; confirm these numbers with another engine before use."
        return f"Do not use these numbers: {failure}."

    def listed(kind: Kind) -> str:
        return listing([called(n, reference) for n in gathered(levels[kind])])

    trust = f"the computation can be trusted{_but(but)}"
    alone = but is not None and but.kind in _ALONE
    if levels[Kind.determined] and not alone:
        text = f"The data determine {listed(Kind.determined)}; {trust}."
    elif alone:
        text = f"{capital(trust)}."
    elif levels[Kind.narrowed]:
        text = (
            f"{capital(trust)}; the data narrow {listed(Kind.narrowed)}, but not so far that the priors no "
            "longer matter."
        )
    else:
        text = f"{capital(trust)}; these data say almost nothing, and what is reported is the prior."
    blind = [n for n in (*levels[Kind.barely_touched], *levels[Kind.untouched]) if kind(n).is_ratio]
    if blind:
        text += f" They say next to nothing about {listing([called(n, reference) for n in gathered(blind)])}."
    text += f" Not used: {listing(list(unused))}." if unused else ""
    return f"{answer}. {text}" if answer else text


_ALONE = frozenset(
    {
        Kind.levels_differ,
        Kind.order_matters,
        Kind.one_reading,
        Kind.one_bath,
        Kind.unexplained,
        Kind.clearly_fails,
    }
)


def _but(f: Finding | None) -> str:
    """How the headline goes on after that the draws can be trusted."""
    if f is None:
        return " and the model fits"
    x = f.numbers
    match f.kind:
        case Kind.levels_differ:
            return _unfit(f": readings differ by {f.parameters[0]}, which nothing is given by")
        case Kind.order_matters:
            return _unfit(": readings move with the order of rows")
        case Kind.one_reading:
            return f", but {f.parameters[0]} stands apart from the other readings{_rest(f)}"
        case Kind.one_bath:
            return f", but {listing(f.parameters)}, readings of one bath, contradict each other{_rest(f)}"
        case Kind.unexplained:
            read = f"the readings of {f.parameters[0]}" if f.parameters else "what was read"
            return f", but the model explains next to nothing of {read}; its numbers mean little"
        case Kind.errors_too_small:
            error, needed = (significant(x[k], 2) for k in ("error", "needed"))
            return f", but the standard errors (typically {error} mV) look too small: {needed} mV would do"
        case Kind.prior_conflict:
            return f", but the model fits only with {surprises(f)[0]}"
        case Kind.extra_scatter:
            extra = in_unit(significant(x["extra"], 2), x["unit"])
            return f", but the model does not fit within its errors: it takes {extra} of scatter beyond them"
        case Kind.wide_scatter:
            most = f"; {f.parameters[0]} makes most of it" if f.parameters else ""
            return (
                f", but single readings scatter by {significant(x['median'], 2)} mV, more than those of cells of one kind "
                f"do{most}"
            )
        case Kind.no_test:
            return ", but nothing here can test the model"
    return _unfit("")


def _unfit(why: str) -> str:
    return f", but the model does not fit these data{why}; read its numbers with that in mind"


def _rest(f: Finding) -> str:
    return "" if f.numbers["rest_fits"] else ", and these do not fit the model either"
