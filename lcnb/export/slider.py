"""The cached view as HTML: a fragment for a notebook's output, or a page of its own.

Shape letters: K classes, H, W pixels, h, w cells, S stages.

The fragment holds a photograph (JPEG), the packed view, a style and a script, and asks no host for anything. Where
scripts do not run (a notebook that is not trusted, GitHub), the photograph and the read-out of one threshold remain.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np
from torch import Tensor

from lcnb.datasets.images import encoded
from lcnb.evaluation import ConfusionMatrix
from lcnb.export.view import RHOS, CachedView, cached_view
from lcnb.models import RHO, CascadeCost
from lcnb.palettes import UNKNOWN, class_colours, hexadecimal, stage_colours

QUALITY = 70
"""Of the JPEG: a street of 480x360 pixels takes some 20 kB."""
NOTE = (
    "<b>Cached view:</b> the outputs of all stages on every cell, computed beforehand and re-thresholded in this page; "
    "no network runs here. In JupyterLab the same slider also runs the cascade truly."
)
PAGE_STYLE = """:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 1000px; padding: 20px 16px 40px; font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 8px; }
"""
SCRIPT = files("lcnb.export").joinpath("slider.js").read_text(encoding="utf-8")
STYLE = files("lcnb.export").joinpath("slider.css").read_text(encoding="utf-8")


def canvas_slider(
    image: Tensor,
    logits: Sequence[Tensor],
    classes: Sequence[str],
    cost: CascadeCost,
    *,
    rho: float = RHO,
    stops: Sequence[float] = RHOS,
    cumulative: bool = False,
    mask: Tensor | None = None,
    ignore_index: int = 255,
) -> str:
    """The threshold slider for one image, without a kernel.

    Args:
        image: (3, H, W) uint8.
        logits: S >= 2 maps (1, K, h, w): `cascade.all_stages` of that image.
        classes: K names.
        cost: dense multiply-adds by stage, `cascade_cost(cascade, H, W)`.
        rho: where the slider starts; it becomes one of the stops.
        stops: thresholds that the slider can take.
        cumulative: show the labels decided after each stage (figure 4) instead of the stages and the final labels.
        mask: (H, W) true classes, for the mIoU of the read-out; or None.
        ignore_index: mask value that counts for nothing.

    Returns:
        HTML of one `<div class="lcnb-cached">`.

    Raises:
        ValueError: a threshold is outside [0, 1], or image and logits do not fit.
    """
    view = cached_view(logits, (*stops, round(rho, 3)))
    if tuple(image.shape) != (3, *view.labels.shape[1:]):
        raise ValueError(f"the image has shape {tuple(image.shape)}, its labels {view.labels.shape[1:]}")
    if logits[0].shape[1] != len(classes):
        raise ValueError(f"the logits have {logits[0].shape[1]} classes, but {len(classes)} names were given")
    start, stages = view.stops.index(round(rho, 3)), len(logits)
    after = [[f"decided after stage {s + 1}", str(s)] for s in range(stages)]
    data: dict[str, Any] = {
        "stops": view.stops,
        "start": start,
        "size": view.labels.shape[1:],
        "grid": view.counts.shape[1:],
        "stages": stage_colours(stages),
        "classes": list(classes),
        "colours": class_colours(list(classes)),
        "present": np.unique(view.labels).tolist(),
        "unknown": UNKNOWN,
        "cost": shares(cost),
        "panels": after if cumulative else [["the stage at which each cell exits", "stages"], ["labels", "labels"]],
        "scores": None if mask is None else _scores(view, mask, ignore_index, len(classes)),
        "packed": base64.b64encode(view.packed()).decode(),
    }
    pixels = image.cpu().permute(1, 2, 0).numpy()
    jpeg = encoded(pixels, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return _fragment(data, jpeg, _readout(view, start, data))


def standalone(fragment: str, title: str, below: str = "", about: str = "") -> str:
    """A page of its own around a fragment; its policy forbids every request and every other script.

    Args:
        fragment: of `canvas_slider`.
        title: plain text.
        below: HTML under the slider.
        about: plain text kept in the page's head, such as a digest of what it was made of.
    """
    script = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{script}'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="lcnb" content="{escape(about)}">\n'
        f"<title>{escape(title)}</title>\n<style>{PAGE_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{fragment}\n{below}\n</body>\n</html>\n"
    )


def shares(cost: CascadeCost) -> list[float]:
    """(S,) each stage's fraction of the dense multiply-adds, its classifier included."""
    return [(stage + head) / cost.dense for stage, head in zip(cost.stages, cost.heads, strict=True)]


def _fragment(data: dict[str, Any], jpeg: bytes, readout: str) -> str:
    height, width = data["size"]
    packed = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    photo = base64.b64encode(jpeg).decode()
    return (
        f'<div class="lcnb-cached" data-mode="cached"><style>{STYLE}</style>\n<p>{NOTE}</p>\n'
        f'<div role="status" aria-live="polite">{readout}</div>\n'
        f'<img class="lcnb-photo" width="{width}" height="{height}" alt="The image that the slider is about." '
        f'src="data:image/jpeg;base64,{photo}">\n'
        '<p class="lcnb-static">'
        "Scripts do not run here, so there is nothing to drag; in JupyterLab, run the cell."
        "</p>\n"
        f'<script type="application/json">{packed}</script>\n<script>{SCRIPT}</script></div>'
    )


def _readout(view: CachedView, stop: int, data: dict[str, Any]) -> str:
    """What is read where no script replaces it."""
    exits = view.exits(stop)
    work = sum(sum(exits[s:]) * share for s, share in enumerate(data["cost"]))
    colours = [hexadecimal(c) for c in data["stages"]]
    words = "".join(
        f'<span class="lcnb-stage"><span class="lcnb-swatch" style="background:{colours[s]}"></span> '
        f"stage {s + 1}: <b>{share:.1%}</b> </span>"
        for s, share in enumerate(exits)
    )
    return f"{words}<br>at ρ = {view.stops[stop]:g} · multiply-adds saved: <b>{1 - work:.0%}</b>"


def _scores(view: CachedView, mask: Tensor, ignore_index: int, classes: int) -> list[float]:
    """The image's mIoU at each stop."""
    found = []
    for labels in view.labels:
        confusion = ConfusionMatrix(classes, ignore_index)
        confusion.update(mask.new_tensor(labels).long(), mask.long())
        found.append(round(confusion.miou, 5))
    return found
