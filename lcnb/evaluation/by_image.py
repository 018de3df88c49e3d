"""What one image gives at many thresholds, kept as counts: parts of a sweep that can be stored and added up later.

Shape letters: N images, R thresholds, K classes, S stages, H, W pixels.

`lcnb.evaluation.sweep` is the whole of a data set in one go, with every score. Here each image stays apart, so that a
sweep of hours resumes where it stopped, a bootstrap can draw images, and every stage has its time (paper, figure 7).
An image is run at all thresholds before the next one, so a machine that gets slower meanwhile does so for all of them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lcnb.evaluation.bootstrap import bootstrap_miou, miou
from lcnb.evaluation.evaluate import Costs, as_batch, wait
from lcnb.evaluation.metrics import ConfusionMatrix
from lcnb.models import CascadeOutput, Criterion, max_softmax
from lcnb.models.runs import CascadeRuns


@torch.inference_mode()
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
        "true", "cached": (R, K, K) int64 confusion counts. "true_cells", "cached_cells": (R, S) int64, cells that left
        at each stage. "true_macs", "cached_macs": (R,) float64. "ms": (R, S + 1) float64, time of each stage of the
        true run and of what follows it (labels).
    """
    x = as_batch(image, runs.mean.device)
    target = target.to(x.device)
    dense = runs.all_stages(x) if cached else None
    found: dict[str, list[Tensor]] = {}
    for rho in rhos:
        out, ms = stage_times(runs, x, rho, halo=halo, criterion=criterion)
        found.setdefault("ms", []).append(ms)
        results = {"true": out}
        if dense is not None:
            results["cached"] = runs.rethreshold(dense, rho, criterion=criterion)
        for mode, result in results.items():
            cells = torch.bincount(result.stage.flatten().cpu(), minlength=runs.stage_count)
            found.setdefault(mode, []).append(counts_of(result.labels[0], target, classes, ignore_index))
            found.setdefault(f"{mode}_cells", []).append(cells)
            found.setdefault(f"{mode}_macs", []).append(torch.tensor(costs.of(result), dtype=torch.float64))
    return {name: torch.stack(values) for name, values in found.items()}


def counts_of(labels: Tensor, target: Tensor, classes: int, ignore_index: int) -> Tensor:
    """(H, W) labels and true classes -> (K, K) int64 confusion counts."""
    confusion = ConfusionMatrix(classes, ignore_index)
    confusion.update(labels, target)
    return confusion.counts


def stage_times(
    runs: CascadeRuns,
    x: Tensor,
    rho: float | Sequence[float],
    *,
    halo: int | None = None,
    criterion: Criterion = max_softmax,
) -> tuple[CascadeOutput, Tensor]:
    """A true run of (B, 3, H, W), and the (S + 1,) float64 milliseconds of its stages and of the labels behind them."""
    marks: list[float] = []
    out = runs(x, rho, halo=halo, criterion=criterion, mark=lambda: marks.append(_now(x)))
    *laps, labels = (torch.tensor(marks, dtype=torch.float64).diff() * 1e3).tolist()
    idle = [0.0] * (runs.stage_count - len(laps))
    return out, torch.tensor([*laps, *idle, labels], dtype=torch.float64)


def _now(x: Tensor) -> float:
    wait(x.device)
    return time.perf_counter()


def summary(rhos: Sequence[float | Sequence[float]], parts: dict[str, Tensor], block: int = 1) -> list[dict[str, Any]]:
    """The rows of table 1.

    Args:
        rhos: R thresholds, each one for all exits or a sequence of one for each.
        parts: what `measured` gives, stacked to (N, R, ...).
        block: of the bootstrap.

    Returns:
        One dict a threshold: rho; images; miou_true and miou_cached; exits_true and exits_cached, share of the cells
        that left at each stage; gmacs_true and gmacs_cached, of an image; ms_stages and ms, medians over the images of
        each stage's time and of the whole. Where rho = 1 was run too: saved, the share of its multiply-adds that the
        true run saved, and true_minus_dense, the interval of the difference of the mIoUs (None for a single image).
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
    if 1 in rhos:
        _compare(rows, parts["true"], list(rhos).index(1), block)
    return rows


def _compare(rows: list[dict[str, Any]], counts: Tensor, dense: int, block: int) -> None:
    """Add what each threshold saves and costs against rho = 1."""
    for r, row in enumerate(rows):
        row["saved"] = round(1 - row["gmacs_true"] / rows[dense]["gmacs_true"], 6)
        possible = len(counts) >= 2 * block
        interval = bootstrap_miou(counts[:, r], counts[:, dense], block=block) if possible else None
        row["true_minus_dense"] = None if interval is None else interval.as_dict()
