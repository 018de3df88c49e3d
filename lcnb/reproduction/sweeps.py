"""Tables 1 and 3 and figure 7: one sweep over thresholds each, kept image by image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lcnb.datasets import SegmentationDataset, load_dataset
from lcnb.evaluation.by_image import measured, summary
from lcnb.evaluation.evaluate import Costs
from lcnb.models import LayerCascade
from lcnb.models.cascade import CascadeRuns
from lcnb.reproduction.networks import network_of
from lcnb.reproduction.paper import PRINTED, T1
from lcnb.reproduction.request import Request
from lcnb.reproduction.store import Store, digest

PART = 10
"""Images that are measured between two looks at the disk."""
SPEEDS = {"dense (rho = 1)": 1.0, "LC": 0.985, "LC (fast)": 0.8}
"""Rows of table 3 that are ours, by threshold."""


def rhos_of(request: Request) -> tuple[float | tuple[float, ...], ...]:
    """The thresholds that a table sweeps; rho = 1 is always among them, to compare with."""
    wanted = tuple(SPEEDS.values()) if request.table == "T3" else request.rhos or T1["rho"]
    return tuple(dict.fromkeys((1.0, *wanted)))


def swept(request: Request, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure a table of thresholds.

    T1 runs the modules as they are written; T3 and F7, which are about time, the network prepared for inference where
    that is for this device. A time is that of one picture, already on the device, to its labels, there too.

    Args:
        request: of T1, T3 or F7.
        say: called with each line of progress.

    Returns:
        rows, one a threshold; images; block; weights; network ("modules" or "prepared for inference").

    Raises:
        DataError, WeightsError, TrainingError, ReproductionError: data or weights are missing or do not fit.
    """
    cascade, name = network_of(request)
    config, rhos = request.config, rhos_of(request)
    val = load_dataset(config.dataset, config.val_split, classes=config.classes)
    count = min(len(val), request.limit or len(val))
    prepared = request.table != "T1" and torch.device(request.device).type == "cpu"
    runs = cascade.for_inference() if prepared else cascade
    about = {
        "network": digest(cascade.state_dict()), "dataset": config.dataset, "split": config.val_split, "rhos": rhos,
        "classes": config.classes, "halo": config.halo, "device": request.device, "prepared": prepared,
    }  # fmt: skip
    store = Store(request.work / request.preset / request.table, about)
    say(f"{name} on {count} images of {config.dataset} {config.val_split}, at {len(rhos)} thresholds")
    parts = _all_parts(store, runs, cascade, val, count, rhos, config.halo, say)
    block = request.block(count)
    found = summary(rhos, {key: torch.cat([p[key] for p in parts]) for key in parts[0]}, block)
    return {
        "images": count,
        "block": block,
        "weights": name,
        "network": "prepared for inference" if prepared else "modules",
        "rows": [_row(request.table, row) for row in found],
        "settings": {"halo": config.halo, "recipe": cascade.config},
    }


def _all_parts(
    store: Store,
    runs: CascadeRuns,
    cascade: LayerCascade,
    val: SegmentationDataset,
    count: int,
    rhos: tuple[float | tuple[float, ...], ...],
    halo: int,
    say: Callable[[str], None],
) -> list[dict[str, Tensor]]:
    """What every image gave, ten at a time: (10, R, ...) each."""
    costs, parts, warm = Costs(cascade), [], False
    for start in range(0, count, PART):
        images = range(start, min(start + PART, count))
        name, about = f"images-{start:05}", {"images": [images.start, images.stop]}
        if (kept := store.get(name, **about)) is not None:
            parts.append(kept[1])
            continue

        def one(i: int) -> dict[str, Tensor]:
            image, target = val[i]
            return measured(runs, costs, image, target, rhos, len(val.spec.classes), val.spec.ignore_index, halo=halo)

        if not warm:
            one(start)  # the first run of a process is slower, and no time to keep
            warm = True
        found = [one(i) for i in images]
        parts.append({key: torch.stack([f[key] for f in found]) for key in found[0]})
        store.put(name, {}, parts[-1], **about)
        say(f"images {images.stop} of {count}")
    return parts


def _row(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """What a table shows of a threshold, with what the paper prints for it."""
    if table == "T1":
        kept = {k: v for k, v in row.items() if not k.startswith("ms")}
        return kept | {"mode": "true and cached", "paper": _printed_t1(row["rho"])}
    names = {rho: name for name, rho in SPEEDS.items()} if table == "T3" else {}
    row = row | {"mode": "true", "fps": round(1000 / row["ms"], 3)}
    if table == "T3":
        return {"system": names[row["rho"]], **row, "paper": PRINTED["T3"].get(names[row["rho"]])}
    printed = dict(zip(PRINTED["F7"]["rho"], PRINTED["F7"]["ms_by_stage"], strict=True))
    return row | {"paper": {"ms_by_stage": printed[row["rho"]]} if row["rho"] in printed else None}


def _printed_t1(rho: float | tuple[float, ...]) -> dict[str, float] | None:
    printed = PRINTED["T1"]
    if rho not in printed["rho"]:
        return None
    place = printed["rho"].index(rho)
    return {key: printed[key][place] for key in ("left_at_stage_1", "left_at_stage_2", "miou")}
