"""A frame of the film: dense network on the left, cascade in the middle, exits on the right.

Shape letters: H, W pixels of the clip, h, w pixels of a panel.

Above each panel is its counter, below it a bar whose length is the frame's time. Pillow and NumPy only: Matplotlib
takes longer to draw a figure than the network to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from lcnb.palettes import MUTED, Colour, blend, class_colours, colourise, stage_colours
from lcnb.video.compare import Compared, Side

GAP, TOP, BARS, FOOT = 12, 46, 26, 22
"""Pixels between panels, above them, for the bars below them, and for the caption."""
INK: Colour = (17, 24, 39)
PAPER: Colour = (255, 255, 255)
BAR: dict[str, Colour] = {"dense": (107, 114, 128), "cascade": (11, 110, 153)}
TITLES = {"dense": "dense network", "cascade": "layer cascade"}


class Painter:
    """Draws compared frames, all of one size.

    Args:
        classes: class names, by index.
        size: (H, W) of the clip.
        panel: width of a panel in pixels.
        caption: line at the bottom, such as the machine's name.
        scale: milliseconds that fill a bar; twice the first dense frame's time if None.
    """

    def __init__(
        self,
        classes: Sequence[str],
        size: tuple[int, int],
        panel: int = 320,
        caption: str = "",
        scale: float | None = None,
    ) -> None:
        self.colours, self.caption, self.scale = class_colours(list(classes)), caption, scale
        self.width, self.height = panel, max(1, round(panel * size[0] / size[1]))
        self.shape = (TOP + self.height + BARS + FOOT * bool(caption), 3 * panel + 4 * GAP, 3)

    def __call__(self, compared: Compared) -> np.ndarray:
        """Returns the frame of the film, uint8 RGB of `shape`."""
        canvas = Image.new("RGB", (self.shape[1], self.shape[0]), PAPER)
        draw = ImageDraw.Draw(canvas)
        image = self._scaled(compared.frame)
        for place, side in enumerate(("dense", "cascade")):
            self._side(canvas, draw, place, side, getattr(compared, side), image)
        self._exits(canvas, draw, compared, image)
        if self.caption:
            draw.text((GAP, self.shape[0] - FOOT + 2), self.caption, MUTED, font(12))
        return np.array(canvas)

    def _left(self, place: int) -> int:
        return GAP + place * (self.width + GAP)

    def _scaled(self, frame: Tensor) -> np.ndarray:
        array = Image.fromarray(frame.permute(1, 2, 0).numpy())
        return np.array(array.resize((self.width, self.height), Image.Resampling.BOX))

    def _painted(self, image: np.ndarray, values: np.ndarray, colours: list[Colour]) -> Image.Image:
        """Returns the scaled image with a map of class or stage numbers blended over it."""
        small = Image.fromarray(values).resize((self.width, self.height), Image.Resampling.NEAREST)
        return Image.fromarray(blend(image, colourise(np.array(small), colours)))

    def _side(
        self,
        canvas: Image.Image,
        draw: ImageDraw.ImageDraw,
        place: int,
        name: str,
        side: Side | None,
        image: np.ndarray,
    ) -> None:
        left, right = self._left(place), self._left(place) + self.width
        draw.text((left, 8), TITLES[name], INK, font(17))
        if side is None:
            draw.text((right, 8), "not running", MUTED, font(17), anchor="ra")
            canvas.paste(Image.fromarray(blend(image, np.full_like(image, 255), 0.7)), (left, TOP))
            return
        draw.text((right, 3), f"{side.fps:.1f} FPS", BAR[name], font(27), anchor="ra")
        canvas.paste(self._painted(image, side.labels, self.colours), (left, TOP))
        self.scale = self.scale or 2 * side.ms
        top = TOP + self.height + 6
        length = min(1.0, side.ms / self.scale) * (self.width - 70)
        draw.rectangle((left, top, left + length, top + 13), BAR[name])
        draw.text((left + length + 6, top - 1), f"{side.ms:.0f} ms", INK, font(13))

    def _exits(self, canvas: Image.Image, draw: ImageDraw.ImageDraw, compared: Compared, image: np.ndarray) -> None:
        left = self._left(2)
        draw.text((left, 8), "where each cell exits", INK, font(17))
        if compared.stage is None:
            canvas.paste(Image.fromarray(blend(image, np.full_like(image, 255), 0.7)), (left, TOP))
            return
        colours = stage_colours(len(compared.exits))
        canvas.paste(self._painted(image, compared.stage, colours), (left, TOP))
        top, step = TOP + self.height + 6, self.width // len(colours)
        for s, (share, colour) in enumerate(zip(compared.exits, colours, strict=True)):
            draw.rectangle((left + s * step, top, left + s * step + 13, top + 13), colour, MUTED)
            words = f"{s + 1}: {share:.0%}" if len(colours) > 3 else f"stage {s + 1}: {share:.0%}"
            draw.text((left + s * step + 18, top - 1), words, INK, font(13))


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Returns Pillow's own font at this size in pixels."""
    return ImageFont.load_default(size)
