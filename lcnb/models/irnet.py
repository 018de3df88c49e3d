"""IRNet: Inception-ResNet-v2 turned into a dense labeller (paper, section 3.1 and figure 2).

Stem, 5 x A, Reduction-A | 10 x B, Reduction-B | 5 x C: three stages of 384 -> 1152 -> 2144 channels. Both
reductions go from stride 2 to 1, so everything after the stem is at 1/8 of the input. The blocks are
plain PyTorch and look at cells and stride-1 neighbours only, so they run on a dense map or on a
`RegionTensor` alike. Convolutions are padded to keep ceil(size / stride): 512 -> 64, any size works.

Choices of ours, where the paper is silent: residual scales .17 / .10 / .20 (those of the public
Inception-ResNet-v2), no dilation, symmetric padding, heads of a 3x3 convolution to 106 channels and a
1x1 to the classes, which brings the total to the 35.5 M parameters of the paper's table 6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class IRNetConfig:
    """The knobs of IRNet.

    Attributes:
        num_classes: K, 21 on PASCAL VOC.
        width: factor on every branch's channels; sums are derived from the rounded branches.
        blocks: how many A, B and C blocks (paper: 5 / 10 / 5).
        residual_scale: factor on the residual of A, B and C blocks (ours).
        dilation: of the k x k convolutions of A, B and C blocks (ours; 1 is the figure as printed).
        head_channels: hidden channels of each stage's classifier at width 1 (ours).
        dropout: share dropped before each classifier (table 2, "DSN + dropout").
    """

    num_classes: int = 21
    width: float = 1.0
    blocks: tuple[int, int, int] = (5, 10, 5)
    residual_scale: tuple[float, float, float] = (0.17, 0.10, 0.20)
    dilation: tuple[int, int, int] = (1, 1, 1)
    head_channels: int = 106
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name, number, low, rule in (
            ("num_classes", 1, 1, "counts classes, so at least 1"),
            ("head_channels", 1, 1, "counts channels, so at least 1"),
            ("blocks", 3, 0, "is how many A, B and C blocks, each at least 0"),
            ("dilation", 3, 1, "is that of A, B and C blocks, each at least 1"),
        ):
            given = getattr(self, name)
            values = tuple(given) if number > 1 and isinstance(given, (tuple, list)) else (given,)
            if len(values) != number or not all(isinstance(v, int) and v >= low for v in values):
                raise ValueError(f"{name} {rule}; got {given!r}")
        if not isinstance(self.width, (int, float)) or not 0 < self.width <= 4:
            raise ValueError(f"width is a factor on the channels, in (0, 4]; got {self.width}")
        if len(self.residual_scale) != 3 or not all(math.isfinite(v) for v in self.residual_scale):
            raise ValueError(f"residual_scale is that of A, B and C blocks; got {self.residual_scale}")
        if not 0 <= self.dropout <= 1:
            raise ValueError(f"dropout is a share, in [0, 1]; got {self.dropout}")

    def channels(self, full: int) -> int:
        """A branch's channels at this width: the nearest multiple of 4, at least 4."""
        return full if self.width == 1 else max(4, 4 * round(full * self.width / 4))


class ConvNorm(nn.Sequential):
    """Convolution, batch-norm, ReLU; padded to ceil(size / stride) unless `same` is False (no padding), no own bias."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        dilation: int = 1,
        same: bool = True,
    ):
        kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (dilation * (kh // 2), dilation * (kw // 2)) if same else (0, 0)
        super().__init__(
            nn.Conv2d(inputs, outputs, (kh, kw), stride, padding, dilation, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3),
            nn.ReLU(inplace=True),
        )


class Branches(nn.Module):
    """Parallel branches over one input, joined along channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class Residual(nn.Module):
    """h(x) = relu(x + scale * up(branches(x))): blocks A, B and C differ in their branches only."""

    def __init__(self, channels: int, branches: Branches, joined: int, scale: float, rectified: bool = True) -> None:
        super().__init__()
        self.branches = branches
        self.up = nn.Conv2d(joined, channels, 1)
        self.scale = scale
        self.relu: nn.Module = nn.ReLU(inplace=True) if rectified else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(torch.add(x, self.up(self.branches(x)), alpha=self.scale))


def stem(config: IRNetConfig) -> tuple[nn.Sequential, int]:
    """3 channels at full size -> 384 at 1/8."""
    c = config.channels
    first = nn.Sequential(ConvNorm(3, c(32), 3, 2), ConvNorm(c(32), c(32), 3), ConvNorm(c(32), c(64), 3))
    down = Branches(nn.MaxPool2d(3, 2, 1), ConvNorm(c(64), c(96), 3, 2))
    joined = c(64) + c(96)
    deep = Branches(
        nn.Sequential(ConvNorm(joined, c(64)), ConvNorm(c(64), c(96), 3)),
        nn.Sequential(
            ConvNorm(joined, c(64)),
            ConvNorm(c(64), c(64), (7, 1)),
            ConvNorm(c(64), c(64), (1, 7)),
            ConvNorm(c(64), c(96), 3),
        ),
    )
    last = Branches(ConvNorm(2 * c(96), c(192), 3, 2), nn.MaxPool2d(3, 2, 1))
    return nn.Sequential(first, down, deep, last), c(192) + 2 * c(96)


