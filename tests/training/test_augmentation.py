"""Augmentation moves a pair together, gives the crop's size, and pads with what counts for nothing."""

import pytest
import torch
from torchvision import tv_tensors

from lcnb.training.stream import augmentation

IGNORE = 11


def pair(height=24, width=32):
    """An image whose red channel is 20 times its mask's label, in blocks wide enough to survive scaling."""
    mask = (torch.arange(width) // 8 + 4 * (torch.arange(height) // 12)[:, None]).to(torch.uint8)
    return tv_tensors.Image((20 * mask).expand(3, -1, -1).clone()), tv_tensors.Mask(mask)


def test_without_scale_and_jitter_it_only_moves_pixels():
    for seed in range(20):
        torch.manual_seed(seed)
        image, mask = augmentation((16, 20), (1, 1), IGNORE, jitter=0)(*pair())
        assert (image.shape, mask.shape) == ((3, 16, 20), (16, 20))
        assert torch.equal(image[0], mask * 20)


@pytest.mark.parametrize("scale", [(0.25, 0.5), (1.5, 2)])
def test_scaled_pairs_stay_aligned_and_labels_stay_labels(scale):
    off = []
    for seed in range(20):
        torch.manual_seed(seed)
        image, mask = augmentation((20, 20), scale, IGNORE, jitter=0)(*pair())
        assert (image.shape, mask.shape) == ((3, 20, 20), (20, 20))
        assert set(mask.unique().tolist()) <= {*range(8), IGNORE}
        inside = mask != IGNORE
        off.append((image[0].float() / 20 - mask)[inside].abs().mean())
        assert (image[:, ~inside] == 128).all()
        assert inside.all() == (scale[0] > 1)
    assert torch.stack(off).mean() < 0.5  # interpolation at the borders of the blocks, no shift


def test_jitter_changes_colours_but_no_label():
    torch.manual_seed(0)
    image, mask = augmentation((24, 32), (1, 1), IGNORE, jitter=0.4)(*pair())
    assert not torch.equal(image[0], mask * 20)
    assert mask.unique().tolist() == [*range(8)]


def test_halving_and_doubling_are_equally_likely():
    """Of an all-labelled picture, padding shows where it was shrunk."""
    torch.manual_seed(0)
    transform = augmentation((24, 32), (0.5, 2), IGNORE)
    shrunk = sum(bool((transform(*pair())[1] == IGNORE).any()) for _ in range(200))
    assert 70 < shrunk < 130
