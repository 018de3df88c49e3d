"""Exit decisions: confidence, thresholds and the ledger that every kind of run shares.

Shape letters: B images, K classes, h, w the 1/8 grid, S stages, H, W pixels.

A criterion turns logits into a confidence in [0, 1]; a cell exits when its confidence is strictly above
rho (paper, section 3.2). The same `ExitLedger` serves true runs, cached re-thresholding and the masks of
cascade training, so that the three cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from lcnb.errors import NotFiniteError
from lcnb.models.labels import to_labels, to_pixels

Criterion = Callable[[Tensor], Tensor]
"""(B, K, h, w) logits of any float dtype -> (B, h, w) float32 confidence in [0, 1]."""


def max_softmax(logits: Tensor) -> Tensor:
    """The top softmax score: the paper's criterion (section 3.2)."""
    return logits.float().softmax(1).amax(1)


def margin(logits: Tensor) -> Tensor:
    """The top softmax score minus the second; 1 where there is one class only."""
    scores = logits.float().softmax(1)
    if scores.shape[1] == 1:
        return scores[:, 0]
    top = scores.topk(2, dim=1).values
    return top[:, 0] - top[:, 1]


def certainty(logits: Tensor) -> Tensor:
    """1 - entropy / log K: 1 where one class takes all, 0 where all are equal."""
    log_scores = logits.float().log_softmax(1)
    entropy = -(log_scores.exp() * log_scores).sum(1)
    return (1 - entropy / math.log(max(2, logits.shape[1]))).clamp(0, 1)


CRITERIA: dict[str, Criterion] = {"max_softmax": max_softmax, "margin": margin, "certainty": certainty}


def thresholds(rho: float | Sequence[float], exits: int) -> tuple[float, ...]:
    """One threshold per exit, from one for all (the paper's choice) or one each.

    Args:
        rho: a number in [0, 1], or `exits` of them.
        exits: exits that have a threshold; the last stage accepts all and has none.

    Raises:
        ValueError: a value is not a number in [0, 1], or there are too many or too few.
    """
    values: tuple[Any, ...] = (rho,) * exits
    if isinstance(rho, Sequence) and not isinstance(rho, str):
        values = tuple(rho)
    if len(values) != exits:
        raise ValueError(f"rho needs one value, or one for each of the {exits} exits; got {len(values)}: {values}")
    for value in values:
        if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= float(value) <= 1:
            raise ValueError(f"rho is a probability between 0 and 1, got {value!r}")
    return tuple(float(v) for v in values)


def leaves(confidence: Tensor, rho: float) -> Tensor:
    """Bool, where the confidence is strictly above rho.

    rho = 0 sends every cell out and rho = 1 none, whatever the criterion says, ties and saturation included.
    """
    return torch.ones_like(confidence, dtype=torch.bool) if rho == 0 else (confidence > rho) & (rho < 1)


class PlannedExits:
    """A criterion that sends out the cells it was told to, at the price of the real one.

    Args:
        still_open: (B, h, w) bool for each exit, the cells that stay open behind it.

    It serves one run: its first call is for stage 1, its second for stage 2. Any rho between 0 and 1 will do.
    """

    def __init__(self, still_open: Sequence[Tensor]) -> None:
        self.still_open = iter(still_open)

    def __call__(self, logits: Tensor) -> Tensor:
        """(B, K, h, w) -> (B, h, w) float32: 0 where a cell continues, 1 where it exits."""
        confidence = max_softmax(logits)
        keep = next(self.still_open, None)
        return confidence if keep is None else torch.where(keep, 0.0, 1.0)


PLANNED_RHO = 0.5
"""Any value strictly between 0 and 1 separates the planned confidences."""


@dataclass(frozen=True)
class CascadeOutput:
    """What a cascade says about a batch.

    Attributes:
        labels: (B, H, W) int64 in 0 .. K-1, the argmax of the bilinearly upsampled `logits`.
        logits: (B, K, h, w), at each cell those of the stage it left at.
        stage: (B, h, w) int64 in 0 .. S-1, the stage each cell left at.
        confidence: (B, h, w) float32, the criterion's value there.
        exits: (B, S) float32, fraction of the cells that exited at each stage; rows sum to 1.
        work: (B, S) float32, fraction of the cells that each stage computed (more than what reached it if halo > 0).
        mode: "true" (the later stages ran on regions) or "cached" (dense stage outputs re-thresholded).
    """

    labels: Tensor
    logits: Tensor
    stage: Tensor
    confidence: Tensor
    exits: Tensor
    work: Tensor
    mode: str

    def pixel_stage(self) -> Tensor:
        """(B, H, W) int64: the stage of each pixel is that of its nearest cell."""
        return to_pixels(self.stage, self.labels.shape[1:])


