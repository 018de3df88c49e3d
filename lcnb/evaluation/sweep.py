"""Many thresholds in one pass over a data set: what each saves, and what it costs in mIoU.

Shape letters: B images (1 here: sizes may differ), K classes, H, W pixels, S stages, R thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from lcnb.clock import stopwatch_for
from lcnb.evaluation.evaluate import Costs, Counts, Scores, by_setting, each_image
from lcnb.models import Criterion, LayerCascade, max_softmax
from lcnb.models.exits import thresholds

KEPT = ("miou", "pixel_accuracy", "exits", "gmacs_per_image", "ms_per_image", "iou")
"""What `Sweep.as_dict` takes of the scores of a run."""


@dataclass
class Sweep:
    """Scores by threshold.

    Attributes:
        rhos: R thresholds, one for all exits.
        cached, true: R scores each: dense stage outputs re-thresholded, and later stages really run on regions.
        dense: multiply-accumulates of all images at rho = 1: every stage and classifier on every cell.
        one_head: the same for the plain network, with the last classifier only.
    """

    rhos: tuple[float, ...]
    cached: list[Scores]
    true: list[Scores]
    dense: float = 0.0
    one_head: float = 0.0
    images: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The numbers as JSON takes them.

        Returns:
            images, gmacs_per_image_dense, gmacs_per_image_one_head, and `points`, one for each threshold: rho, cached
            and true, each with its scores and `reduction`, how many times fewer multiply-adds than at rho = 1.
        """
        number = max(1, self.images) * 1e9
        return {
            "images": self.images,
            "gmacs_per_image_dense": round(self.dense / number, 6),
            "gmacs_per_image_one_head": round(self.one_head / number, 6),
            "points": [
                {"rho": rho, "cached": self._numbers(cached), "true": self._numbers(true)}
                for rho, cached, true in zip(self.rhos, self.cached, self.true, strict=True)
            ],
        }

    def _numbers(self, scores: Scores) -> dict[str, Any]:
        found = scores.as_dict()
        reduction = round(self.dense / scores.macs, 4) if scores.macs else None
        return {name: found[name] for name in KEPT} | {"reduction": reduction}


def sweep(
    cascade: LayerCascade,
    dataset: Iterable[tuple[Tensor, Tensor]],
    rhos: Sequence[float],
    *,
    classes: Sequence[str],
    ignore_index: int,
    criterion: Criterion = max_softmax,
    halo: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Sweep:
    """Score many thresholds, cached and true, with the numbers that `evaluate` gives for each.

    An image is read once. The cached view takes one dense run of it for all thresholds; the true view runs stage 1 once
    and the later stages for each threshold, and its times are the sum of the two.

    Args:
        cascade: put into eval mode here.
        dataset: yields an image (3, H, W) uint8 and a mask (H, W) of class indices.
        rhos: thresholds in [0, 1], one for all exits each.
        classes, ignore_index, criterion, halo, progress: as for `evaluate`.

    Raises:
        ValueError: a rho is outside [0, 1].
    """
    for rho in rhos:
        thresholds(rho, 1)
    cached, true = (
        [Scores(classes, ignore_index, cascade.stage_count, tolerance=None) for _ in rhos] for _ in ("cached", "true")
    )
    found, costs = Sweep(tuple(rhos), cached, true), Costs(cascade)
    first, later = shared(cascade.eval())
    runs = by_setting(later, len(classes), ignore_index, rhos, costs=costs, criterion=criterion, halo=halo)

    def count(x: Tensor, target: Tensor) -> tuple[dict[str, list[Counts]], float]:
        cost = costs.at(x.shape[2], x.shape[3])
        found.dense, found.one_head = found.dense + cost.dense, found.one_head + cost.single_head
        seconds = stopwatch_for(x.device).timed(first.renew, cascade.normalise(x))[1]
        return runs(x, target), seconds

    for counts, seconds in each_image(later, dataset, count, progress):
        for scores, one in zip(cached, counts["cached"], strict=True):
            scores.add(one)
        for scores, one in zip(true, counts["true"], strict=True):
            scores.add(one, seconds)
        found.images += 1
    return found


class Once(nn.Module):
    """Stage 1, run once for an image and then remembered."""

    def __init__(self, stage: nn.Module) -> None:
        super().__init__()
        self.stage = stage

    def renew(self, x: Tensor) -> None:
        self.kept = self.stage(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.kept.clone()  # the next stage may write into it


def shared(cascade: LayerCascade) -> tuple[Once, LayerCascade]:
    """The same cascade around a stage 1 that remembers: `renew` it with each normalised image."""
    cascade = cascade.network
    first = Once(cascade.stages[0])
    mean, std = cascade.mean.flatten().tolist(), cascade.std.flatten().tolist()
    again = LayerCascade([first, *cascade.stages[1:]], list(cascade.heads), cascade.rho, mean, std)
    again.global_pool = cascade.global_pool
    return first, again.to(cascade.mean.device).eval()
