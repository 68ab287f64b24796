"""Ions by name: signed valence and, where known, electrical mobility relative to K⁺.

Mobility is the generalised mobility u = (Λ°/|z|) / Λ°(K⁺) that the Henderson equation takes: limiting
equivalent conductivities at 25 °C over |z|, K⁺ = 1.

References:
    Barry & Lynch 1991, J. Membr. Biol. 121:101-117, doi 10.1007/BF01870526 (definition; Table 1).
    JPCalc's ionic mobility tables, UNSW Medicine, which extend that Table 1 and
    Ng & Barry 1995, J. Neurosci. Methods 56:37-41, doi 10.1016/0165-0270(94)00087-W (values).
    Lange's Handbook of Chemistry, 15th ed., Table 8.32 (the few marked L).
"""

from typing import NamedTuple


class Ion(NamedTuple):
    """One ion.

    Attributes:
        name: as in ``Na``, ``gluconate``.
        z: signed valence [1].
        mobility: electrical mobility relative to K⁺, Λ°/|z| over Λ°(K⁺) [1]; None where not known.

    References:
        Barry & Lynch 1991, J. Membr. Biol. 121:101-117, doi 10.1007/BF01870526 (generalised mobility).

    Example:
        >>> Ion("guanidinium", 1, None).z
        1
    """

    name: str
    z: int
    mobility: float | None


# From the JPCalc tables unless marked L: Lange's limiting equivalent conductivity over 73.5 |z|.
_VALUES: dict[str, tuple[int, float | None]] = {
    # cations
    "H": (1, 4.757),
    "Li": (1, 0.526),
    "Na": (1, 0.682),
    "K": (1, 1.0),
    "Rb": (1, 1.059),
    "Cs": (1, 1.05),
    "Tl": (1, 1.02),
    "Ag": (1, 0.842),
    "NH4": (1, 1.001),
    "choline": (1, 0.51),
    "NMDG": (1, 0.33),
    "TMA": (1, 0.611),
    "TEA": (1, 0.444),
    "TPA": (1, 0.318),  # L
    "TBA": (1, 0.265),  # L
    "guanidinium": (1, None),
    "methylammonium": (1, None),
    "TPP": (1, None),
    "Tris": (1, 0.4),
    "Mg": (2, 0.361),
    "Ca": (2, 0.4048),  # L
    "Sr": (2, 0.4045),  # L
    "Ba": (2, 0.4347),  # L
    "Mn": (2, 0.364),
    "Co": (2, 0.367),
    "Ni": (2, 0.337),
    "Cu": (2, 0.365),
    "Zn": (2, 0.3592),  # L
    "Cd": (2, 0.37),
    "Pb": (2, 0.48),
    "La": (3, 0.316),
    "Gd": (3, 0.305),
    "Al": (3, 0.2766),  # L
    # anions
    "OH": (-1, 2.69),
    "F": (-1, 0.753),
    "Cl": (-1, 1.0382),
    "Br": (-1, 1.063),
    "I": (-1, 1.0456),
    "NO3": (-1, 0.972),
    "NO2": (-1, 0.977),  # L
    "ClO4": (-1, 0.916),
    "ClO3": (-1, 0.879),  # L
    "BrO3": (-1, 0.758),  # L
    "IO3": (-1, 0.551),  # L
    "SCN": (-1, 0.901),
    "HCO3": (-1, 0.605),
    "H2PO4": (-1, 0.45),
    "formate": (-1, 0.743),  # L
    "acetate": (-1, 0.556),
    "propionate": (-1, 0.487),
    "butyrate": (-1, 0.444),  # L
    "benzoate": (-1, 0.441),  # L
    "pyruvate": (-1, None),
    "lactate": (-1, 0.528),
    "aspartate": (-1, 0.3),
    "glutamate": (-1, 0.26),
    "gluconate": (-1, 0.33),
    "HEPES": (-1, 0.3),
    "MES": (-1, 0.37),
    "MOPS": (-1, 0.35),
    "isethionate": (-1, 0.52),
    "methanesulfonate": (-1, 0.664),
    "methylsulfate": (-1, None),
    "lactobionate": (-1, None),
    "cyclamate": (-1, None),
    "SO4": (-2, 0.544),
    "CO3": (-2, 0.471),  # L
    "succinate": (-2, None),
    "tartrate": (-2, None),
    "HPO4": (-2, 0.39),
}

#: Ions that baths hold though channels hardly pass them: buffers, blockers, and what stands in another ion's place.
HARDLY_PERMEANT = frozenset(
    "choline NMDG TMA TEA TPA TBA TPP Tris Mg Mn Co Ni Cu Zn Cd Pb La Gd Al H2PO4 HPO4 SO4 CO3 benzoate pyruvate lactate "
    "aspartate glutamate gluconate HEPES MES MOPS isethionate methanesulfonate methylsulfate lactobionate cyclamate "
    "succinate tartrate".split()
)

#: Every ion that is known by now; `register_ion` adds to it.
IONS = {name: Ion(name, z, mobility) for name, (z, mobility) in _VALUES.items()}
