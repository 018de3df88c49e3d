"""What a table needs and will fill, before anything is spent."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from lcnb import imagenet
from lcnb.datasets import SegmentationDataset, load_dataset, spec
from lcnb.errors import LcnbError
from lcnb.reproduction.ablation import rows
from lcnb.reproduction.cascade_training import BRANCHES, HALOS, RHOS, forward_passes, runs_of
from lcnb.reproduction.estimate import Probe, probe
from lcnb.reproduction.networks import network_of
from lcnb.reproduction.paper import FULL_SIZES, TITLES
from lcnb.reproduction.request import CASCADE_TRAINING, Request
from lcnb.reproduction.sweeps import SPEEDS, rhos_of

UNTRAINED = "lcnb has these networks with random weights only"
NOT_FILLED = {
    "T1": [],
    "T2": [],
    "T3": [f"DeepLab-v2, SegNet: {UNTRAINED}, so no mIoU; `lcnb bench systems` measures their speed"],
    "T6": [
        "mIoU on VOC test: its labels are on VOC's server only; T1, T2 and T3 score the validation split",
        "FPS: T3 measures that of IRNet-LC, `lcnb bench systems` that of DPN and DeepLab-v2",
        "multi-scale, CRF, CRF-RNN: lcnb has no implementation of these yet, so no number of them can be measured here",
    ],
    "F1": [],
    "F7": [],
    CASCADE_TRAINING: [],
}
"""Cells of the paper's tables that no command here fills, and why."""


@dataclass(frozen=True)
class Plan:
    """What `--dry-run` prints.

    Attributes:
        title: of the table.
        data: what is needed and whether it is there, by name; a fault starts with "missing: ".
        fills: cells that will be filled.
        leaves: cells that will not, and why.
        memory_gb, hours: estimates; None where nothing is computed.
        how: how they were made.
    """

    title: str
    data: dict[str, str]
    fills: list[str]
    leaves: list[str]
    memory_gb: float | None
    hours: float | None
    how: str

    @property
    def missing(self) -> list[str]:
        """What has to be had first."""
        return [name for name, state in self.data.items() if state.startswith("missing: ")]

    def text(self) -> str:
        """For people."""
        lines = [self.title, ""]
        lines += [f"needs   {name}: {state}" for name, state in self.data.items()] or ["needs   no data"]
        lines += [f"fills   {cell}" for cell in self.fills]
        lines += [f"leaves  {cell}" for cell in self.leaves]
        if self.hours is not None and self.memory_gb is not None:
            lines += [
                f"takes   about {_time(self.hours)}, and at least {self.memory_gb:.1f} GB beside torch itself:",
                f"        {self.how}",
            ]
        else:
            lines += ["takes   seconds, and no memory to speak of"]
        return "\n".join(lines)


def plan(request: Request) -> Plan:
    """Look for the data, measure a few steps on random pixels, and say what would happen; nothing is written."""
    title, config = TITLES[request.table], request.config
    fills, leaves = _fills(request), NOT_FILLED[request.table]
    if request.table == "T6":
        return Plan(title, {}, fills, leaves, None, None, "")
    data, val, trains = {}, None, request.table in ("T2", CASCADE_TRAINING)
    for split in dict.fromkeys([config.split, config.val_split] if trains else [config.val_split]):
        state, found = _found(request, split)
        data[f"{config.dataset} {split}"] = state
        val = found if split == config.val_split else val
    if not trains:
        data["weights"] = _weights(request)
    elif config.init == imagenet.PUBLISHED:
        data["ImageNet weights"] = _imagenet()
    classes = len(spec(config.dataset, config.classes).classes)
    measured = probe(config, classes, request.device, training=trains)
    images = len(val) if val is not None else FULL_SIZES.get((config.dataset, config.val_split), 0)
    images = min(images, request.limit or images)
    size = _size(val, config.crop)
    if trains:
        hours, memory = _training(request, measured, images, size), measured.training_gb(config)
    else:
        runs = 1 if request.table == "F1" else 1 + len(rhos_of(request))
        hours, memory = measured.scoring_hours(images, size, runs), measured.scoring_gb(size)
    return Plan(title, data, fills, leaves, memory, hours, measured.how)


