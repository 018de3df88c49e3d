"""A cascade prepared for inference: everything behind the stem runs on packed rows of the open cells.

Shape letters: B images, K classes, C channels, h, w the grid, N open cells, S stages.

1x1 convolutions, most of the work, are products of rows whatever the region. A layer that looks at neighbours
gathers them, or spreads the rows over a map and takes the machine's dense convolution, whichever is sooner for the
share of cells that are open: all of them in stage 1, fewer behind each exit (`lcnb.regions.spatial`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lcnb.models.cascade import VARIANTS, CascadeRuns, LayerCascade, StageLogits
from lcnb.models.checks import check_picture
from lcnb.models.entry import Entry
from lcnb.models.exits import ExitLedger
from lcnb.models.folding import folded
from lcnb.models.irnet import Branches, ConvNorm, Residual
from lcnb.regions import Region
from lcnb.regions.rows import Chain, Fork, Layer, Product, ResidualSum
from lcnb.regions.spatial import Gathered, Maximum, Projected, Spatial
from lcnb.regions.workspace import Memory, Workspace, teach_allocator

NARROW = 4
"""A k x k convolution is projected first where it has this many times fewer outputs than inputs."""


class FusionError(TypeError):
    """A module that has no fused form."""


class FusedCascade(CascadeRuns):
    """What `LayerCascade.for_inference` returns: the same answers, sooner.

    Args:
        cascade: an IRNet cascade; its weights are copied.
        dtype: of weights and features; float32 or bfloat16. Confidence is always float32.

    Attributes:
        entry: stage 1 and its classifier in another form (`lcnb.models.entry`); on rows, like the others, if None.

    Raises:
        FusionError: a stage holds a module that cannot be fused; the message names it.
    """

    def __init__(self, cascade: LayerCascade, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise FusionError(f"dtype is torch.float32 or torch.bfloat16, got {dtype!r}")
        self.rho, self.meta, self.config = cascade.rho, cascade.meta, cascade.config
        self.dtype, self.mean, self.std = dtype, cascade.mean, cascade.std
        if cascade.config.get("network") not in {variant.name for variant in VARIANTS.values()}:
            raise FusionError("only cascades made by irnet_lc have a fused form; run this one as it is")
        first, *others = cast(list[nn.Sequential], list(cascade.stages))
        heads = cast(list[nn.Sequential], list(cascade.heads))
        widths = [_conv_of(cast(ConvNorm, head[0])).in_channels for head in heads]
        self.entry: Entry | None = None
        self.stem = folded(first[0], dtype)
        entry = _conv_of(next(m for m in first[1].modules() if isinstance(m, ConvNorm))).in_channels
        self.stages = [RowStage(list(first)[1:], entry, dtype)]
        self.stages += [RowStage(list(stage), c, dtype) for stage, c in zip(others, widths, strict=False)]
        self.heads = [_chain(head, c, dtype) for head, c in zip(heads, widths, strict=True)]
        self._memory = Memory()
        teach_allocator(self.mean.device)

    @property
    def stage_count(self) -> int:
        """S."""
        return len(self.stages)

    def workspace(self, region: Region, like: Tensor) -> Workspace:
        """What a stage or a classifier takes beside its rows.

        Args:
            region: of the rows.
            like: rows of that dtype and device.
        """
        return Workspace(region, like, self._memory)

    def spatial(self) -> Iterator[Spatial]:
        """Every layer that looks at neighbours, and so can run in two ways."""
        ours = slice(0 if self.entry is None else 1, None)
        parts: list[RowStage | Chain] = [*self.stages[ours], *self.heads[ours]]
        return (layer for part in parts for layer in part.spatial())

    def _walk(self, x: Tensor, ledger: ExitLedger, halo: int) -> Iterator[Tensor]:
        rows, region, maps = self._first(x, classify=not ledger.rho or ledger.rho[0] < 1)
        _note(ledger, maps, region)
        yield torch.ones(x.shape[0], device=x.device)
        for s, (stage, head) in enumerate(zip(self.stages[1:], self.heads[1:], strict=True), 1):
            wanted = Region(ledger.open)  # type: ignore[arg-type]
            if len(wanted) == 0:
                return
            rows, region = self._restricted(rows, region, wanted.grow(halo))
            work = self.workspace(region, rows)
            rows = stage(rows, work)
            skipped = s < len(ledger.rho) and ledger.rho[s] == 1
            _note(ledger, None if skipped else _to_map(head(rows, work)[:-1], region), region)
            yield region.counts() / max(1, region.shape[1] * region.shape[2])

    def all_stages(self, x: Tensor) -> StageLogits:
        """Every stage on every cell: S maps (B, K, h, w)."""
        rows, region, first = self._first(x, classify=True)
        maps = [cast(Tensor, first)]
        for stage, head in zip(self.stages[1:], self.heads[1:], strict=True):
            work = self.workspace(region, rows)
            rows = stage(rows, work)
            maps.append(_to_map(head(rows, work)[:-1], region))
        return StageLogits(maps, x.shape[2:])

    def _first(self, x: Tensor, classify: bool) -> tuple[Tensor, Region, Tensor | None]:
        """Stage 1: its rows, the region of all cells and, where wanted, its (B, K, h, w) logits."""
        if self.entry is not None:
            check_picture(x, self.mean.shape[1])
            features, maps = self.entry(x, classify)
            return (*self._rows_of(features, "entry"), maps)
        rows, region = self._begin(x)
        work = self.workspace(region, rows)
        rows = self.stages[0](rows, work)
        return rows, region, _to_map(self.heads[0](rows, work)[:-1], region) if classify else None

    def _begin(self, x: Tensor) -> tuple[Tensor, Region]:
        """The stem's features as rows, and the region of all cells."""
        return self._rows_of(self.stem(self.normalise(x).to(self.dtype)), "stem")

    def _rows_of(self, features: Tensor, name: str) -> tuple[Tensor, Region]:
        """(B, C, h, w) -> (B h w + 1, C) rows, and the region of all cells."""
        batch, channels, height, width = features.shape
        region = Region.full(batch, height, width, features.device)
        rows, cells = self.workspace(region, features).rows(name, channels)
        cells.copy_(features.permute(0, 2, 3, 1).flatten(0, 2))
        return rows, region

    def _restricted(self, rows: Tensor, region: Region, part: Region) -> tuple[Tensor, Region]:
        """Rows of a region at the cells of `part`, all of which it has: no need to ask, and to wait for the answer."""
        if len(part) == len(region):
            return rows, region
        packed, cells = self.workspace(part, rows).rows("packed", rows.shape[1])
        torch.index_select(rows, 0, region.rank.flatten()[part.index], out=cells)
        return packed, part


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
        return rows

    def spatial(self) -> Iterator[Spatial]:
        """Its layers that look at neighbours."""
        return (layer for function in self.functions for layer in function.spatial())


