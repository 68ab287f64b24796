"""What configs/README.md lists of priors and mechanisms, from their declarations."""

from ..cell.declared import KINDS as MECHANISMS
from ..problem.prior_kinds import KINDS as PRIORS


def prior_rows() -> list[str]:
    """A line of Markdown a kind of prior: its keys, the bounds that may be given, and what it says."""
    rows = []
    for kind in PRIORS.values():
        keys = [name + (f" > {key.above:g}" if key.above >= 0 else "") for name, key in kind.keys.items()]
        bounds = [f"[{name}]" for name in kind.cuts]
        measured = ["[measured]"] if kind.may_be_measured else []
        rows.append(
            f"| `{kind.name}` | {', '.join(f'`{x}`' for x in (*keys, *bounds, *measured))} | {kind.about} |"
        )
    return rows


def mechanism_rows() -> list[str]:
    """A line of Markdown a number of a mechanism: its kind, key, meaning, default and domain."""
    rows = []
    for kind, declared in MECHANISMS.items():
        if declared.build is not None:
            continue  # a user's own
        for name, number in declared.numbers.items():
            default = "" if number.default is None else f"{number.default:g}"
            rows.append(
                f"| `{kind}` | `{declared.keys[name]}` | {number.meaning} | {default} | {number.words or 'any'} |"
            )
    return rows
