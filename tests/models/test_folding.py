"""Folding keeps the answers and leaves no batch-norm in a sequence."""

import pytest
import torch
from torch import nn

from lcnb.models.baselines import baseline
from lcnb.models.folding import folded
from lcnb.models.fusing import traced
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


class Standardised(nn.Conv2d):
    """A convolution whose weight is not used as it stands (weight standardisation, as in BiT)."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return nn.functional.conv2d(x, weight / weight.std((1, 2, 3), keepdim=True), self.bias, padding=self.padding)


@pytest.mark.parametrize("ready", [folded, traced])
def test_a_convolution_with_its_own_forward_keeps_its_norm(ready):
    torch.manual_seed(0)
    network = nn.Sequential(Standardised(3, 4, 3, padding=1), nn.BatchNorm2d(4)).eval()
    network[1].running_mean.normal_()
    network[1].running_var.uniform_(0.5, 2)
    x = torch.rand(1, 3, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(ready(network)(x), network(x))
