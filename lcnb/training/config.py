"""The knobs of a training run, and the recipes by name."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from lcnb.errors import LcnbError
from lcnb.machine import public
from lcnb.models.networks import NETWORKS


class TrainingError(LcnbError):
    """Training cannot start or go on."""


ARMS = {
    "lc": "deep supervision, then cascade training: each stage learns from the cells that reach it, on regions",
    "dsn": "deep supervision in both steps: every stage learns from every pixel",
    "dsn-dropout": "as dsn, with dropout before each classifier",
    "irnet": "the plain network: the last classifier's loss only",
    "mc": "model cascade: the stages are trained one after the other, the earlier ones frozen",
    "hard": "as lc, the losses on the same cells, but every stage runs on the whole map",
    "shuffled": "as lc, but on the shape of another image's region, with as many cells as the image's own would have",
}
"""The arms of the paper's table 2, and two controls of ours ("hard" and "shuffled"), by what they do."""


KINDS: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "bool": bool}


def _fits(kind: str, value: Any) -> bool:
    """Whether a value is of an annotated kind; a file of settings may hold anything."""
    if kind.endswith(" | None"):
        return value is None or _fits(kind.removesuffix(" | None"), value)
    if kind.startswith("tuple["):
        inner = kind.removeprefix("tuple[").rstrip("]").split(",")[0]
        return isinstance(value, tuple) and all(_fits(inner, v) for v in value)
    return isinstance(value, KINDS[kind]) and (kind == "bool" or not isinstance(value, bool))


