"""Layers that do not learn cost less: batch-norm that is frozen becomes part of the convolution before it.

The numbers are those of the two layers one after the other, up to rounding, in both directions. A convolution stays
what it is, such as `lcnb.regions.depthwise.DepthwiseConv`, whose gradients are faster on a CPU.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

import torch
from torch import Tensor, nn

from lcnb.models.folding import foldable


def fold_frozen_norms(model: nn.Module) -> None:
    """Let every convolution directly in front of a frozen batch-norm compute both; undone by `unfold`.

    Modules, parameters and the state dict stay as they are. A frozen norm is one in eval mode whose parameters do not
    learn. A convolution with a forward pass of its own stays apart: it need not reach `_conv_forward`.
    """
    for module in list(model.modules()):
        if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
            for conv, norm in itertools.pairwise(module):
                if foldable(conv) and type(norm) is nn.BatchNorm2d and _is_frozen(norm):
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
    return type(conv)._conv_forward(conv, x, weight * factor, shift)
