"""The `gather` backend: torch only, any device and dtype, forward and backward.

Shape letters: N active cells, C channels, K kernel positions, O output channels, G groups.

The operand of the product, (rows, K * C), is gathered in blocks of rows that fit a cache, so the full
column matrix of the paper's im2col never exists. Depthwise and other grouped convolutions have little to
multiply per gathered value: they gather one kernel position at a time and add it to a block of results
that stays in the cache. The backward pass needs no scatter: cell n is the
neighbour of m at offset +d exactly when m is the neighbour of n at offset -d, so the gradient with
respect to the features is again a region convolution, with the kernel turned by 180 degrees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from lcnb.regions import native, products
from lcnb.regions.counting import counts_as, tell_counter
from lcnb.regions.region import Pair, Region

BLOCK_BYTES = 4 << 20  # of gathered operand at a time: it should stay in a cache
POSITION_BYTES = 1 << 20  # of neighbours at one kernel position, in a grouped convolution on a CPU


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
        """(N, C) -> (N, C); cells outside are zero padding, counted as the border is. Sums are float32 at least."""
        table = region.neighbours(kernel)
        padded = _with_row(features.to(_sums(features)), 0.0)
        total = sum((padded.index_select(0, column) for column in table.unbind(1)), torch.zeros_like(padded[:-1]))
        if divisor is None and not count_include_pad:
            total = total / (table < len(region)).sum(1, keepdim=True)
        else:
            total = total / (table.shape[1] if divisor is None else divisor)
        return total.to(features.dtype)


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


def _convolve(features: Tensor, weight: Tensor, table: Tensor, groups: int) -> Tensor:
    """(N, C) features and an (O, C / G, kh, kw) weight -> (N, O); no autograd."""
    if groups > 1:
        tell_counter()
        return grouped_conv(features, weight, table, groups)
    padded = _with_row(features, 0.0)
    # No copy when the weight is stored channels-last.
    matrix = weight.permute(0, 2, 3, 1).reshape(weight.shape[0], -1).t()
    out = features.new_empty(table.shape[0], weight.shape[0])
    start = 0
    for block in _blocks(table, features.shape[1], features.element_size()):
        columns = padded.index_select(0, block.flatten()).view(len(block), len(matrix))
        out[start : start + len(block)] = products.times(columns, matrix)
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
    """Gradient of the loss with respect to the weight, summed over the blocks in float32 at least."""
    outputs, channels, kh, kw = weight.shape
    if groups > 1:
        return grouped_conv_weight_gradient(features, grad, table, groups, (kh, kw))
    padded = _with_row(features, 0.0)
    total = weight.new_zeros(outputs, kh * kw * channels, dtype=_sums(weight))
    start = 0
    for block in _blocks(table, features.shape[1], features.element_size()):
        columns = padded.index_select(0, block.flatten()).view(len(block), total.shape[1])
        total += products.outer(grad[start : start + len(block)], columns)
        start += len(block)
    return total.view(outputs, kh, kw, channels).permute(0, 3, 1, 2).to(weight.dtype)


def _sums(values: Tensor) -> torch.dtype:
    """The dtype in which such values are added up: float32 for the 16-bit types."""
    return torch.promote_types(values.dtype, torch.float32)


# Grouped convolutions. As operators with a count they are seen by FlopCounterMode, which counts neither `addcmul_` nor
# `baddbmm_`. The schemas are spelled out: torch 2.4 does not read them off annotations that are strings.


@torch.library.custom_op(
    "lcnb::grouped_conv", mutates_args=(), schema="(Tensor features, Tensor weight, Tensor table, int groups) -> Tensor"
)
def grouped_conv(features: Tensor, weight: Tensor, table: Tensor, groups: int) -> Tensor:
    """A grouped convolution on a region, one kernel position after the other; no autograd.

    Args:
        features: (N, C), floating point. 16-bit features are multiplied and summed in float32.
        weight: (O, C / G, kh, kw) of the same dtype.
        table: (N, kh * kw) int64, `Region.neighbours(kernel, dilation)`.
        groups: G, which divides C and O; it may be C (depthwise).

    Returns:
        (N, O) of the dtype of the features.
    """
    outputs, per_group = weight.shape[:2]
    each = outputs // groups  # outputs of a group
    if (found := _kernels(features, per_group * each)) is not None:
        return native.depthwise(found, features, weight.flatten(1).t(), table)
    dtype = _sums(features)
    with torch.autocast(features.device.type, enabled=False):
        weight = weight.to(dtype).flatten(2)
        if each == 1 or per_group == 1:
            kernels = weight.flatten(0, 1).t().contiguous()  # (K, O C / G)
            out = features.new_zeros(len(table), kernels.shape[1], dtype=dtype)
            for rows, neighbours in _positions(_repeated(features, each), table):
                for near, kernel in zip(neighbours, kernels, strict=True):
                    out[rows].addcmul_(near, kernel)
            if per_group > 1:
                out = out.unflatten(1, (outputs, per_group)).sum(2)
        else:
            kernels = weight.unflatten(0, (groups, each)).permute(3, 0, 2, 1).contiguous()  # (K, G, C / G, O / G)
            out = features.new_empty(len(table), outputs)
            for rows, neighbours in _positions(features, table):
                result = out.new_zeros(groups, rows.stop - rows.start, each, dtype=dtype)
                for near, kernel in zip(neighbours, kernels, strict=True):
                    result.baddbmm_(near.unflatten(1, (groups, per_group)).transpose(0, 1), kernel)
                out[rows] = result.transpose(0, 1).flatten(1)
    return out.to(features.dtype)


@torch.library.custom_op(
    "lcnb::grouped_conv_weight_gradient", mutates_args=(),
    schema="(Tensor features, Tensor slope, Tensor table, int groups, int[] kernel) -> Tensor",
)  # fmt: skip
def grouped_conv_weight_gradient(
    features: Tensor, slope: Tensor, table: Tensor, groups: int, kernel: Sequence[int]
) -> Tensor:
    """(N, C) features and the (N, O) gradient of the output -> (O, C / G, kh, kw), the gradient of the weight.

    16-bit values are multiplied and summed in float32.
    """
    per_group, each = features.shape[1] // groups, slope.shape[1] // groups
    if (found := _kernels(features, per_group * each)) is not None:
        gradient = native.depthwise_gradient(found, features, slope, table).t().contiguous()
        return gradient.view(len(gradient), 1, *kernel)
    total = features.new_zeros(table.shape[1], groups, each, per_group, dtype=_sums(features))
    with torch.autocast(features.device.type, enabled=False):
        if each == 1 or per_group == 1:
            for rows, neighbours in _positions(_repeated(features, each), table):
                part = _repeated(slope[rows], per_group).to(total.dtype)
                for near, summed in zip(neighbours, total, strict=True):
                    summed += near.mul_(part).sum(0).view(summed.shape)
        else:
            for rows, neighbours in _positions(features, table):
                part = slope[rows].to(total.dtype).unflatten(1, (groups, each)).permute(1, 2, 0)
                for near, summed in zip(neighbours, total, strict=True):
                    summed.baddbmm_(part, near.unflatten(1, (groups, per_group)).transpose(0, 1))
    gradient = total.flatten(1, 2).permute(1, 2, 0).to(features.dtype).contiguous()
    return gradient.unflatten(2, tuple(kernel))


def _kernels(features: Tensor, products: int) -> native.Kernels | None:
    """Our kernels for a CPU, where there are some and they do this: depthwise, with one output per channel."""
    fits = products == 1 and features.dtype == torch.float32 and features.device.type == "cpu"
    return native.kernels() if fits else None


def _positions(features: Tensor, table: Tensor) -> Iterator[tuple[slice, Iterator[Tensor]]]:
    """Blocks of rows, each with the (n, C) features of its neighbours at one kernel position after the other.

    The features are float32 at least, and lie in the same memory for all positions. A block fits a cache, except on
    a GPU, where all rows are one block.
    """
    padded = _with_row(features.to(_sums(features)), 0.0)
    fitting = POSITION_BYTES // max(1, padded.shape[1] * padded.element_size())
    step = max(1, fitting if features.device.type == "cpu" else len(table))
    buffer, columns = padded.new_empty(min(step, len(table)), padded.shape[1]), table.t().contiguous()
    for start in range(0, len(table), step):
        block = columns[:, start : start + step]
        near = buffer[: block.shape[1]]
        yield slice(start, start + len(near)), (torch.index_select(padded, 0, rows, out=near) for rows in block)


def _repeated(rows: Tensor, times: int) -> Tensor:
    """(n, C) -> (n, C * times), each column `times` times in a row; no copy for one time."""
    return rows[:, :, None].expand(-1, -1, times).flatten(1)


@grouped_conv.register_fake
def _(features: Tensor, weight: Tensor, *_: Any, **__: Any) -> Tensor:
    return features.new_empty(features.shape[0], weight.shape[0])


@grouped_conv_weight_gradient.register_fake
def _(features: Tensor, slope: Tensor, table: Tensor, groups: int, kernel: Sequence[int]) -> Tensor:
    return features.new_empty(slope.shape[1], features.shape[1] // groups, *kernel)


@counts_as(torch.ops.lcnb.grouped_conv)
def _conv_flops(features: Sequence[int], weight: Sequence[int], *_: Any, **__: Any) -> int:
    return 2 * features[0] * prod(weight)


@counts_as(torch.ops.lcnb.grouped_conv_weight_gradient)
def _weight_flops(
    features: Sequence[int], slope: Sequence[int], table: Sequence[int], groups: int, kernel: Sequence[int],
    *_: Any, **__: Any,
) -> int:  # fmt: skip
    return 2 * features[0] * slope[1] * (features[1] // groups) * prod(kernel)


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
