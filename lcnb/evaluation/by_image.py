"""The counts of single images at many thresholds: parts of a sweep that can be stored and added up later.

Shape letters: N images, R thresholds, K classes, S stages, H, W pixels.

`lcnb.evaluation.sweep` adds up a whole data set at once, with every score. Here each image stays apart, so that a sweep
of hours resumes where it stopped, a bootstrap can draw images, and every stage has its time (paper, figure 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lcnb.evaluation.bootstrap import interval_of
from lcnb.evaluation.evaluate import Costs, Counts, by_setting, each_image, stage_times
from lcnb.evaluation.metrics import miou
from lcnb.models import Criterion, max_softmax
from lcnb.models.runs import CascadeRuns

__all__ = ["measured", "stacked", "stage_times", "summary"]


def measured(
    runs: CascadeRuns,
    costs: Costs,
    image: Tensor,
    target: Tensor,
    rhos: Sequence[float | Sequence[float]],
    classes: int,
    ignore_index: int,
    *,
    halo: int | None = None,
    criterion: Criterion = max_softmax,
    cached: bool = True,
) -> dict[str, Tensor]:
    """What one image gives.

    Args:
        runs: the cascade as it is, or prepared for inference.
        costs: of the cascade.
        image, target: (3, H, W) uint8 and (H, W).
        cached: measure cached runs too.

    Returns:
        As `stacked` says.
    """
    modes = ("true", "cached") if cached else ("true",)
    count = by_setting(runs, classes, ignore_index, rhos, modes, costs=costs, criterion=criterion, halo=halo)
    return stacked(next(each_image(runs, [(image, target)], count)))


def stacked(found: dict[str, list[Counts]]) -> dict[str, Tensor]:
    """Counts of one image as tensors.

    Args:
        found: what `by_setting` gives for R thresholds.

    Returns:
        "true", "cached": (R, K, K) int64 confusion counts. "true_cells", "cached_cells": (R, S) int64, cells that exit
        at each stage. "true_macs", "cached_macs": (R,) float64. "ms": (R, S + 1) float64, time of each stage of the
        true run and of what follows it (labels).
    """
    tensors = {"ms": torch.stack([one.ms for one in found["true"]])}
    for mode, counts in found.items():
        tensors[mode] = torch.stack([one.pixels.sum(0) for one in counts])
        tensors[f"{mode}_cells"] = torch.stack([one.cells for one in counts])
        tensors[f"{mode}_macs"] = torch.tensor([one.macs for one in counts], dtype=torch.float64)
    return tensors


def summary(rhos: Sequence[float | Sequence[float]], parts: dict[str, Tensor], block: int = 1) -> list[dict[str, Any]]:
    """The rows of table 1.

    Args:
        rhos: R thresholds, each one for all exits or a sequence of one for each.
        parts: what `measured` gives, stacked to (N, R, ...).
        block: of the bootstrap.

    Returns:
        One dict per threshold: rho; images; miou_true and miou_cached; exits_true and exits_cached, fraction of the
        cells that exit at each stage; gmacs_true and gmacs_cached, of an image; ms_stages and ms, medians over the
        images of each stage's time and of the whole. Where rho = 1 was run too: saved, the fraction of its
        multiply-adds that the true run saved, and true_minus_dense, the interval of the difference of the mIoUs (None
        for a single image).
    """
    rows: list[dict[str, Any]] = []
    for r, rho in enumerate(rhos):
        row: dict[str, Any] = {"rho": rho, "images": len(parts["true"])}
        for mode in ("true", "cached"):
            cells = parts[f"{mode}_cells"][:, r].sum(0).double()
            row[f"miou_{mode}"] = round(float(miou(parts[mode][:, r].sum(0))), 6)
            row[f"exits_{mode}"] = [round(v, 6) for v in (cells / cells.sum()).tolist()]
            row[f"gmacs_{mode}"] = round(float(parts[f"{mode}_macs"][:, r].mean()) / 1e9, 6)
        ms = parts["ms"][:, r]
        row["ms_stages"] = [round(v, 4) for v in ms[:, :-1].quantile(0.5, dim=0).tolist()]
        row["ms"] = round(float(ms.sum(1).quantile(0.5)), 4)
        rows.append(row)
    if 1 in rhos:  # add what each threshold saves and costs against rho = 1
        dense, counts = list(rhos).index(1), parts["true"]
        for r, row in enumerate(rows):
            row["saved"] = round(1 - row["gmacs_true"] / rows[dense]["gmacs_true"], 6)
            row["true_minus_dense"] = interval_of(counts[:, r], counts[:, dense], block)
    return rows
