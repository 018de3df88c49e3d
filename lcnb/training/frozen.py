"""Layers that do not learn cost less: batch-norm that is frozen becomes part of the convolution before it.

Shape letters: B images, C channels, h, w cells, P kernel positions.

The numbers are those of the two layers one after the other, up to rounding, in both directions. On a CPU a dense
depthwise convolution of stride 1 also gets its gradients from the kernels of `lcnb.regions.native`, up to ten times as
fast as the library's.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lcnb.regions import Region, native


def fold_frozen_norms(model: nn.Module) -> None:
    """Let every convolution directly in front of a frozen batch-norm compute both; undone by `unfold`.

    Modules, parameters and the state dict stay as they are. A frozen norm is one in eval mode whose parameters do not
    learn.
    """
    for module in list(model.modules()):
        if isinstance(module, nn.Sequential):
            for conv, norm in itertools.pairwise(module):
                if type(norm) is nn.BatchNorm2d and isinstance(conv, nn.Conv2d) and _is_frozen(norm):
                    _fold(conv, norm)


def unfold(model: nn.Module) -> None:
    """Give every module its own forward pass back."""
    for module in model.modules():
        for name in ("_conv_forward", "forward"):
            module.__dict__.pop(name, None)


def _is_frozen(norm: nn.BatchNorm2d) -> bool:
    return not norm.training and not any(p.requires_grad for p in norm.parameters())


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = (norm.weight * torch.rsqrt(norm.running_var + norm.eps)).detach()
    own = 0.0 if conv.bias is None else conv.bias.detach()
    shift = norm.bias.detach() + (own - norm.running_mean) * factor
    conv._conv_forward = functools.partial(_convolve, conv, factor[:, None, None, None], shift)  # type: ignore[method-assign]
    norm.forward = _same  # type: ignore[method-assign, assignment]


def _same(x: Any) -> Any:
    return x


def _convolve(conv: nn.Conv2d, factor: Tensor, shift: Tensor, x: Any, weight: Tensor, _: Tensor | None) -> Any:
    """`conv._conv_forward` with the norm in its weight and bias; x may be a `RegionTensor`."""
    weight = weight * factor
    if isinstance(x, Tensor) and _is_depthwise(conv) and x.dtype == torch.float32 and not x.is_cuda:
        found = native.kernels()
        if found is not None and not torch.is_autocast_enabled("cpu"):
            dilation = (conv.dilation[0], conv.dilation[1])
            return _Depthwise.apply(x, weight, dilation, found) + shift[:, None, None]
    return F.conv2d(x, weight, shift, conv.stride, conv.padding, conv.dilation, conv.groups)


def _is_depthwise(conv: nn.Conv2d) -> bool:
    alone = conv.groups == conv.in_channels == conv.out_channels > 1 and conv.padding_mode == "zeros"
    kept = [d * (k // 2) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
    return alone and conv.stride == (1, 1) and list(conv.padding) == kept and all(k % 2 for k in conv.kernel_size)


@functools.lru_cache(maxsize=32)
def _table(shape: tuple[int, int, int], kernel: tuple[int, int], dilation: tuple[int, int]) -> Tensor:
    """The neighbour table of a whole map."""
    return Region(torch.ones(shape, dtype=torch.bool)).neighbours(kernel, dilation)


class _Depthwise(torch.autograd.Function):
    """(B, C, h, w), (C, 1, kh, kw) -> (B, C, h, w)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, dilation: tuple[int, int], found: Any) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(x, weight)
        ctx.dilation, ctx.found = dilation, found
        padding = [d * (k // 2) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        return F.conv2d(x, weight, None, 1, padding, dilation, weight.shape[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        (batch, channels, height, width), kernel = x.shape, tuple(weight.shape[2:])
        table = _table((batch, height, width), kernel, ctx.dilation)
        slope = grad.permute(0, 2, 3, 1).reshape(-1, channels)
        to_x = to_weight = None
        if ctx.needs_input_grad[0]:  # a depthwise convolution with the kernel turned
            turned = weight.flip(2, 3).flatten(1).t()
            rows = native.depthwise(ctx.found, slope, turned, table)
            to_x = rows.view(batch, height, width, channels).permute(0, 3, 1, 2)
        if ctx.needs_input_grad[1]:
            rows = x.permute(0, 2, 3, 1).reshape(-1, channels)
            to_weight = native.depthwise_gradient(ctx.found, rows, slope, table).t().reshape(weight.shape)
        return to_x, to_weight, None, None
