"""What a table needs, will fill and will take, before anything is spent.

Hours and memory are estimates, and said to be: a few steps on random pixels, scaled. In a network that has learned
nothing no cell exits, so what is measured for cascade training and for true runs is what they cost where every cell
goes all the way: more than they will.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lcnb import imagenet
from lcnb.clock import stopwatch_for
from lcnb.datasets import SegmentationDataset, load_dataset, spec
from lcnb.errors import LcnbError
from lcnb.models import LayerCascade, cascade_cost
from lcnb.reproduction.ablation import rows
from lcnb.reproduction.cascade_training import BRANCHES, HALOS, RHOS, forward_passes, runs_of
from lcnb.reproduction.paper import FULL_SIZES, TITLES
from lcnb.reproduction.request import CASCADE_TRAINING, Request
from lcnb.reproduction.tables import NOT_FILLED, SPEEDS, network_of, rhos_of
from lcnb.training import TrainConfig
from lcnb.training.network import new_network
from lcnb.training.objective import Objective
from lcnb.training.phases import phases, prepare

BUDGET = {"cpu": 8e9, "cuda": 400e9}
"""Multiply-adds of a forward pass that is measured: enough to make the overhead of each layer negligible."""
STATES = 5
"""Numbers a parameter takes while it is trained: itself, its gradient, AdamW's two and the average."""


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
    fills, leaves = _fills(request), NOT_FILLED.get(request.table, [])
    if request.table == "T6":
        return Plan(title, {}, fills, leaves, None, None, "")
    data, val, trains = {}, None, request.table in ("T2", CASCADE_TRAINING)
    for split in dict.fromkeys([config.split, config.val_split] if trains else [config.val_split]):
        state, found = _found(request, split)
        data[f"{config.dataset} {split}"] = state
        val = found if split == config.val_split else val
    if not trains:
        data["weights"] = _or_missing(lambda: network_of(request)[1])
    elif config.init == imagenet.PUBLISHED:
        data["ImageNet weights"] = _or_missing(lambda: f"here ({imagenet.packaged().name})")
    classes = len(spec(config.dataset, config.classes).classes)
    measured = probe(config, classes, request.device, training=trains)
    images = len(val) if val is not None else FULL_SIZES.get((config.dataset, config.val_split), 0)
    images = min(images, request.limit or images)
    height, width = config.crop if val is None else val[0][0].shape[1:]
    if trains:
        hours, memory = _training(request, measured, images, (height, width)), measured.training_gb(config)
    else:
        runs = 1 if request.table == "F1" else 1 + len(rhos_of(request))
        hours, memory = measured.scoring_hours(images, (height, width), runs), measured.scoring_gb((height, width))
    return Plan(title, data, fills, leaves, memory, hours, measured.how)


def _found(request: Request, split: str) -> tuple[str, SegmentationDataset | None]:
    try:
        dataset = load_dataset(request.config.dataset, split, classes=request.config.classes)
    except LcnbError as error:
        return f"missing: {error}", None
    full = FULL_SIZES.get((dataset.spec.name, split))
    part = f", a part of the {full} that the split has: no number of it compares with the paper's"
    return f"{len(dataset)} images{part if full and len(dataset) < full else ''}", dataset


def _or_missing(found: Callable[[], str]) -> str:
    try:
        return found()
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
            "IRNet-LC: parameters; multiply-adds of a 512x512 image, at the paper's exits too",
            "DPN, DeepLab-v2: parameters; multiply-adds of a 512x512 image",
        ]
    if request.table == "T2":
        return [f"{row.title}: mIoU with its interval, exits, multiply-adds" for row in rows(request)] + [
            "the layer cascade minus each other row, with the interval of the difference"
        ]
    if request.table == "F1":
        return [
            "easy, moderate, hard: fraction of the pixels, and how much of it lies near a boundary, with intervals",
            "each stage: the same of the pixels that exit there; each class: where its pixels exit",
        ]
    if request.table == "T3":
        return [f"{name}, rho {rho:g}: mIoU, ms, FPS on this machine" for name, rho in SPEEDS.items()]
    cells = {"T1": "exits, mIoU cached and true, multiply-adds", "F7": "mIoU, ms in all and by stage"}[request.table]
    return [f"rho {_thresholds(rho)}: {cells}" for rho in rhos_of(request)]


def _thresholds(rho: float | tuple[float, ...]) -> str:
    return f"{rho:g}" if isinstance(rho, float) else " and ".join(f"{r:g}" for r in rho)


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


