"""The budget slider: say how much work you can afford, and the thresholds follow.

Shape letters: H, W pixels, S stages, G thresholds of a grid.

It is the threshold slider turned round. The thresholds of a budget come from a `ThresholdTable`, made beforehand from
other images; the image on show may take more or less than the average that the budget speaks of, and the read-out
says both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from lcnb.evaluation.budget import Choice, ThresholdTable
from lcnb.models import LayerCascade
from lcnb.widgets.explorer import ThresholdExplorer

SHARES = tuple(np.round(np.arange(0.15, 1.001, 0.05), 2).tolist())
"""Where the slider stops."""


class BudgetExplorer(ThresholdExplorer):
    """A slider for a fraction of the dense multiply-adds, a read-out and an image.

    Args:
        cascade: in eval mode.
        images: (3, H, W) uint8 tensors; more than one gives a menu.
        classes: names, by index.
        table: of this cascade, with every threshold of the grid scored; its last threshold is 1.
        share: of the dense multiply-adds, where the slider starts, in [0, 1].
        others: masks, ignore_index and names, as for `ThresholdExplorer`.
    """

    def __init__(
        self,
        cascade: LayerCascade,
        images: Sequence[Tensor],
        classes: Sequence[str],
        table: ThresholdTable,
        share: float = 0.6,
        **others: Any,
    ) -> None:
        self.dense = float(table.macs.max())
        self.least = float(table.macs.min()) / self.dense
        scores, spent = table.miou.flatten(), table.macs.flatten() / self.dense
        self._frontier = _frontier(table, scores, spent)
        super().__init__(cascade, images, classes, share, **others)

    def _scale(self) -> tuple[dict[str, Any], dict[str, Any]]:
        shares = sorted({*SHARES, round(self.share, 3)})
        rhos, notes = [self._choice(s).rho for s in shares], [self._note(s) for s in shares]
        told = {"controls": ["work"], "unit": "fraction", "stops": shares, "notes": notes}
        return {"stops": rhos, "start": shares.index(round(self.share, 3))}, told

    @property
    def share(self) -> float:
        """The budget as it stands: a fraction of the dense multiply-adds."""
        return float(self.canvas.asked["values"][0])

    @property
    def choice(self) -> Choice:
        """The best thresholds of the budget as it stands; the cheapest where none meet it."""
        return self._choice(self.share)

    def _choice(self, share: float) -> Choice:
        within = [c for c in self._frontier if c.macs <= share * self.dense]
        return within[-1] if within else self._frontier[0]

    def _thresholds(self, values: Sequence[float]) -> tuple[float, ...]:
        return self._choice(values[0]).rho

    def _note(self, value: float) -> str:
        choice = self._choice(value)
        pair = ", ".join(f"{r:g}" for r in choice.rho)
        if choice.macs > value * self.dense:
            return f"no thresholds take as little as {value:.0%}; the least is {self.least:.0%}, with ρ = ({pair})"
        return f"budget {value:.0%} of the work on average: ρ = ({pair}), expected {choice.macs / self.dense:.0%}"


def _frontier(table: ThresholdTable, scores: Tensor, spent: Tensor) -> list[Choice]:
    """Combinations that nothing cheaper beats, from cheap to dear: a move of the slider must not search the table."""
    kept, best = [], -1.0
    order = np.lexsort((-scores.numpy(), spent.numpy()))
    for place in order.tolist():
        if float(scores[place]) > best:
            best = float(scores[place])
            kept.append(table.choice(np.unravel_index(place, tuple(table.miou.shape))))  # type: ignore[arg-type]
    return kept
