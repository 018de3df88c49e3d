"""The `triton` backend: its kernels as PyTorch operators, `torch.ops.lcnb.region_conv` and its two companions.

Shape letters: N active cells, C channels, K kernel positions (kh * kw), O output channels.

As operators with a shape function, a derivative and a count of operations they are seen through by `torch.compile`,
autograd and `torch.utils.flop_counter.FlopCounterMode`. The schemas are spelled out, so that every torch from 2.4 on
reads them alike. Importing this file imports triton; `lcnb.regions.backends` does so when the backend is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lcnb.regions.counting import counts_as
from lcnb.regions.gather import GatherBackend
from lcnb.regions.region import Pair, Region
from lcnb.regions.triton_kernels import INTERPRETED
from lcnb.regions.triton_launch import convolve, weight_gradient

_INPUTS = "Tensor features, Tensor weight, Tensor? table, Tensor? bias, Tensor? residual, bool relu"
# No defaults: torch would leave such arguments out of what the derivative is told about.


@torch.library.custom_op("lcnb::region_conv", mutates_args=(), schema=f"({_INPUTS}) -> Tensor")
def region_conv(
    features: Tensor, weight: Tensor, table: Tensor | None, bias: Tensor | None, residual: Tensor | None, relu: bool
) -> Tensor:
    """relu(conv(features) + bias + residual) in one kernel, with autograd.

    Args:
        features: (N, C), float16, bfloat16 or float32 on a GPU. Float32 is multiplied as tf32 where
            `torch.backends.cudnn.conv.fp32_precision` says so. Sums are float32 always.
        weight: (O, C, kh, kw) of the same dtype; stored channels-last it is not copied.
        table: (N, kh * kw) int64, `Region.neighbours(kernel, dilation)`; None for a 1x1 kernel.
        bias: (O,).
        residual: (N, O), added before the ReLU.
        relu: whether a ReLU follows.

    Returns:
        (N, O).

    Raises:
        TypeError: dtypes differ.
        ValueError: shapes do not fit.
    """
    _check(features, weight, table, bias, residual)
    out = features.new_empty(features.shape[0], weight.shape[0])
    convolve(features, weight, table, bias, residual, relu, out)
    return out


@torch.library.custom_op("lcnb::region_conv_into", mutates_args=("out",), schema=f"(Tensor(a!) out, {_INPUTS}) -> ()")
def region_conv_into(
    out: Tensor, features: Tensor, weight: Tensor, table: Tensor | None, bias: Tensor | None,
    residual: Tensor | None, relu: bool,
) -> None:  # fmt: skip
    """`region_conv` into (N, O) columns that are there already, such as a slice of a concatenation; no autograd.

    Args:
        out: (N, O), columns next to each other, memory not shared with `features`; it may be `residual`.
        features, weight, table, bias, residual, relu: as for `region_conv`.

    Raises:
        TypeError: dtypes differ.
        ValueError: shapes do not fit, or the columns of `out` are apart.
    """
    _check(features, weight, table, bias, residual)
    if out.shape != (features.shape[0], weight.shape[0]) or (out.shape[1] > 1 and out.stride(1) != 1):
        raise ValueError(
            f"out of shape {tuple(out.shape)} and strides {out.stride()} cannot take "
            f"({features.shape[0]}, {weight.shape[0]}) with columns next to each other"
        )
    if out.dtype != features.dtype:
        raise TypeError(f"out is {out.dtype}, the features are {features.dtype}; make them the same")
    convolve(features, weight, table, bias, residual, relu, out)


@torch.library.custom_op(
    "lcnb::region_conv_weight_gradient", mutates_args=(),
    schema="(Tensor features, Tensor slope, Tensor table, int[] kernel) -> Tensor",
)  # fmt: skip
def region_conv_weight_gradient(features: Tensor, slope: Tensor, table: Tensor, kernel: Sequence[int]) -> Tensor:
    """(N, C) features and (N, O) gradient of the output -> (O, C, kh, kw) gradient of the weight."""
    total = weight_gradient(features, slope, table)  # (O, K, C)
    shaped = total.view(len(total), kernel[0], kernel[1], -1).permute(0, 3, 1, 2)
    return shaped.to(features.dtype, memory_format=torch.contiguous_format)


def _check(
    features: Tensor, weight: Tensor, table: Tensor | None, bias: Tensor | None, residual: Tensor | None
) -> None:
    given = [t for t in (weight, bias, residual) if t is not None]
    if any(t.dtype != features.dtype for t in given):
        raise TypeError(f"the features are {features.dtype}, the rest {[t.dtype for t in given]}; make them the same")
    outputs, channels, *kernel = weight.shape
    rows = features.shape[0]
    wanted = {
        "features": (features, (rows, channels)),
        "table": (table, (rows, prod(kernel))),
        "bias": (bias, (outputs,)),
        "residual": (residual, (rows, outputs)),
    }
    for name, (tensor, shape) in wanted.items():
        if tensor is not None and tuple(tensor.shape) != shape:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}; a weight of {tuple(weight.shape)} needs {shape}")
    if table is None and tuple(kernel) != (1, 1):
        raise ValueError(f"a kernel of {tuple(kernel)} needs a neighbour table: `region.neighbours(kernel, dilation)`")


# Shapes, for torch.compile.


@region_conv.register_fake
def _(features: Tensor, weight: Tensor, *_: Any, **__: Any) -> Tensor:
    return features.new_empty(features.shape[0], weight.shape[0])


@region_conv_into.register_fake
def _(*_: Any, **__: Any) -> None:
    return None


@region_conv_weight_gradient.register_fake
def _(features: Tensor, slope: Tensor, table: Tensor, kernel: Sequence[int]) -> Tensor:
    return features.new_empty(slope.shape[1], features.shape[1], *kernel)


# The derivative.


def _keep(ctx: Any, inputs: tuple, output: Tensor) -> None:
    features, weight, table, _bias, _residual, relu = inputs
    ctx.save_for_backward(features, weight, table, output if relu else None)


def _backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
    """Gradients of features, weight, bias and residual.

    Cell n is the neighbour of m at offset +d exactly when m is the neighbour of n at -d, so the gradient of the
    features is the same convolution over the same table, with the kernel turned and its channels exchanged.
    """
    features, weight, table, output = ctx.saved_tensors
    for_features, for_weight, _, for_bias, for_residual, _ = ctx.needs_input_grad
    if output is not None:
        slope = torch.where(output > 0, slope, 0)
    turned = weight.flip(2, 3).transpose(0, 1)
    to_features = region_conv(slope, turned, table, None, None, False) if for_features else None
    to_weight = _to_weight(features, slope, table, weight) if for_weight else None
    return to_features, to_weight, None, slope.sum(0) if for_bias else None, slope if for_residual else None, None


def _to_weight(features: Tensor, slope: Tensor, table: Tensor | None, weight: Tensor) -> Tensor:
    if table is None:
        return (slope.t() @ features).view(weight.shape)
    return region_conv_weight_gradient(features, slope, table, weight.shape[2:])


region_conv.register_autograd(_backward, setup_context=_keep)


# Operations (two for each multiply-add), for FlopCounterMode: as for a dense convolution, what a kernel reads beyond
# the border counts.


@counts_as(torch.ops.lcnb.region_conv)
def _conv_flops(features: Sequence[int], weight: Sequence[int], *_: Any, **__: Any) -> int:
    return 2 * features[0] * prod(weight)


@counts_as(torch.ops.lcnb.region_conv_into)
def _into_flops(out: Sequence[int], features: Sequence[int], weight: Sequence[int], *_: Any, **__: Any) -> int:
    return 2 * features[0] * prod(weight)


@counts_as(torch.ops.lcnb.region_conv_weight_gradient)
def _weight_flops(
    features: Sequence[int], slope: Sequence[int], table: Sequence[int], kernel: Sequence[int], *_: Any, **__: Any
) -> int:
    return 2 * features[0] * features[1] * slope[1] * prod(kernel)


class TritonBackend(GatherBackend):
    """Convolutions by the kernels of `triton_kernels.py`; pooling, and features that lie on a CPU, as `gather` does.

    Under Triton's interpreter it takes CPU features, and float64, in which gradients can be checked.
    """

    name = "triton"
    dtypes = frozenset({torch.float32, torch.float16, torch.bfloat16} | ({torch.float64} if INTERPRETED else set()))
    grouped = False

    def conv2d(
        self, features: Tensor, region: Region, weight: Tensor, bias: Tensor | None, dilation: Pair, groups: int
    ) -> Tensor:
        """(N, C) features, (O, C, kh, kw) weight, (O,) bias -> (N, O). Cells outside count as zero."""
        if not (features.is_cuda or INTERPRETED):
            return super().conv2d(features, region, weight, bias, dilation, groups)
        kernel = (weight.shape[2], weight.shape[3])
        if kernel == (1, 1):  # a plain product: nothing does it better than cuBLAS
            return F.linear(features, weight[:, :, 0, 0], bias)
        return region_conv(features, weight, region.neighbours(kernel, dilation), bias, None, False)