def block_a(channels: int, config: IRNetConfig) -> Residual:
    """1x1 | 1x1, 3x3 | 1x1, 3x3, 3x3 on 384 channels."""
    c, d = config.channels, config.dilation[0]
    branches = Branches(
        ConvNorm(channels, c(32)),
        nn.Sequential(ConvNorm(channels, c(32)), ConvNorm(c(32), c(32), 3, dilation=d)),
        nn.Sequential(
            ConvNorm(channels, c(32)), ConvNorm(c(32), c(48), 3, dilation=d), ConvNorm(c(48), c(64), 3, dilation=d)
        ),
    )
    return Residual(channels, branches, 2 * c(32) + c(64), config.residual_scale[0])


def block_b(channels: int, config: IRNetConfig) -> Residual:
    """1x1 | 1x1, 1x7, 7x1 on 1152 channels."""
    c, d = config.channels, config.dilation[1]
    branches = Branches(
        ConvNorm(channels, c(192)),
        nn.Sequential(
            ConvNorm(channels, c(128)),
            ConvNorm(c(128), c(160), (1, 7), dilation=d),
            ConvNorm(c(160), c(192), (7, 1), dilation=d),
        ),
    )
    return Residual(channels, branches, 2 * c(192), config.residual_scale[1])


def block_c(channels: int, config: IRNetConfig, last: bool = False) -> Residual:
    """1x1 | 1x1, 1x3, 3x1 on 2144 channels; as the last of the public Inception-ResNet-v2 it is neither scaled nor
    rectified (IRNet's is like the others)."""
    c, d = config.channels, config.dilation[2]
    branches = Branches(
        ConvNorm(channels, c(192)),
        nn.Sequential(
            ConvNorm(channels, c(192)),
            ConvNorm(c(192), c(224), (1, 3), dilation=d),
            ConvNorm(c(224), c(256), (3, 1), dilation=d),
        ),
    )
    return Residual(channels, branches, c(192) + c(256), 1.0 if last else config.residual_scale[2], not last)


class DilatedPool(nn.MaxPool2d):
    """A stride-1 max-pool with the padding that its dilation needs: PyTorch's own takes at most half a kernel.

    A `RegionTensor` knows no such limit, and no padding either: what lies outside is left out of the maximum.
    """

    def __init__(self, kernel: int, dilation: int) -> None:
        super().__init__(kernel, 1, dilation * (kernel // 2), dilation)
        self.rim = [dilation * (kernel // 2)] * 4

    def forward(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor):
            return super().forward(x)
        return F.max_pool2d(F.pad(x, self.rim, value=float("-inf")), self.kernel_size, 1, 0, self.dilation)


def pool(stride: int = 1, dilation: int = 1, same: bool = True) -> nn.MaxPool2d:
    """A 3x3 max-pool, padded to ceil(size / stride) or not at all."""
    return DilatedPool(3, dilation) if dilation > 1 else nn.MaxPool2d(3, stride, int(same))


def reduction_a(channels: int, config: IRNetConfig, stride: int = 1, same: bool = True) -> tuple[Branches, int]:
    """384 -> 1152 channels; its stride is 1 here, so nothing but the channels is reduced or grown."""
    c = config.channels
    branches = Branches(
        ConvNorm(channels, c(384), 3, stride, same=same),
        nn.Sequential(
            ConvNorm(channels, c(256)), ConvNorm(c(256), c(256), 3), ConvNorm(c(256), c(384), 3, stride, same=same)
        ),
        pool(stride, same=same),
    )
    return branches, 2 * c(384) + channels


def reduction_b(
    channels: int, config: IRNetConfig, stride: int = 1, same: bool = True, dilation: int = 1
) -> tuple[Branches, int]:
    """1152 -> 2144 channels at stride 1."""
    c, d = config.channels, dilation
    branches = Branches(
        nn.Sequential(ConvNorm(channels, c(256)), ConvNorm(c(256), c(384), 3, stride, d, same)),
        nn.Sequential(ConvNorm(channels, c(256)), ConvNorm(c(256), c(288), 3, stride, d, same)),
        nn.Sequential(
            ConvNorm(channels, c(256)),
            ConvNorm(c(256), c(288), 3, dilation=d),
            ConvNorm(c(288), c(320), 3, stride, d, same),
        ),
        pool(stride, d, same),
    )
    return branches, c(384) + c(288) + c(320) + channels


def head(channels: int, config: IRNetConfig) -> nn.Sequential:
    """One stage's classifier: two convolutions, then (outside) the softmax."""
    hidden = config.channels(config.head_channels)
    return nn.Sequential(
        ConvNorm(channels, hidden, 3), nn.Dropout(config.dropout), nn.Conv2d(hidden, config.num_classes, 1)
    )


def irnet_stages(config: IRNetConfig) -> tuple[list[nn.Sequential], list[nn.Sequential]]:
    """The three stages and their three heads."""
    entry, channels = stem(config)
    after_a, wide = reduction_a(channels, config)
    first = nn.Sequential(entry, *(block_a(channels, config) for _ in range(config.blocks[0])), after_a)
    after_b, wider = reduction_b(wide, config)
    second = nn.Sequential(*(block_b(wide, config) for _ in range(config.blocks[1])), after_b)
    third = nn.Sequential(*(block_c(wider, config) for _ in range(config.blocks[2])))
    return [first, second, third], [head(wide, config), head(wider, config), head(wider, config)]


def initialise(module: nn.Module) -> None:
    """New layers from a normal distribution (paper, section 4), scaled to each layer's fan-out (ours)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
