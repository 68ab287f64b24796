"""What the studies' figures show: positions, ends, labels and captions, of numbers made up."""

from types import SimpleNamespace

import numpy as np
import pytest

from pumpleak import lognormal
from pumpleak.studies.calibrate.figures import pictures
from pumpleak.studies.compare.figures import plot_differences, plot_left_out
from pumpleak.studies.contrast import _draw
from pumpleak.studies.design.figures import candidates_figure, sequence_figure
from pumpleak.studies.identify.figures import plot_profiles
from pumpleak.studies.sensitivity.figures import budget_figure, slopes_figure, sobol_figure


def ticks(axis):
    return [t.get_text() for t in axis.get_ticklabels()]


def line(axes, label):
    (found,) = (x for x in axes.lines if x.get_label() == label)
    return np.asarray(found.get_xydata())


def fold(read, expected, sd=1.0, z=0.0, elpd=0.0, elpd_se=0.1, unit="mV"):
    return SimpleNamespace(read=read, expected=expected, sd=sd, z=z, elpd=elpd, elpd_se=elpd_se, unit=unit)


def standing(name, folds, diff=0.0, worst=0):
    head = SimpleNamespace(folds=folds, worst=worst)
    return SimpleNamespace(name=name, head=head, diff=diff, diff_se=1.0 if diff else 0.0)


# -- comparison --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "left", "below"), [(2, [0], [0, 1]), (5, [0, 3], [2, 3, 4])])
def test_panels_are_labelled_at_the_left_and_below(n, left, below):
    figure = plot_left_out(
        [standing(f"m{k}", [fold(-70, -69), fold(-20, -21)]) for k in range(n)], ["a", "b"]
    )
    axes = figure.axes
    assert [k for k in range(n) if axes[k].get_ylabel() == "expected from the others [mV]"] == left
    assert [k for k in range(n) if axes[k].get_xlabel() == "read [mV]"] == below
    assert [ax.get_visible() for ax in axes] == [k < n for k in range(len(axes))]
    assert [ax.get_title() for ax in axes[:n]] == [f"m{k}" for k in range(n)]


@pytest.mark.parametrize(
    ("worst", "z", "named"), [(1, 2.1, ["b"]), (1, -2.1, ["b"]), (1, 2.0, []), (0, 9.0, ["a"])]
)
def test_a_condition_far_from_what_is_expected_is_named(worst, z, named):
    folds = [fold(x, x) for x in (-70.0, -40.0, -20.0)]
    folds[worst].z = z
    (axes,) = plot_left_out([standing("m", folds, worst=worst)], ["a", "b", "c"]).axes
    assert [t.get_text() for t in axes.texts] == named


def test_units_are_said_where_they_are_one():
    mixed = [fold(-70, -69), fold(12, 13, unit="mM")]
    assert plot_left_out([standing("m", mixed)], ["a", "b"]).axes[0].get_xlabel() == "read [own units]"
    bare = [fold(0.1, 0.2, unit="1")]
    assert plot_left_out([standing("m", bare)], ["a"]).axes[0].get_xlabel() == "read"


@pytest.mark.parametrize(("diff", "scale"), [(-3.0, "linear"), (-500.0, "symlog")])
def test_differences_in_all_and_by_condition(diff, scale):
    best = standing("best", [fold(0, 0, elpd=1.0, elpd_se=0.3), fold(0, 0, elpd=2.0, elpd_se=0.3)])
    other = standing("other", [fold(0, 0, elpd=0.5, elpd_se=0.4), fold(0, 0, elpd=2.5, elpd_se=0.4)], diff)
    third = standing("third", best.head.folds, -1.0)
    figure = plot_differences([best, other, third], ["a", "b"])
    total, by = figure.axes
    assert ticks(total.yaxis) == ["best", "other", "third"] and ticks(by.yaxis) == ["a", "b"]
    assert total.containers[1].lines[0].get_xydata().tolist() == [[diff, -1]]
    drawn = by.containers[0].lines[0].get_xydata()
    np.testing.assert_allclose(drawn[:, 0], [-0.5, 0.5])
    np.testing.assert_allclose(drawn[:, 1], -np.arange(2) - 0.5 * (1 / 3 - 0.5))
    reach = by.containers[0].lines[2][0].get_segments()[0][:, 0]
    np.testing.assert_allclose(reach, [-1.0, 0.0])  # ± √(0.3² + 0.4²)
    assert total.get_xscale() == scale and by.get_xscale() == "linear"
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["other", "third"]


# -- design ------------------------------------------------------------------------------------------


