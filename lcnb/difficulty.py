"""Easy, moderate, hard: which pixels the network is sure of, and whether it is right (paper, figure 1).

Shape letters: H, W pixels, K classes.

easy = right with confidence above .95, hard = wrong with confidence above .95, moderate = the rest. The paper
does not say which network scored its pixels, nor how wide a boundary is: here it is the network the caller
gives, and `width` pixels to either side of a change of label.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lcnb.evaluation.metrics import boundaries, near
from lcnb.models.labels import upsampled

EASY, MODERATE, HARD, IGNORED = 0, 1, 2, 255
NAMES = ("easy", "moderate", "hard")
THRESHOLD = 0.95
"""Of the confidence (paper, figure 1)."""
BOUNDARY_WIDTH = 3
"""Pixels to either side (ours)."""


def pixel_scores(logits: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Labels and confidence of every pixel.

    Args:
        logits: (1, K, h, w) of any float dtype.
        size: (H, W).

    Returns:
        (H, W) int64 labels and (H, W) float32 top softmax scores in [0, 1], of the bilinearly upsampled logits.
    """
    best = upsampled(logits, size).softmax(1).max(1)
    return best.indices[0], best.values[0]


def difficulty(
    labels: Tensor, confidence: Tensor, target: Tensor, ignore_index: int, threshold: float = THRESHOLD
) -> Tensor:
    """(H, W) uint8: 0 easy, 1 moderate, 2 hard, 255 where the truth is ignored.

    Args:
        labels: (H, W) predicted classes.
        confidence: (H, W) in [0, 1].
        target: (H, W) true classes.
        threshold: strictly above it counts as sure.
    """
    sure, right = confidence > threshold, labels == target
    grade = torch.where(sure & right, EASY, torch.where(sure, HARD, MODERATE)).to(torch.uint8)
    return grade.masked_fill(target == ignore_index, IGNORED)


def boundary_band(target: Tensor, ignore_index: int, width: int = BOUNDARY_WIDTH, void_ring: bool = False) -> Tensor:
    """Where the labelled pixels near a boundary of the truth are.

    Args:
        target: (H, W) true classes.
        ignore_index: of unlabelled pixels, which never belong to the band.
        width: pixels to either side of a boundary.
        void_ring: unlabelled pixels mark boundaries, as VOC's ring around each object does: it hides the outline
            itself, so the band lies beside the ring (a trimap; Kohli et al. 2009). Otherwise they make none.

    Returns:
        (H, W) bool.
    """
    known = target != ignore_index
    return near(boundaries(target.long(), None if void_ring else ~known), width) & known


class DifficultyCounts:
    """Collects figure 1's numbers over images.

    Attributes:
        counts: (K, 3) int64, pixels of each true class that are easy, moderate, hard.
        on_boundary: (3,) int64, pixels of each grade that lie near a boundary of the truth.
    """

    def __init__(self, classes: int, ignore_index: int, width: int = BOUNDARY_WIDTH, void_ring: bool = False) -> None:
        self.ignore_index, self.width, self.void_ring = ignore_index, width, void_ring
        self.counts = torch.zeros(classes, 3, dtype=torch.int64)
        self.on_boundary = torch.zeros(3, dtype=torch.int64)

    def update(self, grade: Tensor, target: Tensor) -> None:
        """Add an image: its (H, W) grades and true classes."""
        known = target != self.ignore_index
        edge = boundary_band(target, self.ignore_index, self.width, self.void_ring)
        flat = target[known].long() * 3 + grade[known].long()
        self.counts += torch.bincount(flat, minlength=self.counts.numel()).view(-1, 3).cpu()
        self.on_boundary += torch.bincount(grade[edge].long(), minlength=3).cpu()

    @property
    def shares(self) -> Tensor:
        """(3,) float64: fraction of all pixels that is easy, moderate, hard."""
        return self.counts.sum(0).double() / self.counts.sum().clamp(min=1)

    @property
    def boundary_shares(self) -> Tensor:
        """(3,) float64: fraction of each grade's pixels near a boundary (paper: .067, .190, .680); NaN for none."""
        total = self.counts.sum(0).double()
        return self.on_boundary / torch.where(total > 0, total, torch.nan)
