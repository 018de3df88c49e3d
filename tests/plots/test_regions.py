"""Figures of regions say what they are given."""

import torch

from lcnb import plots


def texts(axis):
    return [t.get_text() for t in axis.texts]


def test_grids_write_every_number_into_its_cell_and_leave_nan_empty():
    mask = torch.tensor([[True, False], [False, True]])
    values = torch.tensor([[1.0, torch.nan], [3.0, 4.25]])
    axis = plots.grids([values], mask, ["a"], digits=1).axes[0]
    assert texts(axis) == ["1.0", "3.0", "4.2"]
    assert axis.get_title(loc="left") == "a"
    colours = axis.images[0].get_array()
    assert (colours[0, 0] == colours[1, 1]).all()
    assert not (colours[0, 0] == colours[0, 1]).all()


def test_break_even_draws_each_implementation_below_and_above_the_dense_line():
    axis = plots.break_even([1.0, 0.5], {"modules": [1.6, 0.9], "fused": [1.1, 0.4]}).axes[0]
    lines = {line.get_label(): line for line in axis.lines}
    assert lines["modules"].get_ydata().tolist() == [1.6, 0.9]
    assert lines["fused"].get_xdata().tolist() == [1.0, 0.5]
    assert lines["modules"].get_color() != lines["fused"].get_color()
    assert lines["fused, ideal"].get_ydata().tolist() == [0, 1.1]  # proportional to its own time on all cells
    assert axis.get_ylim()[1] > 1.6
