"""The budget slider shows the thresholds that the table gives, and says so where none fit."""

import numpy as np
import pytest
import torch

from lcnb.evaluation.budget import ThresholdTable
from lcnb.models import cascade_cost
from lcnb.widgets import BudgetExplorer
from tests.conftest import CLASSES
from tests.export.decoder import Decoded


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


def ask(widget, share):
    widget.canvas.asked = widget.canvas.asked | {"values": [share], "turn": widget.canvas.asked["turn"] + 1}


def test_the_thresholds_are_the_tables_best(widget, table, small_cascade, picture):
    dense = float(table.macs.max())
    for share in (0.8, 0.6, 1.0, 0.77):
        ask(widget, share)
        assert widget.choice == table.best_within(share * dense)
        with torch.inference_mode():
            expected = small_cascade(picture[None] / 255, widget.choice.rho).stage[0]
        frame = widget.canvas.frame
        assert np.array_equal(np.frombuffer(frame["stage"], dtype=np.uint8), expected.flatten())
        assert (frame["mode"], frame["rho"]) == ("true", widget.choice.rho)


def test_a_page_has_the_budget_slider_with_the_thresholds_of_every_stop(widget, small_cascade, picture):
    decoded = Decoded(widget.page())
    assert (decoded.data["controls"], decoded.data["stops"][decoded.data["start"]]) == (["work"], 0.8)
    with torch.inference_mode():
        logits = small_cascade.all_stages(picture[None] / 255)
    for stop, share in enumerate(decoded.data["stops"]):
        expected = small_cascade.rethreshold(logits, widget._choice(share).rho)
        assert np.array_equal(decoded.stage(stop), expected.stage[0])
        assert np.array_equal(decoded.labels[stop], expected.labels[0])
        assert f"{share:.0%}" in decoded.data["notes"][stop]


def test_a_budget_below_the_least_says_so_and_shows_the_cheapest(widget):
    ask(widget, 0.0)
    assert "no thresholds take as little as 0%" in widget.canvas.frame["note"]
    assert widget.rho[0] == 0
    assert set(widget.canvas.frame["stage"]) == {0}
