"""Counts by image add up to what `evaluate` says at each threshold."""

import pytest
import torch

from lcnb.evaluation import evaluate
from lcnb.evaluation.by_image import measured, stage_times, summary
from lcnb.evaluation.evaluate import Costs

RHOS = (1.0, 0.6, 0.3, 0.0)


@pytest.fixture(scope="module")
def data(picture, truth):
    return [(picture, truth), (picture.flip(2), truth), (picture.flip(1), truth.flip(1))]


def rows_of(cascade, data, rhos):
    costs = Costs(cascade)
    parts = [measured(cascade, costs, *item, rhos, 4, 11) for item in data]
    return summary(rhos, {k: torch.stack([p[k] for p in parts]) for k in parts[0]})


@pytest.fixture(scope="module")
def rows(small_cascade, data):
    return rows_of(small_cascade, data, RHOS)


@pytest.mark.parametrize("mode", ["true", "cached"])
def test_equals_evaluate(mode, rows, small_cascade, data):
    for row in rows:
        one = evaluate(small_cascade, data, classes="abcd", ignore_index=11, rho=row["rho"], mode=mode).as_dict()
        assert row["images"] == 3
        assert row[f"miou_{mode}"] == one["miou"]
        assert row[f"exits_{mode}"] == pytest.approx(one["exits"], abs=1e-6)
        assert row[f"gmacs_{mode}"] == pytest.approx(one["gmacs_per_image"], abs=1e-6)


def test_identities_of_the_ends(rows):
    first, last = rows[0], rows[-1]
    assert (first["exits_true"], last["exits_true"]) == ([0, 0, 1], [1, 0, 0])
    assert first["miou_true"] == pytest.approx(first["miou_cached"], abs=1e-3)
    assert first["saved"] == 0 < rows[1]["saved"] < last["saved"]
    assert first["true_minus_dense"]["low"] == first["true_minus_dense"]["high"] == 0
    assert rows[1]["true_minus_dense"]["value"] == pytest.approx(rows[1]["miou_true"] - first["miou_true"], abs=2e-6)


def test_times(rows, small_cascade):
    for row in rows:
        assert len(row["ms_stages"]) == 3
        assert row["ms"] >= max(row["ms_stages"]) > 0
    assert rows[-1]["ms_stages"][1:] == [0, 0]  # nothing is open after stage 1
    with torch.inference_mode():
        x = torch.rand(1, 3, 48, 64)
        out, ms = stage_times(small_cascade, x, 0.6)
        expected = small_cascade(x, 0.6)
    assert ms.shape == (4,)
    for name in ("labels", "logits", "stage", "confidence", "exits", "work"):
        assert getattr(out, name).equal(getattr(expected, name))


def test_prepared_for_inference_it_measures_the_same(small_cascade, data):
    fused = small_cascade.for_inference()
    one, two = (measured(runs, Costs(small_cascade), *data[0], RHOS, 4, 11) for runs in (small_cascade, fused))
    assert one["true_cells"].equal(two["true_cells"])
    assert (one["true"] - two["true"]).abs().sum() <= 4  # rounding may turn a label that two classes share
    assert one["true_macs"].equal(two["true_macs"])


def test_a_single_image_has_no_interval(small_cascade, data):
    (row,) = rows_of(small_cascade, data[:1], [1.0])
    assert row["true_minus_dense"] is None
    (row,) = rows_of(small_cascade, data[:1], [0.5])
    assert "saved" not in row
    with pytest.raises(ValueError, match="between 0 and 1"):
        rows_of(small_cascade, data, [1.5])
