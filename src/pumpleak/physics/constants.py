"""Physical constants, each once: exact in the SI of 2019 (CODATA 2018 and 2022 agree); and when a cell bursts.

Source: Mohr, Newell, Taylor & Tiesinga 2025, CODATA 2022, Rev. Mod. Phys. 97:025002,
doi 10.1103/RevModPhys.97.025002.
"""

K_BOLTZMANN = 1.380649e-23  # [J K⁻¹], exact
N_AVOGADRO = 6.02214076e23  # [mol⁻¹], exact
E_CHARGE = 1.602176634e-19  # [C], exact

R = K_BOLTZMANN * N_AVOGADRO  # molar gas constant, 8.314462618... [J mol⁻¹ K⁻¹]
F = E_CHARGE * N_AVOGADRO  # Faraday constant, 96485.33212... [C mol⁻¹]

ZERO_CELSIUS = 273.15  # 0 °C [K], by definition of the degree Celsius
EPSILON_0 = 8.8541878188e-12  # vacuum permittivity [F m⁻¹], CODATA 2022 (measured, relative 1.6e-10)

#: Volume over the reference volume at which a membrane is taken to have burst, unless told otherwise. A membrane
#: hardly stretches, it unfolds: ten times the volume takes 10^(2/3) = 4.6 times the area of a smooth sphere, while
#: a lymphocyte, much folded, has 2.3 times (Schmid-Schönbein, Shih & Chien 1980, Blood 56:866-875), enough for
#: 3.5 times the volume. So nothing lasts beyond it; a given cell may burst well before.
LYSIS_RATIO = 10.0
