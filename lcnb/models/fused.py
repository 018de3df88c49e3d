"""A cascade prepared for inference: dense while all cells are open, on packed rows as soon as some have left.

Shape letters: B images, K classes, C channels, h, w the grid, N open cells, S stages.

Every stage and classifier behind the first has two forms with the same weights: folded modules on a map, and
functions of rows on a region. On a full map the dense convolution is the faster one (`lcnb bench ops` measures by
how much), so stage 1, and a later stage that nobody left before, runs as a map.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lcnb.models.cascade import VARIANTS, CascadeRuns, LayerCascade, StageLogits
from lcnb.models.exits import ExitLedger
from lcnb.models.folding import folded
from lcnb.models.irnet import Branches, ConvNorm, Residual
from lcnb.regions import Region
from lcnb.regions.rows import Chain, Fork, Gathered, Layer, Maximum, Product, Projected, ResidualSum, pack

RowFunction = Callable[[Tensor, Region], Tensor]
NARROW = 4
"""A k x k convolution is projected first where it has this many times fewer outputs than inputs."""


class FusionError(TypeError):
    """A module that has no fused form."""


class FusedCascade(CascadeRuns):
    """What `LayerCascade.for_inference` returns: the same answers, sooner.

    Args:
        cascade: an IRNet cascade; its weights are copied.
        dtype: of weights and features; float32 or bfloat16. Confidence is always float32.

    Raises:
        FusionError: a stage holds a module that cannot be fused; the message names it.
    """

    def __init__(self, cascade: LayerCascade, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.rho, self.meta, self.config = cascade.rho, cascade.meta, cascade.config
        self.dtype, self.mean, self.std = dtype, cascade.mean, cascade.std
        if cascade.config.get("network") not in {variant.name for variant in VARIANTS.values()}:
            raise FusionError("only cascades made by irnet_lc have a fused form; run this one as it is")
        channels = [_conv_of(cast(ConvNorm, head[0])).in_channels for head in cast(list[nn.Sequential], cascade.heads)]
        self.stages = [TwoForms(folded(cascade.stages[0], dtype))]
        for stage, c in zip(cascade.stages[1:], channels, strict=False):
            self.stages.append(TwoForms(folded(stage, dtype), _stage(stage, c, dtype)))
        self.heads = [TwoForms(folded(cascade.heads[0], dtype))]
        for head, c in zip(cascade.heads[1:], channels[1:], strict=True):
            self.heads.append(TwoForms(folded(head, dtype), _chain(head, c, dtype)))

    @property
    def stage_count(self) -> int:
        """S."""
        return len(self.stages)

    @property
    def stem(self) -> nn.Module:
        """The strided beginning of stage 1."""
        return cast(nn.Sequential, self.stages[0].dense)[0]

    def _walk(self, x: Tensor, ledger: ExitLedger, halo: int) -> Iterator[Tensor]:
        features, region = self.normalise(x).to(self.dtype), None  # no region: a map of all cells
        for s, (stage, head) in enumerate(zip(self.stages, self.heads, strict=True)):
            if s:
                wanted = Region(ledger.open)  # type: ignore[arg-type]
                if len(wanted) == 0:
                    return
                features, region = _restricted(features, region, wanted.grow(halo))
            features = stage(features, region)
            shape = (features.shape[0], *features.shape[2:]) if region is None else tuple(region.shape)
            if s < len(ledger.rho) and ledger.rho[s] == 1:
                ledger.pass_on(shape, features.device)  # nobody leaves here, so nobody needs its classifier
            else:
                logits = head(features, region)
                ledger.accept(logits if region is None else _to_map(logits[:-1], region))
            if region is None:
                yield torch.ones(shape[0], device=x.device)
            else:
                yield region.counts() / max(1, shape[1] * shape[2])

    def all_stages(self, x: Tensor) -> StageLogits:
        """Every stage on every cell: S maps (B, K, h, w)."""
        features, maps = self.normalise(x).to(self.dtype), []
        for stage, head in zip(self.stages, self.heads, strict=True):
            features = stage(features, None)
            maps.append(head(features, None))
        return StageLogits(maps, x.shape[2:])


class TwoForms:
    """A stage or a classifier.

    Args:
        dense: of a map.
        rows: of rows on a region; None for what only ever sees maps.
    """

    def __init__(self, dense: nn.Module, rows: RowFunction | None = None) -> None:
        self.dense, self.rows = dense, rows

    def __call__(self, features: Tensor, region: Region | None) -> Tensor:
        """(B, C, h, w) -> (B, C', h, w) without a region; with one (N + 1, C) -> (N + 1, C')."""
        if region is None:
            return self.dense(features)
        assert self.rows is not None, "stage 1 has no region"
        return self.rows(features, region)


def _restricted(features: Tensor, region: Region | None, part: Region) -> tuple[Tensor, Region | None]:
    """A map, or rows of a region, at the cells of `part`: a map still where that is all of them."""
    if region is not None:
        return pack(features, region.rows_of(part)), part
    if part.is_full:
        return features, None
    return pack(features.permute(0, 2, 3, 1).flatten(0, 2), part.index), part


def _to_map(rows: Tensor, region: Region) -> Tensor:
    """(N, K) -> (B, K, h, w), zero outside the region."""
    batch, height, width = region.shape
    cells = rows
    if not region.is_full:
        cells = rows.new_zeros(region.mask.numel(), rows.shape[1]).index_copy_(0, region.index, rows)
    return cells.view(batch, height, width, -1).permute(0, 3, 1, 2)


def _conv_of(module: ConvNorm) -> nn.Conv2d:
    return cast(nn.Conv2d, module[0])


def _fused(module: ConvNorm, dtype: torch.dtype) -> nn.Conv2d:
    folded = fuse_conv_bn_eval(_conv_of(module), cast(nn.BatchNorm2d, module[1]))
    return folded.requires_grad_(False).to(dtype).to(memory_format=torch.channels_last)


def _stage(stage: nn.Module, channels: int, dtype: torch.dtype) -> RowFunction:
    """The blocks of a stage as functions of rows, one after the other."""
    functions: list[RowFunction] = []
    for block in stage:  # type: ignore[attr-defined]
        if isinstance(block, Residual):
            functions.append(_residual(block, channels, dtype))
        elif isinstance(block, Branches):
            fork = Fork([_chain(b, channels, dtype) for b in block.branches])
            functions.append(fork)
            channels = fork.outputs
        elif isinstance(block, ConvNorm):
            functions.append(chain := _chain(block, channels, dtype))
            channels = chain.outputs
        else:
            raise FusionError(f"{type(block).__name__} has no fused form; run the cascade as it is")

    def run(rows: Tensor, region: Region) -> Tensor:
        for function in functions:
            rows = function(rows, region)
        return rows

    return run


def _residual(block: Residual, channels: int, dtype: torch.dtype) -> ResidualSum:
    fork = Fork([_chain(b, channels, dtype) for b in block.branches.branches], spare=1)
    weight, bias = block.up.weight[:, :, 0, 0].detach(), block.up.bias.detach()  # type: ignore[union-attr]
    rectified = isinstance(block.relu, nn.ReLU)
    return ResidualSum(fork, (weight * block.scale).to(dtype), (bias * block.scale).to(dtype), rectified)


def _chain(branch: nn.Module, channels: int, dtype: torch.dtype) -> Chain:
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


def on_rows(module: nn.Module, channels: int, dtype: torch.dtype = torch.float32) -> RowFunction:
    """One block, head or layer of IRNet as a function of packed rows, for trying it apart from its network.

    Args:
        module: in evaluation mode; its weights are copied.
        channels: that it takes.
        dtype: of weights and features.

    Returns:
        ((N + 1, C) rows, region) -> (N + 1, O) rows; a residual block overwrites the rows it is given.

    Raises:
        FusionError: the module has no fused form.
    """
    if isinstance(module, Residual):
        return _residual(module, channels, dtype)
    if isinstance(module, Branches):
        return Fork([_chain(b, channels, dtype) for b in module.branches])
    return _chain(nn.Sequential(module) if isinstance(module, nn.Conv2d) else module, channels, dtype)
