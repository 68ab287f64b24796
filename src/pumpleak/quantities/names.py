"""What a name means: kind, ion, side, unit."""

import re

from ..errors import InputError

_DIMENSIONLESS_SUFFIX = ("_rel", "_scale")


_DIMENSIONLESS_KEYS = {
    "pump",
    "gamma_o",
    "gamma_i",
    "r",
    "nu",
    "outlier_share",
    "outlier_factor",
    "z_X",
    "speed",
}


def expected_unit(name: str) -> str | None:
    """The canonical unit a quantity of this name must have; None where the name does not tell."""
    if name == "K_pipette":
        return "mM"
    if name in ("T", "t", "time"):
        return "K" if name == "T" else "s"
    if name.startswith("drift"):
        return "mV/min" if name == "drift" else "mV"
    if name == "I_pump_rel" or name.startswith(
        ("V_", "E_", "LJP", "sigma_V", "extra_V", "sigma_E", "extra_E")
    ):
        return "mV"
    if name.endswith(_DIMENSIONLESS_SUFFIX) or name in _DIMENSIONLESS_KEYS:
        return "1"
    return "mM" if name.endswith(("_o", "_i")) else None


def observable_unit(name: str) -> str:
    """Canonical unit of what is read: potentials in mV, ``volume`` and a dye's signal ratios, else mM."""
    return "mV" if name[0] in "VE" else "1" if name == "volume" or name.startswith("dye") else "mM"


def safe_name(name: str) -> str:
    """A parameter's name as netCDF takes it: no slash (the division slash looks the same)."""
    return name.replace("/", "\u2215")


def unique_names(names: list[str]) -> list[str]:
    """Names made unique by a number where they repeat."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return out


IONS = ("K", "Na", "Cl", "Ca", "Mg", "HCO3")  # those that a mistyped name is compared with


DIMENSIONLESS = ("pump", "gamma_o", "gamma_i", "r")


OF_ELECTRODE = {"shunt_rel": "1", "E_shunt": "mV", "drift": "mV/min", "drift_row": "mV", "time": "s"}


PARTS = ("sd", "sem", "n")


def base_name(stem: str) -> str:
    """The quantity behind a name: ``dV_m_sem`` is about ``V_m``."""
    base, _, last = stem.rpartition("_")
    name = base if last in PARTS else stem
    return name[1:] if name[:1] == "d" and dimension_of(name) is None else name


def dimension_of(name: str) -> str | None:
    """The canonical unit of a known name; None for a name that is not known."""
    if name in ("V_m", "V_patch", "LJP", "V_offset", "I_pump_rel"):
        return "mV"
    if name == "T":
        return "K"
    if name in DIMENSIONLESS:
        return "1"
    if name in OF_ELECTRODE:
        return OF_ELECTRODE[name]
    for pattern, unit in _PATTERNS:
        match = pattern.fullmatch(name)
        if match and is_ion(match[1]):
            return unit
    return None


_PATTERNS = (
    (re.compile(r"a?(.+)_[oi]"), "mM"),
    (re.compile(r"[Pg]_(.+)_(?:rel|scale)"), "1"),
    (re.compile(r"P_(.+)"), "cm/s"),
    (re.compile(r"g_(.+)"), "mS/cm2"),
    (re.compile(r"E_(.+)"), "mV"),
)


def is_ion(name: str) -> bool:
    from .ions import valence

    try:
        valence(name)
    except InputError:
        return False
    return True


def is_ratio(name: str) -> bool:
    """True for a permeability or conductance over the reference's, ``P_Na_rel``, or one of its levels."""
    base = name.partition("[")[0]
    return base.startswith(("P_", "g_")) and base.endswith("_rel")


_SPOKEN = {"V_offset": "the electrode offset", "LJP": "the junction potential", "T": "the temperature"}


def spoken(name: str, reference: str) -> str:
    """A parameter in words: ``P_Na_rel`` is P_Na/P_K, ``LJP[wash]`` the junction potential (wash)."""
    base, _, rest = name.partition("[")
    of = f" ({rest.rpartition(']')[0]})" if rest else ""
    if is_ratio(base):
        return f"{base.removesuffix('_rel')}/{base[0]}_{reference}{of}"
    if base in _SPOKEN:
        return _SPOKEN[base] + of
    side = {"_i": "inside", "_o": "in the bath"}.get(base[-2:])
    return f"{name}, {base[:-2]} {side}," if side and not of else name