def test_intervals_narrow_step_by_step_beside_a_ladder():
    gain, error = [1.0, 1.5], [0.1, 0.2]
    (axes,) = sequence_figure(["first", "second"], gain, error, 1.2, 2).axes
    width = 100 * np.exp(-np.array([0, 1.0, 1.5]) / 2)
    np.testing.assert_allclose(axes.containers[0].lines[0].get_xydata(), np.c_[np.arange(3), width])
    low, high = axes.containers[0].lines[2][0].get_segments()[2][:, 1]
    assert high - low == pytest.approx(2 * 2 * 0.2 / 2 * width[2])
    np.testing.assert_allclose(line(axes, "uniform ladder of 2 (normal rule)"), [[2, 100 * np.exp(-0.6)]])
    assert ticks(axes.xaxis) == ["now", "first", "second"] and axes.get_ylim() == (0, 105)
    (bare,) = sequence_figure(["first"], gain[:1], error[:1], np.nan, 2).axes
    assert len(bare.lines) == len(axes.lines) - 1


def test_candidates_are_a_curve_for_a_ladder_and_dots_for_the_rest():
    x = np.array([40.0, 10.0, 20.0, 5.0, 2.0, 80.0, 60.0, 30.0, 3.0, 100.0, np.nan, np.nan])
    gain, D = np.arange(12) / 10 + 0.1, np.arange(12) / 10 + 0.2
    labels = [f"c{k}" for k in range(12)]
    curve, dots = candidates_figure(labels, x, "K_o", gain, np.full(12, 0.1), D, {1, 11}).axes
    rising = np.argsort(x[:10])
    np.testing.assert_allclose(line(curve, "± 2 standard errors"), np.c_[x[rising], gain[rising]])
    np.testing.assert_allclose(line(curve, "by the normal rule"), np.c_[x[rising], D[rising]])
    np.testing.assert_allclose(line(curve, "in the recommended sequence"), [[x[1], gain[1]]])
    assert curve.get_xscale() == "log" and curve.get_ylim()[0] == pytest.approx(-0.1)
    assert ticks(dots.yaxis) == ["c11", "c10"]
    np.testing.assert_allclose(dots.collections[-1].get_offsets(), [[gain[11], 0], [gain[10], -1]])
    few = candidates_figure(labels[1:], x[1:], "", gain[1:], np.full(11, 0.1), D[1:], {0}).axes
    assert len(few) == 1 and few[0].get_xlim()[0] == 0
    unsure = candidates_figure(
        labels[:2], x[10:], "", np.array([0.1, 0.5]), np.array([0.1, 0.4]), D[:2], {0}
    ).axes
    assert unsure[0].get_xlim()[0] == pytest.approx(1.05 * (0.5 - 2 * 0.4))


# -- sensitivity -------------------------------------------------------------------------------------


def test_a_budget_is_in_per_cent_the_smallest_below_one():
    shares = [[("P_Na_rel", 0.6, True), ("what is left", 0.396, False), ("K_i", 0.004, True)]]
    (axes,) = budget_figure(shares, ["K_i"], "K").axes
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [60, 39.6, 0.4])
    assert [t.get_text() for t in axes.texts] == ["60 %", "40 %", "< 1 %"]
    assert (
        axes.get_xlim() == pytest.approx((0, 67.2))
        and len({bar.get_facecolor() for bar in axes.patches}) == 2
    )
    assert (
        axes.get_xlabel() == "share of the posterior variance [%]" and ticks(axes.yaxis)[1] == "what is left"
    )


def test_slopes_are_signed_numbers_with_two_digits_of_the_largest():
    values = np.array([[0.0123, -0.0061], [0.0, 0.0079]])
    (axes,) = slopes_figure(["K_i", "P_Na_rel"], ["a mM", "1 %"], ["a", "b"], values, ("V_m", "mV"), "K").axes
    assert [t.get_text() for t in axes.texts] == ["+0.012", "-0.006", "0", "+0.008"]
    assert [t.get_color() for t in axes.texts] == ["white", "black", "black", "white"]
    assert axes.images[0].get_clim() == pytest.approx((-0.0123, 0.0123))
    assert axes.get_title("left").endswith("[mV]") and axes.get_xticklabels()[0].get_rotation() == 0
    (turned,) = slopes_figure(["K_i"], ["a mM"], ["ten letters"], values[:1, :1], ("f", ""), "K").axes
    assert turned.get_xticklabels()[0].get_rotation() == 30 and "[" not in turned.get_title("left")


def test_shares_alone_and_with_interactions_lie_one_over_the_other():
    first, total = (
        (np.array([0.5, -0.01]), np.array([0.1, 0.02])),
        (np.array([0.6, 0.1]), np.array([0.2, 0.3])),
    )
    (axes,) = sobol_figure(["K_i", "K_o"], first, total, ("V_m", "rest"), "K").axes
    bars = [(bar.get_width(), bar.get_y() + bar.get_height() / 2) for bar in axes.patches]
    np.testing.assert_allclose(bars, [(50, 0.18), (0, -0.82), (60, -0.18), (10, -1.18)], atol=1e-12)
    ends = [s[:, 0] for c in axes.containers if hasattr(c, "has_xerr") for s in c.lines[2][0].get_segments()]
    np.testing.assert_allclose(ends, [(40, 60), (0, 2), (40, 80), (0, 40)], atol=1e-12)
    assert axes.get_xlim()[0] == 0 and "in rest [%]" in axes.get_xlabel()


