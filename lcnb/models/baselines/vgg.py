"""VGG-16's convolutions (Simonyan and Zisserman, arXiv 1409.1556), which FCN-8s, SegNet and DPN build on."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

DEPTHS: tuple[tuple[int, int], ...] = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
"""(convolutions, channels) of the five groups."""
FC_CHANNELS = 4096
"""Of fc6 and fc7."""

Unit = Callable[..., nn.Sequential]


def channels(full: int, width: float) -> int:
    """A layer's channels at this width, at least 1."""
    return max(1, round(full * width))


def conv_relu(inputs: int, outputs: int, kernel: int = 3, padding: int = 1, dilation: int = 1) -> nn.Sequential:
    """As in VGG: convolution with bias, ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, 1, padding, dilation), nn.ReLU(inplace=True))


def conv_norm_relu(inputs: int, outputs: int, kernel: int = 3, padding: int = 1, dilation: int = 1) -> nn.Sequential:
    """As in SegNet: convolution, batch-norm, ReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, 1, padding, dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def groups(width: float, unit: Unit = conv_relu, first_padding: int = 1, last_dilation: int = 1) -> nn.ModuleList:
    """The five groups of 3x3 convolutions, without the poolings between them.

    Args:
        width: factor on all channels.
        unit: makes one layer.
        first_padding: of the very first convolution.
        last_dilation: of the fifth group.
    """
    made, inputs = nn.ModuleList(), 3
    for number, (depth, full) in enumerate(DEPTHS):
        outputs, layers = channels(full, width), []
        for i in range(depth):
            dilation = last_dilation if number == 4 else 1
            padding = first_padding if number == i == 0 else dilation
            layers.append(unit(inputs, outputs, 3, padding, dilation))
            inputs = outputs
        made.append(nn.Sequential(*layers))
    return made
