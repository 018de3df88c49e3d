"""Thresholds for a budget: every combination of a grid scored from one dense pass, and the best that a budget allows.

Shape letters: N images, K classes, h, w the 1/8 grid, H, W pixels, S stages, G thresholds of the grid.

The paper takes one rho for both exits. With one rho each there are G x G pairs, and to cut every image at every pair
would take G x G times as long. Instead a pixel is put once into a histogram over (true class, class that stage s says,
how many of the grid's thresholds its cell's confidence exceeds at each exit). Running sums over that histogram are then
the confusion counts of every pair.

Exact, to the cell: fractions of exits and multiply-adds, those of the cached view. Labels are not quite exact: here a
pixel has the label that its cell's stage gives it, whereas `.labels` blends logits of neighbouring cells of other
stages. So a choice is made by the table and then checked with real runs, on other images: the table says what is best
on the images it was made from, and the best of many is always a little lucky.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lcnb.errors import LcnbError
from lcnb.evaluation.metrics import miou, pixel_counts
from lcnb.models import Criterion, StageLogits, max_softmax, to_labels
from lcnb.models.exits import thresholds
from lcnb.models.labels import to_pixels

GRID = (
    0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.993, 0.995, 0.997,
    0.998, 0.999, 0.9995, 0.9999, 1.0,
)  # fmt: skip
"""Finer where the exits change fastest."""
LARGEST = 2**27
"""Numbers in a histogram (1 GB)."""


class BudgetError(LcnbError):
    """No thresholds meet a budget."""


@dataclass(frozen=True)
class Choice:
    """One combination of thresholds, as the table sees it (cached view).

    Attributes:
        rho: S - 1 thresholds.
        miou: by the table, labels by nearest cell.
        macs: multiply-adds of an image, mean.
        exits: fraction of the cells that exit at each of the S stages.
    """

    rho: tuple[float, ...]
    miou: float
    macs: float
    exits: tuple[float, ...]


class ThresholdTable:
    """Scores of all combinations of a grid of thresholds, in memory that does not grow with the images.

    Args:
        stages: S, at least 2.
        classes: K.
        ignore_index: mask value that counts for nothing.
        grid: G thresholds in [0, 1], rising, the same at every exit.
        criterion: confidence of (B, K, h, w) logits.

    Raises:
        ValueError: the grid is not of this kind, or the histogram would take more than 1 GB.
    """

    def __init__(
        self,
        stages: int,
        classes: int,
        ignore_index: int,
        grid: Sequence[float] = GRID,
        criterion: Criterion = max_softmax,
    ) -> None:
        self.grid = thresholds(tuple(grid), len(grid))
        if stages < 2 or not self.grid or any(b <= a for a, b in itertools.pairwise(self.grid)):
            raise ValueError(f"a table needs two stages and rising thresholds; got {stages} and {self.grid}")
        bins = (len(grid) + 1,) * (stages - 1)
        if (size := stages * classes**2 * math.prod(bins)) > LARGEST:
            raise ValueError(f"{len(grid)} thresholds at {stages - 1} exits make {size} numbers; take fewer thresholds")
        self.stages, self.classes, self.ignore_index, self.criterion = stages, classes, ignore_index, criterion
        self.images = 0
        self._pixels = torch.zeros(stages, *bins, classes, classes, dtype=torch.int64)
        self._cells = torch.zeros(bins, dtype=torch.int64)
        self._macs = torch.zeros(stages, *bins, dtype=torch.float64)

    def update(self, logits: StageLogits, target: Tensor, costs: Sequence[float]) -> None:
        """Add images of one size.

        Args:
            logits: S maps (B, K, h, w), as `all_stages` gives them.
            target: (B, H, W) true classes.
            costs: multiply-adds of each stage, its classifier included, on all cells of one image.

        Raises:
            ValueError: there is not one map and one cost per stage.
        """
        if len(logits) != self.stages or len(costs) != self.stages:
            raise ValueError(f"{self.stages} stages: got {len(logits)} maps and {len(costs)} costs")
        limits = torch.tensor(self.grid, dtype=torch.float32, device=logits[0].device)
        place = torch.zeros_like(logits[0][:, 0], dtype=torch.int64)
        for maps in logits[:-1]:
            place = place * (len(self.grid) + 1) + self._passed(self.criterion(maps), limits)
        cells = torch.bincount(place.flatten().cpu(), minlength=self._cells.numel()).view(self._cells.shape)
        self._cells += cells
        for s, cost in enumerate(costs):
            self._macs[s] += cells * (cost / place[0].numel())
        where = to_pixels(place, target.shape[1:]).to(target.device)
        for s, maps in enumerate(logits):
            said = to_labels(maps, target.shape[1:]).to(target.device)
            counts = pixel_counts(said, target, self.classes, self.ignore_index, where, cells.numel())
            self._pixels[s] += counts.view(self._pixels[s].shape)
        self.images += len(target)

    def _passed(self, confidence: Tensor, limits: Tensor) -> Tensor:
        """How many thresholds a confidence exceeds, by the rules of `leaves`: rho = 0 always, rho = 1 never."""
        passed = torch.bucketize(confidence, limits)
        return passed.clamp(int(self.grid[0] == 0), len(self.grid) - int(self.grid[-1] == 1))

    def _at(self, histogram: Tensor, stage: int, leaving: bool) -> Tensor:
        """(G + 1, ..., G + 1, ...) of thresholds exceeded -> (G, ..., G, ...) of those that reach a stage, or exit.

        Each axis of counts becomes one of thresholds; an exit behind the stage is never asked.
        """
        for axis in range(self.stages - 1):
            stays = histogram.cumsum(axis).narrow(axis, 0, len(self.grid))  # exceeds at most j thresholds: not j's own
            everyone = histogram.sum(axis, keepdim=True).expand_as(stays)
            asked = everyone - stays if leaving and axis == stage else everyone
            histogram = stays if axis < stage else asked
        return histogram

    @property
    def exits(self) -> Tensor:
        """(G, ..., G, S) float64: fraction of the cells that exit at each stage, an axis of G for each exit."""
        cells = torch.stack([self._at(self._cells, s, leaving=True) for s in range(self.stages)], dim=-1)
        return cells.double() / max(1, int(self._cells.sum()))

    @property
    def macs(self) -> Tensor:
        """(G, ..., G) float64: multiply-adds of an image, mean."""
        reached = (self._at(self._macs[s], s, leaving=False) for s in range(self.stages))
        return sum(reached, torch.zeros(())) / max(1, self.images)

    @property
    def counts(self) -> Tensor:
        """(G, ..., G, K, K) int64: confusion counts, row = true class, labels by nearest cell."""
        return torch.stack([self._at(self._pixels[s], s, leaving=True) for s in range(self.stages)]).sum(0)

    @property
    def miou(self) -> Tensor:
        """(G, ..., G) float64."""
        return miou(self.counts)

    def linear(self, each: Sequence[float], fixed: float = 0.0) -> Tensor:
        """(G, ..., G) float64: fixed + the sum over the stages of each[s] times the fraction of cells that reach it.

        For budgets other than multiply-adds, such as milliseconds (`stage_lines`).
        """
        reached = torch.stack([self._at(self._cells, s, leaving=False) for s in range(self.stages)], dim=-1).double()
        return reached @ torch.tensor(list(each), dtype=torch.float64) / max(1, int(self._cells.sum())) + fixed

    def choice(self, index: Sequence[int]) -> Choice:
        """The combination at this place of the grid, one index per exit."""
        at = tuple(int(i) for i in index)
        rho = tuple(self.grid[i] for i in at)
        return Choice(rho, float(self.miou[at]), float(self.macs[at]), tuple(self.exits[at].tolist()))

    def best_within(self, budget: float, spent: Tensor | None = None) -> Choice:
        """The highest mIoU that a budget allows; of equals the cheapest.

        Args:
            budget: of an image on average, in the unit of `spent`.
            spent: (G, ..., G) what each combination takes; multiply-adds if None.

        Raises:
            BudgetError: even the cheapest thresholds take more.
        """
        scores, spent = self.miou, self.macs if spent is None else spent
        if not bool((spent <= budget).any()):
            raise BudgetError(
                f"no thresholds of this grid stay within {budget:.4g}; the cheapest take {spent.min():.4g}"
            )
        best = scores[spent <= budget].max()
        return self.choice(_cheapest(spent, (spent <= budget) & (scores == best)))

    def cheapest_within(self, loss: float, spent: Tensor | None = None) -> Choice:
        """The cheapest combination whose mIoU is at most `loss` below that of the grid's last one (all stages, if 1).

        Args:
            loss: of mIoU, 0 or more.
            spent: as for `best_within`.

        Raises:
            ValueError: the loss is below 0.
        """
        if not loss >= 0:
            raise ValueError(f"a loss of mIoU is 0 or more, got {loss}")
        scores, spent = self.miou, self.macs if spent is None else spent
        dense = scores[(len(self.grid) - 1,) * (self.stages - 1)]
        return self.choice(_cheapest(spent, scores >= dense - loss))


def stage_lines(shares: Tensor, ms: Tensor) -> tuple[tuple[float, ...], float]:
    """Time as a straight line of the fraction of cells, stage by stage, by least squares.

    Args:
        shares: (N, S) fraction of the cells that each stage computed in N runs, `CascadeOutput.work`.
        ms: (N, S) or (N, S + 1) its time, and what follows the stages (`by_image.stage_times`).

    Returns:
        Milliseconds of each stage on all cells beyond its fixed part, and the sum of all fixed parts:
        `ThresholdTable.linear` takes the two.
    """
    shares, ms = shares.double(), ms.double()
    stages, level = shares.shape[1], ms.mean(0)
    away = shares - shares.mean(0)
    spread = away.square().sum(0)
    rise = (away * (ms[:, :stages] - level[:stages])).sum(0) / torch.where(spread > 0, spread, torch.inf)
    return tuple(rise.tolist()), float(level.sum() - (rise * shares.mean(0)).sum())


def _cheapest(spent: Tensor, allowed: Tensor) -> tuple[int, ...]:
    place = int(torch.where(allowed, spent, torch.inf).argmin())
    return tuple(int(i) for i in torch.unravel_index(torch.tensor(place), spent.shape))
