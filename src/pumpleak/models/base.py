"""What a model is: quantities in, potential out."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..lazy import jax, jnp
from ..physics.nernst import nernst_potential
from ..quantities.quantity import Quantity, Setting


class Prediction(NamedTuple):
    """What a model says of C conditions.

    Attributes:
        observables: name -> (C,) array; always ``V_m`` [mV].
        ok: (C,) bool; False where the model has no answer (the value there means nothing).

    Example:
        >>> Prediction({"V_m": -70.0}, ok=True).observables["V_m"]
        -70.0
    """

    observables: dict[str, Any]
    ok: Any


@dataclass(frozen=True)
class Model:
    """A named model in one setting: its quantities and its prediction. Made by `make_model`.

    Attributes:
        name: what configs call it.
        setting: the ions, and what else was chosen.
        quantities: the inputs it needs.
        equation: one line for the report.

    Example:
        >>> from pumpleak import make_model
        >>> model = make_model("nernst", ["K"])
        >>> values = {"T": 310.15, "K_o": 4.0, "K_i": 140.0, "gamma_o": 1.0, "gamma_i": 1.0}
        >>> print(f"{model.predict(values).observables['V_m']:.2f} mV")
        -95.02 mV
    """

    name: str
    setting: Setting
    quantities: tuple[Quantity, ...]
    equation: str
    _function: Callable[[Mapping[str, Any], Setting], Any]

    @property
    def integrates(self) -> bool:
        """Whether some condition is followed through time: what it predicts is then differentiated backward alone."""
        return self.setting.protocols is not None and "at" in self.setting.protocols.kind

    @property
    def own(self) -> bool:
        """Whether it is one of this package's, which all predict V_m and are known to be traceable."""
        return self._function.__module__.partition(".")[0] == __name__.partition(".")[0]

    @property
    def jacobian(self) -> Callable:
        """The transformation that differentiates what is predicted by few unknowns: forward where that can be."""
        return jax.jacrev if self.integrates else jax.jacfwd

    def predict(self, values: Mapping[str, Any]) -> Prediction:
        """Predict every observable from the quantities' values, each a scalar or shape (C,)."""
        out = self._function(values, self.setting)
        out = dict(out) if isinstance(out, Mapping) else {"V_m": out}
        ok = out.pop("ok", jnp.isfinite(out["V_m"]))
        for ion, z in zip(self.setting.ions, self.setting.z, strict=True):
            if f"E_{ion}" not in out and has_nernst(values, ion):
                out[f"E_{ion}"] = nernst_potential(outside(values, ion), inside(values, ion), z, values["T"])
        return Prediction(out, ok)


def has_nernst(values: Collection[str], ion: str) -> bool:
    """Whether a model's inputs, of which a user's own may have any, give an ion's Nernst potential."""
    return {"T", f"{ion}_o"} <= set(values) and bool({f"{ion}_i", f"a{ion}_i"} & set(values))


def coefficient(values: Mapping[str, Any], ion: str, side: str):
    """Activity coefficient of an ion on a side [1]: its own, else that of the side, else 1."""
    return values.get(f"gamma_{ion}_{side}", values.get(f"gamma_{side}", 1.0))


def outside(values: Mapping[str, Any], ion: str):
    """Activity of an ion in the bath, its coefficient × concentration [mM]."""
    return coefficient(values, ion, "o") * values[f"{ion}_o"]


def inside(values: Mapping[str, Any], ion: str):
    """Activity of an ion in the cell: as given, or its coefficient × concentration [mM]."""
    return (
        values[f"a{ion}_i"] if f"a{ion}_i" in values else coefficient(values, ion, "i") * values[f"{ion}_i"]
    )
