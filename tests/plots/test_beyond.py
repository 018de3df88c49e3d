"""The figures of notebook 08 show every number they are given."""

import numpy as np
import pytest

from lcnb import plots
from lcnb.plots.style import encode

NAN = float("nan")


def test_a_panel_a_stage_with_its_bins_and_its_error():
    accuracy = np.array([[0.2, NAN, 0.9], [0.1, 0.5, 1.0]])
    confidence = np.array([[0.3, NAN, 0.95], [0.3, 0.6, 0.99]])
    counts = np.array([[1, 0, 9], [2, 3, 5]])
    fig = plots.reliability(accuracy, confidence, counts, [0.05, 0.012])
    first, second = fig.axes
    assert [a.get_title(loc="left") or a.get_title() for a in fig.axes] == ["stage 1: ECE 0.050", "stage 2: ECE 0.012"]
    assert [bar.get_height() for bar in first.patches] == pytest.approx([0.1, 0, 0.9])
    np.testing.assert_array_equal(second.lines[-1].get_ydata(), accuracy[1])
    assert len(encode(fig, photo=False)) < 60_000


def test_a_stage_without_pixels_draws_an_empty_panel():
    empty = np.full((1, 3), NAN)
    (axis,) = plots.reliability(empty, empty, np.zeros((1, 3)), [NAN]).axes
    assert [bar.get_height() for bar in axis.patches] == [0, 0, 0]


def test_each_curve_has_a_colour_a_mark_and_its_name():
    curves = {"threshold": [(1, 0.3), (2, 0.4)], "random": [(1, 0.2), (2, 0.35)]}
    fig = plots.work_curves(curves, {"oracle, free": (1.5, 0.5)}, "cached view of 12 pictures")
    (axis,) = fig.axes
    assert [line.get_label() for line in axis.lines] == ["threshold", "random", "oracle, free"]
    assert len({line.get_color() for line in axis.lines}) == len({line.get_marker() for line in axis.lines}) == 3
    assert list(axis.lines[1].get_xdata()) == [1, 2]
    assert "cached view" in axis.get_title(loc="left")


def test_the_plane_marks_the_chosen_pairs_at_their_place():
    grid = (0.5, 0.9, 1.0)
    spent = np.arange(9.0).reshape(3, 3)
    fig = plots.budget_plane(grid, spent / 10, spent, {"60 % of the work": (0.9, 0.5)}, "GMAC")
    axis = fig.axes[0]
    mark = next(line for line in axis.lines if line.get_label() == "60 % of the work")
    assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([1], [0])
    assert axis.images[0].get_array()[0, 2] == pytest.approx(0.6)  # row: exit 2, column: exit 1


def test_a_plane_where_all_pairs_cost_the_same_has_no_lines():
    flat = np.ones((2, 2))
    assert not plots.budget_plane((0.5, 1.0), flat, flat, {}, "ms").axes[0].collections


def test_halo_shows_score_and_work():
    left, right = plots.halo_work([(0, 0.50, 3.0), (1, 0.52, 3.5)], 0.53).axes
    assert list(left.lines[1].get_ydata()) == [0.50, 0.52]
    assert [bar.get_height() for bar in right.patches] == [3.0, 3.5]
    assert [t.get_text() for t in right.texts] == ["3.00", "3.50"]
