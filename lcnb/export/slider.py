"""The threshold slider for a browser: what its script is given, as a fragment of HTML or a page of its own.

Shape letters: K classes, H, W pixels, h, w cells, S stages, R stops.

There is one script, `slider.js`. A page carries it with a photograph (JPEG), the packed view and a style, and asks no
host for anything; `lcnb.widgets` gives the same to anywidget. Where scripts do not run (a notebook that is not
trusted, GitHub), the photograph and the read-out of one threshold remain.
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
NOTE = "<b>Cached view:</b> all stages on every cell, computed before and re-thresholded here; no network runs here."
PAGE_STYLE = """:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 1000px; padding: 20px 16px 40px; font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 8px; }
"""
_SOURCE = files("lcnb.export").joinpath("slider.js").read_text(encoding="utf-8")
SCRIPT = f"(() => {{\n{_SOURCE}startPage(document.currentScript.closest('.lcnb-cached'));\n}})();\n"
"""For pages: a script of its own, since a page opened from a folder loads no modules."""
MODULE = f"{_SOURCE}export default {{ render }};\nexport {{ explain, make, nearest, percent, swatch }};\n"
"""The same as a module, for anywidget; the page for one's own photograph takes parts of it."""
STYLE = files("lcnb.export").joinpath("slider.css").read_text(encoding="utf-8")


def slider_data(
    image: Tensor,
    logits: Sequence[Tensor],
    classes: Sequence[str],
    cost: CascadeCost,
    *,
    rho: float = RHO,
    stops: Sequence[float] | Sequence[tuple[float, ...]] = RHOS,
    start: int = 0,
    cumulative: bool = False,
    mask: Tensor | None = None,
    ignore_index: int = 255,
) -> dict[str, Any]:
    """What `slider.js` shows of one image, ready for JSON.

    Args:
        image: (3, H, W) uint8.
        logits: S >= 2 maps (1, K, h, w): `cascade.all_stages` of that image.
        classes: K names.
        cost: dense multiply-adds by stage, `cascade_cost(cascade, H, W)`.
        rho: where the slider starts; it becomes one of the stops.
        stops: thresholds that the slider can take; or tuples of one for each exit, in the slider's order.
        start: where it starts, if the stops are tuples.
        cumulative: show the labels decided after each stage (figure 4) instead of the stages and the final labels.
        mask: (H, W) true classes, for the mIoU of the read-out and to compare with; or None.
        ignore_index: mask value that counts for nothing.

    Raises:
        ValueError: a threshold is outside [0, 1], or image and logits do not fit.
    """
    each = any(isinstance(stop, tuple) for stop in stops)
    view = cached_view(logits, stops if each else (*stops, round(rho, 3)))  # type: ignore[arg-type]
    start = start if each else view.stops.index(round(rho, 3))  # type: ignore[arg-type]
    if tuple(image.shape) != (3, *view.labels.shape[1:]):
        raise ValueError(f"the image has shape {tuple(image.shape)}, its labels {view.labels.shape[1:]}")
    if logits[0].shape[1] != len(classes):
        raise ValueError(f"the logits have {logits[0].shape[1]} classes, but {len(classes)} names were given")
    stages = len(logits)
    after = [[f"decided after stage {s + 1}", str(s)] for s in range(stages)]
    panels = after if cumulative else [["the stage at which each cell exits", "stages"], ["labels", "labels"]]
    truth = None if mask is None else np.where(mask.cpu() == ignore_index, 255, mask.cpu()).astype(np.uint8)
    seen = set(np.unique(view.labels).tolist()) | (set() if truth is None else set(np.unique(truth).tolist()) - {255})
    jpeg = encoded(image.cpu().permute(1, 2, 0).numpy(), "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return {
        "controls": ["threshold ρ"],
        "unit": "rho",
        "stops": view.stops,
        "start": start,
        "levels": view.levels,
        "places": view.places.tolist(),
        "notes": None,
        "size": view.labels.shape[1:],
        "grid": view.counts.shape[1:],
        "top": view.tops.shape[2],
        "stages": stage_colours(stages),
        "classes": list(classes),
        "colours": class_colours(list(classes)),
        "present": sorted(seen),
        "unknown": UNKNOWN,
        "cost": shares(cost),
        "panels": [["image", "image"], *panels],
        "scores": None if mask is None else _scores(view, mask, ignore_index, len(classes)),
        "truth": mask is not None,
        "packed": base64.b64encode(view.packed(truth)).decode(),
        "photo": f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}",
        "still": _readout(view, shares(cost), start),
    }


def canvas_slider(
    image: Tensor, logits: Sequence[Tensor], classes: Sequence[str], cost: CascadeCost, **options: Any
) -> str:
    """The slider for one image, without a kernel: HTML of one `<div class="lcnb-cached">`.

    Args:
        image, logits, classes, cost, options: as for `slider_data`, which raises for what does not fit.
    """
    return fragment(slider_data(image, logits, classes, cost, **options))


def fragment(data: dict[str, Any]) -> str:
    """HTML of one `<div class="lcnb-cached">` that shows what `slider_data` made."""
    given = {k: v for k, v in data.items() if k not in ("photo", "still")}
    packed = json.dumps(given, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return (
        f'<div class="lcnb-cached" data-mode="cached"><style>{STYLE}</style>\n<p class="lcnb-note">{NOTE}</p>\n'
        f"{still(data)}"
        '<p class="lcnb-static">'
        "Scripts do not run here, so there is nothing to drag; in JupyterLab, run the cell."
        "</p>\n"
        f'<script type="application/json">{packed}</script>\n<script>{SCRIPT}</script></div>'
    )


def still(data: dict[str, Any]) -> str:
    """The photograph and the read-out of the first threshold, as HTML without a script."""
    height, width = data["size"]
    return (
        f'<div role="status" aria-live="polite">{data["still"]}</div>\n'
        f'<img class="lcnb-photo" width="{width}" height="{height}" alt="The image that the slider is about." '
        f'src="{data["photo"]}">\n'
    )


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


def _readout(view: CachedView, cost: Sequence[float], stop: int) -> str:
    """What is read where no script replaces it."""
    exits = view.exits(stop)
    work = sum(sum(exits[s:]) * share for s, share in enumerate(cost))
    words = "".join(
        f'<span class="lcnb-stage"><span class="lcnb-swatch" style="background:{hexadecimal(colour)}"></span> '
        f"stage {s + 1}: <b>{share:.1%}</b> </span>"
        for s, (share, colour) in enumerate(zip(exits, stage_colours(len(exits)), strict=True))
    )
    rho = ", ".join(f"{level[place]:g}" for level, place in zip(view.levels, view.places[stop], strict=True))
    rho = f"{view.stops[stop]:g}" if isinstance(view.stops[stop], float) else f"({rho})"
    return f"{words}<br>at ρ = {rho} · multiply-adds saved: <b>{1 - work:.0%}</b>"


def _scores(view: CachedView, mask: Tensor, ignore_index: int, classes: int) -> list[float]:
    """The image's mIoU at each stop."""
    found = []
    for labels in view.labels:
        confusion = ConfusionMatrix(classes, ignore_index)
        confusion.update(mask.new_tensor(labels).long(), mask.long())
        found.append(round(confusion.miou, 5))
    return found