# -- contrasts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ratio", "zero"), [(False, 0.0), (True, 1.0)])
def test_contrasts_lie_over_their_priors_from_the_first_down(ratio, zero):
    rows = [("b − a", 2.0, 1.5, 2.5, 0.2, 9.0, "said"), ("c − a", 3.0, 2.0, 4.0, 0.1, 8.0, "said")]
    (axes,) = _draw(rows, "P_Na", "mM", ratio).axes
    drawn = [x.get_xydata().tolist() for x in axes.lines[:6]]
    for k, (_, median, low, high, prior_low, prior_high, _) in enumerate(rows):
        expected = [[[prior_low, k], [prior_high, k]], [[low, k], [high, k]], [[median, k]]]
        assert drawn[3 * k : 3 * k + 3] == expected
    assert axes.lines[6].get_xdata()[0] == zero and ticks(axes.yaxis) == ["b − a", "c − a"]
    assert axes.get_ylim() == pytest.approx((1.6, -0.6)) and axes.get_xlabel() == "P_Na (mM)"
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["prior, 95 %", "posterior, 95 %"]
    if ratio:  # half the span beyond the ends, of which 1 is one
        assert axes.get_xlim() == pytest.approx((4**-0.5, 4 * 4**0.5))
    assert _draw(rows, "P_Na", "", ratio).axes[0].get_xlabel() == "P_Na"


# -- identifiability ---------------------------------------------------------------------------------


def test_profiles_have_their_interval_and_the_priors_own_objection():
    value = np.geomspace(0.01, 0.3, 41)
    drop = 2 * np.log(value / 0.05) ** 2
    curve = {"value": value, "drop": drop, "low": 0.03, "high": None}
    kelvin = {"value": [290.0, 300.0, 310.0], "drop": [1.0, 0.0, np.nan], "low": None, "high": None}
    of = {"P_Na_rel": ("1", lognormal(0.05, 3)), "T": ("K", lognormal(300, 1.1))}
    figure = plot_profiles({"P_Na_rel": curve, "T": kelvin}, of, "K")
    ratio, warm = (ax for ax in figure.axes if ax.get_visible() and ax.lines)
    objection, profile, limit = (np.asarray(x.get_xydata()) for x in ratio.lines)
    np.testing.assert_allclose(profile, np.c_[value, drop])
    assert ratio.get_xscale() == "log" and limit[0, 1] == pytest.approx(1.92, abs=0.001)
    likely = value[drop < 10]
    assert ratio.patches[0].get_x() == pytest.approx(0.03)
    assert ratio.patches[0].get_x() + ratio.patches[0].get_width() == pytest.approx(likely.max())
    by_hand = 0.5 * (np.log(objection[:, 0] / 0.05) / np.log(3)) ** 2  # a factor of 3 is one sd
    np.testing.assert_allclose(objection[:, 1], by_hand - by_hand.min(), atol=1e-6)
    wide = (likely.max() / likely.min()) ** 0.05
    assert ratio.get_xlim() == pytest.approx((likely.min() / wide, likely.max() * wide))
    assert ratio.get_ylabel() == "nats" and ratio.get_xlabel() == "" and warm.get_ylabel() == ""
    np.testing.assert_allclose(warm.lines[1].get_xydata(), [[16.85, 1.0], [26.85, 0.0]])  # as it is read: °C
    assert warm.get_xlabel() == "°C" and not warm.patches


# -- calibration -------------------------------------------------------------------------------------


def test_captions_say_the_band_and_what_is_not_shown(monkeypatch):
    drawn = []
    monkeypatch.setattr("pumpleak.reports.style.image_of", lambda draw, kind: drawn.append(draw()) or b"")
    pits = {f"q{k}": np.linspace(0, 1, 20) for k in range(13)}
    z = {"q0": np.array([-9.0, 0.0, 7.0])}
    shown = pictures(pits, z, {"q0": np.array([0.1, 0.5, 0.9])}, level=0.01)
    assert [p.name for p in shown] == ["ranks", "coverage", "accuracy"]
    ranks, coverage, accuracy = (p.caption for p in shown)
    assert "inside its 99% simultaneous band" in ranks and "Inside the 99% band where calibrated." in coverage
    assert all(c.endswith(" The 12 least uniform of 13.") for c in (ranks, coverage, accuracy))
    some = pictures(dict(list(pits.items())[:12]), z, {}, level=0.05)
    assert not any("least uniform" in p.caption for p in some) and "95%" in some[1].caption
    shown[2].image("png")
    (axes,) = drawn[0].axes
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[0.1, -6], [0.5, 0], [0.9, 6]])
    assert [x.get_ydata()[0] for x in axes.lines[1:]] == [0, -1.96, 1.96] and axes.get_title() == "q0"
