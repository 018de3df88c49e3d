"""Labels by squares are those of interpolating everything."""

import pytest
import torch
from torch.nn import functional as F

from lcnb.models import labels
from lcnb.models.labels import to_labels, upsampled


def regions(batch, classes, height, width, dtype=torch.float32):
    """Logits as a network gives them: smooth, one class ahead nearly everywhere."""
    coarse = torch.randn(batch, classes, max(1, height // 4), max(1, width // 4))
    smooth = F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    return (3 * smooth).to(dtype).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("side", [2, 8, 6])
@pytest.mark.parametrize("shape", [(1, 11, 9, 12), (3, 2, 1, 1), (2, 21, 1, 7), (1, 1, 5, 4)])
def test_by_squares_as_by_interpolating_all(side, shape):
    batch, classes, height, width = shape
    torch.manual_seed(side * height)
    logits, size = regions(batch, classes, height, width), (height * side, width * side)
    assert torch.equal(to_labels(logits, size), upsampled(logits, size).argmax(1))


def test_noise_mixes_every_square():
    torch.manual_seed(0)
    logits = torch.randn(2, 5, 6, 7)
    assert torch.equal(to_labels(logits, (48, 56)), upsampled(logits, (48, 56)).argmax(1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types(dtype):
    torch.manual_seed(1)
    logits = regions(1, 7, 6, 8, dtype)
    found = to_labels(logits.requires_grad_(), (48, 64))
    assert found.dtype == torch.int64
    assert torch.equal(found, upsampled(logits.detach(), (48, 64)).argmax(1))


@pytest.mark.parametrize("size", [(45, 64), (47, 61), (18, 24), (6, 8), (48, 32), (3, 4)])
def test_other_sizes_are_interpolated(size, monkeypatch):
    def refused(*_):
        raise AssertionError("squares of an odd or broken side")

    monkeypatch.setattr(labels, "_by_squares", refused)
    logits = regions(1, 4, 6, 8)
    assert torch.equal(to_labels(logits, size), upsampled(logits, size).argmax(1))


def test_equal_classes_are_the_first_one():
    logits = torch.zeros(1, 3, 4, 4)
    assert not to_labels(logits, (32, 32)).any()