@dataclass(frozen=True)
class TrainConfig:
    """The knobs of a run. Where the paper is silent (it gives no schedule at all) they are choices of ours.

    The fields are the options of `lcnb train`, and the texts below their help.

    Attributes:
        dataset: data set to train on.
        classes: all, or covered7 with voc2012.
        split: split to train on.
        val_split: split to score on.
        width: factor on IRNet's channels, in (0, 4].
        network: one of `lcnb.models.networks.NETWORKS`: irnet (the paper's), or one that public ImageNet weights fit:
            irnet-timm at width 1 (`lcnb.models.inception`), or lite0 (`lcnb.models.lite`).
        builder: module:function, code of yours that builds the network in place of network, width, stride and dropout:
            it returns a LayerCascade, such as lcnb.split makes; it is imported and run.
        builder_arg: its arguments, each NAME=VALUE, values as in JSON or else text; num_classes it is told by itself.
        stride: pixels per cell: 8, or with lite0 also 16, which is cheap to train and keeps the same weights.
        arm: what the second step trains on, one of `ARMS`: lc (the cascade), dsn, dsn-dropout, irnet, mc, hard or
            shuffled.
        init: weights to start from, a name or a path; else a new network. With lite0 also imagenet, the published
            weights (`lcnb.imagenet.packaged`), or a file of them; with irnet-timm at width 1 a checkpoint of timm's
            inception_resnet_v2 (.safetensors, or .pth).
        steps: optimiser steps of the initial training (the paper's first step).
        cascade_steps: optimiser steps of cascade training (the second step).
        batch: images per step over all processes, B.
        crop: size of the training crops, (H, W).
        scale: range of the random scale.
        lr: peak learning rate of AdamW in the initial training; warmed up, then cosine to zero.
        cascade_lr: the same of cascade training.
        backbone_lr: factor on the learning rate of the stages, whose weights may be pre-trained; heads have 1.
        freeze: modules at the start of stage 1 (the stem, then blocks) that keep their weights.
        warmup: steps of the warm-up; in cascade training at most a tenth of its steps.
        weight_decay: of AdamW, on kernels.
        stage_weights: factors of the stages' losses, S of them (the paper's are equal); equal ones fit any S.
        class_weight: c of the class weights 1 / log(c + fraction of the class) (Paszke et al., ENet), above 1; the
            larger, the evener. None in a recipe: equal weights.
        jaccard: factor of a soft Jaccard loss beside each stage's softmax loss (`losses.soft_jaccard`).
        teacher: weights, a name or a path, whose last stage every stage imitates where it is trained; it runs dense,
            so a stage that runs on regions learns to do without the neighbours that it does not see.
        imitate: factor of the loss of imitating the teacher (`losses.imitation`).
        dropout: fraction dropped before each classifier.
        rho: threshold of cascade training (paper: .985 throughout).
        halo: cells by which regions are grown in cascade training and when scored.
        freeze_norm: batch-norm parameters and statistics stay fixed in cascade training (the paper's: throughout).
        freeze_backbone_norm: those of the stages stay fixed in the initial training too.
        ema: decay of the averaged weights, which are evaluated and kept.
        amp: bfloat16 autocast of the forward pass, where the device does not have to emulate it; else float32.
        seed: of everything random.
        workers: processes that read images.
        log_every: steps between two lines of the log.
        save_every: steps between two checkpoints.
        val_every: steps between two scores on the validation split; 0: at the end only.
        val_images: images of the validation split to score.
    """

    dataset: str = "streets"
    classes: str = "all"
    split: str = "train"
    val_split: str = "val"
    width: float = 0.25
    network: str = "irnet"
    builder: str | None = None
    builder_arg: tuple[str, ...] = ()
    stride: int = 8
    arm: str = "lc"
    init: str | None = None
    steps: int = 2000
    cascade_steps: int = 0
    batch: int = 8
    crop: tuple[int, int] = (240, 320)
    scale: tuple[float, float] = (0.5, 1.5)
    lr: float = 2e-3
    cascade_lr: float = 5e-4
    backbone_lr: float = 1.0
    freeze: int = 0
    warmup: int = 200
    weight_decay: float = 0.02
    stage_weights: tuple[float, ...] = (1.0, 1.0, 1.0)
    class_weight: float | None = 1.10
    jaccard: float = 0.0
    teacher: str | None = None
    imitate: float = 1.0
    dropout: float = 0.0
    rho: float = 0.985
    halo: int = 0
    freeze_norm: bool = True
    freeze_backbone_norm: bool = False
    ema: float = 0.998
    amp: bool = True
    seed: int = 0
    workers: int = 0
    log_every: int = 20
    save_every: int = 100
    val_every: int = 0
    val_images: int = 1_000_000

    def __post_init__(self) -> None:
        for field in fields(self):
            self._refuse_unless(
                _fits(str(field.type), getattr(self, field.name)), field.name, f"is of type {field.type}"
            )
        for name in ("batch", "log_every", "save_every", "val_images"):
            self._refuse_unless(getattr(self, name) >= 1, name, "counts, so at least 1")
        for name in ("warmup", "workers", "val_every", "weight_decay", "steps", "cascade_steps", "halo", "freeze"):
            self._refuse_unless(getattr(self, name) >= 0, name, "is at least 0")
        self._refuse_unless(self.total_steps >= 1, "steps", "counts, so at least 1 with cascade_steps")
        self._refuse_unless(self.arm in ARMS, "arm", f"is one of {', '.join(ARMS)}")
        self._refuse_unless(self.network in NETWORKS, "network", f"is one of {', '.join(NETWORKS)}")
        strides = (8, 16) if NETWORKS[self.network].has("stride") else (8,)
        self._refuse_unless(self.stride in strides, "stride", f"of {self.network} is {' or '.join(map(str, strides))}")
        self._refuse_unless(0 < self.width <= 4, "width", "is a factor on the channels, in (0, 4]")
        self._refuse_unless(len(self.crop) == 2 and min(self.crop) >= 1, "crop", "is height and width, each at least 1")
        range_of_two = len(self.scale) == 2 and 0 < self.scale[0] <= self.scale[1] <= 8
        self._refuse_unless(range_of_two, "scale", "is a range of factors in (0, 8]")
        for name in ("jaccard", "imitate", "backbone_lr"):
            self._refuse_unless(0 <= getattr(self, name) < math.inf, name, "is a factor, so at least 0")
        for name in ("lr", "cascade_lr"):
            self._refuse_unless(0 < getattr(self, name) < math.inf, name, "is a number above 0")
        many = len(self.stage_weights) == 3 or self.builder is not None  # of a builder's, `for_stages` sees to it
        valid = many and all(0 <= w < math.inf for w in self.stage_weights)
        self._refuse_unless(valid, "stage_weights", f"is {'S' if self.builder else 3} numbers, each at least 0")
        named = all(text.partition("=")[0].isidentifier() and "=" in text for text in self.builder_arg)
        self._refuse_unless(named, "builder_arg", "is NAME=VALUE, each time")
        own = self.builder is None or (self.dropout == 0 and self.arm != "dsn-dropout")
        self._refuse_unless(own, "dropout", "is the builder's own: it is 0 here, and the arm is not dsn-dropout")
        valid = self.class_weight is None or 1 < self.class_weight < math.inf
        self._refuse_unless(valid, "class_weight", "is the c of 1 / log(c + share), so above 1")
        self._refuse_unless(0 <= self.rho <= 1, "rho", "is a probability between 0 and 1")
        # Its regions come from the next image, and a second forward pass of the batch must leave no trace.
        for name, fits in (("batch", self.batch >= 2), ("freeze_norm", self.freeze_norm)):
            rule = {"batch": "is at least 2 in arm shuffled", "freeze_norm": "is on in arm shuffled"}[name]
            self._refuse_unless(fits or self.arm != "shuffled", name, rule)
        for name in ("dropout", "ema"):
            self._refuse_unless(0 <= getattr(self, name) < 1, name, "is a share in [0, 1)")

    def _refuse_unless(self, good: bool, name: str, rule: str) -> None:
        if not good:
            raise TrainingError(f"{name} {rule}; got {getattr(self, name)!s:.60}")

    def for_stages(self, stages: int) -> TrainConfig:
        """These settings for a network of S stages.

        Raises:
            TrainingError: the weights of the stages are not equal, and not S.
        """
        if len(set(self.stage_weights)) == 1:
            return replace(self, stage_weights=self.stage_weights[:1] * stages)
        fits = len(self.stage_weights) == stages
        self._refuse_unless(fits, "stage_weights", f"is {stages} numbers for a network of {stages} stages")
        return self

    @classmethod
    def known(cls, saved: dict[str, Any]) -> dict[str, Any]:
        """The knobs of saved settings, under today's names."""
        renamed = {"paper": "irnet", "timm": "irnet-timm"}.get(str(saved.get("variant")))
        named = saved if renamed is None else {"network": renamed} | saved
        return {name: value for name, value in named.items() if name in {f.name for f in fields(cls)}}

    @property
    def total_steps(self) -> int:
        """Of both steps of training."""
        return self.steps + self.cascade_steps

    def shown(self) -> dict[str, Any]:
        """The knobs as results and cards show them: without folders of this machine, and without what has no effect."""
        paths = {name: value for name in ("init", "teacher") if (value := getattr(self, name)) is not None}
        knobs = asdict(self) | {name: public(value) for name, value in paths.items()}
        vain = {"network", "width", "stride", "dropout"}
        if self.builder is None:
            vain = {"builder", "builder_arg", "width" * (not NETWORKS[self.network].has("width"))}
        return {k: v for k, v in knobs.items() if k not in vain}


