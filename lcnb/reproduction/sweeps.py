"""Tables 1 and 3 and figure 7: one sweep over thresholds each, kept image by image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lcnb.datasets import load_dataset
from lcnb.evaluation.by_image import measured, summary
from lcnb.evaluation.evaluate import Costs
from lcnb.reproduction.networks import network_of
from lcnb.reproduction.paper import PRINTED, T1
from lcnb.reproduction.request import Request
from lcnb.reproduction.store import Store, digest, in_parts

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
    fused = cascade.config.get("network") != "lite0"  # which has no prepared form yet
    prepared = request.table != "T1" and torch.device(request.device).type == "cpu" and fused
    runs = cascade.for_inference() if prepared else cascade
    about = {
        "network": digest(cascade.state_dict()), "dataset": config.dataset, "split": config.val_split, "rhos": rhos,
        "classes": config.classes, "halo": config.halo, "device": request.device, "prepared": prepared,
    }  # fmt: skip
    store = Store(request.work / request.preset / request.table, about)
    say(f"{name} on {count} images of {config.dataset} {config.val_split}, at {len(rhos)} thresholds")
    costs, classes, ignore_index = Costs(cascade), len(val.spec.classes), val.spec.ignore_index

    def one(i: int) -> dict[str, Tensor]:
        return measured(runs, costs, *val[i], rhos, classes, ignore_index, halo=config.halo)

    block = request.block(count)
    found = summary(rhos, in_parts(store, count, one, say, warm_up=True), block)
    return {
        "images": count,
        "block": block,
        "weights": name,
        "network": "prepared for inference" if prepared else "modules",
        "rows": [_row(request.table, row) for row in found],
        "settings": {"halo": config.halo, "recipe": cascade.config},
    }


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
