"""Is a stage that says 90 % right nine times out of ten? Reliability, and one temperature per stage to mend it.

Shape letters: B images, K classes, h, w the 1/8 grid, H, W pixels, S stages, M bins, N sampled pixels.

Confidence here is the top softmax score of a pixel, of the bilinearly upsampled logits that `.labels` is the argmax of.
A stage is calibrated if, of the pixels it gives a confidence near c, a fraction of c is right. The expected calibration
error is the mean distance between the two over M equal-width bins, weighted by their pixels, and the remedy a single
number T that all logits are divided by, fitted on held-out pixels (Guo et al., "On Calibration of Modern Neural
Networks", ICML 2017, sections 2 and 4.2). The layer cascade paper has neither: its rho is a bare number.

A temperature goes into the cascade as a scaled classifier, so that true, cached and fused runs all have it. Within a
cell nothing changes its order, so a cell's label stays. With two classes confidence is a rising function of the same
difference at any T: a temperature is nothing but another threshold. With more, it may also swap two cells.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lcnb.errors import LcnbError
from lcnb.models import LayerCascade, StageLogits
from lcnb.models.labels import upsampled

BINS = 15
"""Equal-width bins, as many as Guo et al. take."""
SAMPLED = 2000
"""Pixels per image that a temperature is fitted on."""
COLDEST, HOTTEST = 0.05, 20.0
"""A temperature outside says that the sample is no fair one: all of it right, or all of it guessed."""
STEPS = 50
"""Of the bisection; each halves what is unknown of 1 / T."""


class CalibrationError(LcnbError):
    """There is nothing to calibrate on, or the temperatures do not fit the cascade."""


class Reliability:
    """Counts pixels by stage and confidence. Adds up over images in memory that does not grow.

    Args:
        stages: S.
        ignore_index: mask value that counts for nothing.
        bins: M; a confidence c falls into bin m if m / M < c <= (m + 1) / M.

    Attributes:
        counts, right: (S, M) int64, pixels in each bin, and the right ones among them.
        confidence: (S, M) float64, the sum of their confidences.
    """

    def __init__(self, stages: int, ignore_index: int, bins: int = BINS) -> None:
        if bins < 1:
            raise ValueError(f"reliability needs at least one bin, got {bins}")
        self.ignore_index, self.bins = ignore_index, bins
        self.counts = torch.zeros(stages, bins, dtype=torch.int64)
        self.right = torch.zeros(stages, bins, dtype=torch.int64)
        self.confidence = torch.zeros(stages, bins, dtype=torch.float64)

    def update(self, logits: StageLogits, target: Tensor) -> None:
        """Add a batch: S maps (B, K, h, w), as `all_stages` gives them, and (B, H, W) true classes."""
        known = target.to(logits[0].device) != self.ignore_index
        wanted = target.to(logits[0].device)[known].long()
        for s, maps in enumerate(logits):
            best = upsampled(maps, target.shape[1:]).softmax(1).max(1)
            confidence = best.values[known].double()
            place = (confidence * self.bins).ceil().long().sub_(1).clamp_(0, self.bins - 1)
            right = best.indices[known] == wanted
            self.counts[s] += torch.bincount(place, minlength=self.bins).cpu()
            self.right[s] += torch.bincount(place[right], minlength=self.bins).cpu()
            self.confidence[s] += torch.bincount(place, weights=confidence, minlength=self.bins).cpu()

    @property
    def accuracy(self) -> Tensor:
        """(S, M) float64: fraction of a bin's pixels that are right; NaN where it is empty."""
        return self.right / torch.where(self.counts > 0, self.counts.double(), torch.nan)

    @property
    def mean_confidence(self) -> Tensor:
        """(S, M) float64: mean confidence of a bin's pixels; NaN where it is empty."""
        return self.confidence / torch.where(self.counts > 0, self.counts.double(), torch.nan)

    @property
    def ece(self) -> Tensor:
        """(S,) float64 in [0, 1]: expected calibration error (Guo et al., equation 3); NaN without pixels."""
        distance = (self.right - self.confidence).abs().sum(1)  # a bin's gap times its pixels
        total = self.counts.sum(1)
        return distance / torch.where(total > 0, total.double(), torch.nan)


