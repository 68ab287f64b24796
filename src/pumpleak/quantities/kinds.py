"""The table of kinds: what a name says of its quantity. A new kind is one line here and none elsewhere.

A kind is found by the first rule whose pattern is the whole name. What a name is `of` has to be known: an ion
(``K_o``) or a neutral solute (``glucose_o``); where it is not, the name is understood but tables do not read it unasked
(``X_o``).
"""

import math
import re
from dataclasses import dataclass
from typing import Literal

#: What a value can be: anything, at least 0, above 0.
Sign = Literal["any", "not negative", "positive"]


@dataclass(frozen=True)
class Rule:
    """One line of the table.

    Attributes:
        pattern: of the whole name; its groups `of` and `side` say what it is of (an ion, an observable) and where.
        what: the kind in a word or two.
        unit: canonical unit; None: that of what it is of.
        symbol: for print, with ``_{}`` and ``^{}``; ``%(of)s``, ``%(ion)s`` (with its charge), ``%(side)s``, ``%(ref)s``
            (the ion whose permeability is 1) are filled in. Empty: its name.
        sign: which values it can have.
        low, high: beyond these [canonical unit] it is a mistake.
        of_ion, of_solute: only where `of` is an ion, a neutral solute, that is known.
        column: whether a table reads it unasked.
        place: ``membrane``, ``bath``, ``inside``, ``electrode`` or ``noise``; empty: by its side, else the membrane.
        ratio: ``rel`` to the reference's, or a ``scale`` on its own resting value.
        spoken: in words, where the symbol does not do.
    """

    pattern: str
    what: str
    unit: str | None
    symbol: str = ""
    sign: Sign = "not negative"
    low: float = -math.inf
    high: float = math.inf
    of_ion: bool = False
    of_solute: bool = False
    column: bool = False
    place: str = ""
    ratio: str = ""
    spoken: str = ""

    def match(self, name: str) -> re.Match[str] | None:
        """How the pattern is the whole of a name."""
        return re.fullmatch(self.pattern, name)


# A temperature of a living cell [K]; more mM than water dissolves of a salt; beyond any membrane's potential [mV].
_T = {"low": 268.15, "high": 333.15}
_C = {"high": 5000.0}
_V = {"sign": "any", "low": -300.0, "high": 300.0}
_READ: dict = {"column": True}
_ELECTRODE: dict = {"column": True, "place": "electrode"}
_NOISE: dict = {"place": "noise"}

