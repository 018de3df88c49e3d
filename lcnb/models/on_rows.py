"""The parts of IRNet as functions of packed rows: a stage, a block, a head, a layer.

Shape letters: N open cells, C channels, O outputs.

The last of the rows that a part takes and gives is zero: it stands for every neighbour that is not open.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lcnb.models.irnet import Branches, ConvNorm, Residual
from lcnb.regions import Region
from lcnb.regions.products import Multiply
from lcnb.regions.rows import Chain, Fork, Layer, Product, ResidualSum
from lcnb.regions.spatial import Gathered, Maximum, Projected, Spatial
from lcnb.regions.workspace import Memory, Workspace

NARROW = 4
"""A k x k convolution is projected first where it has this many times fewer outputs than inputs."""


class FusionError(TypeError):
    """A module that has no fused form."""


class RowStage:
    """The blocks of a stage, one after the other, on rows that it may overwrite.

    Args:
        blocks: in evaluation mode; their weights are copied.
        channels: that the first one takes.
        dtype: of weights and features.

    Attributes:
        outputs: channels that the last one gives.
    """

    def __init__(self, blocks: Sequence[nn.Module], channels: int, dtype: torch.dtype) -> None:
        self.functions: list[Chain | Fork | ResidualSum] = []
        for block in blocks:
            self.functions.append(_block(block, channels, dtype))
            channels = getattr(self.functions[-1], "outputs", channels)
        self.outputs = channels

    def __call__(self, rows: Tensor, work: Workspace) -> Tensor:
        """(N + 1, C) -> (N + 1, outputs)."""
        for function in self.functions:
            rows = function(rows, work)
        work.finish()
        return rows

    def spatial(self) -> Iterator[Spatial]:
        """Its layers that look at neighbours."""
        return (layer for function in self.functions for layer in function.spatial())

    def products(self) -> Iterator[Multiply]:
        """Its matrix products."""
        return (product for function in self.functions for product in function.products())


def conv_of(module: ConvNorm) -> nn.Conv2d:
    """Its convolution."""
    return cast(nn.Conv2d, module[0])


def _fused(module: ConvNorm, dtype: torch.dtype) -> nn.Conv2d:
    folded = fuse_conv_bn_eval(conv_of(module), cast(nn.BatchNorm2d, module[1]))
    return folded.requires_grad_(False).to(dtype).to(memory_format=torch.channels_last)


def _block(block: nn.Module, channels: int, dtype: torch.dtype) -> Chain | Fork | ResidualSum:
    """One block as a function of rows."""
    if isinstance(block, Residual):
        return _residual(block, channels, dtype)
    if isinstance(block, Branches):
        return Fork([chain_of(b, channels, dtype) for b in block.branches])
    if isinstance(block, ConvNorm):
        return chain_of(block, channels, dtype)
    raise FusionError(f"{type(block).__name__} has no fused form; run the cascade as it is")


def _residual(block: Residual, channels: int, dtype: torch.dtype) -> ResidualSum:
    fork = Fork([chain_of(b, channels, dtype) for b in block.branches.branches])
    weight, bias = block.up.weight[:, :, 0, 0].detach(), block.up.bias.detach()  # type: ignore[union-attr]
    rectified = isinstance(block.relu, nn.ReLU)
    return ResidualSum(fork, (weight * block.scale).to(dtype), (bias * block.scale).to(dtype), rectified)


def chain_of(branch: nn.Module, channels: int, dtype: torch.dtype) -> Chain:
    """A branch or a head as a chain of layers; dropout is none in inference."""
    parts: Sequence[Any] = [branch] if isinstance(branch, (ConvNorm, nn.MaxPool2d)) else list(branch)  # type: ignore[call-overload]
    layers: list[Layer] = []
    for part in parts:
        if isinstance(part, nn.Dropout):
            continue
        layers.append(_layer(part, channels, dtype))
        channels = layers[-1].outputs
    return Chain(layers)


def _layer(part: nn.Module, channels: int, dtype: torch.dtype) -> Layer:
    if isinstance(part, nn.MaxPool2d):
        size, dilation = part.kernel_size, part.dilation
        return Maximum((size, size), (dilation, dilation), channels)  # type: ignore[arg-type]
    if isinstance(part, ConvNorm):
        return _convolution(_fused(part, dtype), relu=True)
    if isinstance(part, nn.Conv2d):
        return _convolution(copy.deepcopy(part).to(dtype), relu=False)
    raise FusionError(f"{type(part).__name__} has no fused form; run the cascade as it is")


def _convolution(conv: nn.Conv2d, relu: bool) -> Layer:
    weight, bias = conv.weight.detach(), conv.bias.detach()  # type: ignore[union-attr]
    if weight.shape[2:] == (1, 1):
        return Product(weight[:, :, 0, 0], bias, relu)
    kind = Projected if weight.shape[0] * NARROW <= weight.shape[1] else Gathered
    return kind(weight, bias, (conv.dilation[0], conv.dilation[1]), relu)


class OnRows:
    """One block, head or layer of IRNet as a function of packed rows, for trying it apart from its network.

    Args:
        module: in evaluation mode; its weights are copied.
        channels: that it takes.
        dtype: of weights and features.

    Raises:
        FusionError: the module has no fused form.
    """

    def __init__(self, module: nn.Module, channels: int, dtype: torch.dtype = torch.float32) -> None:
        whole = nn.Sequential(module) if isinstance(module, nn.Conv2d) else module
        build = _block if isinstance(module, (Residual, Branches)) else chain_of
        self._function: Chain | Fork | ResidualSum = build(whole, channels, dtype)
        self._memory = Memory()

    def __call__(self, rows: Tensor, region: Region) -> Tensor:
        """(N + 1, C) -> (N + 1, O), good until the next call; a residual block overwrites the rows it is given."""
        work = Workspace(region, rows, self._memory)
        found = self._function(rows, work)
        work.finish()
        return found

    def spatial(self) -> Iterator[Spatial]:
        """Its layers that look at neighbours."""
        return self._function.spatial()

    def products(self) -> Iterator[Multiply]:
        """Its matrix products."""
        return self._function.products()
