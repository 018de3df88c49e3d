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
from lcnb.models import CascadeOutput, LayerCascade
from lcnb.widgets.controls import NumberSlider
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

    def _sliders(self, rho: float, sliders: int) -> list[NumberSlider]:
        return [NumberSlider("work", SHARES, rho, self._update, "fraction of the dense multiply-adds, from 0 to 1")]

    @property
    def choice(self) -> Choice:
        """The best thresholds of the budget as it stands; the cheapest where none meet it."""
        share = self.controls[0].value
        within = [c for c in self._frontier if c.macs <= share * self.dense]
        return within[-1] if within else self._frontier[0]

    @property
    def rho(self) -> tuple[float, ...]:
        """The thresholds, one per exit."""
        return self.choice.rho

    def _read(self, out: CascadeOutput, seconds: float | None) -> str:
        choice, share = self.choice, self.controls[0].value
        pair = ", ".join(f"{r:g}" for r in choice.rho)
        text = (
            f"budget <b>{share:.0%}</b> of the work on average: ρ = ({pair}), expected {choice.macs / self.dense:.0%}"
        )
        if choice.macs > share * self.dense:
            text = f"no thresholds take as little as {share:.0%}; the least is {self.least:.0%}, with ρ = ({pair})"
        return f'<div data-budget="{share:g}">{text}</div>' + super()._read(out, seconds)


def _frontier(table: ThresholdTable, scores: Tensor, spent: Tensor) -> list[Choice]:
    """Combinations that nothing cheaper beats, from cheap to dear: a move of the slider must not search the table."""
    kept, best = [], -1.0
    order = np.lexsort((-scores.numpy(), spent.numpy()))
    for place in order.tolist():
        if float(scores[place]) > best:
            best = float(scores[place])
            kept.append(table.choice(np.unravel_index(place, tuple(table.miou.shape))))  # type: ignore[arg-type]
    return kept
