"""A run is a list of phases: what is trained from which step to which, on which pixels.

The paper trains in two steps. The arms of its table 2 differ only in what a phase computes its losses on;
images seen, schedule, augmentation and everything else are the same.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

from torch import nn

from lcnb.models import LayerCascade
from lcnb.training.config import TrainConfig, TrainingError
from lcnb.training.frozen import fold_frozen_norms, unfold


@dataclass(frozen=True)
class Phase:
    """Part of a run.

    Attributes:
        kind: "deep" (all stages on all pixels), "cascade" (stages on regions, losses on the cells that reach them),
            "hard" (the same losses, all stages on the whole map), "shuffled" (as "cascade", on regions whose shape is
            another image's: `objective.shuffled_regions`) or "single" (one stage, the earlier ones frozen).
        start, stop: its steps, `stop` not included.
        lr, warmup: its schedule.
        stage_weights: of the S losses.
        frozen_norm: batch-norm neither learns nor counts.
        frozen_backbone_norm: that of the stages neither learns nor counts.
        frozen: modules at the start of stage 1 that do not learn.
        stage: the one of "single".
    """

    kind: str
    start: int
    stop: int
    lr: float
    warmup: int
    stage_weights: tuple[float, ...]
    frozen_norm: bool = False
    frozen_backbone_norm: bool = False
    frozen: int = 0
    stage: int = 0

    def learning_rate(self, step: int) -> float:
        """At a step of the run: linear warm-up, then half a cosine to zero."""
        done = step - self.start
        if done < self.warmup:
            return self.lr * (done + 1) / self.warmup
        left = max(1, self.stop - self.start - self.warmup)
        return self.lr * 0.5 * (1 + math.cos(math.pi * (done - self.warmup) / left))


def phases(config: TrainConfig) -> list[Phase]:
    """The phases of an arm, in order; those without steps are left out."""
    c, total = config, config.total_steps
    if c.arm == "mc":
        stages = len(c.stage_weights)
        cuts = [round(total * k / stages) for k in range(stages + 1)]
        alone = [
            Phase("single", a, b, c.lr, min(c.warmup, (b - a) // 10), c.stage_weights, stage=s)
            for s, (a, b) in enumerate(itertools.pairwise(cuts))
        ]
        return [p for p in alone if p.stop > p.start]
    weights = (0.0,) * (len(c.stage_weights) - 1) + (1.0,) if c.arm == "irnet" else c.stage_weights
    second = {"lc": "cascade", "hard": "hard", "shuffled": "shuffled"}.get(c.arm, "deep")
    kept: dict[str, Any] = {"frozen_backbone_norm": c.freeze_backbone_norm, "frozen": c.freeze}
    short = min(c.warmup, c.cascade_steps // 10)
    both = [
        Phase("deep", 0, c.steps, c.lr, c.warmup, weights, **kept),
        Phase(second, c.steps, total, c.cascade_lr, short, weights, frozen_norm=c.freeze_norm, **kept),
    ]
    return [p for p in both if p.stop > p.start]


def phase_at(config: TrainConfig, step: int) -> Phase:
    """The phase that a step belongs to; the last one for the step after the end."""
    found = phases(config)
    return next((p for p in found if step < p.stop), found[-1])


def prepare(model: LayerCascade, phase: Phase) -> None:
    """Put the network into the phase's mode: what learns, and which batch-norm counts."""
    unfold(model)
    model.train()
    model.requires_grad_(True)
    if phase.frozen_norm:
        freeze_norms(model)
    elif phase.frozen_backbone_norm:
        freeze_norms(model.stages)
    first = model.stages[0]
    if phase.frozen:
        if not isinstance(first, nn.Sequential):
            raise TrainingError(
                f"freeze counts modules at the start of stage 1, which is no sequence of modules but a "
                f"{type(first).__name__}; set it to 0"
            )
        first[: phase.frozen].requires_grad_(False)
    if phase.kind == "single":
        for s, (stage, head) in enumerate(zip(model.stages, model.heads, strict=True)):
            for module in (stage, head):
                module.requires_grad_(s == phase.stage)
                module.train(s == phase.stage)
    fold_frozen_norms(model)


def freeze_norms(module: nn.Module) -> None:
    """Batch-norm keeps its statistics and its scale (paper, section 4: small minibatches)."""
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.eval()
            layer.requires_grad_(False)
