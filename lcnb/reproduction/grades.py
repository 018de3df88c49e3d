"""Figure 1: how many pixels are easy, moderate and hard, and how much of each lies near a boundary of the truth.

Beside it, which figure 1 does not show: the same of the pixels that exit at each stage.

Shape letters: N images, K classes, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lcnb.datasets import DatasetSpec, load_dataset
from lcnb.difficulty import (
    BOUNDARY_WIDTH,
    NAMES,
    THRESHOLD,
    DifficultyCounts,
    boundary_band,
    difficulty,
    pixel_scores,
)
from lcnb.evaluation.bootstrap import bootstrap_share
from lcnb.models import LayerCascade, to_pixels
from lcnb.reproduction.networks import network_of
from lcnb.reproduction.paper import F1
from lcnb.reproduction.request import Request
from lcnb.reproduction.store import Store, digest, in_parts


def figure_one(request: Request, say: Callable[[str], None]) -> dict[str, Any]:
    """Grade the pixels of a split by the dense network's last stage.

    Args:
        request: of figure 1.
        say: called with each line of progress.

    Returns:
        rows, one a grade: share of the labelled pixels, boundary_share of them near a boundary, its interval (None of
        fewer than two images), what the paper prints in percent; exits, one row for each stage: the same of the pixels
        that exit there in a true run; settings (threshold, boundary_width in pixels, void_ring, rho, halo).

    Raises:
        DataError, WeightsError, ReproductionError: data or weights are missing or do not fit.
    """
    cascade, name = network_of(request)
    config = request.config
    val = load_dataset(config.dataset, config.val_split, classes=config.classes)
    count = min(len(val), request.limit or len(val))
    about = {
        "network": digest(cascade.state_dict()), "dataset": config.dataset, "split": config.val_split,
        "classes": config.classes, "device": request.device, "rho": config.rho, "halo": config.halo,
    }  # fmt: skip
    store = Store(request.work / request.preset / request.table, about)
    say(f"{name} on {count} images of {config.dataset} {config.val_split}")
    counts = in_parts(store, count, lambda i: _graded(cascade, *val[i], val.spec, config.rho, config.halo), say)
    block = request.block(count)
    return {
        "images": count,
        "block": block,
        "weights": name,
        "rows": [
            {"grade": name, **row, "paper": F1[name]}
            for name, row in zip(NAMES, _rows(counts["counts"], block), strict=True)
        ],
        "exits": [{"stage": s, **row} for s, row in enumerate(_rows(counts["exits"], block), start=1)],
        "settings": {
            "threshold": THRESHOLD,
            "boundary_width": BOUNDARY_WIDTH,
            "void_ring": val.spec.void_ring,
            "rho": config.rho,
            "halo": config.halo,
            "mode": "grades: dense; exits: true",
        },
    }


@torch.inference_mode()
def _graded(
    cascade: LayerCascade, image: Tensor, target: Tensor, spec: DatasetSpec, rho: float, halo: int
) -> dict[str, Tensor]:
    """Pixels of each grade, and those of them near a boundary, (2, 3) int64; the same by exit stage, (2, S)."""
    x = image[None].to(cascade.mean.device).float() / 255
    logits = cascade.all_stages(x)
    labels, confidence = (t.cpu() for t in pixel_scores(logits[-1], logits.size))
    counts = DifficultyCounts(logits[-1].shape[1], spec.ignore_index, void_ring=spec.void_ring)
    counts.update(difficulty(labels, confidence, target, spec.ignore_index), target)
    stage = to_pixels(cascade(x, rho, halo=halo).stage, logits.size)[0].cpu()
    edge = boundary_band(target, spec.ignore_index, void_ring=spec.void_ring)
    exits = [torch.bincount(stage[where], minlength=len(logits)) for where in (target != spec.ignore_index, edge)]
    return {"counts": torch.stack([counts.counts.sum(0), counts.on_boundary]), "exits": torch.stack(exits)}


def _rows(counts: Tensor, block: int) -> list[dict[str, Any]]:
    """Share, boundary share and its interval of each group, of (N, 2, groups) counts."""
    totals, rows = counts.sum(0).double(), []
    for g in range(counts.shape[2]):
        sure = len(counts) >= 2 * block and bool(totals[0, g] > 0)
        interval = bootstrap_share(counts[:, 1, g], counts[:, 0, g], block=block).as_dict() if sure else None
        share = float(totals[1, g] / totals[0, g]) if totals[0, g] > 0 else None
        rows.append({
            "share": round(float(totals[0, g] / totals[0].sum()), 6),
            "boundary_share": None if share is None else round(share, 6), "interval": interval,
        })  # fmt: skip
    return rows
