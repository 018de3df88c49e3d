"""Training augmentation: the same for every data set, built of `torchvision.transforms.v2`.

Shape letters: H, W pixels of the crop.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2


def augmentation(
    crop: tuple[int, int], scale: tuple[float, float], ignore_index: int, jitter: float = 0.4
) -> v2.Transform:
    """Random scale, crop, flip and colour jitter of an (image, mask) pair.

    Args:
        crop: (H, W) of the result; images that are smaller are padded, the mask with `ignore_index`.
        scale: range of the factor on the image's own size.
        ignore_index: mask value of padding.
        jitter: strength of brightness, contrast and saturation changes.
    """
    return v2.Compose(
        [
            _RandomScale(scale),
            v2.RandomCrop(crop, pad_if_needed=True, fill={tv_tensors.Image: 128, tv_tensors.Mask: ignore_index}),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(jitter, jitter, jitter),
        ]
    )


class _RandomScale(nn.Module):
    """Scales a pair by a factor drawn log-uniformly, so that halving and doubling are equally likely."""

    def __init__(self, scale: tuple[float, float]) -> None:
        super().__init__()
        self.low, self.high = (math.log(s) for s in scale)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The image resized bilinearly, the mask to the nearest pixel (by the types of `tv_tensors`)."""
        factor = math.exp(float(torch.empty(()).uniform_(self.low, self.high)))
        size = [max(1, round(side * factor)) for side in image.shape[-2:]]
        return v2.functional.resize(image, size, antialias=True), v2.functional.resize(mask, size)