class LogitSample:
    """Keeps a few labelled pixels of each image, the same for all stages: N x K numbers per stage.

    Args:
        stages, ignore_index: as for `Reliability`.
        per_image: labelled pixels that are drawn from an image, without replacement; all where there are fewer.
        seed: of the draw.
    """

    def __init__(self, stages: int, ignore_index: int, per_image: int = SAMPLED, seed: int = 0) -> None:
        self.ignore_index, self.per_image = ignore_index, per_image
        self.generator = torch.Generator().manual_seed(seed)
        self._logits: list[list[Tensor]] = [[] for _ in range(stages)]
        self._target: list[Tensor] = []

    def update(self, logits: StageLogits, target: Tensor) -> None:
        """Add a batch, as for `Reliability`."""
        for b in range(len(target)):
            flat = target[b].flatten().cpu().long()
            known = (flat != self.ignore_index).nonzero()[:, 0]
            picks = known[torch.randperm(len(known), generator=self.generator)[: self.per_image]]
            self._target.append(flat[picks])
            for kept, maps in zip(self._logits, logits, strict=True):
                full = upsampled(maps[b : b + 1], target.shape[1:])[0].flatten(1)
                kept.append(full[:, picks.to(full.device)].T.cpu())

    def temperatures(self) -> tuple[float, ...]:
        """One for each stage (`fit_temperature`).

        Raises:
            CalibrationError: no labelled pixel was added.
        """
        if not sum(len(t) for t in self._target):
            raise CalibrationError(
                "no labelled pixel to fit a temperature on; add images whose masks are not all ignored"
            )
        target = torch.cat(self._target)
        return tuple(fit_temperature(torch.cat(kept), target) for kept in self._logits)


def fit_temperature(logits: Tensor, target: Tensor) -> float:
    """The T > 0 at which softmax(logits / T) makes the target likeliest (Guo et al., section 4.2).

    Args:
        logits: (N, K) of any float dtype.
        target: (N,) true classes.

    Returns:
        In [0.05, 20]. Above 1: the stage was too sure of itself.

    The loss is convex in 1 / T, so bisecting its derivative finds the one minimum, or a bound.

    Raises:
        CalibrationError: there are no pixels.
    """
    if not len(target):
        raise CalibrationError("a temperature needs at least one labelled pixel, got none")
    if not bool(logits.isfinite().all()) or not 0 <= int(target.min()) <= int(target.max()) < logits.shape[1]:
        raise CalibrationError("a temperature needs finite logits, and targets that are classes; look at both")
    scores, wanted = logits.double(), target.long()[:, None].to(logits.device)
    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(STEPS):
        middle = (low + high) / 2
        weights = (scores * middle).softmax(1)
        if float(((weights * scores).sum(1) - scores.gather(1, wanted)[:, 0]).mean()) < 0:
            low = middle  # the loss still falls
        else:
            high = middle
    return 2 / (low + high)


def scaled(logits: StageLogits, temperatures: Sequence[float]) -> StageLogits:
    """Each stage's logits divided by its temperature."""
    _check(temperatures, len(logits))
    return StageLogits([maps / t for maps, t in zip(logits, temperatures, strict=True)], logits.size)


def with_temperatures(cascade: LayerCascade, temperatures: Sequence[float]) -> LayerCascade:
    """A copy of a cascade whose classifiers divide their logits by these temperatures.

    A cell's label stays as it was. Where cells of different stages meet, `.labels` blends their logits, so a few pixels
    there may change.

    Args:
        cascade: not changed.
        temperatures: S numbers above 0.

    Raises:
        CalibrationError: not one temperature per stage, or one that is not above 0.
    """
    _check(temperatures, len(cascade.heads))
    again = copy.deepcopy(cascade)
    for s, t in enumerate(temperatures):
        head = again.heads[s]
        if isinstance(head, nn.Sequential) and len(head) and isinstance(last := head[-1], nn.Conv2d):
            for part in (last.weight, last.bias):  # folded in: costs nothing, and `for_inference` takes it
                if part is not None:
                    part.data /= t
        else:
            again.heads[s] = nn.Sequential(head, _Divide(t))
    return again


class _Divide(nn.Module):
    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x / self.by


def _check(temperatures: Sequence[float], stages: int) -> None:
    if len(temperatures) != stages:
        raise CalibrationError(f"one temperature for each of the {stages} stages; got {len(temperatures)}")
    for t in temperatures:
        if not 0 < t < math.inf:
            raise CalibrationError(f"a temperature is a number above 0, got {t!r}")
