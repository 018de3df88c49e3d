"""Score a cascade on a data set, in a true run or from cached stage outputs.

Shape letters: B images (1 here: sizes may differ), K classes, H, W pixels, h, w cells, S stages.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lcnb.evaluation.metrics import BoundaryF, ConfusionMatrix, ExitCounts
from lcnb.models import CascadeCost, CascadeOutput, Criterion, LayerCascade, cascade_cost, max_softmax
from lcnb.models.exits import thresholds
from lcnb.models.labels import to_labels

TOLERANCE = 3
"""Pixels, of the boundary F-score: 0.5 % of the diagonal of a 480x360 picture."""


@dataclass
class Scores:
    """Running scores of one setting (a rho, a mode).

    Attributes:
        confusion: of the final label map.
        by_stage: of the cumulative map after each stage, on the pixels decided so far (paper, figure 4).
        decided: (S,) share of the labelled pixels decided after each stage.
        tolerance: pixels, of the boundary F-score, which takes longest; None leaves it out.
        keep_counts: whether the confusion counts of each image are kept, for `lcnb.evaluation.bootstrap`.
    """

    classes: Sequence[str]
    ignore_index: int
    stages: int
    tolerance: int | None = TOLERANCE
    keep_counts: bool = False
    images: int = 0
    macs: float = 0.0
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        k, ignored = len(self.classes), self.ignore_index
        self.confusion = ConfusionMatrix(k, ignored)
        self.boundary = None if self.tolerance is None else BoundaryF(k, ignored, self.tolerance)
        self.exits = ExitCounts(k, ignored, self.stages)
        self.by_stage = [ConfusionMatrix(k, ignored) for _ in range(self.stages)]
        self._each: list[Tensor] = []

    def update(self, out: CascadeOutput, target: Tensor, macs: float = 0.0, seconds: float | None = None) -> None:
        """Add one image: its output and its (H, W) true classes."""
        labels, stage = out.labels[0], out.pixel_stage()[0]
        before = self.confusion.counts.clone()
        self.confusion.update(labels, target)
        if self.keep_counts:
            self._each.append(self.confusion.counts - before)
        if self.boundary is not None:
            self.boundary.update(labels, target)
        self.exits.update(stage, out.stage[0], target)
        for s, confusion in enumerate(self.by_stage):
            confusion.update(labels, target, where=stage <= s)
        self.images += 1
        self.macs += macs
        if seconds is not None:
            self.seconds.append(seconds)

    @property
    def counts_by_image(self) -> Tensor:
        """(N, K, K) int64: the confusion counts of each image, in order.

        Raises:
            ValueError: they were not kept.
        """
        if not self.keep_counts:
            raise ValueError("the counts of each image were not kept: evaluate(..., keep_counts=True) does")
        k = len(self.classes)
        return torch.stack(self._each) if self._each else torch.zeros(0, k, k, dtype=torch.int64)

    @property
    def decided(self) -> list[float]:
        total = max(1, int(self.confusion.counts.sum()))
        return [int(c.counts.sum()) / total for c in self.by_stage]

    def as_dict(self) -> dict[str, Any]:
        """The numbers as JSON takes them; NaN becomes None."""
        times = torch.tensor(sorted(self.seconds), dtype=torch.float64) * 1e3
        names = list(self.classes)
        return {
            "images": self.images,
            "miou": _number(self.confusion.miou),
            "iou": dict(zip(names, map(_number, self.confusion.iou.tolist()), strict=True)),
            "absent_classes": [names[k] for k in self.confusion.absent],
            "pixel_accuracy": _number(self.confusion.pixel_accuracy),
            "boundary_f": None if self.boundary is None else _number(self.boundary.score),
            "boundary_tolerance_px": self.tolerance,
            "exits": [_number(v) for v in self.exits.exits.tolist()],
            "exits_by_class": {
                n: [_number(v) for v in row] for n, row in zip(names, self.exits.by_class.tolist(), strict=True)
            },
            "cumulative_stages": [
                {"decided": _number(d), "miou_of_decided": _number(c.miou)}
                for d, c in zip(self.decided, self.by_stage, strict=True)
            ],
            "gmacs_per_image": _number(self.macs / max(1, self.images) / 1e9),
            "ms_per_image": {"p50": _number(_quantile(times, 0.5)), "p95": _number(_quantile(times, 0.95))},
        }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def _quantile(values: Tensor, q: float) -> float:
    return float(values.quantile(q)) if values.numel() else float("nan")


class Costs:
    """The dense cost by image size, counted once each."""

    def __init__(self, cascade: LayerCascade) -> None:
        self.cascade = cascade
        self.known: dict[tuple[int, int], CascadeCost] = {}

    def at(self, height: int, width: int) -> CascadeCost:
        """Of an image of that size."""
        if (height, width) not in self.known:
            self.known[height, width] = cascade_cost(self.cascade, height, width)
        return self.known[height, width]

    def of(self, out: CascadeOutput) -> float:
        """Multiply-accumulates of a run."""
        return float(self.at(out.labels.shape[1], out.labels.shape[2]).of(out.work).sum())


@torch.inference_mode()
def evaluate(
    cascade: LayerCascade,
    dataset: Iterable[tuple[Tensor, Tensor]],
    *,
    classes: Sequence[str],
    ignore_index: int,
    rho: float | Sequence[float] | None = None,
    mode: str = "true",
    criterion: Criterion = max_softmax,
    halo: int | None = None,
    keep_counts: bool = False,
    labels_only: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Scores:
    """Score one threshold.

    Args:
        cascade: put into eval mode here.
        dataset: yields an image (3, H, W) uint8 and a mask (H, W) of class indices.
        classes: names, by index.
        ignore_index: mask value that counts for nothing.
        rho, halo: the cascade's own if None.
        mode: "true" (later stages on regions) or "cached" (dense outputs re-thresholded; `halo` has no meaning).
        keep_counts: keep the confusion counts of each image, `Scores.counts_by_image`.
        labels_only: leave out the boundary F-score and the multiply-adds (None in `as_dict`), which take longer
            than a small network does.
        progress: called with the number of images done.

    Raises:
        ValueError: another mode, or rho outside [0, 1].
    """
    if mode not in ("true", "cached"):
        raise ValueError(f"mode is 'true' or 'cached', got {mode!r}")
    device = next(cascade.parameters()).device
    cascade.eval()
    limits = thresholds(cascade.rho if rho is None else rho, cascade.stage_count - 1)
    tolerance = None if labels_only else TOLERANCE
    scores = Scores(classes, ignore_index, cascade.stage_count, tolerance, keep_counts)
    costs = None if labels_only else Costs(cascade)

    def cached(x: Tensor, rho: Sequence[float]) -> CascadeOutput:
        return cascade.rethreshold(cascade.all_stages(x), rho, criterion=criterion)

    run = functools.partial(cascade, criterion=criterion, halo=halo) if mode == "true" else cached
    for image, target in dataset:
        x = as_batch(image, device)
        out, seconds = timed(device, run, x, limits)
        scores.update(out, target.to(device), math.nan if costs is None else costs.of(out), seconds)
        if progress is not None:
            progress(scores.images)
    return scores


def as_batch(image: Tensor, device: torch.device) -> Tensor:
    """(3, H, W) uint8, as data sets yield it -> (1, 3, H, W) float in [0, 1].

    Raises:
        TypeError: the image holds something else, which division by 255 would turn black.
    """
    if not isinstance(image, Tensor) or image.dtype != torch.uint8:
        got = getattr(image, "dtype", type(image).__name__)
        raise TypeError(f"a data set to score yields images (3, H, W) of torch.uint8, got {got}")
    return image[None].to(device).float() / 255


def timed(device: torch.device, run: Callable, *args: Any, **kwargs: Any) -> tuple[Any, float]:
    """What a call returns, and the seconds until the device is done."""
    start = time.perf_counter()
    result = run(*args, **kwargs)
    wait(device)
    return result, time.perf_counter() - start


def wait(device: torch.device) -> None:
    """For the work that a device has been given, so that a clock read next includes it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@torch.inference_mode()
def stage_miou(
    cascade: LayerCascade,
    dataset: Iterable[tuple[Tensor, Tensor]],
    classes: int,
    ignore_index: int,
    total: Callable[[Tensor], Tensor] | None = None,
) -> list[float]:
    """mIoU of each stage alone on every pixel: the dense, deeply supervised view.

    Args:
        cascade, dataset, classes, ignore_index: as for `evaluate`; `classes` is K.
        total: adds (K, K) counts over several processes, where each has a part of the data.
    """
    device = next(cascade.parameters()).device
    cascade.eval()
    found = [ConfusionMatrix(classes, ignore_index) for _ in range(cascade.stage_count)]
    for image, target in dataset:
        logits = cascade.all_stages(as_batch(image, device))
        for maps, confusion in zip(logits, found, strict=True):
            confusion.update(to_labels(maps, logits.size)[0], target.to(device))
    for confusion in found:
        confusion.counts = confusion.counts if total is None else total(confusion.counts)
    return [c.miou for c in found]
