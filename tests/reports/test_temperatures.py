"""Where a person reads a temperature it is in °C: rows of tables, axes of figures, priors; what is kept stays in K."""

import numpy as np
import pytest
import xarray as xr

from pumpleak import normal, uniform
from pumpleak.inference.answer import answer_of
from pumpleak.inference.result import Result
from pumpleak.reports.document import law_as_read, prior_as_read
from pumpleak.reports.reading import elements
from pumpleak.studies.identify.figures import plot_profiles


@pytest.fixture
def result():
    draws = 295.15 + np.linspace(-1, 1, 41)[None]
    columns = {
        "unit": "K",
        "median": 295.15,
        "low": 294.2,
        "high": 296.1,
        "sd": 0.5,
        "contraction": 0.9,
        "prior": "295.15 ± 1",
    }
    table = xr.Dataset({k: ("parameter", [v]) for k, v in columns.items()}, coords={"parameter": ["T"]})
    dims = ("chain", "draw")
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"T": (dims, draws)}),
            "prior": xr.Dataset({"T": (dims, draws)}),
            "table": table,
        }
    )
    tree.attrs["ions"] = "K, Na"
    return Result(tree)


def test_answers_and_figures_of_a_result(result):
    assert answer_of(result.tree) == "T 22.00 °C (21.05 … 22.95)"
    (e,) = elements(result)
    assert e.unit == "°C" and e.draws.mean() == pytest.approx(22.0) and e.prior.mean() == pytest.approx(22.0)
    assert float(result.tree["posterior"]["T"].mean()) == pytest.approx(295.15)


def test_priors():
    shown = law_as_read("T", normal(295.15, 1))
    assert shown.quantile(0.5) == pytest.approx(22.0) and law_as_read("K_i", None) is None
    assert law_as_read("K_i", normal(140, 10)).quantile(0.5) == 140
    assert "17" in prior_as_read("T", str(uniform(290.15, 300.15)))


def test_profiles_of_identify():
    curve = {"value": [294.15, 295.15, 296.15], "drop": [2.0, 0.0, 2.0], "low": None, "high": 296.15}
    figure = plot_profiles({"T": curve}, {"T": ("K", normal(295.15, 1))}, "K")
    ax = figure.axes[0]
    low, high = ax.get_xlim()
    assert 20 < low < high < 24 and ax.get_xlabel() == "°C"
