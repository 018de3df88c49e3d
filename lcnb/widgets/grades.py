"""The confidence slider: easy, moderate and hard as the meaning of "sure" changes.

Shape letters: H, W pixels.
"""

from __future__ import annotations

import ipywidgets as ipw
import numpy as np
from torch import Tensor

from lcnb.difficulty import BOUNDARY_WIDTH, NAMES, THRESHOLD, DifficultyCounts, difficulty
from lcnb.palettes import DIFFICULTY, hexadecimal
from lcnb.plots.cascade import to_array
from lcnb.plots.difficulty import difficulty_overlay
from lcnb.widgets.controls import NumberSlider, image_view, jpeg, readout, swatch

STEPS = (
    *np.round(np.arange(0.3, 0.9, 0.05), 2).tolist(),
    *np.round(np.arange(0.9, 0.995, 0.01), 2).tolist(),
    0.995,
    0.999,
)


class DifficultyExplorer(ipw.VBox):
    """A slider over the confidence above which a pixel counts as sure.

    Args:
        image: (3, H, W) uint8.
        labels: (H, W) predicted classes.
        confidence: (H, W) in [0, 1].
        target: (H, W) true classes.
        ignore_index: of the truth.
        classes: number of classes.
    """

    def __init__(
        self, image: Tensor, labels: Tensor, confidence: Tensor, target: Tensor, ignore_index: int, classes: int
    ) -> None:
        self.array, self.labels, self.confidence, self.target = to_array(image), labels, confidence, target
        self.ignore_index, self.classes = ignore_index, classes
        self.control = NumberSlider("sure above", STEPS, THRESHOLD, self._update)
        self.image_view, self.readout = image_view(), readout()
        super().__init__([self.control, self.readout, self.image_view])
        self._update()

    def _update(self) -> None:
        grade = difficulty(self.labels, self.confidence, self.target, self.ignore_index, self.control.value)
        counts = DifficultyCounts(self.classes, self.ignore_index, BOUNDARY_WIDTH)
        counts.update(grade, self.target)
        shares, edges = counts.shares.tolist(), counts.boundary_shares.tolist()
        gap = np.full((len(self.array), 8, 3), 255, np.uint8)
        self.image_view.value = jpeg(np.concatenate([self.array, gap, difficulty_overlay(self.array, grade)], axis=1))
        cells = "".join(
            f"<tr><td>{swatch(hexadecimal(DIFFICULTY[name]))} {name} &nbsp;</td>"
            f"<td><b>{share:.1%}</b> of the pixels &nbsp;</td><td>{_percent(edge)} of them near a boundary</td></tr>"
            for name, share, edge in zip(NAMES, shares, edges, strict=True)
        )
        data = " ".join(f"{s:.4f}" for s in shares)
        self.readout.value = f'<div role="status" data-mode="graded" data-shares="{data}"><table>{cells}</table></div>'


def _percent(value: float) -> str:
    return "none" if value != value else f"{value:.0%}"