@dataclass(frozen=True)
class Probe:
    """What was measured with `images` of `size`, and what it comes to for one of them.

    Attributes:
        images: in the batch.
        size: (H, W).
        step_s: seconds of forward and backward pass for an image, by kind of phase; empty if not asked for.
        forward_s: seconds of a true run at rho = 1 for an image.
        update_s: seconds of the optimiser's step.
        kept_bytes: what the forward pass keeps for the backward pass, for an image.
        parameters: of the network.
        device: where.
    """

    images: int
    size: tuple[int, int]
    step_s: dict[str, float]
    forward_s: float
    update_s: float
    kept_bytes: int
    parameters: int
    device: str

    @property
    def how(self) -> str:
        """How the numbers were made, for people."""
        height, width = self.size
        return (
            f"an estimate: one step of each kind, with {self.images} x {height}x{width} random pixels, measured on "
            f"this {self.device}, as busy as it is now, and scaled by pixels and images; reading images is not "
            "counted, and an untrained network lets no cell leave early"
        )

    def scale(self, height: int, width: int) -> float:
        """How many times the measured pixels these are."""
        return height * width / (self.size[0] * self.size[1])

    def training_hours(self, config: TrainConfig) -> float:
        """Of one run, whatever its arm; a phase that is not measured counts as deep supervision, which costs more."""
        images = config.batch * self.scale(*config.crop)
        seconds = 0.0
        for phase in phases(config):
            step = self.step_s.get(phase.kind, self.step_s["deep"])
            seconds += (phase.stop - phase.start) * (images * step + self.update_s)
        return seconds / 3600

    def scoring_hours(self, images: int, size: tuple[int, int], runs: int) -> float:
        """Of so many runs of each image."""
        return images * runs * self.scale(*size) * self.forward_s / 3600

    def training_gb(self, config: TrainConfig) -> float:
        """10^9 bytes of weights, gradients, optimiser, average, and of what a batch keeps for the backward pass."""
        kept = self.kept_bytes * config.batch * self.scale(*config.crop)
        return (STATES * 4 * self.parameters + kept) / 1e9

    def scoring_gb(self, size: tuple[int, int]) -> float:
        """10^9 bytes, at most: weights, and all that training on one such image would keep."""
        return (4 * self.parameters + self.kept_bytes * self.scale(*size)) / 1e9


def probe(config: TrainConfig, classes: int, device: str, training: bool = True) -> Probe:
    """Measure; takes seconds to a minute, needs no data, and leaves torch's random state as it was.

    Args:
        config: of the runs to come.
        classes: K.
        device: where.
        training: measure steps of training too, not only true runs.
    """
    where = torch.device(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = new_network(dataclasses.replace(config, init=None), classes)
        images, size = affordable(model, config, BUDGET["cuda" if where.type == "cuda" else "cpu"])
        model = model.to(where)
        objective = Objective(model, config, None, 255).to(where)
        x, target = torch.rand(images, 3, *size).to(where), torch.randint(classes, (images, *size)).to(where)
        kept = _kept(objective, model, x, target, config)
        step_s = _steps(objective, model, x, target, config) if training else {}
        update_s = _seconds(torch.optim.AdamW(model.parameters()).step, where) if training else 0.0
        model.eval()
        with torch.inference_mode():
            forward_s = _seconds(lambda: model(x, 1.0), where)
    parameters = sum(p.numel() for p in model.parameters())
    each = {kind: seconds / images for kind, seconds in step_s.items()}
    return Probe(images, size, each, forward_s / images, update_s, kept // images, parameters, where.type)


def affordable(model: LayerCascade, config: TrainConfig, macs: float) -> tuple[int, tuple[int, int]]:
    """As many of the batch's images as these multiply-adds allow; one at least, cut where it is too much."""
    height, width = config.crop
    one = cascade_cost(model, height, width).dense
    if one <= macs:
        return min(config.batch, int(macs // one)), config.crop
    scale = (macs / one) ** 0.5
    return 1, (max(8, round(height * scale / 8) * 8), max(8, round(width * scale / 8) * 8))


def _steps(
    objective: nn.Module, model: LayerCascade, x: Tensor, target: Tensor, config: TrainConfig
) -> dict[str, float]:
    """Seconds of the steps of a layer cascade's phases; "deep" stands for all that are not among them."""
    found = {}
    for phase in phases(dataclasses.replace(config, arm="lc")):
        prepare(model, phase)
        found[phase.kind] = _seconds(lambda now=phase: objective(x, target, now).backward(), x.device)  # type: ignore[misc]
    return {"deep": max(found.values()), **found}


def _seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Of a piece of work, done once before without being counted."""
    work()
    return stopwatch_for(device).timed(work)[1]


def _kept(objective: nn.Module, model: LayerCascade, x: Tensor, target: Tensor, config: TrainConfig) -> int:
    """Bytes that a forward pass keeps for the backward pass, weights not counted."""
    phase = phases(dataclasses.replace(config, arm="dsn"))[0]
    prepare(model, phase)
    sizes: dict[int, int] = {}

    def note(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        loss = objective(x, target, phase)
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    del loss
    return sum(size for place, size in sizes.items() if place not in own)
