"""The knobs of a training run, and the recipes by name."""

from __future__ import annotations

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
        for name in ("steps", "batch", "log_every", "save_every"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} counts, so at least 1; got {getattr(self, name)}")


PRESETS = {
    "streets-small": TrainConfig(dataset="streets", steps=2500, val_every=500),
    "camvid-small": TrainConfig(dataset="camvid", steps=4000, val_every=500),
}
"""Recipes by name; `data/weights/<name>` holds what each gave."""
