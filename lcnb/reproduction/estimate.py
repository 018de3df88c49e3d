"""Hours and memory before they are spent: a few steps on random pixels, scaled. Estimates, and said to be.

A network that has learned nothing lets nobody leave, so what is measured for cascade training and for true runs is what
they cost where every cell goes all the way: more than they will.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lcnb.evaluation.evaluate import wait
from lcnb.models import LayerCascade, cascade_cost
from lcnb.training import TrainConfig
from lcnb.training.network import new_network
from lcnb.training.objective import Objective
from lcnb.training.phases import phases, prepare

BUDGET = {"cpu": 8e9, "cuda": 400e9}
"""Multiply-adds of a forward pass that is measured: enough for what every layer costs besides them not to matter."""
STATES = 5
"""Numbers a parameter takes while it is trained: itself, its gradient, AdamW's two and the average."""


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
    share = (macs / one) ** 0.5
    return 1, (max(8, round(height * share / 8) * 8), max(8, round(width * share / 8) * 8))


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
    wait(device)
    start = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - start


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
