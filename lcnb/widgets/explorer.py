"""The threshold slider: drag rho and see which cells exit where.

Shape letters: H, W pixels, S stages.

The browser draws it (`lcnb/export/slider.js`, by anywidget): while the slider moves, it recolours the cached stage
outputs that it has; when the slider is released, the cascade really runs on regions here, and a badge says which of the
two is shown. Where there is no kernel (a stored notebook, a page), the same script shows the first image; where
JupyterLab has no anywidget, a sentence and the still image take its place.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Sequence
from typing import Any

import anywidget
import ipywidgets as ipw
import torch
import traitlets
from torch import Tensor

from lcnb.evaluation import ConfusionMatrix
from lcnb.export import MODULE, RHOS, STYLE, fragment, slider_data, still
from lcnb.models import CascadeOutput, CascadeRuns, FusionError, LayerCascade, cascade_cost
from lcnb.widgets.debounce import Debounced

MISSING = (
    '<style>@keyframes lcnb-late { from { visibility: hidden; height: 0; } }</style><div class="lcnb-still" '
    'style="animation: lcnb-late 4s step-end"><p>The slider has not appeared: JupyterLab finds no anywidget. '
    "<code>pip install anywidget</code> where JupyterLab is installed, start it anew and run the cell.</p>"
)
"""Above the still image; shown where the widget's style, which hides both, does not come."""


class Canvas(anywidget.AnyWidget):
    """What `slider.js` draws.

    Attributes:
        view: `slider_data` of the image on show.
        names: of the images, for the menu.
        asked: by the browser: image (its number), values of the sliders, run (whether to run truly), and turn (counts).
        frame: the answer, a run's maps and numbers.
    """

    _esm = MODULE
    _css = STYLE + ".lcnb-still { display: none; }\n"
    view = traitlets.Dict().tag(sync=True)
    names: traitlets.List = traitlets.List().tag(sync=True)
    asked = traitlets.Dict().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)


class ThresholdExplorer(ipw.VBox):
    """A slider, a typed number, a read-out and the image: original, stages, labels.

    Args:
        cascade: in eval mode.
        images: (3, H, W) uint8 tensors; more than one gives a menu.
        classes: names, by index.
        rho: where the sliders start.
        masks: (H, W) true classes, for the mIoU of the read-out and to compare with; or None.
        ignore_index: mask value that counts for nothing.
        names: of the images, for the menu.
        per_exit: one slider for each exit instead of one for all.
        cumulative: show the labels decided after each stage instead of the regions.

    Attributes:
        canvas: what the browser draws.
        output: of the last run, cached or true.
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
        self._run_later = Debounced(self._true_run, self._show_true, self._show_error, rest=0.05)
        exits = len(cascade.stages) - 1
        self._controls = [f"ρ of exit {s + 1}" for s in range(exits)] if per_exit and exits > 1 else ["threshold ρ"]
        titles = list(names) or [f"image {i + 1}" for i in range(len(self.images))]
        self.number, values = -1, [float(rho)] * len(self._controls)
        self.canvas = Canvas(names=titles, asked={"image": 0, "values": values, "run": True, "turn": 0})
        self.canvas.observe(lambda _: self._answer(), "asked")
        self._answer()
        super().__init__([self.canvas, ipw.HTML(f"{MISSING}{still(self.canvas.view)}</div>")])

    @property
    def rho(self) -> tuple[float, ...]:
        """The thresholds as they stand, one per exit."""
        return self._thresholds(self.canvas.asked["values"])

    def _thresholds(self, values: Sequence[float]) -> tuple[float, ...]:
        return tuple(values) if len(values) > 1 else tuple(values) * (len(self.cascade.stages) - 1)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """What goes into the notebook: this widget, and the slider without a kernel for who reads it without one."""
        bundle = super()._repr_mimebundle_(**kwargs)
        return bundle if len(self._controls) > 1 else {**bundle, "text/html": self.page()}

    def page(self) -> str:
        """The image on show in a slider that needs no kernel: HTML of `lcnb.export.fragment`."""
        return fragment(self.canvas.view)

    def _scale(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Where the slider stops: options of `slider_data`, and what else the browser is told."""
        return {"stops": RHOS, "rho": self.canvas.asked["values"][0]}, {"controls": self._controls}

    def _choose(self, number: int) -> None:
        self.number, image = number, self.images[number]
        self.x = image[None].to(self.device).float() / 255
        with torch.inference_mode():
            self.logits = self.cascade.all_stages(self.x)
        self.cost = cascade_cost(self.cascade, *self.x.shape[2:])
        options, told = self._scale()
        mask = None if self.masks is None else self.masks[number]
        shown: dict[str, Any] = {"cumulative": self.cumulative, "mask": mask, "ignore_index": self.ignore_index}
        self.canvas.view = slider_data(image, self.logits, self.classes, self.cost, **shown, **options) | told

    def _answer(self) -> None:
        """To what the browser asked: another image, a cached frame where it has none of its own, a true run."""
        asked = self.canvas.asked
        if asked["image"] != self.number:
            self._choose(asked["image"])
        values, rho = asked["values"], self.rho
        with torch.inference_mode():
            self.output = self.cascade.rethreshold(self.logits, rho)
        if len(set(values)) > 1 or values[0] not in self.canvas.view["stops"]:
            self._send(self.output, values, rho, None)
        if asked["run"]:
            self._run_later(self.number, self.x, values, rho)

    def _true_run(self, number: int, x: Tensor, values: list[float], rho: tuple[float, ...]) -> tuple[Any, ...]:
        with torch.inference_mode():
            start = time.perf_counter()
            out = self.fast(x, rho)
            out.exits.cpu()  # waits for a GPU
            return number, out, values, rho, (time.perf_counter() - start) * 1e3

    def _show_true(self, result: tuple[Any, ...]) -> None:
        if result[0] == self.number:
            self._send(*result[1:])

    def _show_error(self, error: BaseException) -> None:
        self._frame(mode="error", values=self.canvas.asked["values"], message=str(error))

    def _send(self, out: CascadeOutput, values: list[float], rho: tuple[float, ...], ms: float | None) -> None:
        self.output = out
        self._frame(
            mode=out.mode, values=values, rho=rho, work=out.work[0].tolist(), ms=ms, miou=self._miou(out),
            note=self._note(values[0]), stage=_bytes(out.stage), labels=_bytes(out.labels),
        )  # fmt: skip

    def _frame(self, **parts: Any) -> None:
        self.canvas.frame = {"image": self.number, **parts}

    def _note(self, value: float) -> str | None:
        """A sentence above the read-out."""

    def _miou(self, out: CascadeOutput) -> float | None:
        if self.masks is None:
            return None
        confusion = ConfusionMatrix(len(self.classes), self.ignore_index)
        confusion.update(out.labels[0].cpu(), self.masks[self.number])
        return confusion.miou


def _bytes(maps: Tensor) -> bytes:
    return maps[0].to(torch.uint8).cpu().numpy().tobytes()


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
