"""DPN, the Deep Parsing Network: Liu, Li, Luo, Loy, Tang, ICCV 2015, arXiv 1509.02634, table 1 (b).

Shape letters: B images, K classes, H, W pixels, R the side of the locally connected layer's window.

VGG-16 whose last two poolings are gone, so that all of conv4 to fc7 is at 1/8. To see what they saw before, conv5 is
dilated by 2 and fc6, still 7x7, by 4 (the table prints their extents, 5x5 and 25x25; holes cost nothing). Then comes
one step of mean field at full size: a locally connected layer of 50x50 over each class (b12), a 9x9 convolution from
the classes to five maps each (b13: 21 -> 105), the smallest of the five (b14), and the sum with the unary term (b15).

At 512 x 512 and 21 classes the unary network costs 592 G multiply-adds, b12 13.8 and b13 46.8.

Ours, as the paper leaves it open or it has no cost: bilinear upsampling of the unary scores, weights of b12 from the
likeness of colours, "same" padding, odd and even windows alike.

b12 is one custom operator, `local_product`. Every pixel has a filter of its own, R x R weights shared by all classes,
which say how alike the neighbours' colours are. The weights of a whole image would take gigabytes, so tiles of pixels
are done one after the other: a tile's weights against the window around it are one matrix, zero outside each pixel's
own R x R. That matrix is larger than what the layer means (1.7 times at R = 50), so the operator tells
`FlopCounterMode` what the layer means: R * R multiply-adds for each pixel and class. What the weights themselves cost
is not counted, as for any activation.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lcnb.models.baselines.vgg import FC_CHANNELS, channels, conv_relu, groups
from lcnb.regions.counting import counts_as

MIXTURES = 5
"""Contexts a class has in b13, of which b14 takes the smallest."""
TILE = 16
"""Pixels to a tile's side."""
FALL_OFF = 3.0
"""Colours in [0, 1] whose squared distance is above 1 / this have weight 0 (ours; the paper learns its weights)."""
FAR = -1e4
"""Makes a weight negative, so zero after the ReLU, wherever a cell is outside a pixel's window."""


class DPN(nn.Module):
    """DPN with random weights, for its cost and its speed only.

    Args:
        num_classes: K.
        width: factor on all channels but the classes; 1 is the published network.
        window: side of the locally connected layer.
        pairwise: whether b12 to b15 are run; without them this is the unary network.

    Example:
        >>> DPN(21)(torch.rand(1, 3, 512, 512)).shape
        torch.Size([1, 21, 512, 512])
    """

    def __init__(self, num_classes: int = 21, width: float = 1.0, window: int = 50, pairwise: bool = True) -> None:
        super().__init__()
        self.groups = groups(width, last_dilation=2)
        self.pool = nn.MaxPool2d(2, 2, ceil_mode=True)
        inputs, fc = channels(512, width), channels(FC_CHANNELS, width)
        self.fc6, self.fc7 = conv_relu(inputs, fc, 7, 12, 4), conv_relu(fc, fc, 1, 0)
        self.score = nn.Conv2d(fc, num_classes, 1)
        self.context = nn.Conv2d(num_classes, MIXTURES * num_classes, 9, padding=4)
        self.window, self.pairwise = window, pairwise

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, K, H, W) logits."""
        features = x
        for number, group in enumerate(self.groups):
            features = group(features)
            features = self.pool(features) if number < 3 else features
        scores = self.score(self.fc7(self.fc6(features)))
        unary = F.interpolate(scores, size=x.shape[2:], mode="bilinear", align_corners=False)
        if not self.pairwise:
            return unary
        smoothed = local_product(unary.sigmoid(), x, self.window)
        penalties: Tensor = self.context(smoothed).unflatten(1, (-1, MIXTURES))
        return torch.sub(unary, penalties.amin(2))


# The schema is spelled out: torch 2.4 does not read it off annotations that are strings.
@torch.library.custom_op(
    "lcnb::local_product", mutates_args=(), schema="(Tensor scores, Tensor image, SymInt window) -> Tensor"
)
def local_product(scores: Tensor, image: Tensor, window: int) -> Tensor:
    """Average of the scores around each pixel, weighted by likeness of colour.

    Args:
        scores: (B, K, H, W).
        image: (B, 3, H, W) in [0, 1], of the same dtype.
        window: R; pixel y sees y - R // 2 ... y - R // 2 + R - 1.

    Returns:
        (B, K, H, W): the weighted sum over the window, divided by R * R. Beyond the border counts as zero.
    """
    height, width = scores.shape[2:]
    before, after = window // 2, window - 1 - window // 2
    margins = (before, after + -width % TILE, before, after + -height % TILE)
    scores_around, image_around = F.pad(scores, margins), F.pad(image, margins)
    window_only = _window_only(window, scores)
    out = scores.new_empty(scores.shape)
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            reach = (
                slice(None),
                slice(None),
                slice(top, top + TILE + window - 1),
                slice(left, left + TILE + window - 1),
            )
            tile = _tile(scores_around[reach], image_around[reach], window_only, window)
            target = out[:, :, top : top + TILE, left : left + TILE]
            target.copy_(tile[:, :, : target.shape[2], : target.shape[3]])
    return out


def _window_only(window: int, like: Tensor) -> Tensor:
    """(TILE * TILE, side * side): 0 where a cell of the surroundings lies in the pixel's window, else `FAR`."""
    pixel, cell = torch.arange(TILE, device=like.device), torch.arange(TILE + window - 1, device=like.device)
    near = (cell[None] >= pixel[:, None]) & (cell[None] < pixel[:, None] + window)
    both = near[:, None, :, None] & near[None, :, None, :]
    return torch.where(both.reshape(TILE * TILE, -1), 0.0, FAR).to(like.dtype)


def _tile(scores: Tensor, image: Tensor, window_only: Tensor, window: int) -> Tensor:
    """(B, K, side, side) surroundings -> (B, K, TILE, TILE)."""
    before = window // 2
    own = image[:, :, before : before + TILE, before : before + TILE].flatten(2).transpose(1, 2)
    around = image.flatten(2)
    # 1 - FALL_OFF * |own - around|^2 as one product of five columns and five rows.
    ones = own.new_ones(own.shape[0], own.shape[1], 1)
    left = torch.cat([2 * FALL_OFF * own, -FALL_OFF * own.square().sum(2, keepdim=True), ones], dim=2)
    right = torch.cat([around, torch.ones_like(around[:, :1]), 1 - FALL_OFF * around.square().sum(1, keepdim=True)], 1)
    weights = torch.baddbmm(window_only.expand(len(own), -1, -1), left, right).relu_()
    done = scores.flatten(2) @ weights.transpose(1, 2)
    return done.view(*scores.shape[:2], TILE, TILE).div_(window * window)


@local_product.register_fake
def _(scores: Tensor, image: Tensor, window: int) -> Tensor:
    return torch.empty_like(scores, memory_format=torch.contiguous_format)


@counts_as(torch.ops.lcnb.local_product)
def _flops(scores_shape: Any, image_shape: Any, window: int, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """Twice the multiply-adds, as the counter wants it."""
    batch, classes, height, width = scores_shape
    return 2 * batch * classes * height * width * window * window