RULES: list[Rule] = [
    # what is read
    Rule("V_m", "potential", "mV", "V_{m}", **_V, **_READ),
    Rule("V_patch", "potential", "mV", **_V, **_READ),
    Rule("volume", "volume", "1", "volume"),
    Rule("dye(_log)?", "dye", "1", sign="any"),
    # the electrode
    Rule("V_offset", "offset", "mV", "V_{offset}", spoken="the electrode offset", **_V, **_ELECTRODE),
    Rule("LJP", "offset", "mV", "LJP", spoken="the junction potential", **_V, **_ELECTRODE),
    Rule("E_shunt", "potential", "mV", "E_{shunt}", **_V, **_ELECTRODE),
    Rule("shunt_rel", "conductance", "1", **_ELECTRODE),
    Rule("drift", "drift", "mV/min", sign="any", **_ELECTRODE),
    Rule("drift_row", "drift", "mV", **_V, **_ELECTRODE),
    Rule("drift.+", "drift", "mV", sign="any", place="electrode"),
    Rule("time", "time", "s", sign="any", **_ELECTRODE),
    Rule("K_pipette", "concentration", "mM", sign="positive", **_C, **_ELECTRODE),
    Rule("dye_F0", "dye", "1", sign="positive", **_ELECTRODE),
    Rule("dye_slope", "dye", "1", sign="any", **_ELECTRODE),
    # the noise
    Rule("sigma_(?P<of>.+)", "scatter", None, "σ(%(of)s)", "positive", **_NOISE),
    Rule("extra_(?P<of>.+)", "extra scatter", None, "extra scatter of %(of)s", **_NOISE),
    Rule("nu", "tails", "1", "ν", **_NOISE),
    Rule("outlier_(share|factor)", "tails", "1", **_NOISE),
    # the bath and the inside
    Rule("T", "temperature", "K", "T", "positive", spoken="the temperature", place="bath", **_T, **_READ),
    Rule("t", "time", "s"),
    Rule("gamma_(?P<side>[oi])", "activity coefficient", "1", "γ_{%(side)s}", "positive", **_READ),
    Rule(
        "gamma_(?P<of>.+)_(?P<side>[oi])",
        "activity coefficient",
        "1",
        "γ_{%(of)s,%(side)s}",
        "positive",
        of_ion=True,
        **_READ,
    ),
    Rule("osmolyte_(?P<side>o)", "concentration", "mM", sign="any", **_C),
    Rule(
        "(?P<of>.+)_(?P<side>[oi])", "concentration", "mM", "[%(ion)s]_{%(side)s}", of_ion=True, **_C, **_READ
    ),
    Rule("(?P<of>.+)_(?P<side>o)", "solute", "mM", "[%(of)s]_{%(side)s}", of_solute=True, **_C, **_READ),
    Rule("a(?P<of>.+)_(?P<side>[oi])", "activity", "mM", "a_{%(of)s,%(side)s}", of_ion=True, **_C, **_READ),
    Rule("z_X", "charge", "1", "z_{X}", "any"),
    # the membrane
    Rule("pump", "rate", "1", "pump", **_READ),
    Rule("pump_rel", "rate", "1", "pump rate", ratio="rel"),
    Rule("r", "stoichiometry", "1", "r", "positive", **_READ),
    Rule("speed", "rate", "1"),
    Rule("I_pump_rel", "current", "mV", "I_{pump}/g_{%(ref)s}", **_V, **_READ),
    Rule("P_(?P<of>[^.]+)_rel", "permeability", "1", "P_{%(of)s}/P_{%(ref)s}", ratio="rel", **_READ),
    Rule("g_(?P<of>[^.]+)_rel", "conductance", "1", "g_{%(of)s}/g_{%(ref)s}", ratio="rel", **_READ),
    Rule(
        "P_(?P<of>[^.]+)_scale", "permeability", "1", "P_{%(of)s}/P_{%(of)s}^{rest}", ratio="scale", **_READ
    ),
    Rule("g_(?P<of>[^.]+)_scale", "conductance", "1", "g_{%(of)s}/g_{%(of)s}^{rest}", ratio="scale", **_READ),
    Rule("P_(?P<of>.+)", "permeability", "cm/s", of_ion=True, **_READ),
    Rule("g_(?P<of>.+)", "conductance", "mS/cm2", of_ion=True, **_READ),
    Rule("E_(?P<of>.+)", "potential", "mV", "E_{%(of)s}", of_ion=True, **_V, **_READ),
    # the numbers of a cell and of its mechanisms
    Rule("(volume_to_area|C_m|L_p)", "geometry", None, sign="positive"),
    Rule(r".+\..+", "constant", None),  # what it can be is declared with its mechanism
]

#: What a user's own model may have: the kind that a name's form suggests, where no line of `RULES` knows it.
FORMS: list[Rule] = [
    Rule(".+_(?P<ratio>rel|scale)", "factor", "1"),
    Rule("(V_offset|LJP)_.+", "offset", "mV", sign="any", place="electrode"),
    Rule("V_.+|LJP.+", "potential", "mV", sign="any"),
    Rule("E_(?P<of>.+)", "potential", "mV", "E_{%(of)s}", "any"),
    Rule("(?P<of>[A-Z][A-Za-z0-9]*)_(?P<side>[oi])", "concentration", "mM", "[%(ion)s]_{%(side)s}", **_C),
    Rule("(?P<of>.+)_(?P<side>[oi])", "concentration", "mM", **_C),
]
