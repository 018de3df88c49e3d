"""Training in the paper's two steps, resumable at any moment, on one process or several.

Step one: deep supervision, all stages on all pixels. Step two: cascade training, each stage on the cells that
reach it. `phases.py` has the arms that the paper compares.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lcnb.datasets import load_dataset
from lcnb.devices import has_bfloat16
from lcnb.errors import DataError, first_line, memory_shortage
from lcnb.locking import locked
from lcnb.models import LayerCascade
from lcnb.models.networks import Builder, builder_name
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
from lcnb.training.frozen import unfold
from lcnb.training.interrupt import Interrupts, ignore_interrupts
from lcnb.training.losses import class_weights
from lcnb.training.network import described, new_network, parameter_groups, scores_of, teacher_of
from lcnb.training.objective import Objective
from lcnb.training.phases import Phase, phase_at, prepare
from lcnb.training.processes import Processes
from lcnb.training.stream import AugmentedStream, mix

FREE = {"workers", "log_every", "save_every", "val_every", "val_images", "builder"}
"""Settings that may change when a run is resumed; a builder may move, and its network has to fit."""
SECOND = {"arm", "cascade_steps", "cascade_lr", "rho", "halo", "freeze_norm"}
"""Settings that decide the second step of training only, as far as the arms go that begin with deep supervision."""


class Trainer:
    """One run in one folder: `checkpoint.pt`, `log.csv`, `config.json`.

    Args:
        config: the knobs.
        folder: of the run; made if missing.
        resume: go on from its checkpoint, or start where there is none yet (a run killed before its first);
            without it an existing checkpoint is an error, never overwritten.
        device: where to train.
        say: called with each line of progress.
        begin: folder of a finished run whose end is this one's first step of training; a checkpoint of its own goes
            before it. Weights, their average and the number of the step are taken over, so the samples go on where the
            other's stopped; the optimiser is new. Runs that begin like this differ in their second step only.
        builder: the function that builds the network, in place of `config.network`, or its name "module:function",
            which is imported; the run keeps the name. A run that was trained with one needs it to be resumed.
        watch: called with each row of the log (step, phase, loss, lr, images_per_s and, where scored, the mIoUs),
            for a live curve.

    Raises:
        TrainingError: the folder holds a run that differs, is damaged or was not to be resumed; `begin` is no
            run that ended where this one's second step starts, with the same first step; or the network and the
            settings do not fit.
        WeightsError: the builder fails.
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
        begin: Path | None = None,
        builder: Builder | str | None = None,
        watch: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        if builder is not None:
            config = replace(config, builder=builder_name(builder))
        self.folder, self.say, self.watch = Path(folder), say, watch
        self.device = torch.device(device)
        self.processes = Processes(self.device)
        if config.batch % self.processes.count:
            raise TrainingError(f"batch {config.batch} cannot be shared evenly by {self.processes.count} processes")
        self.dataset = load_dataset(config.dataset, config.split, classes=config.classes)
        # Here, not after hours of training.
        self.val = load_dataset(config.dataset, config.val_split, classes=config.classes)
        if config.arm == "shuffled" and config.batch // self.processes.count < 2:
            raise TrainingError(f"arm shuffled needs 2 images in each of the {self.processes.count} processes")
        torch.manual_seed(mix(config.seed, 0, 2))
        self.model = new_network(config, len(self.dataset.spec.classes), builder).to(self.device)
        self.config = config = config.for_stages(self.model.stage_count)
        self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        groups = parameter_groups(self.model, config)
        fused = True if self.device.type in ("cpu", "cuda") else None  # one call for hundreds of small tensors
        self.optimiser = torch.optim.AdamW(groups, lr=config.lr, fused=fused)
        weight = None if config.class_weight is None else class_weights(self.dataset, config.class_weight)
        teacher = teacher_of(config, self.dataset.spec.classes, builder)
        with_amp = replace(config, amp=config.amp and has_bfloat16(self.device))
        ignored = self.dataset.spec.ignore_index
        self.objective = Objective(self.model, with_amp, weight, ignored, teacher).to(self.device)
        self.step = 0
        self._open(resume, begin)

    @property
    def checkpoint(self) -> Path:
        return self.folder / CHECKPOINT

    def _open(self, resume: bool, begin: Path | None) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(f"{self.folder} cannot be the folder of a run ({error.strerror})") from None
        if self.checkpoint.exists():
            if not resume:
                raise TrainingError(f"{self.folder} already holds a run; add --resume to go on, or name another folder")
            self._restore(load_checkpoint(self.checkpoint))
        elif begin is not None:
            self._take_over(Path(begin))
        elif resume:
            self.say(f"{self.folder} has no checkpoint yet: starting at step 0")
        if not self.processes.first:
            return
        with locked(self.folder, "lcnb train"):
            self._tidy()

    def _tidy(self) -> None:
        """What a killed run left half done, and the settings."""
        sweep(self.folder)
        cut_log(self.folder / LOG, self.step)
        text, kept = json.dumps(asdict(self.config), indent=1) + "\n", self.folder / CONFIG
        if not kept.is_file() or kept.read_bytes() != text.encode():
            with written_whole(kept) as path:
                path.write_text(text, encoding="utf-8", newline="")

    def _restore(self, state: dict[str, Any]) -> None:
        if changes := self._differing(state, FREE):
            raise TrainingError(f"{self.folder} holds a run with other settings ({changes}); name another folder")
        self._fill(state, self.checkpoint)

    def _take_over(self, begin: Path) -> None:
        """The end of another run."""
        state = load_checkpoint(begin / CHECKPOINT)
        if changes := self._differing(state, FREE | SECOND):
            raise TrainingError(f"{begin} holds a run with another first step of training ({changes})")
        if state["step"] != self.config.steps:
            raise TrainingError(f"{begin} is at step {state['step']}, not at the {self.config.steps} of the first step")
        self._fill(state | {"optimiser": self.optimiser.state_dict()}, begin / CHECKPOINT)

    def _differing(self, state: dict[str, Any], free: set[str]) -> str:
        """The settings that a checkpoint has otherwise, for people; "" if there are none."""
        theirs = asdict(TrainConfig()) | TrainConfig.known(state["config"])  # a knob newer than the run had its default
        theirs, ours = (json.loads(json.dumps(c)) for c in (theirs, asdict(self.config)))
        differing = sorted(k for k in ours if k not in free and theirs.get(k) != ours[k])
        return ", ".join(f"{k}: {theirs.get(k)} there, {ours[k]} here" for k in differing)

    def _fill(self, state: dict[str, Any], path: Path) -> None:
        try:
            self.model.load_state_dict(state["average"])  # only to see that every tensor is there and fits
            self.average = {k: v.to(self.device) for k, v in state["average"].items()}
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise TrainingError(f"{path} does not fit its own settings ({first_line(error)})") from None
        self.step = state["step"]

    def save(self) -> None:
        """Write the checkpoint, whole or not at all.

        Raises:
            TrainingError: it cannot be written; the older one is intact.
        """
        if not self.processes.first:
            return
        state = {
            "model": self.model.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "config": json.loads(json.dumps(asdict(self.config))),
        }
        save_checkpoint(self.checkpoint, state)

    def run(self) -> LayerCascade:
        """Train to the end; Ctrl-C ends the step, saves and stops. Returns the averaged network, in eval mode.

        Under `lcnb train`, SIGTERM and SIGHUP do so too.

        Raises:
            TrainingError: the loss or its gradient is not finite, or memory does not suffice; the last checkpoint is
                intact.
            LockError: another process trains in the folder.
            DataError: an image or mask is damaged.
            KeyboardInterrupt: Ctrl-C, after saving.
        """
        with locked(self.folder, "lcnb train") if self.processes.first else nullcontext(), Interrupts() as interrupts:
            try:
                self._steps(interrupts)
            except (MemoryError, RuntimeError) as error:
                if interrupts.wanted and "DataLoader worker" in str(error):  # the signal was for them too
                    self._tell(f"stopped at step {self.step}; --resume goes on from the last checkpoint")
                    interrupts.deliver()
                if shortage := memory_shortage(error):
                    c = self.config
                    raise TrainingError(
                        f"{shortage}, at step {self.step}; the last checkpoint is intact: start another run, with a "
                        f"smaller batch than {c.batch}, crop than {c.crop[0]} {c.crop[1]} or width than {c.width:g}"
                    ) from None
                raise
        return self.averaged()

    def _steps(self, interrupts: Interrupts) -> None:
        """Those that are left."""
        c, phase = self.config, None
        seen, since = 0, time.perf_counter()
        for x, target in self._batches():
            if phase is None or self.step >= phase.stop:
                phase = phase_at(c, self.step)
                prepare(self.model, phase)
                shared = self.processes.share(self.objective)
                seen, since = 0, time.perf_counter()
            x = x.to(self.device, memory_format=torch.channels_last)
            loss = self._train_step(shared, phase, x, target.to(self.device))
            self.step, seen = self.step + 1, seen + c.batch
            last = self.step == c.total_steps
            scored = last or (c.val_every > 0 and self.step % c.val_every == 0)
            if scored or self.step % c.log_every == 0:
                begun = time.perf_counter()
                self._report(scored, phase, loss, seen / (begun - since))
                since += time.perf_counter() - begun  # scoring is no training
            stop = self.processes.any(interrupts.wanted)
            if last or self.step % c.save_every == 0 or stop:
                self.save()
            if stop:
                self._tell(f"stopped at step {self.step} of {c.total_steps}; the checkpoint is saved, --resume goes on")
                interrupts.deliver()

    def _batches(self) -> Iterator[list[Tensor]]:
        """Images (B, 3, H, W) and targets (B, H, W) of the steps that are left."""
        c, mine = self.config, self.processes
        share = range(self.step * c.batch + mine.number, c.total_steps * c.batch, mine.count)
        stream = AugmentedStream(self.dataset, c)
        try:
            yield from DataLoader(
                stream, c.batch // mine.count, sampler=share, num_workers=c.workers, worker_init_fn=ignore_interrupts
            )
        except DataError as error:  # from a worker it comes with the worker's traceback as its text
            raise DataError(str(error).rsplit("DataError: ", 1)[-1].strip()) from None

    def _train_step(self, objective: nn.Module, phase: Phase, x: Tensor, target: Tensor) -> float:
        torch.manual_seed(mix(self.config.seed, self.step, 3 + self.processes.number))
        for group in self.optimiser.param_groups:
            group["lr"] = phase.learning_rate(self.step) * group.get("factor", 1.0)
        loss = objective(x, target, phase)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        # A finite loss can have an infinite gradient, which would reach the weights and the next checkpoint.
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise TrainingError(
                f"the loss is {loss.item():.4g} and its gradient's norm {norm.item():.4g} at step {self.step}; the "
                f"last checkpoint is intact: start another run, with a lower learning rate than {phase.lr}"
            )
        self.optimiser.step()
        self._update_average()
        return self.processes.mean(loss.detach())

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        state = self.model.state_dict()
        floats = [name for name, value in state.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.average[n] for n in floats], [state[n] for n in floats], 1 - decay)
        for name in state.keys() - set(floats):  # counts
            self.average[name].copy_(state[name])

    def averaged(self) -> LayerCascade:
        """A copy of the network with the averaged weights, in eval mode, which `lcnb.save` can store."""
        network = copy.deepcopy(self.model).requires_grad_(True).eval()
        unfold(network)
        network.load_state_dict(self.average)
        network.rho, network.halo, network.meta = self.config.rho, self.config.halo, described(self.dataset.spec)
        return network

    def _report(self, scored: bool, phase: Phase, loss: float, rate: float) -> None:
        c = self.config
        row: dict[str, Any] = {
            "step": self.step,
            "phase": phase.kind,
            "loss": round(loss, 5),
            "lr": round(phase.learning_rate(self.step - 1), 8),
            "images_per_s": round(rate, 2),
        }
        left = (c.total_steps - self.step) * c.batch / rate
        line = f"step {self.step:>6} of {c.total_steps}  {phase.kind} loss {loss:.3f}  {rate:.1f} images/s"
        line += f"  {left / 60:.0f} min left"
        if scored:
            scores = scores_of(self.averaged(), self.val, c, self.processes)
            row |= {name: round(v, 5) for name, v in scores.items()}
            line += "  val mIoU " + ", ".join(f"{name.removeprefix('miou_')} {v:.3f}" for name, v in scores.items())
        if self.processes.first:
            append_row(self.folder / LOG, row, len(c.stage_weights))
            if self.watch is not None:
                self.watch(row)
        self._tell(line)

    def _tell(self, line: str) -> None:
        if self.processes.first:
            self.say(line)
