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
from lcnb.models.labels import to_pixels, upsampled


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
    wanted = [target] * len(stage_weights)
    if reached is not None:
        cells = [*reached, *[torch.zeros_like(reached[0])] * (len(stage_weights) - len(reached))]
        wanted = [target.masked_fill(~to_pixels(c, target.shape[1:]), ignore_index) for c in cells]
    counted = torch.stack([_weight_of(t[t != ignore_index], weight) for t in wanted])
    divisor = _share_of_all(counted).clamp(min=1e-6)  # 0 / 1e-6 where nothing counts
    total = torch.zeros((), device=target.device)
    for s, maps in enumerate(logits):
        full = upsampled(maps, target.shape[1:])
        loss = F.cross_entropy(full, wanted[s], weight=weight, ignore_index=ignore_index, reduction="sum")
        total = total + stage_weights[s] * loss / divisor[s]
    return total


def _weight_of(labels: Tensor, weight: Tensor | None) -> Tensor:
    """() float32: how much these (n,) labels count together."""
    return torch.tensor(float(labels.numel()), device=labels.device) if weight is None else weight[labels].sum()


def _share_of_all(counts: Tensor) -> Tensor:
    """This process's divisors: gradients are averaged over processes, so they are the means of their counts.

    One exchange for all stages, whether or not a cell of this process reached them: everyone takes part in it.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return counts
    counts = counts.detach().clone()
    dist.all_reduce(counts)
    return counts / dist.get_world_size()
