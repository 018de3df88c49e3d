"""Depthwise convolutions of a whole map by the kernels for regions, where those are faster than the library's.

Shape letters: B images, C channels, h, w cells.

On a CPU the library computes a widely dilated depthwise convolution of a channels-last map many times more slowly than
the table kernels of native.c do, and the gradients of any depthwise convolution too.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.amp import custom_bwd, custom_fwd
from torch.autograd.function import once_differentiable

from lcnb.regions import native
from lcnb.regions.region import Pair, Region

FAR = 8
"""Cells from the centre of a kernel to its rim from which the library has no fast code (a 5x5 kernel with dilation 4,
say); nearer, it is the faster one."""


def depthwise(x: Tensor, weight: Tensor, dilation: Pair, bias: Tensor | None = None) -> Tensor:
    """`F.conv2d` of stride 1 with as many groups as channels, padded to keep the size.

    Args:
        x: (B, C, h, w).
        weight: (C, 1, kh, kw), both sides odd.
        dilation: (dh, dw).
        bias: (C,).

    Returns:
        (B, C, h, w).
    """
    mixed = torch.is_autocast_enabled("cpu")
    known = {torch.float32, torch.bfloat16, torch.float16} if mixed else {torch.float32}
    fits = x.device.type == "cpu" and {x.dtype, weight.dtype} <= known
    recorded = torch.compiler.is_compiling() or torch.jit.is_tracing()  # exporters know the library's only
    slow = torch.is_grad_enabled() or (_is_far(weight, dilation) and not mixed)
    if fits and slow and not recorded and (found := native.kernels()) is not None:
        out = _Depthwise.apply(x, weight, dilation, found)
        return out if bias is None else out + bias[:, None, None]
    return _by_library(x, weight, dilation, bias)


class DepthwiseConv(nn.Conv2d):
    """A depthwise convolution of stride 1; a dense map takes the kernels for regions where those are faster."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # type: ignore[override]
        if isinstance(x, Tensor):
            return depthwise(x, weight, (self.dilation[0], self.dilation[1]), bias)
        return super()._conv_forward(x, weight, bias)


def _is_far(weight: Tensor, dilation: Pair) -> bool:
    return max(d * (k // 2) for d, k in zip(dilation, weight.shape[2:], strict=True)) >= FAR


def _by_library(x: Tensor, weight: Tensor, dilation: Pair, bias: Tensor | None = None) -> Tensor:
    padding = [d * (k // 2) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    return F.conv2d(x, weight, bias, 1, padding, dilation, weight.shape[0])


@functools.lru_cache(maxsize=32)
def _table(shape: tuple[int, int, int], kernel: Pair, dilation: Pair) -> Tensor:
    """The neighbour table of a whole map: in main memory, whatever the default device."""
    with torch.inference_mode(False):
        return Region.full(*shape, device="cpu").neighbours(kernel, dilation)


def _rows(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _map(rows: Tensor, like: Tensor) -> Tensor:
    batch, channels, height, width = like.shape
    return rows.view(batch, height, width, channels).permute(0, 3, 1, 2)


class _Depthwise(torch.autograd.Function):
    """(B, C, h, w), (C, 1, kh, kw) -> (B, C, h, w), in float32 under autocast too.

    torch 2.15's own weight gradient in bfloat16 reads memory that was never written where the kernel is dilated.
    """

    @staticmethod
    @custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx: Any, x: Tensor, weight: Tensor, dilation: Pair, found: native.Kernels) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(x, weight)
        ctx.dilation, ctx.found = dilation, found
        if not _is_far(weight, dilation):
            return _by_library(x, weight, dilation)
        table = _table((len(x), *x.shape[2:]), tuple(weight.shape[2:]), dilation)  # type: ignore[arg-type]
        return _map(native.depthwise(found, _rows(x), weight.flatten(1).t(), table), x)

    @staticmethod
    @custom_bwd(device_type="cpu")
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        table = _table((len(x), *x.shape[2:]), tuple(weight.shape[2:]), ctx.dilation)  # type: ignore[arg-type]
        slope = _rows(grad)
        to_x = to_weight = None
        if ctx.needs_input_grad[0]:  # a depthwise convolution with the kernel turned
            to_x = _map(native.depthwise(ctx.found, slope, weight.flip(2, 3).flatten(1).t(), table), x)
        if ctx.needs_input_grad[1]:
            to_weight = native.depthwise_gradient(ctx.found, _rows(x), slope, table).t().reshape(weight.shape)
        return to_x, to_weight, None, None
