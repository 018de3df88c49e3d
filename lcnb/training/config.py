"""The knobs of a training run, and the recipes by name."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lcnb.errors import LcnbError


class TrainingError(LcnbError):
    """Training cannot start or go on."""


@dataclass(frozen=True)
class TrainConfig:
    """The knobs of a run. Where the paper is silent (it gives no schedule at all) they are choices of ours.

    Attributes:
        dataset, split, val_split: what to train and to score on.
        width: of IRNet.
        steps: optimiser steps.
        batch: images a step, B.
        crop: (H, W).
        scale: range of the random scale.
        lr: peak learning rate of AdamW; warmed up over `warmup` steps, then cosine to zero.
        stage_weights: of the S losses (the paper's are equal).
        class_weight: c of the weights 1 / log(c + share of the class) (Paszke et al., ENet); None for none.
        ema: decay of the averaged weights that are evaluated and kept.
        amp: bfloat16 autocast of the forward pass.
        val_every, val_images: score `val_images` images every so many steps (0: at the end only).
    """

    dataset: str = "streets"
    split: str = "train"
    val_split: str = "val"
    width: float = 0.25
    steps: int = 2000
    batch: int = 8
    crop: tuple[int, int] = (240, 320)
    scale: tuple[float, float] = (0.5, 1.5)
    lr: float = 2e-3
    warmup: int = 200
    weight_decay: float = 0.02
    stage_weights: tuple[float, ...] = (1.0, 1.0, 1.0)
    class_weight: float | None = 1.10
    dropout: float = 0.0
    ema: float = 0.998
    amp: bool = True
    seed: int = 0
    workers: int = 0
    log_every: int = 20
    save_every: int = 100
    val_every: int = 0
    val_images: int = 1_000_000

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "log_every", "save_every", "val_images"):
            self._refuse_unless(getattr(self, name) >= 1, name, "counts, so at least 1")
        for name in ("warmup", "workers", "val_every", "weight_decay"):
            self._refuse_unless(getattr(self, name) >= 0, name, "is at least 0")
        self._refuse_unless(0 < self.width <= 4, "width", "is a factor on the channels, in (0, 4]")
        self._refuse_unless(len(self.crop) == 2 and min(self.crop) >= 1, "crop", "is height and width, each at least 1")
        range_of_two = len(self.scale) == 2 and 0 < self.scale[0] <= self.scale[1] <= 8
        self._refuse_unless(range_of_two, "scale", "is a range of factors in (0, 8]")
        self._refuse_unless(0 < self.lr < math.inf, "lr", "is a number above 0")
        three = len(self.stage_weights) == 3 and all(0 <= w < math.inf for w in self.stage_weights)
        self._refuse_unless(three, "stage_weights", "is 3 numbers, each at least 0")
        valid = self.class_weight is None or 1 < self.class_weight < math.inf
        self._refuse_unless(valid, "class_weight", "is the c of 1 / log(c + share), so above 1")
        for name in ("dropout", "ema"):
            self._refuse_unless(0 <= getattr(self, name) < 1, name, "is a share in [0, 1)")

    def _refuse_unless(self, good: bool, name: str, rule: str) -> None:
        if not good:
            raise TrainingError(f"{name} {rule}; got {getattr(self, name)}")


PRESETS = {
    "streets-small": TrainConfig(dataset="streets", steps=2500, val_every=500),
    "camvid-small": TrainConfig(dataset="camvid", steps=4000, val_every=500),
}
"""Recipes by name; `data/weights/<name>` holds what each gave."""
