"""The threshold slider: drag rho and see which cells exit where.

Shape letters: H, W pixels, S stages.

Every move re-thresholds cached stage outputs at once; when the slider has rested for 300 ms the cascade
really runs on regions, and the read-out says which of the two is shown. CSS classes for tests and style:
`lcnb-slider`, `lcnb-readout`, `lcnb-image`. Where there is no kernel (a stored notebook, a page), the same place
shows the first image with the slider of `lcnb.export`.
"""

from __future__ import annotations

import html
import time
import weakref
from collections.abc import Sequence
from typing import Any

import ipywidgets as ipw
import numpy as np
import torch
from torch import Tensor

from lcnb.evaluation import ConfusionMatrix
from lcnb.export import RHOS, canvas_slider
from lcnb.models import CascadeOutput, CascadeRuns, FusionError, LayerCascade, cascade_cost
from lcnb.palettes import UNKNOWN, class_colours, colourise, hexadecimal, stage_colours
from lcnb.plots.cascade import label_map, stage_overlay, to_array
from lcnb.widgets.controls import NumberSlider, image_view, readout, swatch
from lcnb.widgets.debounce import Debounced
from lcnb.widgets.images import beside, jpeg


class ThresholdExplorer(ipw.VBox):
    """A slider, a typed number, a read-out and an image.

    Args:
        cascade: in eval mode.
        images: (3, H, W) uint8 tensors; more than one gives a menu.
        classes: names, by index.
        rho: where the sliders start.
        masks: (H, W) true classes, for the mIoU of the read-out; or None.
        ignore_index: mask value that counts for nothing.
        names: of the images, for the menu.
        per_exit: one slider for each exit instead of one for all.
        cumulative: show the labels decided after each stage instead of the regions.
    """

    def __init__(
        self,
        cascade: LayerCascade,
        images: Sequence[Tensor],
        classes: Sequence[str],
        rho: float,
        *,
        masks: Sequence[Tensor] | None = None,
        ignore_index: int = 255,
        names: Sequence[str] = (),
        per_exit: bool = False,
        cumulative: bool = False,
    ) -> None:
        self.cascade, self.images, self.classes = cascade, list(images), tuple(classes)
        self.masks, self.ignore_index, self.cumulative = masks, ignore_index, cumulative
        self.device = next(cascade.parameters()).device
        self.fast = _fastest(cascade, self.device)
        self._run_later = Debounced(self._true_run, self._show_true, self._show_error)
        self._build(rho, len(cascade.stages) - 1 if per_exit else 1, names)
        self._choose(0)

    # What is on the screen.

    def _build(self, rho: float, sliders: int, names: Sequence[str]) -> None:
        self.controls = self._sliders(rho, sliders)
        self.image_view, self.readout = image_view(), readout()
        titles = list(names) or [f"image {i + 1}" for i in range(len(self.images))]
        self.menu = ipw.Dropdown(options=[(t, i) for i, t in enumerate(titles)], description="image")
        self.menu.style.description_width = "86px"
        self.menu.observe(lambda change: self._choose(change["new"]), "value")
        first = [self.menu] if len(self.images) > 1 else []
        super().__init__([*first, *self.controls, self.readout, self.image_view])

    def _sliders(self, rho: float, sliders: int) -> list[NumberSlider]:
        titles = ["threshold ρ"] if sliders == 1 else [f"ρ of exit {s + 1}" for s in range(sliders)]
        return [NumberSlider(title, RHOS, rho, self._update) for title in titles]

    @property
    def rho(self) -> tuple[float, ...]:
        """The thresholds as they stand, one per exit."""
        values = [c.value for c in self.controls]
        return tuple(values) if len(values) > 1 else tuple(values * (len(self.cascade.stages) - 1))

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """What goes into the notebook: this widget, and the slider without a kernel for who reads it without one."""
        bundle = super()._repr_mimebundle_(**kwargs)
        return bundle if len(self.controls) > 1 else {**bundle, "text/html": self.page()}

    def page(self) -> str:
        """The first image in a slider that needs no kernel: HTML of `lcnb.export.canvas_slider`."""
        image = self.images[0]
        x = image[None].to(self.device).float() / 255
        with torch.inference_mode():
            logits = self.cascade.all_stages(x)
        return canvas_slider(
            image, logits, self.classes, cascade_cost(self.cascade, *image.shape[1:]), rho=self.controls[0].value,
            cumulative=self.cumulative, mask=None if self.masks is None else self.masks[0],
            ignore_index=self.ignore_index,
        )  # fmt: skip

    # What happens when something changes.

    def _choose(self, number: int) -> None:
        self.number = number
        self.array = to_array(self.images[number])
        self.x = self.images[number][None].to(self.device).float() / 255
        with torch.inference_mode():
            self.logits = self.cascade.all_stages(self.x)
        self.cost = cascade_cost(self.cascade, *self.x.shape[2:])
        self._update()

    def _update(self) -> None:
        with torch.inference_mode():
            self._show(self.cascade.rethreshold(self.logits, self.rho), None)
        self._run_later(self.x, self.rho)

    def _true_run(self, x: Tensor, rho: tuple[float, ...]) -> tuple[CascadeOutput, float]:
        with torch.inference_mode():
            start = time.perf_counter()
            out = self.fast(x, rho)
            out.exits.cpu()  # waits for a GPU
            return out, time.perf_counter() - start

    def _show_true(self, result: tuple[CascadeOutput, float] | None) -> None:
        if result is not None:
            self._show(*result)

    def _show_error(self, error: BaseException) -> None:
        self.readout.value = (
            f'<div role="status" data-mode="error">The true run failed: {html.escape(str(error))}</div>'
        )

    def _show(self, out: CascadeOutput, seconds: float | None) -> None:
        self.output = out
        self.image_view.value = jpeg(self._paint(out))
        self.readout.value = self._read(out, seconds)

    def _paint(self, out: CascadeOutput) -> np.ndarray:
        if not self.cumulative:
            return beside(stage_overlay(self.array, out), label_map(out.labels[0], self.classes))
        labels, stage = out.labels[0].cpu().numpy(), out.pixel_stage()[0].cpu().numpy()
        colours = class_colours(self.classes)
        return beside(
            *(colourise(np.where(stage <= s, labels, 255), colours, UNKNOWN) for s in range(out.exits.shape[1]))
        )

    def _read(self, out: CascadeOutput, seconds: float | None) -> str:
        """The read-out: text, so that it can be selected, searched and read aloud."""
        exits = out.exits[0].tolist()
        saved = 1 - float(self.cost.of(out.work)[0]) / self.cost.dense
        colours = stage_colours(len(exits))
        stages = " &nbsp; ".join(
            f"{swatch(hexadecimal(colours[s]))} stage {s + 1}: <b>{v:.1%}</b>" for s, v in enumerate(exits)
        )
        later = "stages 2 and 3" if len(exits) == 3 else "the later stages"
        shown = "dense outputs re-thresholded" if out.mode == "cached" else f"{later} really ran on regions"
        parts = [f"<b>{out.mode}</b> ({shown})", f"multiply-adds saved: <b>{saved:.0%}</b>"]
        if seconds is not None:
            parts.append(f"{seconds * 1e3:.0f} ms")
        if (score := self._miou(out)) is not None:
            parts.append(f"mIoU of this image: {score:.3f}")
        data: dict[str, Any] = {"mode": out.mode, "rho": self.rho[0], "exits": " ".join(f"{v:.4f}" for v in exits)}
        attributes = " ".join(f'data-{k}="{v}"' for k, v in data.items())
        return f'<div role="status" {attributes}>{stages}<br>{" · ".join(parts)}</div>'

    def _miou(self, out: CascadeOutput) -> float | None:
        if self.masks is None:
            return None
        confusion = ConfusionMatrix(len(self.classes), self.ignore_index)
        confusion.update(out.labels[0].cpu(), self.masks[self.number])
        return confusion.miou


_PREPARED: weakref.WeakKeyDictionary[LayerCascade, tuple[list[tuple[int, int]] | None, CascadeRuns]] = (
    weakref.WeakKeyDictionary()
)


def _fastest(cascade: LayerCascade, device: torch.device) -> CascadeRuns:
    """The fused form where there is one: the true run should not keep the reader waiting.

    Explorers of one cascade share it, until its weights change.
    """
    if device.type != "cpu":
        return cascade
    tensors = (*cascade.parameters(), *cascade.buffers())
    unknown = any(t.is_inference() for t in tensors)
    versions = None if unknown else [(t._version, t.data_ptr()) for t in tensors]  # a cast puts them elsewhere
    known = _PREPARED.get(cascade)
    if known is None or versions is None or known[0] != versions:
        try:
            known = versions, cascade.for_inference()
        except FusionError:
            return cascade
        _PREPARED[cascade] = known
    return known[1]
