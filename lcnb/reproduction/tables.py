"""From a request to the content of its file; tables 1, 3 and 6 and figures 1 and 7 of the paper.

Table 2 is in `ablation.py`, the experiment on cascade training in `cascade_training.py`.

Shape letters: N images, R thresholds, K classes, S stages, H, W pixels.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lcnb.datasets import DatasetSpec, spec
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
from lcnb.evaluation.by_image import stacked, summary
from lcnb.evaluation.evaluate import Costs, by_setting
from lcnb.evaluation.metrics import pixel_counts
from lcnb.models import LayerCascade, cascade_cost, to_pixels
from lcnb.models.baselines import baseline
from lcnb.models.cost import count_macs
from lcnb.models.networks import NETWORKS
from lcnb.reproduction.ablation import ablation
from lcnb.reproduction.cascade_training import cascade_training
from lcnb.reproduction.paper import F1, F7, T1, T3, T6, TITLES, exits_printed
from lcnb.reproduction.request import CASCADE_TRAINING, ReproductionError, Request
from lcnb.reproduction.store import digest, in_parts
from lcnb.training.checkpoint import CHECKPOINT
from lcnb.training.network import of_run
from lcnb.weights import load

SPEEDS = {"dense (rho = 1)": 1.0, "LC": 0.985, "LC (fast)": 0.8}
"""Rows of table 3 that are ours, by threshold."""
SIDE = 512
"""Pixels of the paper's input."""
OTHERS = {"DPN": "dpn", "DeepLab-v2": "deeplab-v2"}
"""Systems of table 6 that lcnb can build, by the name of the baseline."""
UNTRAINED = "lcnb has these networks with random weights only"
NOT_FILLED: dict[str, list[str]] = {
    "T3": [f"DeepLab-v2, SegNet: {UNTRAINED}, so no mIoU; `lcnb bench systems` measures their speed"],
    "T6": [
        "mIoU on VOC test: its labels are on VOC's server only; T1, T2 and T3 score the validation split",
        "FPS: T3 measures that of IRNet-LC, `lcnb bench systems` that of DPN and DeepLab-v2",
        "multi-scale, CRF, CRF-RNN: lcnb has no implementation of these yet, so no number of them can be measured here",
    ],
}
"""Cells of the paper's tables that no command here fills, and why."""


