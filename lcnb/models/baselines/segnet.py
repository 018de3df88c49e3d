"""SegNet: Badrinarayanan, Kendall, Cipolla, arXiv 1511.00561.

Shape letters: B images, K classes, H, W pixels.

The thirteen convolutions of VGG-16 with batch-norm, then their mirror image: each max-pooling's indices place
the features again, and as many 3x3 convolutions follow. The last one gives the classes. Everything is as in the paper.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from lcnb.models.baselines.vgg import DEPTHS, channels, conv_norm_relu, groups


class SegNet(nn.Module):
    """SegNet with random weights, for its cost and its speed only.

    Args:
        num_classes: K.
        width: factor on all channels but the classes; 1 is the published network.

    Example:
        >>> SegNet(21)(torch.rand(1, 3, 512, 512)).shape
        torch.Size([1, 21, 512, 512])
    """

    def __init__(self, num_classes: int = 21, width: float = 1.0) -> None:
        super().__init__()
        self.encoder = groups(width, conv_norm_relu)
        self.decoder = nn.ModuleList()
        for number in reversed(range(len(DEPTHS))):
            depth, full = DEPTHS[number]
            inputs = channels(full, width)
            outputs = channels(DEPTHS[number - 1][1], width) if number else num_classes
            layers: list[nn.Module] = [conv_norm_relu(inputs, inputs) for _ in range(depth - 1)]
            last = conv_norm_relu(inputs, outputs) if number else nn.Conv2d(inputs, num_classes, 3, padding=1)
            self.decoder.append(nn.Sequential(*layers, last))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K, H, W) logits."""
        places = []
        for group in self.encoder:
            full = group(x)
            x, index = F.max_pool2d(full, 2, 2, ceil_mode=True, return_indices=True)
            places.append((index, full.shape[2:]))
        for group in self.decoder:
            index, size = places.pop()
            x = group(F.max_unpool2d(x, index, [2, 2], [2, 2], output_size=size))
        return x
