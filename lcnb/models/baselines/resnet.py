"""ResNets at stride 8 (He et al., arXiv 1512.03385), which DeepLab-v2 and Adelaide build on.

The published Caffe networks: bottlenecks whose stride sits in the first 1x1 convolution, and in conv4 and conv5
dilation 2 and 4 in place of their strides (DeepLab-v2, arXiv 1606.00915, section 3.1).
"""

from __future__ import annotations

from torch import Tensor, nn

from lcnb.models.baselines.vgg import channels

DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
STRIDES, DILATIONS = (1, 2, 1, 1), (1, 1, 2, 4)
EXPANSION = 4


def _conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class Bottleneck(nn.Module):
    """relu(shortcut(x) + 1x1, 3x3, 1x1)."""

    def __init__(self, inputs: int, inner: int, stride: int, dilation: int) -> None:
        super().__init__()
        outputs = EXPANSION * inner
        self.body = nn.Sequential(
            *_conv_norm(inputs, inner, 1, stride),
            nn.ReLU(inplace=True),
            *_conv_norm(inner, inner, 3, 1, dilation),
            nn.ReLU(inplace=True),
            *_conv_norm(inner, outputs, 1),
        )
        plain = inputs == outputs and stride == 1
        self.shortcut = nn.Sequential(*([] if plain else _conv_norm(inputs, outputs, 1, stride)))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.shortcut(x) + self.body(x))


def resnet(depth: int, width: float) -> tuple[nn.Sequential, int]:
    """(B, 3, H, W) -> (B, C, H / 8, W / 8), and C (2048 at width 1).

    Raises:
        ValueError: there is no ResNet of this depth here.
    """
    if depth not in DEPTHS:
        raise ValueError(f"a ResNet has depth {', '.join(map(str, DEPTHS))}; got {depth}")
    inputs = channels(64, width)
    layers: list[nn.Module] = [*_conv_norm(3, inputs, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    for number, blocks in enumerate(DEPTHS[depth]):
        inner = channels(64 * 2**number, width)
        for i in range(blocks):
            stride = STRIDES[number] if i == 0 else 1
            layers.append(Bottleneck(inputs, inner, stride, DILATIONS[number]))
            inputs = EXPANSION * inner
    return nn.Sequential(*layers), inputs
