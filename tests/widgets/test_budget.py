"""The budget slider shows the thresholds that the table gives, and says so where none fit."""

import pytest
import torch

from lcnb.evaluation.budget import ThresholdTable
from lcnb.models import cascade_cost
from lcnb.widgets import BudgetExplorer
from tests.conftest import CLASSES
from tests.widgets.conftest import told


@pytest.fixture
def table(small_cascade, picture, truth):
    cost = cascade_cost(small_cascade, 48, 64)
    found = ThresholdTable(3, len(CLASSES), 11, (0.0, 0.35, 0.45, 0.5, 0.6, 0.9, 1.0))
    with torch.inference_mode():
        logits = small_cascade.all_stages(picture[None] / 255)
    found.update(logits, truth[None], [a + b for a, b in zip(cost.stages, cost.heads, strict=True)])
    return found


@pytest.fixture
def widget(small_cascade, picture, truth, table):
    return BudgetExplorer(small_cascade, [picture], CLASSES, table, 0.8, masks=[truth], ignore_index=11)


def test_the_thresholds_are_the_tables_best(widget, table, small_cascade, picture):
    dense = float(table.macs.max())
    for share in (0.8, 0.6, 1.0):
        widget.controls[0].number.value = share
        assert widget.choice == table.best_within(share * dense)
        with torch.inference_mode():
            expected = small_cascade(picture[None] / 255, widget.choice.rho).exits[0].tolist()
        assert told(widget, "exits") == " ".join(f"{v:.4f}" for v in expected)
        assert (told(widget, "budget"), told(widget, "mode")) == (f"{share:g}", "true")


def test_moving_the_slider_changes_the_picture(widget):
    before = widget.image_view.value
    widget.controls[0].slider.value = 0.2
    assert widget.controls[0].value == 0.2
    assert widget.image_view.value != before


def test_a_budget_below_the_least_says_so_and_shows_the_cheapest(widget):
    widget.controls[0].number.value = 0.0
    assert "no thresholds take as little as 0%" in widget.readout.value
    assert widget.rho[0] == 0
    assert told(widget, "exits") == "1.0000 0.0000 0.0000"