# The classes nearly alike, and mIoU itself among the losses: before, small classes were painted too wide.
_STREETS = TrainConfig(
    dataset="streets", steps=2600, cascade_steps=500, val_every=520, scale=(0.75, 1.5), stage_weights=(0.6, 0.8, 1.0),
    class_weight=1.4, jaccard=1.0,
)  # fmt: skip
_CAMVID = replace(_STREETS, dataset="camvid")
_PAPER = TrainConfig(
    width=1.0, batch=10, crop=(512, 512), scale=(0.5, 1.5), steps=20_000, cascade_steps=10_000, lr=1e-3, warmup=1000,
    class_weight=None, ema=0.9995, workers=8, val_every=2500, save_every=500,
)  # fmt: skip
_LITE = TrainConfig(
    network="lite0", stride=16, init="imagenet", lr=1e-3, backbone_lr=0.4, freeze=4, freeze_backbone_norm=True,
    warmup=100, weight_decay=0.01, steps=2000, class_weight=None, jaccard=0.5, scale=(0.6, 1.6),
)  # fmt: skip
# Street scenes have thin and small classes: weights and losses as for the small networks, fewer frozen layers.
_LITE_STREETS = replace(
    _LITE, freeze=2, steps=1200, scale=(0.75, 1.5), stage_weights=(0.6, 0.8, 1.0), class_weight=1.4, jaccard=1.0
)
PRESETS = {
    "streets-small": _STREETS,
    "camvid-small": replace(_CAMVID, steps=4000, cascade_steps=600, val_every=500),
    "camvid-large": replace(
        _CAMVID, width=0.45, batch=16, crop=(360, 480), steps=8000, cascade_steps=3000, workers=8, val_every=2000,
    ),
    "voc-paper": replace(_PAPER, dataset="voc2012", split="trainaug"),
    "cityscapes-paper": replace(_PAPER, dataset="cityscapes", crop=(512, 1024), steps=40_000, cascade_steps=20_000),
    "voc-lite": replace(_LITE, dataset="voc2012", classes="covered7", split="trainaug", crop=(256, 256)),
    # The experiment of docs/cascade-training.md: the paper's losses alone, and crops that two cores can afford.
    "cascade-training": replace(
        _LITE, dataset="voc2012", classes="covered7", split="trainaug", crop=(224, 224), jaccard=0.0
    ),
    "camvid-lite": replace(_LITE_STREETS, dataset="camvid"),
    "streets-lite": replace(_LITE_STREETS, dataset="streets"),
}  # fmt: skip
"""Recipes by name; `data/weights/<name>` holds what those gave that were run."""
