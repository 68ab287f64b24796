"""What a study is asked about: elements by name, or those a reader wants first."""

from collections.abc import Callable, Collection, Sequence

from ..errors import check_kind
from ..problem.parameters import Parameter, is_noise
from ..problem.problem import Problem
from ..quantities.language import unknown_name
from ..quantities.names import kind


def named(names: str | Sequence[str], known: Collection[str]) -> list[str]:
    """The names asked about, each once.

    Raises:
        InputError: there is no such element.
    """
    names = [names] if isinstance(names, str) else names
    for name in names:
        check_kind(name, str, "the name of a target", f"Give names of {', '.join(known)}")
        if name not in known:
            raise unknown_name("parameter", name, known)
    return list(dict.fromkeys(names))


def is_ratio(quantity: str) -> bool:
    """Whether it is a permeability or conductance over the reference's."""
    return kind(quantity).is_ratio


def sought(problem: Problem, *wanted: Callable[[str], bool]) -> list[Parameter]:
    """What is asked about by default: the parameters of the first of these sorts of quantity that there is one of,
    else all but the noise. Of levels within levels the outermost stands for all."""
    for of_sort in (*wanted, lambda _: True):
        found = [p for p in problem.parameters if of_sort(p.quantity) and not is_noise(p)]
        if found:
            return [p for p in found if p.parent is None]
    return []
