"""The `gather` backend: torch only, any device and dtype, forward and backward.

Shape letters: N active cells, C channels, K kernel positions, O output channels, G groups.

The operand of the product, (rows, K * C), is gathered in blocks of rows that fit a cache, so the full
column matrix of the paper's im2col never exists. The backward pass needs no scatter: cell n is the
neighbour of m at offset +d exactly when m is the neighbour of n at offset -d, so the gradient with
respect to the features is again a region convolution, with the kernel turned by 180 degrees.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from lcnb.regions import products
from lcnb.regions.region import Pair, Region

BLOCK_BYTES = 4 << 20  # of gathered operand at a time: it should stay in a cache


class GatherBackend:
    """Region convolution and pooling by row gathers. The backend that every other one falls back to."""

    name = "gather"
    dtypes = frozenset({torch.float64, torch.float32, torch.float16, torch.bfloat16})
    grouped = True

    def conv2d(
        self, features: Tensor, region: Region, weight: Tensor, bias: Tensor | None, dilation: Pair, groups: int
    ) -> Tensor:
        """(N, C) features, (O, C / G, kh, kw) weight, (O,) bias -> (N, O). Cells outside count as zero."""
        if weight.shape[2:] == (1, 1) and groups == 1:
            return _alone(features, weight[:, :, 0, 0], bias)
        table = region.neighbours((weight.shape[2], weight.shape[3]), dilation)
        out = _GatherConv.apply(features, weight, table, groups)
        return out if bias is None else out + bias

    def max_pool2d(self, features: Tensor, region: Region, kernel: Pair, dilation: Pair) -> Tensor:
        """(N, C) -> (N, C), the maximum over active neighbours; cells outside are left out (-inf)."""
        return _GatherMax.apply(features, region.neighbours(kernel, dilation))

    def avg_pool2d(
        self, features: Tensor, region: Region, kernel: Pair, count_include_pad: bool, divisor: int | None
    ) -> Tensor:
        """(N, C) -> (N, C); cells outside are zero padding, counted as the border is."""
        table = region.neighbours(kernel)
        padded = _with_row(features, 0.0)
        total = sum((padded.index_select(0, column) for column in table.unbind(1)), torch.zeros_like(features))
        if divisor is not None:
            return total / divisor
        if count_include_pad:
            return total / table.shape[1]
        return total / (table < len(region)).sum(1, keepdim=True).to(total.dtype)


def _with_row(features: Tensor, value: float) -> Tensor:
    """(N, C) -> (N + 1, C): the row that a neighbour table's value N points to."""
    return torch.cat([features, features.new_full((1, features.shape[1]), value)])


def _blocks(table: Tensor, channels: int, element_size: int) -> list[Tensor]:
    """The table cut into row blocks whose gathered operand takes about `BLOCK_BYTES`."""
    rows = BLOCK_BYTES // max(1, table.shape[1] * channels * element_size)
    return list(table.split(max(products.STEP, rows // products.STEP * products.STEP)))


def _alone(features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A 1x1 convolution: (N, C) features, (O, C) weight, (O,) bias -> (N, O)."""
    if not (products.compiled_by_shape(features) or products.better_convolved(features)):
        return F.linear(features, weight, bias)
    out = products.Linear.apply(features, weight)
    return out if bias is None else out + bias


def _multiply(columns: Tensor, weight: Tensor, groups: int) -> Tensor:
    """(n, K, C) gathered columns times an (O, C / G, kh, kw) weight -> (n, O)."""
    rows, _, channels = columns.shape
    outputs = weight.shape[0]
    if groups == 1:
        # No copy when the weight is stored channels-last.
        return products.times(columns.flatten(1), weight.permute(0, 2, 3, 1).reshape(outputs, -1).t())
    grouped = columns.view(rows, columns.shape[1], groups, channels // groups)
    kernels = weight.flatten(2).view(groups, outputs // groups, channels // groups, columns.shape[1])
    return torch.einsum("nkgc,gock->ngo", grouped, kernels).reshape(rows, outputs)


def _convolve(features: Tensor, weight: Tensor, table: Tensor, groups: int) -> Tensor:
    """The blocked product; no autograd."""
    padded = _with_row(features, 0.0)
    out = features.new_empty(table.shape[0], weight.shape[0])
    start = 0
    for block in _blocks(table, features.shape[1], features.element_size()):
        columns = padded.index_select(0, block.flatten()).view(*block.shape, features.shape[1])
        out[start : start + len(block)] = _multiply(columns, weight, groups)
        start += len(block)
    return out


class _GatherMax(torch.autograd.Function):
    """Blocked like the product; the gradient goes to the one winning cell, as in `F.max_pool2d`."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, table: Tensor) -> Tensor:  # type: ignore[override]
        padded = _with_row(features, float("-inf"))
        pieces, winners = [], []
        for block in _blocks(table, features.shape[1], features.element_size()):
            columns = padded.index_select(0, block.flatten()).view(*block.shape, features.shape[1])
            if ctx.needs_input_grad[0]:
                best = columns.max(dim=1)
                pieces.append(best.values)
                winners.append(block.gather(1, best.indices))
            else:
                pieces.append(columns.amax(dim=1))
        if winners:
            ctx.save_for_backward(torch.cat(winners))
        return torch.cat(pieces)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        (winners,) = ctx.saved_tensors
        # The centre cell is active, so no winner points past the last row.
        return torch.zeros_like(grad).scatter_add_(0, winners, grad), None


def _turn(weight: Tensor, groups: int) -> Tensor:
    """(O, C / G, kh, kw) -> (C, O / G, kh, kw): the kernel of the transposed convolution."""
    outputs, per_group, kh, kw = weight.shape
    grouped = weight.flip(2, 3).view(groups, outputs // groups, per_group, kh, kw)
    return grouped.transpose(1, 2).reshape(groups * per_group, outputs // groups, kh, kw)


def _weight_gradient(features: Tensor, grad: Tensor, weight: Tensor, table: Tensor, groups: int) -> Tensor:
    """Gradient of the loss with respect to the weight, accumulated block by block."""
    outputs, per_group, kh, kw = weight.shape
    padded = _with_row(features, 0.0)
    total = weight.new_zeros(groups, outputs // groups, kh * kw, per_group)
    start = 0
    for block in _blocks(table, features.shape[1], features.element_size()):
        columns = padded.index_select(0, block.flatten()).view(*block.shape, groups, per_group)
        slope = grad[start : start + len(block)].view(len(block), groups, outputs // groups)
        if groups == 1:
            total[0] += products.outer(slope[:, 0], columns.flatten(1)).view(total.shape[1:])
        else:
            total += torch.einsum("ngo,nkgc->gokc", slope, columns)
        start += len(block)
    return total.permute(0, 1, 3, 2).reshape(outputs, per_group, kh, kw)


class _GatherConv(torch.autograd.Function):
    """Keeps only the features for the backward pass, not their K-fold columns."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, table: Tensor, groups: int) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(features, weight, table)
        ctx.groups = groups
        return _convolve(features, weight, table, groups)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:  # type: ignore[override]
        features, weight, table = ctx.saved_tensors
        grad = grad.contiguous()
        to_features = _convolve(grad, _turn(weight, ctx.groups), table, ctx.groups) if ctx.needs_input_grad[0] else None
        to_weight = _weight_gradient(features, grad, weight, table, ctx.groups) if ctx.needs_input_grad[1] else None
        return to_features, to_weight, None, None
