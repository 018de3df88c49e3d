"""Folding keeps the answers and leaves no batch-norm in a sequence."""

import torch
from torch import nn

from lcnb.models.baselines import baseline
from lcnb.models.folding import folded
from tests.models.conftest import randomised


def test_same_answers(small_cascade):
    x = torch.rand(1, 3, 40, 48)
    ready = folded(small_cascade)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in ready.modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in small_cascade.modules())
    assert not any(p.requires_grad for p in ready.parameters())
    with torch.inference_mode():
        for mine, theirs in zip(ready.all_stages(x), small_cascade.all_stages(x), strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-3)
        assert ready(x, 0.6).labels.shape == (1, 40, 48)  # regions too


def test_a_residual_network():
    torch.manual_seed(0)
    network = randomised(baseline("deeplab-v2", 3, 0.05))
    x = torch.rand(1, 3, 48, 48)
    with torch.inference_mode():
        torch.testing.assert_close(folded(network)(x), network(x), atol=1e-3, rtol=1e-3)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded(network).modules())


def test_dtype():
    ready = folded(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), torch.bfloat16)
    assert {p.dtype for p in ready.parameters()} == {torch.bfloat16}
    assert isinstance(ready[1], nn.Identity)