def reproduce(request: Request, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Measure a table; what was measured before in `request.work` is taken from there.

    Args:
        request: the table, and how.
        say: called with each line of progress.

    Returns:
        As JSON takes it: table, title, preset, dataset, split, not_measured, and what the table's own function gives.

    Raises:
        LcnbError: data or weights are missing or do not fit, or a table cannot be measured like this.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        if request.table == CASCADE_TRAINING:
            raise ReproductionError(f"lcnb reproduce {request.table} is one process, its trainings too")
        raise ReproductionError(
            "lcnb reproduce is one process; train the arms with `torchrun ... -m lcnb train --preset "
            f"{request.preset} --arm ARM --out {request.folder('ARM')}` first: it takes up finished runs"
        )
    own = {"T2": ablation, "T6": size, "F1": figure_one, CASCADE_TRAINING: cascade_training}
    found = own.get(request.table, swept)(request, say)
    data = {} if request.table == "T6" else {"dataset": request.config.dataset, "split": request.config.val_split}
    return {
        "table": request.table,
        "title": TITLES[request.table],
        "preset": request.preset,
        **data,
        **found,
        "not_measured": NOT_FILLED.get(request.table, []),
    }


def network_of(request: Request) -> tuple[LayerCascade, str]:
    """The cascade to score, in eval mode on the request's device, and its name: weights by name or path, or a run's.

    Raises:
        ReproductionError: none was named and there is no finished run of arm "lc"; or it does not fit the data set.
        WeightsError, TrainingError: what was named is not there, or damaged.
    """
    named = request.weights
    folder = request.folder("lc") if named is None else Path(named)
    if (folder / CHECKPOINT).is_file():
        cascade, config, step = of_run(folder, request.builder)
        if step < config.total_steps:
            raise ReproductionError(
                f"the run in {folder} is at step {step} of {config.total_steps}; go on with "
                f"`lcnb train --resume --out {folder}`, or name finished weights with --weights"
            )
        name = f"run {folder.name} of preset {request.preset}" if named is None else folder.name
    elif named is None:
        raise ReproductionError(
            f"{request.table} scores trained weights, and {folder} holds no run: name some with --weights, or train "
            f"them with `lcnb reproduce T2 --preset {request.preset} --arms lc`"
        )
    else:
        cascade = load(named, builder=request.builder)
        name = str(cascade.meta["name"])
    wanted, known = spec(request.config.dataset, request.config.classes).classes, cascade.meta.get("classes")
    if cascade.config["num_classes"] != len(wanted) or (known is not None and list(known) != list(wanted)):
        raise ReproductionError(
            f"{name} knows {cascade.config['num_classes']} classes that are not the {len(wanted)} of "
            f"{request.config.dataset}: name weights that were trained on it, or the preset of their data set"
        )
    return cascade.eval().to(request.device), name


def rhos_of(request: Request) -> tuple[float | tuple[float, ...], ...]:
    """The thresholds that a table sweeps; rho = 1 is always among them, to compare with."""
    wanted = tuple(SPEEDS.values()) if request.table == "T3" else request.rhos or T1["rho"]
    return tuple(dict.fromkeys((1.0, *wanted)))


def swept(request: Request, say: Callable[[str], None]) -> dict[str, Any]:
    """Tables 1 and 3 and figure 7: one sweep over thresholds each, kept image by image.

    T1 runs the modules as they are written; T3 and F7, which are about time, the network prepared for inference where
    that is for this device. A time is that of one image, already on the device, to its labels, there too.

    Args:
        request: of T1, T3 or F7.
        say: called with each line of progress.

    Returns:
        rows, one per threshold; images; block; weights; network ("modules" or "prepared for inference").

    Raises:
        DataError, WeightsError, TrainingError, ReproductionError: data or weights are missing or do not fit.
    """
    cascade, name = network_of(request)
    config, rhos, (val, count) = request.config, rhos_of(request), request.images()
    prepared = request.table != "T1" and torch.device(request.device).type == "cpu"
    store = request.store(
        request.table, network=digest(cascade.state_dict()), rhos=rhos, halo=config.halo, device=request.device,
        prepared=prepared,
    )  # fmt: skip
    say(f"{name} on {count} images of {config.dataset} {config.val_split}, at {len(rhos)} thresholds")
    runs = cascade.for_inference() if prepared else cascade
    counts = by_setting(
        runs, len(val.spec.classes), val.spec.ignore_index, rhos, costs=Costs(cascade), halo=config.halo
    )
    parts = in_parts(store, runs, val, count, lambda x, target: stacked(counts(x, target)), say, warm_up=True)
    block = request.block(count)
    return {
        "images": count,
        "block": block,
        "weights": name,
        "network": "prepared for inference" if prepared else "modules",
        "rows": [_row(request.table, row) for row in summary(rhos, parts, block)],
        "settings": {"halo": config.halo, "recipe": cascade.config},
    }


def _row(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """What a table shows of a threshold, with what the paper prints for it."""
    rho = row["rho"]
    if table == "T1":
        kept = {k: v for k, v in row.items() if not k.startswith("ms")}
        keys, at = ("left_at_stage_1", "left_at_stage_2", "miou"), T1["rho"].index(rho) if rho in T1["rho"] else None
        return kept | {"mode": "true and cached", "paper": None if at is None else {key: T1[key][at] for key in keys}}
    row = row | {"mode": "true", "fps": round(1000 / row["ms"], 3)}
    if table == "T3":
        (name,) = (name for name, of in SPEEDS.items() if of == rho)
        return {"system": name, **row, "paper": T3.get(name)}
    printed = dict(zip(F7["rho"], F7["ms_by_stage"], strict=True))
    return row | {"paper": {"ms_by_stage": printed[rho]} if rho in printed else None}


def figure_one(request: Request, say: Callable[[str], None]) -> dict[str, Any]:
    """How many pixels are easy, moderate and hard by the dense network's last stage, and how many lie near a boundary.

    Beside it, which figure 1 does not show: the same of the pixels that exit at each stage, and which classes they have
    (figure 5).

    Args:
        request: of figure 1.
        say: called with each line of progress.

    Returns:
        rows, one per grade: share of the labelled pixels, boundary_share of them near a boundary, its interval (None of
        fewer than two images), what the paper prints in percent; exits, one row per stage: the same of the pixels that
        exit there in a true run; exits_by_class, the fractions of each class's pixels that exit at each stage, None for
        a class that no image has; settings (threshold, boundary_width in pixels, void_ring, rho, halo).

    Raises:
        DataError, WeightsError, ReproductionError: data or weights are missing or do not fit.
    """
    cascade, name = network_of(request)
    config, (val, count) = request.config, request.images()
    store = request.store(
        request.table, network=digest(cascade.state_dict()), device=request.device, rho=config.rho, halo=config.halo
    )
    say(f"{name} on {count} images of {config.dataset} {config.val_split}")
    counts = in_parts(
        store,
        cascade,
        val,
        count,
        lambda x, target: _graded(cascade, x, target.cpu(), val.spec, config.rho, config.halo),
        say,
    )
    block = request.block(count)
    grades = zip(NAMES, _rows(counts["counts"], block), strict=True)
    classes = counts["classes"].sum(0)
    fractions = (classes / classes.sum(1, keepdim=True)).tolist()
    return {
        "images": count,
        "block": block,
        "weights": name,
        "rows": [{"grade": grade, **row, "paper": F1[grade]} for grade, row in grades],
        "exits": [{"stage": s, **row} for s, row in enumerate(_rows(counts["exits"], block), start=1)],
        "exits_by_class": {
            name: [None if math.isnan(v) else round(v, 6) for v in row]
            for name, row in zip(val.spec.classes, fractions, strict=True)
        },
        "settings": {
            "threshold": THRESHOLD,
            "boundary_width": BOUNDARY_WIDTH,
            "void_ring": val.spec.void_ring,
            "rho": config.rho,
            "halo": config.halo,
            "mode": "grades: dense; exits: true",
        },
    }


def _graded(
    cascade: LayerCascade, x: Tensor, target: Tensor, spec: DatasetSpec, rho: float, halo: int
) -> dict[str, Tensor]:
    """Pixels of each grade, and those of them near a boundary, (2, 3) int64; the same by exit stage, (2, S); and by
    true class and exit stage, (K, S).
    """
    logits = cascade.all_stages(x)
    labels, confidence = (t.cpu() for t in pixel_scores(logits[-1], logits.size))
    counts = DifficultyCounts(logits[-1].shape[1], spec.ignore_index, void_ring=spec.void_ring)
    counts.update(difficulty(labels, confidence, target, spec.ignore_index), target)
    stage = to_pixels(cascade(x, rho, halo=halo).stage, logits.size)[0].cpu()
    edge = boundary_band(target, spec.ignore_index, void_ring=spec.void_ring)
    classes = pixel_counts(target, target, len(spec.classes), spec.ignore_index, stage, len(logits)).sum(2).T
    return {
        "counts": torch.stack([counts.counts.sum(0), counts.on_boundary]),
        "exits": torch.stack([classes.sum(0), torch.bincount(stage[edge], minlength=len(logits))]),
        "classes": classes,
    }


def _rows(counts: Tensor, block: int) -> list[dict[str, Any]]:
    """Share, boundary share and its interval of each group, of (N, 2, groups) counts."""
    totals, rows = counts.sum(0).double(), []
    for g, (pixels, near) in enumerate(totals.T.tolist()):
        sure = len(counts) >= 2 * block and pixels > 0
        interval = bootstrap_share(counts[:, 1, g], counts[:, 0, g], block=block).as_dict() if sure else None
        rows.append({
            "share": round(pixels / float(totals[0].sum()), 6),
            "boundary_share": round(near / pixels, 6) if pixels > 0 else None, "interval": interval,
        })  # fmt: skip
    return rows


def size(request: Request, say: Callable[[str], None]) -> dict[str, Any]:
    """Table 6, as far as it is about size: parameters and multiply-adds, counted without computing anything.

    Args:
        request: of table 6.
        say: called with each line of progress.

    Returns:
        rows, one per network: parameters_m (millions) in all and by stage and head; gmacs of a 512x512 image for the
        plain network (one classifier), at rho = 1 (three), and at the exits that the paper prints for rho = .985 and
        .8 (computed from them, as `exits` says). Other systems are at full width and have "plain" only.
    """
    config = request.config
    network = NETWORKS[config.network]
    knobs = {"width": config.width} if network.has("width") else {}
    say(f"counting {config.network}{f' at width {config.width:g}' if knobs else ''}")
    classes = len(spec(config.dataset, config.classes).classes)
    with torch.device("meta"):
        cascade = network.build(classes, **knobs)
    cost = cascade_cost(cascade, SIDE, SIDE)
    gmacs: dict[str, float] = {"plain": cost.single_head, "rho = 1": cost.dense}
    for rho in (0.985, 0.8):
        first, second = exits_printed(rho)
        work = torch.tensor([[1.0, 1 - first, 1 - first - second]])  # fraction of the cells that each stage computes
        gmacs[f"rho = {rho}"] = float(cost.of(work)[0])
    row = {
        "system": "IRNet-LC" if knobs else config.network,
        "classes": classes,
        "parameters_m": _millions(cascade),
        "parameters_m_by_stage": [_millions(m) for m in cascade.stages],
        "parameters_m_by_head": [_millions(m) for m in cascade.heads],
        "gmacs": {name: round(value / 1e9, 4) for name, value in gmacs.items()},
        "exits": "rho = .985 and .8: those printed in table 1, not measured here",
        "paper": T6["IRNet-LC"],
    }
    others = [_other(system, name, classes) for system, name in OTHERS.items()]
    return {
        "rows": [row, *others],
        "image": [SIDE, SIDE],
        "settings": {"network": config.network, **knobs},
    }


def _other(system: str, name: str, classes: int) -> dict[str, Any]:
    with torch.device("meta"):
        network = baseline(name, classes)
    macs = count_macs(network, torch.empty(1, 3, SIDE, SIDE, device="meta"))
    return {
        "system": system,
        "classes": classes,
        "parameters_m": _millions(network),
        "gmacs": {"plain": round(macs / 1e9, 4)},
        "paper": T6[system],
    }


def _millions(module: torch.nn.Module) -> float:
    return round(sum(p.numel() for p in module.parameters()) / 1e6, 4)
