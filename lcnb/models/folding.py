"""Batch-norm folded away: how any network of plain modules is made ready for dense inference.

Folding is exact up to rounding: in inference a batch-norm is one factor and one offset a channel, and both
can be moved into the convolution in front of it.
"""

from __future__ import annotations

import copy
import itertools
from typing import TypeGuard, TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def folded(network: Network, dtype: torch.dtype = torch.float32) -> Network:
    """A copy for inference: batch-norm folded, channels-last memory, no gradients.

    A batch-norm is folded where it follows its convolution directly inside an `nn.Sequential`; elsewhere it stays.

    Args:
        network: any modules, in training or evaluation mode; not changed.
        dtype: of weights, buffers and so of the features.
    """
    copied = copy.deepcopy(network).eval()
    for module in copied.modules():
        if isinstance(module, nn.Sequential):
            _fold_sequence(module)
    return copied.requires_grad_(False).to(dtype).to(memory_format=torch.channels_last)


def foldable(module: object) -> TypeGuard[nn.Conv2d]:
    """Whether a norm can be folded into a module: a convolution that uses its weight and bias as they stand.

    One with a `forward` of its own may standardise or scale them first.
    """
    return isinstance(module, nn.Conv2d) and type(module).forward is nn.Conv2d.forward


def _fold_sequence(sequence: nn.Sequential) -> None:
    parts = list(sequence)
    for i, (first, second) in enumerate(itertools.pairwise(parts)):
        if foldable(first) and isinstance(second, nn.BatchNorm2d):
            sequence[i] = fuse_conv_bn_eval(first, second)
            sequence[i + 1] = nn.Identity()