def _note(ledger: ExitLedger, maps: Tensor | None, region: Region) -> None:
    """Tell the ledger what a stage said; nothing where its threshold is 1: nobody leaves, so nobody asks."""
    if maps is None:
        ledger.pass_on(region.shape, region.device)
    else:
        ledger.accept(maps)


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


def _block(block: nn.Module, channels: int, dtype: torch.dtype) -> Chain | Fork | ResidualSum:
    """One block as a function of rows."""
    if isinstance(block, Residual):
        return _residual(block, channels, dtype)
    if isinstance(block, Branches):
        return Fork([_chain(b, channels, dtype) for b in block.branches])
    if isinstance(block, ConvNorm):
        return _chain(block, channels, dtype)
    raise FusionError(f"{type(block).__name__} has no fused form; run the cascade as it is")


def _residual(block: Residual, channels: int, dtype: torch.dtype) -> ResidualSum:
    fork = Fork([_chain(b, channels, dtype) for b in block.branches.branches])
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
        build = _block if isinstance(module, (Residual, Branches)) else _chain
        self._function: Chain | Fork | ResidualSum = build(whole, channels, dtype)
        self._memory = Memory()

    def __call__(self, rows: Tensor, region: Region) -> Tensor:
        """(N + 1, C) -> (N + 1, O), good until the next call; a residual block overwrites the rows it is given."""
        return self._function(rows, Workspace(region, rows, self._memory))

    def spatial(self) -> Iterator[Spatial]:
        """Its layers that look at neighbours."""
        return self._function.spatial()
