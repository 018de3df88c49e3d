"""A sweep gives for every threshold what `evaluate` gives for it alone."""

import pytest
import torch

from lcnb.evaluation import evaluate, sweep
from lcnb.models import cascade_cost
from tests.conftest import CLASSES

RHOS = (1.0, 0.6, 0.0)


@pytest.fixture
def data(picture, truth):
    return [(picture, truth), (picture.flip(2)[:, :40], truth.flip(1)[:40])]  # sizes may differ


@pytest.fixture
def found(small_cascade, data):
    return sweep(small_cascade, data, RHOS, classes=CLASSES, ignore_index=11)


def test_each_point_is_what_evaluate_says(small_cascade, data, found):
    points = found.as_dict()["points"]
    assert [p["rho"] for p in points] == list(RHOS)
    for point in points:
        for mode in ("cached", "true"):
            alone = evaluate(
                small_cascade, data, classes=CLASSES, ignore_index=11, rho=point["rho"], mode=mode
            ).as_dict()
            for name in ("miou", "pixel_accuracy", "exits", "gmacs_per_image", "iou"):
                assert point[mode][name] == alone[name], (point["rho"], mode, name)
            assert point[mode]["ms_per_image"]["p50"] > 0


def test_reduction_is_against_all_stages_on_all_cells(small_cascade, data, found):
    costs = [cascade_cost(small_cascade, *mask.shape) for _, mask in data]
    result = found.as_dict()
    assert result["images"] == 2
    assert result["gmacs_per_image_dense"] == pytest.approx(sum(c.dense for c in costs) / 2e9, abs=1e-6)
    assert result["gmacs_per_image_one_head"] == pytest.approx(sum(c.single_head for c in costs) / 2e9, abs=1e-6)
    assert result["points"][0]["true"]["reduction"] == 1
    first = sum(c.stages[0] + c.heads[0] for c in costs)
    assert result["points"][-1]["true"]["reduction"] == pytest.approx(sum(c.dense for c in costs) / first, abs=1e-3)
    reductions = [p["cached"]["reduction"] for p in result["points"]]
    assert reductions == sorted(reductions)


def test_a_threshold_outside_the_scale_is_refused_before_any_work(small_cascade):
    def never():
        raise AssertionError("an image was read")
        yield

    with pytest.raises(ValueError, match="between 0 and 1"):
        sweep(small_cascade, never(), [0.5, 1.5], classes=CLASSES, ignore_index=11)


def test_no_images(small_cascade):
    result = sweep(small_cascade, [], [0.5], classes=CLASSES, ignore_index=11).as_dict()
    assert result["images"] == 0
    assert result["points"][0]["true"]["miou"] is None
    assert result["points"][0]["true"]["reduction"] is None
    assert torch.is_grad_enabled()
