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
    """(K,) float32: 1 / log(c + fraction of the class), scaled to a mean of 1 (Paszke et al., ENet).

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
    jaccard: float = 0.0,
) -> Tensor:
    """Sum of the stages' per-pixel softmax losses.

    Each is the mean over the labelled pixels that count for the stage, weighted by class; 0 where there are none.
    With several processes the mean is over the pixels of all of them. `soft_jaccard` of the same pixels is added to
    it; each process takes its own.

    Args:
        logits: up to S maps (B, K, h, w), upsampled bilinearly to the target here.
        target: (B, H, W) int64.
        stage_weights: a factor for each stage; a stage without logits (nothing reached it) adds nothing.
        weight: (K,) or None.
        ignore_index: target value that counts for nothing.
        reached: for each map, the (B, h, w) bool map of the cells whose pixels count: the second step of
            training (paper, section 3.4). All of them if None: deep supervision, the first step.
        jaccard: factor of `soft_jaccard`.

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
        if jaccard:
            total = total + stage_weights[s] * jaccard * soft_jaccard(full, wanted[s], ignore_index)
    return total


def soft_jaccard(logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
    """1 - the mean IoU of probabilities, over the classes there are (Rahman and Wang 2016).

    mIoU counts a class of few pixels as much as one of many, and a pixel missed as much as a pixel too many; a
    cross-entropy, whatever its weights, does not.

    Args:
        logits: (B, K, H, W).
        target: (B, H, W) int64.
        ignore_index: target value that counts for nothing.

    Returns:
        () float32 in [0, 1]; 0 where nothing is labelled.
    """
    counts = target != ignore_index
    truth = torch.zeros_like(logits, dtype=torch.float32)
    truth.scatter_(1, target.masked_fill(~counts, 0)[:, None], counts[:, None].float())
    guess = logits.float().softmax(1) * counts[:, None]
    axes = (0, 2, 3)
    both, area = (guess * truth).sum(axes), truth.sum(axes)  # (K,)
    there = area > 0
    iou = both / (guess.sum(axes) + area - both).clamp(min=1e-6)
    return ((1 - iou) * there).sum() / there.sum().clamp(min=1)


def imitation(
    logits: Sequence[Tensor], wanted: Tensor, stage_weights: Sequence[float], reached: Sequence[Tensor] | None = None
) -> Tensor:
    """Sum of the stages' divergences from a teacher: the mean, over the cells that count, of KL(teacher || stage).

    Hinton et al. 2015, at temperature 1. Cells without a label count too; each process takes its own.

    Args:
        logits: up to S maps (B, K, h, w).
        wanted: (B, K, h, w) logits of the teacher.
        stage_weights: a factor for each stage.
        reached: for each map, the (B, h, w) bool map of the cells that count; all of them if None.

    Returns:
        () float32, at least 0.
    """
    goal = wanted.float().log_softmax(1)
    total = torch.zeros((), device=wanted.device)
    for s, maps in enumerate(logits):
        apart = F.kl_div(maps.float().log_softmax(1), goal, reduction="none", log_target=True).sum(1)  # (B, h, w)
        counts = torch.ones_like(apart, dtype=torch.bool) if reached is None else reached[s]
        total = total + stage_weights[s] * (apart * counts).sum() / counts.sum().clamp(min=1)
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
