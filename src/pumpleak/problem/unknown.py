"""What is said of a name in a config that no quantity of its model has."""

from collections.abc import Collection
from typing import Any

from ..errors import InputError
from ..models.base import Model
from ..quantities.ions import is_ion
from ..quantities.labels import is_dose
from ..quantities.language import named, own_name, taken, unknown_name
from ..quantities.names import kind, split_part
from ..quantities.resemblance import doubtful
from ..quantities.spellings import plain_name
from ..quantities.units import split_unit, with_unit


def unknown_quantity(name: str, spec: Any, known: Collection[str], model: Model, place: str) -> InputError:
    """The error of a quantity that there is not: what was meant, or how it is said.

    Args:
        name: as written, without its unit.
        spec: what is said of it.
        known: the quantities that there are.
        model: the model.
        place: the dotted path of its key.
    """
    own = own_name(name)
    may = [own] if own and own != name and _may_be_said(own, model) else []
    amount = float(spec) if isinstance(spec, (int, float)) else None
    within = f"in the model {model.name} with ions {', '.join(model.setting.ions)}"
    error = unknown_name("quantity", name, [*known, *may], within=within, amount=amount, column=place)
    of, part = taken(name).word or split_part(name)[0], split_part(name)[1]
    mend = error.mend
    if of == "V_m":
        mend = "What was read stands in the table, as V_m_mV"
    elif is_dose(name):
        mend = "A drug is a condition of rows: name it in a column of the table, and write `by:` with that column"
    elif kind(name).is_rate and is_ion(kind(name).of) and kind(name).of not in model.setting.ions:
        mend = f"Add {kind(name).of} to `ions`"
    elif kind(name).is_unasked_reading:
        mend = f"If it was read, it stands in the table, and in the config `observables: [V_m, {name}]`"
    elif part != "value" and of in known:
        mend = f"Write it with its quantity, {of}: 140 ± 3 mM"
    elif not named(name, amount):
        mend = _as_a_column(place.rpartition(".")[2], known, model) or mend
    return InputError(error.problem, mend=mend, column=place)


def _as_a_column(key: str, known: Collection[str], model: Model) -> str:
    """What a table would ask of a column of that name; '' where it would not."""
    found = doubtful(key)
    column = plain_name(key) or (found.column if found else "")
    if split_unit(column)[0] in known:
        return f"Write {column}"
    if found and not column and found.of in known:
        return f"If it is {found.of}, write {with_unit(found.of, found.unit or 'mM')}"
    k = kind(own_name(key) or split_unit(key)[0])
    if k.side == "i" and is_ion(k.of) and k.of not in model.setting.ions:
        return f"Leave it out: {k.of} inside counts for nothing unless it is among `ions`"
    return ""


def _may_be_said(name: str, model: Model) -> bool:
    """Whether a config may speak of it though it is no quantity yet: what stands in a bath, a coefficient."""
    k = kind(name)
    return k.is_bystander or k.what == "activity coefficient" and k.of in model.setting.ions
