"""Figure 1: how many pixels are easy, moderate and hard, and how much of each lies near a boundary of the truth.

Shape letters: N images, K classes, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lcnb.datasets import load_dataset
from lcnb.difficulty import BOUNDARY_WIDTH, NAMES, THRESHOLD, DifficultyCounts, difficulty, pixel_scores
from lcnb.evaluation.bootstrap import bootstrap_share
from lcnb.models import LayerCascade
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
        fewer than two images), what the paper prints in percent; settings (threshold, boundary_width in pixels).

    Raises:
        DataError, WeightsError, ReproductionError: data or weights are missing or do not fit.
    """
    cascade, name = network_of(request)
    config = request.config
    val = load_dataset(config.dataset, config.val_split, classes=config.classes)
    count = min(len(val), request.limit or len(val))
    about = {
        "network": digest(cascade.state_dict()), "dataset": config.dataset, "split": config.val_split,
        "classes": config.classes, "device": request.device,
    }  # fmt: skip
    store = Store(request.work / request.preset / request.table, about)
    say(f"{name} on {count} images of {config.dataset} {config.val_split}")
    counts = in_parts(store, count, lambda i: {"counts": _graded(cascade, *val[i], val.spec.ignore_index)}, say)
    block = request.block(count)
    return {
        "images": count,
        "block": block,
        "weights": name,
        "rows": _rows(counts["counts"], block),
        "settings": {"threshold": THRESHOLD, "boundary_width": BOUNDARY_WIDTH},
    }


@torch.inference_mode()
def _graded(cascade: LayerCascade, image: Tensor, target: Tensor, ignore_index: int) -> Tensor:
    """(2, 3) int64: pixels of each grade, and those of them near a boundary."""
    logits = cascade.all_stages(image[None].to(cascade.mean.device).float() / 255)
    labels, confidence = (t.cpu() for t in pixel_scores(logits[-1], logits.size))
    counts = DifficultyCounts(logits[-1].shape[1], ignore_index)
    counts.update(difficulty(labels, confidence, target, ignore_index), target)
    return torch.stack([counts.counts.sum(0), counts.on_boundary])


def _rows(counts: Tensor, block: int) -> list[dict[str, Any]]:
    """Of (N, 2, 3) counts."""
    totals, rows = counts.sum(0).double(), []
    for g, name in enumerate(NAMES):
        sure = len(counts) >= 2 * block and bool(totals[0, g] > 0)
        interval = bootstrap_share(counts[:, 1, g], counts[:, 0, g], block=block).as_dict() if sure else None
        share = float(totals[1, g] / totals[0, g]) if totals[0, g] > 0 else None
        rows.append({
            "grade": name, "share": round(float(totals[0, g] / totals[0].sum()), 6),
            "boundary_share": None if share is None else round(share, 6), "interval": interval, "paper": F1[name],
        })  # fmt: skip
    return rows