def _found(request: Request, split: str) -> tuple[str, SegmentationDataset | None]:
    try:
        dataset = load_dataset(request.config.dataset, split, classes=request.config.classes)
    except LcnbError as error:
        return f"missing: {error}", None
    full = FULL_SIZES.get((dataset.spec.name, split))
    part = f", a part of the {full} that the split has: no number of it compares with the paper's"
    return f"{len(dataset)} images{part if full and len(dataset) < full else ''}", dataset


def _weights(request: Request) -> str:
    try:
        return network_of(request)[1]
    except LcnbError as error:
        return f"missing: {error}"


def _imagenet() -> str:
    try:
        return f"here ({imagenet.packaged().name})"
    except LcnbError as error:
        return f"missing: {error}"


def _fills(request: Request) -> list[str]:
    if request.table == CASCADE_TRAINING:
        trunk, *branches = runs_of(request.config)
        steps = f"{trunk.total_steps} steps of a trunk and {len(branches)} x {request.config.cascade_steps} of branches"
        return [
            f"{len(request.seeds)} seeds ({', '.join(map(str, request.seeds))}), each {steps}",
            *(f"{branch.name}: {branch.title}" for branch in BRANCHES),
            f"true runs at {len(RHOS)} thresholds, halo {' and '.join(map(str, HALOS))}; dense opponents; times",
        ]
    if request.table == "T6":
        return [
            "IRNet-LC: parameters; multiply-adds of a 512x512 picture, at the paper's exits too",
            "DPN, DeepLab-v2: parameters; multiply-adds of a 512x512 picture",
        ]
    if request.table == "T2":
        return [f"{row.title}: mIoU with its interval, exits, multiply-adds" for row in rows(request)] + [
            "the layer cascade minus each other row, with the interval of the difference"
        ]
    if request.table == "F1":
        return ["easy, moderate, hard: share of the pixels, and how much of it lies near a boundary, with intervals"]
    if request.table == "T3":
        return [f"{name}, rho {rho:g}: mIoU, ms, FPS on this machine" for name, rho in SPEEDS.items()]
    cells = {"T1": "exits, mIoU cached and true, multiply-adds", "F7": "mIoU, ms in all and by stage"}[request.table]
    return [f"rho {_thresholds(rho)}: {cells}" for rho in rhos_of(request)]


def _thresholds(rho: float | tuple[float, ...]) -> str:
    return f"{rho:g}" if isinstance(rho, float) else " and ".join(f"{r:g}" for r in rho)


def _size(val: SegmentationDataset | None, crop: tuple[int, int]) -> tuple[int, int]:
    """(H, W) of a picture to score."""
    if val is None:
        return crop
    height, width = val[0][0].shape[1:]
    return int(height), int(width)


def _training(request: Request, measured: Probe, images: int, size: tuple[int, int]) -> float:
    if request.table == CASCADE_TRAINING:
        trunk, *branches = runs_of(request.config)
        runs = [trunk, *(dataclasses.replace(branch, steps=0) for branch in branches)]
        hours = sum(map(measured.training_hours, runs)) + measured.scoring_hours(images, size, forward_passes())
        return len(request.seeds) * hours
    train = sum(measured.training_hours(dataclasses.replace(request.config, arm=arm)) for arm in request.arms)
    # Each arm scores its three stages and a true run at its end, and every row once more.
    return train + measured.scoring_hours(images, size, 2 * len(request.arms) + len(rows(request)))


def _time(hours: float) -> str:
    if hours < 1 / 60:
        return f"{hours * 3600:.0f} s"
    return f"{hours * 60:.0f} minutes" if hours < 2 else f"{hours:.1f} hours"
