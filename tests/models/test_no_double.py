"""A device without float64 (Apple's MPS): a run makes no such tensor on the way."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lcnb.models import to_pixels


class NoDoubles(TorchDispatchMode):
    """Refuses what MPS refuses."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, torch.Tensor) and leaf.dtype == torch.float64:
                raise TypeError(f"{function} made a float64 tensor")
        return out


def test_the_mode_refuses():
    with NoDoubles(), pytest.raises(TypeError, match="made a float64"):
        torch.ones(2).double()


@pytest.mark.parametrize("prepared", [False, True])
def test_a_run_needs_no_float64(small_cascade, picture, prepared):
    """A device without float64: true and cached runs, labels and stages by pixel make no such tensor."""
    cascade = small_cascade.for_inference() if prepared else small_cascade
    with torch.no_grad(), NoDoubles():
        x = picture[None].float() / 255
        out = cascade(x, 0.6)
        cached = small_cascade.rethreshold(cascade.all_stages(x), 0.6)
        for found in (out, cached):
            assert found.pixel_stage().shape == found.labels.shape == (1, 48, 64)


def test_training_needs_no_float64(small_cascade, picture):
    """A device without float64: a step backwards through regions makes no such tensor."""
    with NoDoubles():
        out = small_cascade(picture[None].float() / 255, 0.6)
        out.logits.sum().backward()
    small_cascade.zero_grad(set_to_none=True)


def test_pixels_take_their_nearest_cell():
    cells = torch.arange(3).view(1, 1, 3)
    assert to_pixels(cells, (1, 7))[0, 0].tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert to_pixels(cells, (2, 2))[0, 1].tolist() == [0, 2]
