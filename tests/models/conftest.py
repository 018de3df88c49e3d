"""What the tests of cascades share."""

import pytest
import torch


@pytest.fixture(scope="session")
def x():
    """(3, 3, 96, 120) pictures of noise."""
    return torch.rand(3, 3, 96, 120, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def no_grad():
    """Inference mode around a test."""
    with torch.inference_mode():
        yield
