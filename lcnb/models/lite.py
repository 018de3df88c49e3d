"""EfficientNet-Lite0 as a three-stage cascade: the small network that starts from public ImageNet weights.

Shape letters: B images, K classes, H, W pixels, h, w cells of the output grid.

The paper's network has no public ImageNet weights; this one has (Tan and Le 2019; the Lite form by Liu 2020: no
squeeze-and-excitation, ReLU6, so every layer behind the stem runs on a region). At output stride 32 it is timm's
`tf_efficientnet_lite0` up to the classifier. At stride 8 or 16 the later strides become 1 and what follows is dilated,
so every kernel sees the positions it was trained on; the weights are the same.

The cuts (ours) lie behind `blocks.4.0` and `blocks.5.2` in timm's names: the stages have .15 / .50 / .36 of the
multiply-adds at stride 8, where IRNet's have .17 / .50 / .33.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lcnb.models.cascade import LayerCascade
from lcnb.models.irnet import ConvNorm, initialise
from lcnb.regions.depthwise import DepthwiseConv

MEAN = STD = (0.5, 0.5, 0.5)
"""What the ImageNet weights were trained with."""
STRIDES = (8, 16, 32)
_BLOCKS = (  # blocks, kernel, stride, expansion, channels (Tan and Le 2019, table 1)
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)  # fmt: skip
_CUTS = (10, 15)  # stem and blocks before stages 2 and 3


@dataclass(frozen=True)
class LiteConfig:
    """The knobs of EfficientNet-Lite0.

    Attributes:
        num_classes: K.
        stride: input pixels per cell: 8, or 16 for cheap training of the same weights on a coarser grid. (32 is
            ImageNet's own, whose last strides no region can follow.)
        head_channels: hidden channels of each stage's classifier (IRNet's).
        dropout: fraction of channels dropped before each classifier.
    """

    num_classes: int = 21
    stride: int = 8
    head_channels: int = 106
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("num_classes", "head_channels"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} is a whole number of at least 1; got {value!r}")
        if self.stride not in STRIDES:
            raise ValueError(f"stride is one of {', '.join(map(str, STRIDES))}; got {self.stride!r}")
        if not 0 <= self.dropout <= 1:
            raise ValueError(f"dropout is a fraction in [0, 1]; got {self.dropout!r}")


class SameConv(nn.Conv2d):
    """A strided convolution padded to ceil(size / stride) as TensorFlow does: an odd padding goes right and below."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # type: ignore[override]
        rim = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            total = kernel - stride + -size % stride  # no branch, so that an exported network takes any size
            rim += [total // 2, total - total // 2]
        return super()._conv_forward(F.pad(x, rim), weight, bias)


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Conv2d:
    """Without bias, padded to ceil(size / stride)."""
    if stride > 1:
        return SameConv(inputs, outputs, kernel, stride, groups=groups, bias=False)
    kind = DepthwiseConv if groups == inputs == outputs else nn.Conv2d
    return kind(inputs, outputs, kernel, 1, dilation * (kernel // 2), dilation, groups, bias=False)


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class MBConv(nn.Module):
    """1x1 to `expansion` times the channels, k x k depthwise, 1x1 back; added to its input where the shapes agree.

    With expansion 1 there is no first 1x1: a depthwise-separable convolution.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, dilation: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        expand = [convolution(inputs, wide, 1), norm(wide), nn.ReLU6(inplace=True)] if expansion > 1 else []
        depthwise = convolution(wide, wide, kernel, stride, dilation, groups=wide)
        self.layers = nn.Sequential(
            *expand, depthwise, norm(wide), nn.ReLU6(inplace=True), convolution(wide, outputs, 1), norm(outputs)
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


def lite_blocks(stride: int = 8) -> list[nn.Module]:
    """The stem and the 16 blocks, from 3 channels at full size to 320 at 1/`stride`."""
    layers: list[nn.Module] = [nn.Sequential(convolution(3, 32, 3, 2), norm(32), nn.ReLU6(inplace=True))]
    inputs, reached, dilation = 32, 2, 1
    for count, kernel, step, expansion, outputs in _BLOCKS:
        follows = step if reached * step <= stride else 1
        for i in range(count):
            # The block that lost its stride still stands on the finer grid; those behind it are dilated.
            layers.append(MBConv(inputs, outputs, kernel, follows if i == 0 else 1, dilation, expansion))
            inputs = outputs
            if i == 0:
                reached, dilation = reached * follows, dilation * step // follows
    return layers


def lite_head(channels: int, config: LiteConfig) -> nn.Sequential:
    """One stage's classifier, as IRNet's: 3x3 to `head_channels`, then 1x1 to the classes."""
    hidden = config.head_channels
    return nn.Sequential(
        ConvNorm(channels, hidden, 3), nn.Dropout(config.dropout), nn.Conv2d(hidden, config.num_classes, 1)
    )


def lite_lc(num_classes: int = 21, *, stride: int = 8, **knobs: int | float) -> LayerCascade:
    """EfficientNet-Lite0 as a three-stage cascade, randomly initialised; `lcnb.imagenet.start` fills it.

    Args:
        num_classes: K.
        stride: 8, or 16 for cheap training: the same weights on a coarser grid.
        knobs: other fields of `LiteConfig`.

    Raises:
        ValueError, TypeError: a knob is out of range or unknown.

    Example:
        >>> cascade = lite_lc(num_classes=7).eval()
        >>> with torch.inference_mode():
        ...     out = cascade(torch.rand(1, 3, 256, 256), rho=0.985)
        >>> out.labels.shape, out.exits.shape
        (torch.Size([1, 256, 256]), torch.Size([1, 3]))
    """
    config = LiteConfig(num_classes, stride, **knobs)  # type: ignore[arg-type]
    layers, (first, second) = lite_blocks(stride), _CUTS
    stages = [nn.Sequential(*part) for part in (layers[:first], layers[first:second], layers[second:])]
    heads = [lite_head(channels, config) for channels in (112, 192, 320)]
    cascade = LayerCascade(stages, heads, mean=MEAN, std=STD)
    initialise(cascade)
    cascade.config = {"network": "lite0", **vars(config)}
    return cascade.to(memory_format=torch.channels_last)


def from_imagenet(state: dict[str, Tensor], names: list[str]) -> dict[str, Tensor]:
    """A state dict of EfficientNet-Lite0 under the names of a cascade's stages.

    The published checkpoint and timm's call the layers differently but have them in the same order, which is ours.

    Args:
        state: of the whole network; what lies behind the last block (the ImageNet classifier) is dropped.
        names: of the cascade's state dict, `stages.` only, in its order.

    Returns:
        Tensors under our names, as far as the layers go one by one; names that are left over stay as they are, so a
        checkpoint of another network is refused by who compares them.
    """
    theirs: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        theirs.setdefault(layer, {})[kind] = value
    ours = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
    behind = len(theirs) - 3  # convolution, norm and classifier
    renamed: dict[str, Tensor] = {}
    for i, (layer, tensors) in enumerate(theirs.items()):
        if i < behind:
            renamed |= {f"{ours[i] if i < len(ours) else layer}.{kind}": value for kind, value in tensors.items()}
    return renamed
