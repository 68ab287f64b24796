"""Figures of a calibration: ranks and coverage inside their bands, and error against contraction."""

import numpy as np

from ...quantities.names import safe_name
from ...reports.document import Picture
from ...text import percent

_PANELS = 12


def pictures(
    pits: dict[str, np.ndarray], z: dict[str, np.ndarray], contraction: dict[str, np.ndarray], *, level: float
) -> tuple[Picture, ...]:
    """Three figures of a calibration.

    Args:
        pits: quantity -> (replicates,) ranks as shares between 0 and 1, the least uniform first.
        z, contraction: parameter -> (replicates,) error in posterior sd, and share of the variance removed.
        level: chance that a uniform line leaves its band somewhere.
    """
    chosen = list(pits)[:_PANELS]
    some = f" The {_PANELS} least uniform of {len(pits)}." if len(pits) > len(chosen) else ""
    values = {safe_name(name): pits[name] for name in chosen}
    of_parameters = [name for name in chosen if name in z]
    return (
        Picture.of(
            "ranks",
            f"Distribution function of the truth's rank, less the uniform one: inside its {percent(1 - level, close=True)} simultaneous band "
            "where calibrated. A rise and a fall, then the mirror image, is an engine too sure of itself; an arch or a "
            "trough one that leans to a side." + some,
            lambda: _ecdf(values, level, coverage=False),
        ),
        Picture.of(
            "coverage",
            "Share of replicates whose central interval holds the truth, less the share it claims: below 0 the intervals "
            f"are too narrow. Inside the {percent(1 - level, close=True)} band where calibrated." + some,
            lambda: _ecdf(values, level, coverage=True),
        ),
        Picture.of(
            "accuracy",
            "Error of the posterior mean in posterior sd, against the share of the variance that the readings removed: "
            "right is informative, far from 0 is wrong. Dashed: 95 % of a calibrated engine's replicates."
            + some,
            lambda: _accuracy_figure(of_parameters, z, contraction),
        ),
    )


def _ecdf(values: dict[str, np.ndarray], level: float, coverage: bool):
    """ArviZ's figure of rank or coverage, with the simultaneous band that it no longer draws itself."""
    import arviz_base
    import arviz_plots
    from arviz_plots.visuals import fill_between_y
    from arviz_stats.ecdf_utils import ecdf_pit

    tree = arviz_base.from_dict({"prior_sbc": values}, sample_dims=["simulation"])
    columns = min(4, len(values))
    found = arviz_plots.plot_ecdf_pit(
        tree,
        sample_dims=["simulation"],
        envelope_prob=1 - level,
        coverage=coverage,
        backend="matplotlib",
        col_wrap=columns,
        visuals={
            "p_value_text": False,
            "xlabel": {"text": "central interval [%]" if coverage else "rank of the truth"},
            "ylabel": {"text": "observed − expected"},
        },
        figure_kwargs={"figsize": (2.6 * columns, 2.3 * -(-len(values) // columns))},
    )
    n = len(next(iter(values.values())))
    x, _, low, high = ecdf_pit(np.linspace(0, 1, n), 1 - level, 1000)
    thin = slice(None, None, max(1, n // 200))
    x, low, high = x[thin], (low - x)[thin], (high - x)[thin]
    found.map(
        fill_between_y, "band", data=tree["prior_sbc"].to_dataset(), x=x, y_bottom=low, y_top=high, alpha=0.15
    )
    return found.viz["figure"].item()


def _accuracy_figure(names: list[str], z: dict, contraction: dict):
    from matplotlib.figure import Figure

    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(2.6 * columns, 2.3 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for ax, name in zip(axes.flat, names, strict=False):
        ax.plot(contraction[name], np.clip(z[name], -6, 6), ".", ms=3, alpha=0.4)
        ax.axhline(0, lw=0.8, color="0.4")
        for edge in (-1.96, 1.96):
            ax.axhline(edge, lw=0.8, ls="--", color="0.4")
        ax.set_title(safe_name(name))
        ax.set_ylim(-6.2, 6.2)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    figure.supxlabel("contraction (1 − posterior / prior variance)", fontsize=9)
    figure.supylabel("error [posterior sd]", fontsize=9)
    return figure
