"""The region slider: choose how many cells are active and where, see the work fall, and whether the time follows.

Shape letters: H, W pixels, h, w cells.
"""

from __future__ import annotations

import html
import statistics
import time
from collections.abc import Callable, Mapping

import ipywidgets as ipw
import numpy as np
import torch
from torch import Tensor

from lcnb.plots.cascade import to_array
from lcnb.regions import Region
from lcnb.widgets.controls import NumberSlider, image_view, jpeg, readout
from lcnb.widgets.debounce import Debounced

SHARES = (0.0, 0.01, 0.02, *np.round(np.arange(0.05, 1.0001, 0.05), 2).tolist())
REPEATS = 5
DIMMED = 0.25
"""Brightness that idle cells keep."""


class RegionExplorer(ipw.VBox):
    """A slider over the fraction of active cells, a menu of masks, and the measured time of a layer or stage on them.

    While the slider moves, the work is counted; after 300 ms of rest the layer really runs, in turns with the dense
    one, and the read-out shows both medians.

    Args:
        image: (3, H, W) uint8, to draw the cells on.
        scores: by name of a mask, (h, w) floats: the cells with the highest scores are active.
        run: runs on a region of one (h, w) grid.
        dense: runs on the whole map.
        share: active at first.
    """

    def __init__(
        self,
        image: Tensor,
        scores: Mapping[str, Tensor],
        run: Callable[[Region], object],
        dense: Callable[[], object],
        share: float = 0.5,
    ) -> None:
        self.array, self.scores, self.run, self.dense = to_array(image), dict(scores), run, dense
        self.control = NumberSlider("active", SHARES, share, self._update)
        self.menu = ipw.Dropdown(options=list(scores), description="mask")
        self.menu.style.description_width = "86px"
        self.menu.observe(lambda _: self._update(), "value")
        self.image_view, self.readout = image_view(), readout()
        self.image_view.layout.max_width = "640px"
        self._measure_later = Debounced(self._measure, self._show_times, self._show_error)
        super().__init__([self.menu, self.control, self.readout, self.image_view])
        self._update()

    @property
    def region(self) -> Region:
        """The cells with the highest scores, as many as the slider says."""
        scores = self.scores[self.menu.value]
        mask = torch.zeros(scores.numel(), dtype=torch.bool)
        mask[scores.flatten().argsort(descending=True)[: round(self.control.value * scores.numel())]] = True
        return Region(mask.view(1, *scores.shape))

    def _update(self) -> None:
        region = self.region
        self.image_view.value = jpeg(self._paint(region))
        self._read(region, "counted", "rest a moment to see it measured")
        self._measure_later(region)

    def _paint(self, region: Region) -> np.ndarray:
        height, width = self.array.shape[:2]
        rows = np.arange(height) * region.shape[1] // height
        columns = np.arange(width) * region.shape[2] // width
        active = region.mask[0].numpy()[rows[:, None], columns]
        return np.where(active[..., None], self.array, (self.array * DIMMED).astype(np.uint8))

    def _measure(self, region: Region) -> tuple[Region, float, float]:
        """Median seconds on the region and of the dense run, which take turns."""
        seconds: tuple[list[float], list[float]] = ([], [])
        with torch.inference_mode():
            for _ in range(REPEATS + 1):
                for times, work in zip(seconds, (lambda: self.run(region), self.dense), strict=True):
                    start = time.perf_counter()
                    work()
                    times.append(time.perf_counter() - start)
        return region, statistics.median(seconds[0][1:]), statistics.median(seconds[1][1:])

    def _show_times(self, result: tuple[Region, float, float]) -> None:
        region, mine, dense = result
        text = f"measured: <b>{mine * 1e3:.1f} ms</b>, dense {dense * 1e3:.1f} ms, ratio <b>{mine / dense:.2f}</b>"
        self._read(region, "measured", text)

    def _show_error(self, error: BaseException) -> None:
        self.readout.value = (
            f'<div role="status" data-mode="error">The measurement failed: {html.escape(str(error))}</div>'
        )

    def _read(self, region: Region, mode: str, text: str) -> None:
        share = len(region) / max(1, region.mask.numel())
        self.readout.value = (
            f'<div role="status" data-mode="{mode}" data-share="{share:.4f}"><b>{len(region)}</b> of '
            f"{region.mask.numel()} cells active: <b>{share:.0%}</b> of the multiply-adds<br>{text}</div>"
        )
