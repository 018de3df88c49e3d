"""Parts of widgets: a slider with a typed number beside it, images and read-outs; a bar of progress; a training curve.

The number is there because Esc does not leave a slider, and some thresholds lie between its stops.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import ipywidgets as ipw
import numpy as np
from IPython.display import display

from lcnb.datasets.images import encoded
from lcnb.plots.style import encode
from lcnb.plots.training import training_curves

Item = TypeVar("Item")
REDRAW = 0.2
"""Seconds between two movements of a bar."""
SPOKEN = """
(function name(tries) {
    const control = element.closest(".lcnb-control");
    const handle = control && control.querySelector(".noUi-handle");
    const shown = control && control.querySelector(".widget-readout");
    if (!handle || !shown) return tries && setTimeout(name, 100, tries - 1);
    const say = () => handle.getAttribute("aria-valuetext") === shown.textContent
        || handle.setAttribute("aria-valuetext", shown.textContent);
    const label = control.querySelector(".widget-label").textContent;
    [handle, shown].forEach(part => part.setAttribute("aria-label", label));
    control.querySelector(".lcnb-number input").setAttribute("aria-label", label + ": any value from 0 to 1");
    new MutationObserver(say).observe(handle, {attributes: true, attributeFilter: ["aria-valuetext"]});
    say();
})(100);
"""
"""ipywidgets gives a slider's handle no name, and as its value the number of the stop. Here both come from the text
beside it, for the reader who hears the page. Where a front end runs no scripts the slider works as before."""


class NumberSlider(ipw.HBox):
    """A slider over uneven stops and a number field for any value between 0 and 1, kept in step.

    Args:
        description: the label of both.
        stops: values the slider can take; `value` is added if it is none of them.
        value: to start with.
        changed: called after every change.
        tooltip: of the number field.

    Attributes:
        slider, number: the two parts, with CSS classes `lcnb-slider` and `lcnb-number`.
        spoken: gives the slider its name for who hears the page instead of seeing it.
    """

    def __init__(
        self, description: str, stops: Sequence[float], value: float, changed: Callable[[], None], tooltip: str = ""
    ) -> None:
        self.stops = sorted({*stops, round(value, 3)})
        self.changed = changed
        self._following = False
        self.slider = ipw.SelectionSlider(
            options=[(f"{s:g}", s) for s in self.stops],
            value=round(value, 3),
            description=description,
            tooltip=description,
            style={"description_width": "86px"},
            layout=ipw.Layout(width="460px"),
        )
        self.number = ipw.BoundedFloatText(
            value=value, min=0, max=1, step=0.005, tooltip=tooltip or f"{description}: any value from 0 to 1"
        )
        self.number.layout.width = "86px"
        self.slider.add_class("lcnb-slider")
        self.number.add_class("lcnb-number")
        self.slider.observe(self._slid, "value")
        self.number.observe(self._typed, "value")
        script = {"output_type": "display_data", "data": {"application/javascript": SPOKEN}, "metadata": {}}
        self.spoken = ipw.Output(outputs=[script], layout=ipw.Layout(display="none"))  # a front end runs what it shows
        super().__init__([self.slider, self.number, self.spoken])
        self.add_class("lcnb-control")

    @property
    def value(self) -> float:
        """As it stands, in [0, 1]."""
        return float(self.number.value)

    def _slid(self, change: dict) -> None:
        if not self._following:
            self.number.value = change["new"]

    def _typed(self, change: dict) -> None:
        self._following = True  # the slider goes to the nearest stop and must not pull the number with it
        self.slider.value = min(self.stops, key=lambda s: abs(s - change["new"]))
        self._following = False
        self.changed()


def image_view() -> ipw.Image:
    """An empty image, CSS class `lcnb-image`."""
    image = ipw.Image(format="jpeg", layout=ipw.Layout(width="100%", max_width="980px"))
    image.add_class("lcnb-image")
    return image


def readout() -> ipw.HTML:
    """An empty line of text, CSS class `lcnb-readout`."""
    text = ipw.HTML()
    text.add_class("lcnb-readout")
    return text


def jpeg(image: np.ndarray, quality: int = 85) -> bytes:
    """(H, W, 3) uint8 -> JPEG bytes. JPEG, because it encodes in a few milliseconds where PNG takes tens."""
    return encoded(image, "JPEG", quality=quality)


def swatch(colour: str) -> str:
    """A small square of a colour, for a read-out."""
    style = f"display:inline-block;width:.8em;height:.8em;background:{colour};border:1px solid #9ca3af"
    return f'<span style="{style}"></span>'


def progress(items: Iterable[Item], total: int | None, what: str) -> Iterator[Item]:
    """Hand the items on, and show how many have passed in a bar, which leaves nothing behind in a headless run.

    Args:
        items: anything, lazily.
        total: how many there will be, or None where that is not known.
        what: they are, in the plural: "frames".
    """
    bar = ipw.IntProgress(min=0, max=total or 1, layout=ipw.Layout(width="320px"))
    text = ipw.HTML()
    display(ipw.HBox([bar, text]).add_class("lcnb-progress"))
    done, drawn = 0, 0.0
    for done, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - drawn > REDRAW:
            drawn = time.monotonic()
            bar.value = min(done, bar.max) if total else 0
            text.value = f"{done} {f'of {total} ' if total else ''}{what}"
    bar.value, text.value = bar.max, f"{done} {what}, done"


class TrainingCurve(ipw.VBox):
    """A training curve that draws itself while a run goes on.

    Give `.add` to `Trainer(watch=...)`: every row of the log becomes part of the image.

    Attributes:
        rows: of the log so far.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.image_view = ipw.Image(format="png", layout=ipw.Layout(width="100%", max_width="980px"))
        self.image_view.add_class("lcnb-image")
        self.readout = readout()
        super().__init__([self.readout, self.image_view])

    def add(self, row: dict[str, Any]) -> None:
        """Take one row and draw anew."""
        self.rows.append(dict(row))
        self.image_view.value = encode(training_curves(self.rows), photo=False)
        score = f" · mIoU {row['miou_true']:.3f} (true)" if "miou_true" in row else ""
        self.readout.value = (
            f'<div role="status" data-step="{row["step"]}">step <b>{row["step"]}</b> · loss {row["loss"]:.2f} · '
            f"{row['images_per_s']:.0f} images a second{score}</div>"
        )
