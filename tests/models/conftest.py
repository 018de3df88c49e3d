"""What the tests of cascades share."""

import pytest
import torch
from torch import nn


@pytest.fixture(scope="session")
def x():
    """(3, 3, 96, 120) pictures of noise."""
    return torch.rand(3, 3, 96, 120, generator=torch.Generator().manual_seed(3))


def randomised(module):
    """With norms that do something, ready for inference."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, 0, 0.1)
    return module.eval()
