"""FCN-8s: Shelhamer, Long, Darrell, "Fully Convolutional Networks for Semantic Segmentation", arXiv 1411.4038.

Shape letters: B images, K classes, H, W pixels.

VGG-16 with fc6 and fc7 as convolutions, and skips from pool4 and pool3. As the authors released it (voc-fcn8s in
their repository): the image is padded by 100 pixels in the first convolution, fc6 is 7x7 without padding, poolings
round up, transposed convolutions of 4x4 / 2 twice and 16x16 / 8 once, and each sum is cropped to the smaller map. That
padding nearly doubles the work on a 512 x 512 image; `padding=1` is the economical variant many people run instead.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from lcnb.models.baselines.vgg import FC_CHANNELS, channels, conv_relu, groups

CROPS = (5, 9, 31)
"""Offsets of the released network's crops: of pool4's scores, of pool3's scores, of the result."""


class FCN8s(nn.Module):
    """FCN-8s with random weights, for its cost and its speed only.

    Args:
        num_classes: K.
        width: factor on all channels but the classes; 1 is the published network.
        padding: of the first convolution; 100 is the published network. With 1, fc6 is padded instead, by 3.

    Example:
        >>> FCN8s(21)(torch.rand(1, 3, 512, 512)).shape
        torch.Size([1, 21, 512, 512])
    """

    def __init__(self, num_classes: int = 21, width: float = 1.0, padding: int = 100) -> None:
        super().__init__()
        self.padding = padding
        self.groups = groups(width, first_padding=padding)
        self.pool = nn.MaxPool2d(2, 2, ceil_mode=True)
        pool3, pool4, fc = channels(256, width), channels(512, width), channels(FC_CHANNELS, width)
        self.fc = nn.Sequential(conv_relu(pool4, fc, 7, 0 if padding > 1 else 3), conv_relu(fc, fc, 1, 0))
        self.score = nn.Conv2d(fc, num_classes, 1)
        self.score4 = nn.Conv2d(pool4, num_classes, 1)
        self.score3 = nn.Conv2d(pool3, num_classes, 1)
        self.twice = nn.ConvTranspose2d(num_classes, num_classes, 4, 2, bias=False)
        self.twice_again = nn.ConvTranspose2d(num_classes, num_classes, 4, 2, bias=False)
        self.eight = nn.ConvTranspose2d(num_classes, num_classes, 16, 8, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K, H, W) logits."""
        pools, features = [], x
        for group in self.groups:
            features = self.pool(group(features))
            pools.append(features)
        scores = self.twice(self.score(self.fc(features)))
        scores = _add(scores, self.score4(pools[3]), self._crop(0))
        scores = _add(self.twice_again(scores), self.score3(pools[2]), self._crop(1))
        return _cut(self.eight(scores), self._crop(2), (x.shape[2], x.shape[3]))

    def _crop(self, number: int) -> int:
        """The margin to cut; without the large padding there is only the one of a transposed convolution."""
        return CROPS[number] if self.padding > 1 else (0, 0, 4)[number]


def _add(scores: Tensor, skip: Tensor, offset: int) -> Tensor:
    """The sum where both maps are."""
    height = min(scores.shape[2], skip.shape[2] - offset)
    width = min(scores.shape[3], skip.shape[3] - offset)
    return scores[:, :, :height, :width] + _cut(skip, offset, (height, width))


def _cut(scores: Tensor, offset: int, size: tuple[int, int]) -> Tensor:
    """(B, K, size) from `offset` on; a border that poolings left short is repeated."""
    cut = scores[:, :, offset : offset + size[0], offset : offset + size[1]]
    below, right = size[0] - cut.shape[2], size[1] - cut.shape[3]
    return F.pad(cut, (0, right, 0, below), mode="replicate") if below or right else cut
