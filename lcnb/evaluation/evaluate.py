"""Score a cascade on a data set, in a true run or from cached stage outputs.

Shape letters: B images (1 here: sizes may differ), K classes, H, W pixels, h, w cells, S stages, R thresholds.

`each_image` is the one loop over images, and `by_setting` says what is run and counted in it. All else adds up these
counts: `Scores` over a data set, `sweep` by threshold, `by_image` in parts that can be stored, `bootstrap` over draws.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from lcnb.clock import stopwatch_for
from lcnb.evaluation.metrics import BoundaryF, ConfusionMatrix, ExitCounts, miou, pixel_counts
from lcnb.models import CascadeOutput, Criterion, LayerCascade, StageLogits, cascade_cost, max_softmax
from lcnb.models.exits import thresholds
from lcnb.models.labels import to_labels
from lcnb.models.runs import CascadeRuns

TOLERANCE = 3
"""Pixels, of the boundary F-score: 0.5 % of the diagonal of a 480x360 image."""
Found = TypeVar("Found")


@torch.inference_mode()
def each_image(
    network: CascadeRuns,
    dataset: Iterable[tuple[Tensor, Tensor]],
    count: Callable[[Tensor, Tensor], Found],
    progress: Callable[[int], None] | None = None,
) -> Iterator[Found]:
    """What `count` finds in one image after another.

    Args:
        network: put into eval mode here; images go to its device.
        dataset: yields an image (3, H, W) uint8 and a mask (H, W) of class indices.
        count: takes an image (1, 3, H, W) float in [0, 1] and its (H, W) true classes, both on that device.
        progress: called with the number of images done.

    Raises:
        TypeError: an image is not uint8.
    """
    device = network.eval().mean.device
    for done, (image, target) in enumerate(dataset, start=1):
        yield count(as_batch(image, device), target.to(device))
        if progress is not None:
            progress(done)


def as_batch(image: Tensor, device: torch.device) -> Tensor:
    """(3, H, W) uint8, as data sets yield it -> (1, 3, H, W) float in [0, 1].

    Raises:
        TypeError: the image holds something else, which division by 255 would turn black.
    """
    if not isinstance(image, Tensor) or image.dtype != torch.uint8:
        got = getattr(image, "dtype", type(image).__name__)
        raise TypeError(f"a data set to score yields images (3, H, W) of torch.uint8, got {got}")
    return image[None].to(device).float() / 255


class Costs:
    """The dense cost by image size, counted once each.

    Attributes:
        at: (height, width) -> the `CascadeCost` of an image of that size.
    """

    def __init__(self, cascade: LayerCascade) -> None:
        self.at = functools.cache(functools.partial(cascade_cost, cascade))

    def of(self, out: CascadeOutput) -> float:
        """Multiply-accumulates of a run."""
        return float(self.at(out.labels.shape[1], out.labels.shape[2]).of(out.work).sum())


@dataclass(frozen=True)
class Counts:
    """What one run of one image gives.

    Attributes:
        pixels: (S, K, K) int64, labelled pixels by exit stage, true class and predicted class.
        cells: (S,) int64, cells that exit at each stage.
        outlines: (4, K) int64 of `BoundaryF`, or None.
        macs: multiply-accumulates; NaN where they are not counted.
        ms: float64, milliseconds: (S + 1,) of each stage of a true run and of its labels, (1,) of a cached one.
    """

    pixels: Tensor
    cells: Tensor
    outlines: Tensor | None
    macs: float
    ms: Tensor


def by_setting(
    runs: CascadeRuns,
    classes: int,
    ignore_index: int,
    rhos: Sequence[float | Sequence[float]],
    modes: Sequence[str] = ("true", "cached"),
    *,
    costs: Costs | None = None,
    criterion: Criterion = max_softmax,
    halo: int | None = None,
    tolerance: int | None = None,
) -> Callable[[Tensor, Tensor], dict[str, list[Counts]]]:
    """What `each_image` is to count: runs of an image at R thresholds.

    All thresholds of an image are run before the next image, so a machine that gets slower meanwhile does so for all.

    Args:
        runs: the cascade as it is, or prepared for inference.
        classes, ignore_index: K, and the mask value that counts for nothing.
        rhos: R thresholds, each one for all exits or a sequence of one for each.
        modes: "true" (later stages on regions), "cached" (dense outputs re-thresholded), or both.
        costs: of the cascade; None leaves the multiply-accumulates out.
        criterion, halo: as for `evaluate`.
        tolerance: pixels, of the boundary F-score, which takes longest; None leaves it out.

    Returns:
        A function from an image and its truth to R counts by mode.
    """

    def counts(target: Tensor, out: CascadeOutput, ms: Tensor) -> Counts:
        labels, stages, outlines = out.labels[0], runs.stage_count, None
        pixels = pixel_counts(labels, target, classes, ignore_index, out.pixel_stage()[0], stages)
        if tolerance is not None:
            boundary = BoundaryF(classes, ignore_index, tolerance)
            boundary.update(labels, target)
            outlines = boundary.counts
        cells = torch.bincount(out.stage.flatten(), minlength=stages).cpu()
        return Counts(pixels, cells, outlines, math.nan if costs is None else costs.of(out), ms)

    def count(x: Tensor, target: Tensor) -> dict[str, list[Counts]]:
        found: dict[str, list[Counts]] = {mode: [] for mode in modes}
        watch = stopwatch_for(x.device)
        dense, dense_seconds = watch.timed(runs.all_stages, x) if "cached" in found else (None, 0.0)
        for rho in rhos:
            if "true" in found:
                out, ms = stage_times(runs, x, rho, halo=halo, criterion=criterion)
                found["true"].append(counts(target, out, ms))
            if dense is not None:
                out, seconds = watch.timed(runs.rethreshold, dense, rho, criterion=criterion)
                ms = torch.tensor([1e3 * (dense_seconds + seconds)], dtype=torch.float64)
                found["cached"].append(counts(target, out, ms))
        return found

    return count


def stage_times(
    runs: CascadeRuns,
    x: Tensor,
    rho: float | Sequence[float],
    *,
    halo: int | None = None,
    criterion: Criterion = max_softmax,
) -> tuple[CascadeOutput, Tensor]:
    """A true run of (B, 3, H, W), and the (S + 1,) float64 milliseconds of its stages and of the labels behind them."""
    watch = stopwatch_for(x.device)
    out = runs(x, rho, halo=halo, criterion=criterion, mark=watch.mark)
    *laps, labels = watch.laps()
    idle = [0.0] * (runs.stage_count - len(laps))
    return out, 1e3 * torch.tensor([*laps, *idle, labels], dtype=torch.float64)


def stage_counts(logits: StageLogits, target: Tensor, classes: int, ignore_index: int) -> Tensor:
    """(S, K, K) int64 confusion counts of each stage alone on every pixel of one image, row = true class."""
    said = (to_labels(maps, logits.size)[0] for maps in logits)
    return torch.cat([pixel_counts(labels, target, classes, ignore_index) for labels in said])


@dataclass
class Scores:
    """Running scores of one setting (a rho, a mode).

    Attributes:
        confusion: of the final label map.
        by_stage: of the cumulative map after each stage, on the pixels decided so far (paper, figure 4).
        decided: (S,) fraction of the labelled pixels decided after each stage.
        tolerance: pixels, of the boundary F-score; None where it is left out.
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

    def add(self, one: Counts, seconds: float = 0.0) -> None:
        """Add an image, and seconds beyond those that its run took."""
        upto = one.pixels.cumsum(0)
        for confusion, counts in zip([*self.by_stage, self.confusion], [*upto, upto[-1]], strict=True):
            confusion.counts += counts
        if self.keep_counts:
            self._each.append(upto[-1])
        if self.boundary is not None and one.outlines is not None:
            self.boundary.counts += one.outlines
        self.exits.counts += one.pixels.sum(2).T
        self.exits.cells += one.cells
        self.images += 1
        self.macs += one.macs
        self.seconds.append(seconds + float(one.ms.sum()) / 1e3)

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
        times = torch.tensor(self.seconds, dtype=torch.float64) * 1e3
        p50, p95 = times.quantile(torch.tensor([0.5, 0.95]).double()).tolist() if self.seconds else (math.nan, math.nan)
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
            "ms_per_image": {"p50": _number(p50), "p95": _number(p95)},
        }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


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
    limits = thresholds(cascade.rho if rho is None else rho, cascade.stage_count - 1)
    tolerance = None if labels_only else TOLERANCE
    scores = Scores(classes, ignore_index, cascade.stage_count, tolerance, keep_counts)
    costs = None if labels_only else Costs(cascade)
    count = by_setting(
        cascade, len(classes), ignore_index, [limits], [mode],
        costs=costs, criterion=criterion, halo=halo, tolerance=tolerance,
    )  # fmt: skip
    for found in each_image(cascade, dataset, count, progress):
        scores.add(found[mode][0])
    return scores


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
        total: adds (S, K, K) counts over several processes, where each has a part of the data.
    """
    dense = each_image(
        cascade, dataset, lambda x, target: stage_counts(cascade.all_stages(x), target, classes, ignore_index)
    )
    counts = sum(dense, torch.zeros(cascade.stage_count, classes, classes, dtype=torch.int64))
    return miou(counts if total is None else total(counts)).tolist()
