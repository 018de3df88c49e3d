"""The losses.

Shape letters: B images, K classes, S stages, h, w cells, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from lcnb.datasets import SegmentationDataset, class_shares
from lcnb.models import to_pixels


def class_weights(dataset: SegmentationDataset, c: float) -> Tensor:
    """(K,) float32: 1 / log(c + share of the class), scaled to a mean of 1 (Paszke et al., ENet).

    Args:
        dataset: whose masks are counted, every one.
        c: above 1; the larger, the more even the weights.

    Raises:
        DataError: a mask is missing or damaged, or holds a label outside the classes.
    """
    weights = 1 / torch.log(c + class_shares(dataset))
    return (weights / weights.mean()).float()


def stage_losses(
    logits: Sequence[Tensor],
    target: Tensor,
    stage_weights: Sequence[float],
    weight: Tensor | None,
    ignore_index: int,
    reached: Sequence[Tensor] | None = None,
) -> Tensor:
    """Sum of the stages' per-pixel softmax losses.

    Each is the mean over the labelled pixels that count for the stage, weighted by class; 0 where there are none.
    With several processes the mean is over the pixels of all of them.

    Args:
        logits: up to S maps (B, K, h, w), upsampled bilinearly to the target here.
        target: (B, H, W) int64.
        stage_weights: a factor for each stage; a stage without logits (nothing reached it) adds nothing.
        weight: (K,) or None.
        ignore_index: target value that counts for nothing.
        reached: for each map, the (B, h, w) bool map of the cells whose pixels count: the second step of
            training (paper, section 3.4). All of them if None: deep supervision, the first step.

    Returns:
        () float32.
    """
    total = torch.zeros((), device=target.device)
    for s, (factor, maps) in enumerate(zip(stage_weights, logits, strict=False)):
        wanted = target
        if reached is not None:
            wanted = target.masked_fill(~to_pixels(reached[s], target.shape[1:]), ignore_index)
        labelled = wanted[wanted != ignore_index]
        counted = torch.ones_like(labelled, dtype=torch.float32) if weight is None else weight[labelled]
        full = F.interpolate(maps.float(), size=target.shape[1:], mode="bilinear", align_corners=False)
        loss = F.cross_entropy(full, wanted, weight=weight, ignore_index=ignore_index, reduction="sum")
        total = total + factor * loss / _share_of_all(counted.sum()).clamp(min=1e-6)  # 0 / 1e-6 where none counts
    return total


def _share_of_all(count: Tensor) -> Tensor:
    """This process's divisor: gradients are averaged over processes, so it is the mean of their counts."""
    if not (dist.is_available() and dist.is_initialized()):
        return count
    count = count.detach().clone()
    dist.all_reduce(count)
    return count / dist.get_world_size()
