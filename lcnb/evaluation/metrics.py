"""Scores of label maps: counts first, ratios at the end.

Shape letters: H, W pixels, K classes, S stages.

Each score is an accumulator: `update` adds an image's counts, and properties turn the sums into ratios, so
that results of parts (images, processes) can be added before anything is divided.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pixel_counts(
    labels: Tensor, target: Tensor, classes: int, ignore_index: int, stage: Tensor | None = None, stages: int = 1
) -> Tensor:
    """Labelled pixels by exit stage, true class and predicted class.

    Args:
        labels: predicted classes, any shape, whole numbers in 0 .. K-1.
        target: true classes or `ignore_index`, same shape.
        classes, ignore_index: K, and the true value of pixels that count for nothing.
        stage: where each pixel exits, same shape, in 0 .. S-1; stage 1 for all if None.
        stages: S.

    Returns:
        (S, K, K) int64 on the CPU, row = true class, column = predicted class.

    Raises:
        ValueError: shapes differ, or a value is outside the classes.
    """
    if labels.shape != target.shape:
        raise ValueError(f"labels {tuple(labels.shape)} and target {tuple(target.shape)} have different shapes")
    if labels.is_floating_point() or target.is_floating_point():
        raise ValueError(f"classes are whole numbers, got {labels.dtype} and {target.dtype}")
    valid = target != ignore_index
    true, predicted = target[valid].long(), labels[valid].long()
    for name, values in (("target", true), ("labels", predicted)):
        if values.numel() and not 0 <= int(values.min()) <= int(values.max()) < classes:
            raise ValueError(
                f"{name} holds values from {int(values.min())} to {int(values.max())}, but there are {classes} classes "
                f"(0 to {classes - 1}) and {ignore_index} for ignored"
            )
    flat = true * classes + predicted
    if stage is not None:
        flat += stage[valid] * classes**2
    return torch.bincount(flat, minlength=stages * classes**2).view(stages, classes, classes).cpu()


class ConfusionMatrix:
    """Pixels by (true class, predicted class).

    Args:
        classes: K.
        ignore_index: true value of pixels that count for nothing.

    Attributes:
        counts: (K, K) int64, row = true class, column = predicted class.
    """

    def __init__(self, classes: int, ignore_index: int) -> None:
        self.classes, self.ignore_index = classes, ignore_index
        self.counts = torch.zeros(classes, classes, dtype=torch.int64)

    def update(self, labels: Tensor, target: Tensor) -> None:
        """Add an image or a batch; arguments and errors as for `pixel_counts`."""
        self.counts += pixel_counts(labels, target, self.classes, self.ignore_index)[0]

    @property
    def iou(self) -> Tensor:
        """(K,) float64: intersection over union; NaN for a class that is neither in the truth nor predicted."""
        return iou(self.counts)

    @property
    def absent(self) -> list[int]:
        """Classes that are neither in the truth nor predicted: they are left out of the mean."""
        return torch.isnan(self.iou).nonzero()[:, 0].tolist()

    @property
    def miou(self) -> float:
        """Mean IoU over the classes that occur; NaN if none does."""
        return float(self.iou.nanmean())

    @property
    def pixel_accuracy(self) -> float:
        """Fraction of counted pixels with the right label; NaN if none was counted."""
        total = int(self.counts.sum())
        return int(self.counts.diagonal().sum()) / total if total else float("nan")


def iou(counts: Tensor) -> Tensor:
    """(..., K, K) counts, row = true class -> (..., K) float64; NaN where a class is neither true nor predicted."""
    counts = counts.double()
    inside = counts.diagonal(dim1=-2, dim2=-1)
    union = counts.sum(-1) + counts.sum(-2) - inside
    return inside / torch.where(union > 0, union, torch.nan)


def miou(counts: Tensor) -> Tensor:
    """(..., K, K) counts, row = true class -> (...) float64: mean IoU of the classes that occur (`ConfusionMatrix`)."""
    return iou(counts).nanmean(-1)


def boundaries(labels: Tensor, ignore: Tensor | None = None) -> Tensor:
    """Pixels with a 4-neighbour of another label.

    Args:
        labels: (H, W) whole numbers.
        ignore: (H, W) bool: pixels that are no boundary and make none.

    Returns:
        (H, W) bool. Both sides of an edge are marked, so an edge is two pixels wide.
    """
    edge = torch.zeros_like(labels, dtype=torch.bool)
    known = torch.ones_like(edge) if ignore is None else ~ignore
    down = (labels[1:] != labels[:-1]) & known[1:] & known[:-1]
    right = (labels[:, 1:] != labels[:, :-1]) & known[:, 1:] & known[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    return edge


def near(mask: Tensor, tolerance: int) -> Tensor:
    """(..., H, W) bool grown by `tolerance` pixels in each direction (a square)."""
    maps, side = mask.float().view(1, -1, *mask.shape[-2:]), 2 * tolerance + 1
    tall = F.max_pool2d(maps, (side, 1), 1, (tolerance, 0))  # a square is a column of rows: 2 side, not side squared
    return F.max_pool2d(tall, (1, side), 1, (0, tolerance)).view(mask.shape) > 0


class BoundaryF:
    """Boundary F-score: do the outlines lie where they should?

    For each class, precision is the fraction of its predicted outline that lies within `tolerance` pixels (a
    square) of its true outline, recall the converse, both over all images; F is their harmonic mean, and
    `score` the mean over the classes that have an outline (Csurka et al., BMVC 2013, with counts pooled
    over the data set). Pixels that are ignored in the truth have no outline in either map.
    """

    def __init__(self, classes: int, ignore_index: int, tolerance: int) -> None:
        if tolerance < 0:
            raise ValueError(f"tolerance is a number of pixels >= 0, got {tolerance}")
        self.classes, self.ignore_index, self.tolerance = classes, ignore_index, tolerance
        # hits and totals of precision, then of recall
        self.counts = torch.zeros(4, classes, dtype=torch.int64)

    def update(self, labels: Tensor, target: Tensor) -> None:
        """Add one image: (H, W) predicted and true classes."""
        ignore = target == self.ignore_index
        predicted_edge, true_edge = boundaries(labels, ignore) & ~ignore, boundaries(target, ignore)
        for k in range(self.classes):  # one at a time: K maps of floats at once would be a notebook's highest peak
            predicted, true = predicted_edge & (labels == k), true_edge & (target == k)
            found, recalled = predicted & near(true, self.tolerance), true & near(predicted, self.tolerance)
            self.counts[:, k] += torch.stack([m.sum() for m in (found, predicted, recalled, true)]).cpu()

    @property
    def by_class(self) -> Tensor:
        """(K,) float64 F-scores; NaN for a class without any outline."""
        hit_p, all_p, hit_r, all_r = self.counts.double()
        precision, recall = hit_p / all_p.clamp(min=1), hit_r / all_r.clamp(min=1)
        score = 2 * precision * recall / (precision + recall).clamp(min=1e-12)
        return torch.where(all_p + all_r > 0, score, torch.nan)

    @property
    def score(self) -> float:
        """Mean over the classes that have an outline; NaN if none has."""
        return float(self.by_class.nanmean())


class ExitCounts:
    """Which pixels exit at which stage, by true class (paper, figure 5).

    Attributes:
        counts: (K, S) int64, pixels of each true class that exit at each stage.
        cells: (S,) int64, cells that exit at each stage, whatever their class.
    """

    def __init__(self, classes: int, ignore_index: int, stages: int) -> None:
        self.ignore_index = ignore_index
        self.counts = torch.zeros(classes, stages, dtype=torch.int64)
        self.cells = torch.zeros(stages, dtype=torch.int64)

    def update(self, pixel_stage: Tensor, cell_stage: Tensor, target: Tensor) -> None:
        """Add (H, W) stages of pixels, (h, w) stages of cells and (H, W) true classes."""
        classes, stages = self.counts.shape
        self.counts += pixel_counts(target, target, classes, self.ignore_index, pixel_stage, stages).sum(2).T
        self.cells += torch.bincount(cell_stage.flatten(), minlength=stages).cpu()

    @property
    def exits(self) -> Tensor:
        """(S,) float64: fraction of all cells that exit at each stage."""
        return self.cells.double() / self.cells.sum().clamp(min=1)

    @property
    def by_class(self) -> Tensor:
        """(K, S) float64: fraction of a class's pixels that exit at each stage; NaN for an absent class."""
        total = self.counts.sum(1, keepdim=True).double()
        return self.counts / torch.where(total > 0, total, torch.nan)

    @property
    def entering_ratio(self) -> Tensor:
        """(K, S) float64: a class's fraction of the pixels that enter a stage over its fraction of the image.

        Above 1 where a class is harder than most (figure 5: chair and table rise to about 1.9 at stage 3).
        """
        entering = self.counts.flip(1).cumsum(1).flip(1).double()
        everywhere = entering[:, :1] / entering[:, :1].sum().clamp(min=1)
        share = entering / torch.where(entering.sum(0) > 0, entering.sum(0), torch.nan)
        return share / torch.where(everywhere > 0, everywhere, torch.nan)
