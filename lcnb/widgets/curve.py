"""A training curve that draws itself while a run goes on."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw

from lcnb.plots.style import encode
from lcnb.plots.training import training_curves
from lcnb.widgets.controls import readout


class TrainingCurve(ipw.VBox):
    """Give `.add` to `Trainer(watch=...)`: every row of the log becomes part of the image.

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
