"""Reliability, temperatures, and what a temperature does and does not change in a cascade."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lcnb.evaluation.calibration import (
    CalibrationError,
    LogitSample,
    Reliability,
    fit_temperature,
    scaled,
    with_temperatures,
)
from lcnb.models import StageLogits, split
from tests.conftest import CLASSES


@pytest.fixture(scope="module")
def case():
    """Logits of two stages on the pixel grid itself, so that nothing is blended, and a truth with ignored pixels."""
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(2, 4, 9, 11, generator=generator) * k for k in (1, 3)]
    target = torch.randint(0, 4, (2, 9, 11), generator=generator)
    target[:, :2] = 255
    return StageLogits(maps, (9, 11)), target


def by_hand(scores, right, bins):
    error = 0.0
    for m in range(bins):
        inside = (scores > m / bins) & (scores <= (m + 1) / bins)
        if inside.any():
            error += float(inside.double().mean() * (scores[inside].mean() - right[inside].double().mean()).abs())
    return error


def test_ece_is_the_textbooks_on_labelled_pixels_only(case):
    logits, target = case
    found = Reliability(2, 255, bins=7)
    for b in range(2):
        found.update(StageLogits([m[b : b + 1] for m in logits], logits.size), target[b : b + 1])
    known = target != 255
    for s, maps in enumerate(logits):
        best = maps.softmax(1).max(1)
        scores, right = best.values[known].double(), (best.indices == target)[known]
        assert float(found.ece[s]) == pytest.approx(by_hand(scores, right, 7), abs=1e-9)
        assert int(found.right[s].sum()) == int(right.sum())
    assert int(found.counts.sum()) == 2 * int(known.sum())


def test_bins_are_closed_above_and_certainty_has_a_place():
    maps = torch.tensor([[60.0, 0.0], [0.0, 0.0]]).T.reshape(1, 2, 1, 2)  # confidences 1 and .5
    found = Reliability(1, 255, bins=4)
    found.update(StageLogits([maps], (1, 2)), torch.tensor([[[0, 0]]]))
    assert found.counts.tolist() == [[0, 1, 0, 1]]
    assert found.mean_confidence[0, 1] == 0.5
    assert found.accuracy[0].isnan().tolist() == [True, False, True, False]


def test_nothing_labelled():
    found = Reliability(1, 255)
    found.update(StageLogits([torch.randn(1, 3, 2, 2)], (16, 16)), torch.full((1, 16, 16), 255))
    assert found.ece.isnan().all()
    sample = LogitSample(1, 255)
    sample.update(StageLogits([torch.randn(1, 3, 2, 2)], (16, 16)), torch.full((1, 16, 16), 255))
    with pytest.raises(CalibrationError, match="no labelled pixel"):
        sample.temperatures()


@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])
def test_a_temperature_undoes_a_factor(factor):
    """Labels drawn from the softmax are calibrated; logits a factor too large need that factor as temperature."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(20_000, 5, generator=generator)
    target = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    assert fit_temperature(factor * logits, target) == pytest.approx(factor, rel=0.03)


def test_a_temperature_is_the_best_of_a_line_of_them_and_works_in_inference_mode(case):
    logits, target = case
    with torch.inference_mode():
        scores = logits[1].permute(0, 2, 3, 1)[target != 255] + 4 * F.one_hot(target[target != 255], 4)
        found = fit_temperature(scores, target[target != 255])

    def loss(t):
        return float(F.cross_entropy(scores.double() / t, target[target != 255]))

    assert all(loss(found) <= loss(found * by) + 1e-12 for by in (0.8, 0.97, 1.03, 1.2))


@pytest.mark.parametrize(("target", "low", "high"), [(0, 0.05, 0.1), (1, 20.0, 20.0)])
def test_a_sample_without_errors_or_without_hits_stays_within_bounds(target, low, high):
    logits = torch.tensor([[3.0, 0.0]]).repeat(50, 1)
    assert low <= round(fit_temperature(logits, torch.full((50,), target)), 6) <= high


def test_a_sample_takes_the_same_few_labelled_pixels_of_every_stage(case):
    logits, target = case
    sample = LogitSample(2, 255, per_image=30)
    sample.update(logits, target)
    again = LogitSample(2, 255, per_image=30)
    again.update(logits, target)
    assert [k.shape for parts in sample._logits for k in parts] == [(30, 4)] * 4
    assert sample.temperatures() == again.temperatures()
    whole = LogitSample(2, 255, per_image=10_000)
    whole.update(logits, target)
    assert [len(t) for t in whole._target] == (target != 255).flatten(1).sum(1).tolist()
    direct = fit_temperature(logits[1].permute(0, 2, 3, 1)[target != 255], target[target != 255])
    assert whole.temperatures()[1] == pytest.approx(direct, rel=1e-6)


def test_temperatures_in_the_classifiers_are_scaled_logits(small_cascade, picture):
    cold = with_temperatures(small_cascade, (2.0, 0.5, 1.0))
    x = picture[None] / 255
    with torch.inference_mode():
        plain, found = small_cascade.all_stages(x), cold.all_stages(x)
        wanted = scaled(plain, (2.0, 0.5, 1.0))
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, wanted, strict=True))
        assert all(a.argmax(1).equal(b.argmax(1)) for a, b in zip(plain, wanted, strict=True))
        assert small_cascade.all_stages(x)[0].equal(plain[0])  # the original is as it was
        fused = cold.for_inference()(x, 0.6)
        assert fused.exits.equal(cold(x, 0.6).exits)
    assert wanted.size == plain.size


def test_a_cascade_whose_classifiers_are_no_convolutions(picture):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 8, 8), nn.Conv2d(8, 8, 3, padding=1))
    cascade = split(net, ["0", "1"], num_classes=len(CLASSES)).eval()
    cascade.heads[1] = nn.Sequential(cascade.heads[1], nn.Identity())
    warm = with_temperatures(cascade, (3.0, 3.0))
    with torch.inference_mode():
        x = picture[None] / 255
        plain, found = cascade.all_stages(x), warm.all_stages(x)
        assert all(torch.allclose(a / 3, b, atol=1e-6) for a, b in zip(plain, found, strict=True))
        assert warm(x, 0.3).mode == "true"  # a scaled classifier runs on a region too