class ExitLedger:
    """Notes, stage by stage, which cells exit and with what.

    Args:
        rho: one threshold per exit, S - 1 of them.
        criterion: confidence of (B, K, h, w) logits.

    Attributes:
        open: (B, h, w) bool, the cells that have not left yet; None before the first stage.
        reached: for each stage so far, the (B, h, w) bool map of the cells that reached it.

    A confidence that is no number (NaN) is never above rho, so such a cell goes on to the next stage; `close` refuses
    what is still not finite then.

    Raises:
        TypeError: the criterion is no function.
    """

    def __init__(self, rho: tuple[float, ...], criterion: Criterion) -> None:
        if not callable(criterion):
            raise TypeError(
                f"criterion is a function, such as those of CRITERIA ({', '.join(CRITERIA)}); got {criterion!r}"
            )
        self.rho = rho
        self.criterion = criterion
        self.open: Tensor | None = None
        self.logits: Tensor | None = None
        self.reached: list[Tensor] = []

    def accept(self, logits: Tensor) -> Tensor:
        """Take the next stage's (B, K, h, w) logits (read at open cells only); returns the cells still open."""
        s = len(self.reached)
        if self.open is None or self.logits is None:
            self.logits = logits
            self.confidence = self.criterion(logits)
            if self.confidence.shape != (len(logits), *logits.shape[2:]):
                raise ValueError(
                    f"a criterion gives (B, h, w), one confidence a cell: of logits {tuple(logits.shape)} it gave "
                    f"{tuple(self.confidence.shape)}"
                )
            self.stage = torch.full_like(self.confidence, s, dtype=torch.int64)
            self.open = torch.ones_like(self.stage, dtype=torch.bool)
        else:
            self.logits = torch.where(self.open[:, None], logits, self.logits)
            self.confidence = torch.where(self.open, self.criterion(self.logits), self.confidence)
            self.stage = torch.where(self.open, s, self.stage)
        self.reached.append(self.open)
        last = s == len(self.rho)
        self.open = torch.zeros_like(self.open) if last else self.open & ~leaves(self.confidence, self.rho[s])
        return self.open

    def pass_on(self, shape: Sequence[int], device: torch.device) -> None:
        """No cell exits at a stage whose threshold is 1: its logits are not needed, and neither is its classifier.

        Args:
            shape: (B, h, w).
            device: of the maps.
        """
        if self.open is None:
            self.open = torch.ones(tuple(shape), dtype=torch.bool, device=device)
        self.reached.append(self.open)

    def close(self, size: Sequence[int], mode: str, work: Tensor | None = None) -> CascadeOutput:
        """The output at (H, W) pixels. Without `work`, each stage is charged with the cells that reached it.

        Raises:
            NotFiniteError: logits or confidence are NaN or infinite where a cell has left; it names the stage.
        """
        assert self.logits is not None, "no stage has been accepted"
        self._check_finite()
        stages = len(self.rho) + 1
        counts = torch.stack([(self.stage == s).flatten(1).sum(1) for s in range(stages)], dim=1)
        exits = counts.float() / max(1, self.stage[0].numel())
        if work is None:
            work = exits.flip(1).cumsum(1).flip(1)
        labels = to_labels(self.logits, size)
        return CascadeOutput(labels, self.logits, self.stage, self.confidence, exits, work, mode)

    def _check_finite(self) -> None:
        """On the 1/8 grid: next to the labels, which upsample these logits 64-fold, it costs nothing."""
        assert self.logits is not None
        finite = self.logits.isfinite().all(1) & self.confidence.isfinite()
        if not bool(finite.all()):
            stages = sorted({int(s) + 1 for s in self.stage[~finite].unique()})
            raise NotFiniteError(
                f"the network says NaN or infinity at {int((~finite).sum())} of {finite.numel()} cells, which left at "
                f"stage {' and '.join(map(str, stages))}: look at the image, the weights and the criterion"
            )
