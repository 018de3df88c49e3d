"""Training: deep supervision of all three stages (the paper's first step), resumable at any moment."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lcnb.datasets import load_dataset
from lcnb.errors import DataError
from lcnb.evaluation import stage_miou
from lcnb.models import LayerCascade, irnet_lc
from lcnb.paths import written_whole
from lcnb.training.checkpoint import (
    CHECKPOINT,
    CONFIG,
    LOG,
    append_row,
    cut_log,
    load_checkpoint,
    save_checkpoint,
    sweep,
)
from lcnb.training.config import TrainConfig, TrainingError
from lcnb.training.interrupt import Interrupts, ignore_interrupts
from lcnb.training.losses import class_weights, deep_supervision
from lcnb.training.stream import AugmentedStream, SampleNumbers, mix


class Trainer:
    """One run in one folder: `checkpoint.pt`, `log.csv`, `config.json`.

    Args:
        config: the knobs.
        folder: of the run; made if missing.
        resume: go on from its checkpoint, or start where there is none yet (a run killed before its first);
            without it an existing checkpoint is an error, never overwritten.
        device: where to train.
        say: called with each line of progress.

    Raises:
        TrainingError: the folder holds a run that differs, is damaged or was not to be resumed.
        DataError: the data set is missing or damaged.
    """

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        *,
        resume: bool = False,
        device: str = "cpu",
        say: Callable[[str], None] = print,
    ) -> None:
        self.config, self.folder, self.say = config, Path(folder), say
        self.device = torch.device(device)
        self.dataset = load_dataset(config.dataset, config.split)
        self.val = load_dataset(config.dataset, config.val_split)  # here, not after hours of training
        self.spec = self.dataset.spec
        torch.manual_seed(mix(config.seed, 0, 2))
        self.model = irnet_lc(len(self.spec.classes), config.width, dropout=config.dropout).to(self.device)
        self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.optimiser = torch.optim.AdamW(_groups(self.model, config.weight_decay), lr=config.lr)
        self.weight = None
        if config.class_weight is not None:
            self.weight = class_weights(self.dataset, config.class_weight).to(self.device)
        self.step = 0
        self._open(resume)

    @property
    def checkpoint(self) -> Path:
        return self.folder / CHECKPOINT

    def _open(self, resume: bool) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(f"{self.folder} cannot be the folder of a run ({error.strerror})") from None
        if self.checkpoint.exists():
            if not resume:
                raise TrainingError(f"{self.folder} already holds a run; add --resume to go on, or name another folder")
            self._restore(load_checkpoint(self.checkpoint))
        elif resume:
            self.say(f"{self.folder} has no checkpoint yet: starting at step 0")
        sweep(self.folder)
        cut_log(self.folder / LOG, self.step)
        with written_whole(self.folder / CONFIG) as path:
            path.write_text(json.dumps(asdict(self.config), indent=1) + "\n")

    def _restore(self, state: dict[str, Any]) -> None:
        theirs, ours = state["config"], json.loads(json.dumps(asdict(self.config)))
        free = {"workers", "log_every", "save_every", "val_every", "val_images"}
        differing = sorted(k for k in ours if k not in free and theirs.get(k) != ours[k])
        if differing:
            changes = ", ".join(f"{k}: {theirs.get(k)} there, {ours[k]} here" for k in differing)
            raise TrainingError(f"{self.folder} holds a run with other settings ({changes}); name another folder")
        try:
            self.model.load_state_dict(state["average"])  # only to see that every tensor is there and fits
            self.average = {k: v.to(self.device) for k, v in state["average"].items()}
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            first = str(error).splitlines()[0]
            raise TrainingError(f"{self.checkpoint} does not fit its own settings ({first})") from None
        self.step = state["step"]

    def save(self) -> None:
        """Write the checkpoint, whole or not at all.

        Raises:
            TrainingError: it cannot be written; the older one is intact.
        """
        state = {
            "model": self.model.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "config": json.loads(json.dumps(asdict(self.config))),
        }
        save_checkpoint(self.checkpoint, state)

    def learning_rate(self, step: int) -> float:
        """Linear warm-up, then half a cosine to zero."""
        c = self.config
        if step < c.warmup:
            return c.lr * (step + 1) / c.warmup
        return c.lr * 0.5 * (1 + math.cos(math.pi * (step - c.warmup) / max(1, c.steps - c.warmup)))

    def run(self) -> LayerCascade:
        """Train to the end; Ctrl-C ends the step, saves and stops. Returns the averaged network, in eval mode.

        Raises:
            TrainingError: the loss or its gradient is not finite; the last checkpoint is intact.
            DataError: an image or mask is damaged.
            KeyboardInterrupt: Ctrl-C, after saving.
        """
        c = self.config
        self.model.train()
        seen, since = 0, time.perf_counter()
        with Interrupts() as interrupts:
            for x, target in self._batches():
                loss = self._train_step(x.to(self.device), target.to(self.device))
                self.step, seen = self.step + 1, seen + len(x)
                last = self.step == c.steps
                scored = last or (c.val_every > 0 and self.step % c.val_every == 0)
                if scored or self.step % c.log_every == 0:
                    self._report(scored, loss, seen / (time.perf_counter() - since))
                if last or self.step % c.save_every == 0 or interrupts.wanted:
                    self.save()
                if interrupts.wanted:
                    self.say(f"stopped at step {self.step} of {c.steps}; the checkpoint is saved, --resume goes on")
                    raise KeyboardInterrupt
        return self.averaged()

    def _batches(self) -> Iterator[list[Tensor]]:
        """Images (B, 3, H, W) and targets (B, H, W) of the steps that are left."""
        c = self.config
        sampler = SampleNumbers(self.step * c.batch, c.steps * c.batch)
        prepare = ignore_interrupts if c.workers else None
        stream = AugmentedStream(self.dataset, c)
        try:
            yield from DataLoader(stream, c.batch, sampler=sampler, num_workers=c.workers, worker_init_fn=prepare)
        except DataError as error:  # from a worker it comes with the worker's traceback as its text
            raise DataError(str(error).rsplit("DataError: ", 1)[-1].strip()) from None

    def _train_step(self, x: Tensor, target: Tensor) -> float:
        c = self.config
        torch.manual_seed(mix(c.seed, self.step, 3))
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate(self.step)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=c.amp):
            logits = self.model.all_stages(x)
        loss = deep_supervision(logits, target, c.stage_weights, self.weight, self.spec.ignore_index)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        # A finite loss can have an infinite gradient, which would reach the weights and the next checkpoint.
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise TrainingError(
                f"the loss is {loss.item():.4g} and its gradient's norm {norm.item():.4g} at step {self.step}; the "
                f"last checkpoint is intact: start another run, with a lower learning rate than {c.lr}"
            )
        self.optimiser.step()
        self._update_average()
        return float(loss.detach())

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)
            else:
                self.average[name].copy_(value)

    def averaged(self) -> LayerCascade:
        """A copy of the network with the averaged weights, in eval mode."""
        twin = irnet_lc(len(self.spec.classes), self.config.width, dropout=self.config.dropout).to(self.device)
        twin.load_state_dict(self.average)
        return twin.eval()

    def _report(self, scored: bool, loss: float, rate: float) -> None:
        c = self.config
        row: dict[str, Any] = {
            "step": self.step,
            "loss": round(loss, 5),
            "lr": round(self.learning_rate(self.step - 1), 8),
            "images_per_s": round(rate, 2),
        }
        left = (c.steps - self.step) * c.batch / rate
        line = f"step {self.step:>6} of {c.steps}  loss {loss:.3f}  {rate:.1f} images/s  {left / 60:.0f} min left"
        if scored:
            scores = self.validate()
            row |= {f"miou_stage{s + 1}": round(v, 5) for s, v in enumerate(scores)}
            line += "  val mIoU by stage " + " / ".join(f"{v:.3f}" for v in scores)
        append_row(self.folder / LOG, row, len(c.stage_weights))
        self.say(line)

    def validate(self) -> list[float]:
        """mIoU of the averaged network on the validation split, by stage (dense)."""
        some = (self.val[i] for i in range(min(len(self.val), self.config.val_images)))
        return stage_miou(self.averaged(), some, len(self.spec.classes), self.spec.ignore_index)


def _groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weight decay on kernels only, not on norms and biases."""
    kernels = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    return [{"params": kernels, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]
