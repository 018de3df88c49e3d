"""How sure is an mIoU? A moving-block bootstrap over the frames of a drive.

Shape letters: N images in the order they were taken, K classes, R resamples, L frames per block.

Consecutive frames show the same things, so they are not N independent observations. The moving-block bootstrap (Künsch,
Annals of Statistics 1989) draws runs of L consecutive frames with replacement until there are N again, which keeps what
neighbours have in common, and takes the spread of the mIoU over many such draws. Two settings are compared on the same
drawn frames, so what makes a frame hard for both cancels in the difference. It says nothing about another training run
with another seed, nor about another drive.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from lcnb.evaluation.metrics import miou

BLOCK, RESAMPLES, LEVEL = 10, 2000, 0.95


@dataclass(frozen=True)
class Interval:
    """A value and where it would lie, had other frames of the same drive been labelled.

    Attributes:
        value: of all images as they are: an mIoU, or a difference of two.
        low, high: percentiles of the resamples, which leave (1 - level) / 2 out on either side.
        level: fraction of the resamples between them.
        images, block, resamples, seed: how they were drawn.
    """

    value: float
    low: float
    high: float
    level: float
    images: int
    block: int
    resamples: int
    seed: int

    @property
    def excludes_zero(self) -> bool:
        """Whether a difference has a winner."""
        return self.low > 0 or self.high < 0

    def as_dict(self) -> dict[str, Any]:
        """As JSON takes it; NaN becomes None."""
        numbers = {k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(self).items()}
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in numbers.items()}


def bootstrap_miou(
    counts: Tensor,
    other: Tensor | None = None,
    *,
    block: int = BLOCK,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """Interval of an mIoU, or of the difference of two.

    Args:
        counts: (N, K, K) whole numbers, the confusion counts of each image in the order of the drive
            (`Scores.counts_by_image`).
        other: another setting's on the same images: the interval is then that of mIoU(counts) - mIoU(other).
        block: L, consecutive frames that are drawn together; 1 where images are independent.
        resamples: R.
        level: fraction of the resamples inside the interval.
        seed: of the draws; the same seed gives the same interval.

    Raises:
        ValueError: shapes do not fit, there are fewer than two blocks to draw, or a number is out of range.
    """
    if counts.dim() != 3 or counts.shape[1] != counts.shape[2]:
        raise ValueError(f"counts is (N, K, K), one matrix per image; got {tuple(counts.shape)}")
    if other is not None and other.shape != counts.shape:
        raise ValueError(
            f"two settings are compared on the same images and classes; got {tuple(counts.shape)} and "
            f"{tuple(other.shape)}"
        )
    if other is not None and not other.sum(2).equal(counts.sum(2)):
        raise ValueError("the two settings were not scored on the same images: their true classes differ")

    def score(counts: Tensor, times: Tensor) -> Tensor:  # exact, as pixel counts of a data set stay far below 2^53
        return miou((times @ counts.double().flatten(1)).view(len(times), *counts.shape[1:]))

    def gain(times: Tensor) -> Tensor:
        return score(counts, times) if other is None else score(counts, times) - score(other, times)

    return _interval(gain, len(counts), block, resamples, level, seed)


def interval_of(counts: Tensor, other: Tensor | None, block: int) -> dict[str, Any] | None:
    """`bootstrap_miou` as JSON takes it; None where there are fewer than two blocks to draw."""
    return bootstrap_miou(counts, other, block=block).as_dict() if len(counts) >= 2 * block else None


def bootstrap_share(
    part: Tensor, whole: Tensor, *, block: int = BLOCK, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = 0
) -> Interval:
    """Interval of a fraction of pixels: sum of `part` over sum of `whole`.

    Args:
        part, whole: (N,) whole numbers, pixels in each image in the order of the drive.
        block, resamples, level, seed: as for `bootstrap_miou`.

    Raises:
        ValueError: as there, or a part is larger than its whole.
    """
    if part.shape != whole.shape or part.dim() != 1 or bool((part > whole).any()):
        raise ValueError(
            f"part and whole are (N,) counts with part <= whole; got {tuple(part.shape)} and {tuple(whole.shape)}"
        )

    def ratio(times: Tensor) -> Tensor:
        return (times @ part.double()) / (times @ whole.double())

    return _interval(ratio, len(whole), block, resamples, level, seed)


def _interval(
    statistic: Callable[[Tensor], Tensor], images: int, block: int, resamples: int, level: float, seed: int
) -> Interval:
    """Of a statistic of (R, N) float64 multiplicities: its value with every image once, and its spread over draws."""
    if block < 1 or images < 2 * block:
        raise ValueError(f"a block is at least 1 image and at most half of them; got block {block} of {images} images")
    if resamples < 1 or not 0 < level < 1:
        raise ValueError(f"resamples is at least 1 and level between 0 and 1; got {resamples} and {level}")
    times = multiplicities(images, block, resamples, torch.Generator().manual_seed(seed))
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = statistic(times.double()).nanquantile(ends).tolist()
    value = float(statistic(torch.ones(1, images, dtype=torch.float64)))
    return Interval(value, low, high, level, images, block, resamples, seed)


def multiplicities(images: int, block: int, resamples: int, generator: torch.Generator) -> Tensor:
    """(R, N) int64: how often each image is drawn; a row sums to N, its last block cut where it would be too many."""
    blocks = -(-images // block)
    starts = torch.randint(images - block + 1, (resamples, blocks), generator=generator)
    return times_drawn(starts, images, block)


def times_drawn(starts: Tensor, images: int, block: int) -> Tensor:
    """(R, blocks) first frames -> (R, N) int64."""
    drawn = (starts[..., None] + torch.arange(block)).flatten(1)[:, :images]
    return torch.zeros(len(starts), images, dtype=torch.int64).scatter_add_(1, drawn, torch.ones_like(drawn))
