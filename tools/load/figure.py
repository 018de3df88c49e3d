"""The figure of the loads: memory from the first sample to the last, a panel each."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lcnb.plots.style import encode, figure
from tools.load.samples import fifths

LINE, EARLY, LATE = "#0b6e99", "#e5e7eb", "#c7d2e0"
"""Of the curve and of the two stretches that are compared; they differ in lightness, so in grey too."""
COLUMNS = 2
SHOWN = ("title", "unit", "whose", "flat", "grew", "grew_mb", "samples")


def draw(loads: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The figure, PNG."""
    rows = -(-len(loads) // COLUMNS)
    fig, axes = figure(9.6, 2.35 * rows + 0.3, rows, COLUMNS)
    for axis, found in zip(axes.flat, loads.values(), strict=False):
        _panel(axis, found)
    for axis in axes.flat[len(loads) :]:
        axis.set_axis_off()
    head = "Resident memory under load. Shaded: the two stretches whose medians are compared"
    fig.suptitle(head, x=0.01, ha="left", fontsize=10.5)
    return _signed(encode(fig, photo=False), digest(loads))


def digest(loads: Mapping[str, Mapping[str, Any]]) -> str:
    """Of what the figure is drawn from."""
    shown = {name: {k: found[k] for k in SHOWN} for name, found in loads.items()}
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:16]


def _signed(png: bytes, made_of: str) -> bytes:
    """The picture with a word on what it was made of: other versions of Matplotlib draw other pixels."""
    note, out = PngInfo(), io.BytesIO()
    note.add_text("made of", made_of)
    with Image.open(io.BytesIO(png)) as picture:
        picture.save(out, "PNG", optimize=True, pnginfo=note)
    return out.getvalue()


def _panel(axis: Any, found: Mapping[str, Any]) -> None:
    samples = found["samples"]
    places, sizes = [s["at"] for s in samples], [s["mb"] for s in samples]
    if "before" not in found:
        early, late = fifths(samples)
        for part, colour in ((early, EARLY), (late, LATE)):
            axis.axvspan(part[0]["at"], part[-1]["at"], color=colour, zorder=0)
    axis.plot(places, sizes, color=LINE, linewidth=1.8, marker="o", markersize=2.5)
    axis.set(xlabel=found["unit"], ylabel="MB", xlim=(0, places[-1]), ylim=(0, 1.25 * max(sizes)))
    axis.set_title(found["title"], fontsize=10)
    axis.text(0.54, 0.06, caption(found), transform=axis.transAxes, ha="center", va="bottom", fontsize=8.5)


def caption(found: Mapping[str, Any]) -> str:
    """Whose memory, and the verdict."""
    word = "flat" if found["flat"] else f"NOT FLAT ({', '.join(found['grew'])})"
    return f"{found['whose'].replace('`', '')}: {found['grew_mb']:+.1f} MB, {word}"
