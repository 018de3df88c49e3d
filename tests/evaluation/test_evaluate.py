"""The evaluation loop: what it reports is what the cascade did."""

import math

import pytest
import torch

from lcnb.evaluation import evaluate, stage_miou
from lcnb.models import cascade_cost

CLASSES, IGNORE = ("a", "b", "c", "d"), 9


@pytest.fixture(scope="module")
def cascade(small_cascade):
    return small_cascade


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(0)
    items = []
    for height, width in [(48, 64), (40, 56), (48, 64)]:  # sizes may differ
        mask = torch.randint(3, (height, width), generator=generator).to(torch.uint8)
        mask[:4] = IGNORE
        items.append((torch.randint(256, (3, height, width), generator=generator, dtype=torch.uint8), mask))
    return items


def run(cascade, data, **options):
    return evaluate(cascade, data, classes=CLASSES, ignore_index=IGNORE, **options)


@pytest.mark.parametrize("mode", ["true", "cached"])
def test_counts_every_labelled_pixel_and_every_cell(cascade, data, mode):
    done = []
    scores = run(cascade, data, rho=0.6, mode=mode, progress=done.append)
    result = scores.as_dict()
    assert done == [1, 2, 3]
    assert result["images"] == 3
    labelled = sum(int((m != IGNORE).sum()) for _, m in data)
    assert int(scores.confusion.counts.sum()) == int(scores.exits.counts.sum()) == labelled
    assert sum(result["exits"]) == pytest.approx(1, abs=1e-5)
    assert result["cumulative_stages"][-1] == {"decided": 1.0, "miou_of_decided": result["miou"]}
    assert [c["decided"] for c in result["cumulative_stages"]] == sorted(
        c["decided"] for c in result["cumulative_stages"]
    )
    assert result["ms_per_image"]["p95"] >= result["ms_per_image"]["p50"] > 0


def test_labels_only_leaves_out_boundaries_and_work_and_nothing_else(cascade, data):
    left_out = ("boundary_f", "boundary_tolerance_px", "gmacs_per_image", "ms_per_image")
    whole, quick = (run(cascade, data, rho=0.6, labels_only=v).as_dict() for v in (False, True))
    assert [quick[k] for k in left_out[:3]] == [None, None, None]
    assert [v for k, v in whole.items() if k not in left_out] == [v for k, v in quick.items() if k not in left_out]


def test_cost_at_rho_one_is_dense_and_at_zero_stage_one(cascade, data):
    same_size = [data[0], data[2]]
    cost = cascade_cost(cascade, 48, 64)
    for mode in ("true", "cached"):
        assert run(cascade, same_size, rho=1, mode=mode).as_dict()["gmacs_per_image"] == pytest.approx(
            cost.dense / 1e9, abs=1e-6
        )
        first = (cost.stages[0] + cost.heads[0]) / 1e9
        assert run(cascade, same_size, rho=0, mode=mode).as_dict()["gmacs_per_image"] == pytest.approx(first, abs=1e-6)


def test_rho_one_scores_the_last_stage_and_zero_the_first(cascade, data):
    stages = stage_miou(cascade, data, 4, IGNORE)
    assert run(cascade, data, rho=1).confusion.miou == pytest.approx(stages[2], abs=1e-3)
    assert run(cascade, data, rho=0).confusion.miou == pytest.approx(stages[0], abs=1e-6)


def test_nan_becomes_none_in_json_and_another_mode_is_refused(cascade):
    ignored = [(torch.zeros(3, 16, 16, dtype=torch.uint8), torch.full((16, 16), IGNORE))]
    result = run(cascade, ignored).as_dict()
    assert (result["miou"], result["pixel_accuracy"]) == (None, None)
    assert result["absent_classes"] == list(CLASSES)
    assert not math.isnan(result["gmacs_per_image"])
    with pytest.raises(ValueError, match="'fast'"):
        run(cascade, ignored, mode="fast")
