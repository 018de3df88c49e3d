"""The losses.

Shape letters: B images, K classes, S stages, h, w cells, H, W pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lcnb.datasets import SegmentationDataset


def class_weights(dataset: SegmentationDataset, c: float) -> Tensor:
    """(K,) float32: 1 / log(c + share), scaled to a mean of 1. Shares are counted over every mask."""
    k = len(dataset.spec.classes)
    counts = torch.zeros(256, dtype=torch.int64)
    for i in range(len(dataset)):
        counts += torch.bincount(dataset[i][1].flatten().long(), minlength=256)
    share = counts[:k].double() / counts[:k].sum().clamp(min=1)
    weights = 1 / torch.log(c + share)
    return (weights / weights.mean()).float()


def deep_supervision(
    logits: list[Tensor], target: Tensor, stage_weights: tuple[float, ...], weight: Tensor | None, ignore_index: int
) -> Tensor:
    """Sum of the stages' per-pixel softmax losses (paper, section 3.4, initial training).

    Args:
        logits: S maps (B, K, h, w), upsampled bilinearly to the target here.
        target: (B, H, W) int64.
        stage_weights: S factors.
        weight: (K,) or None.
    """
    total = torch.zeros((), device=target.device)
    for factor, maps in zip(stage_weights, logits, strict=True):
        full = F.interpolate(maps.float(), size=target.shape[1:], mode="bilinear", align_corners=False)
        loss = F.cross_entropy(full, target, weight=weight, ignore_index=ignore_index, reduction="sum")
        valid = target[target != ignore_index]
        norm = valid.numel() if weight is None else weight[valid].sum()
        total = total + factor * loss / max(1.0, float(norm))
    return total
