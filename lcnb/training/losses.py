"""The losses.

Shape letters: B images, K classes, S stages, h, w cells, H, W pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lcnb.datasets import SegmentationDataset, class_shares


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


def deep_supervision(
    logits: list[Tensor], target: Tensor, stage_weights: tuple[float, ...], weight: Tensor | None, ignore_index: int
) -> Tensor:
    """Sum of the stages' per-pixel softmax losses (paper, section 3.4, initial training).

    Each is the mean over the labelled pixels, weighted by class; 0 where none is labelled.

    Args:
        logits: S maps (B, K, h, w), upsampled bilinearly to the target here.
        target: (B, H, W) int64.
        stage_weights: S factors.
        weight: (K,) or None.
        ignore_index: target value that counts for nothing.

    Returns:
        () float32.
    """
    labelled = target[target != ignore_index]
    counted = torch.ones_like(labelled, dtype=torch.float32) if weight is None else weight[labelled]
    total = torch.zeros((), device=target.device)
    for factor, maps in zip(stage_weights, logits, strict=True):
        full = F.interpolate(maps.float(), size=target.shape[1:], mode="bilinear", align_corners=False)
        loss = F.cross_entropy(full, target, weight=weight, ignore_index=ignore_index, reduction="sum")
        total = total + factor * loss / counted.sum().clamp(min=1e-6)  # 0 / 1e-6 where nothing is labelled
    return total
