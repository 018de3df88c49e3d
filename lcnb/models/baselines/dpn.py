"""DPN, the Deep Parsing Network: Liu, Li, Luo, Loy, Tang, ICCV 2015, arXiv 1509.02634, table 1 (b).

Shape letters: B images, K classes, H, W pixels.

VGG-16 whose last two poolings are gone, so that all of conv4 to fc7 is at 1/8. To see what they saw before, conv5 is
dilated by 2 and fc6, still 7x7, by 4 (the table prints their extents, 5x5 and 25x25; holes cost nothing). Then comes
one step of mean field at full size: a locally connected layer of 50x50 over each class (b12), a 9x9 convolution from
the classes to five maps each (b13: 21 -> 105), the smallest of the five (b14), and the sum with the unary term (b15).

At 512 x 512 and 21 classes the unary network costs 592 G multiply-adds, b12 13.8 and b13 46.8.

Ours, as the paper leaves it open or it has no cost: bilinear upsampling of the unary scores, weights of b12 from the
likeness of colours, "same" padding, odd and even windows alike.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lcnb.models.baselines.local import local_product
from lcnb.models.baselines.vgg import FC_CHANNELS, channels, conv_relu, groups

MIXTURES = 5
"""Contexts a class has in b13, of which b14 takes the smallest."""


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
