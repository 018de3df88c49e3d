"""`lcnb train`: train a cascade in a folder; a run that was stopped goes on with --resume."""

from __future__ import annotations

import argparse
import dataclasses
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lcnb.cli.options import UsageError, command, count, positive, seed, usable_device
from lcnb.locking import locked

if TYPE_CHECKING:
    from lcnb.training import TrainConfig

KNOBS: dict[str, dict[str, Any]] = {
    "dataset": {"help": "data set to train on"},
    "split": {"help": "split to train on"},
    "val_split": {"help": "split to score on"},
    "width": {"type": positive, "help": "factor on IRNet's channels"},
    "arm": {"help": "what the second step trains on: lc (the cascade), dsn, dsn-dropout, irnet, mc or hard"},
    "classes": {"help": "all, or covered7 with voc2012"},
    "network": {"help": "irnet, or one that public ImageNet weights fit: lite0, or irnet-timm at --width 1"},
    "stride": {"type": int, "help": "pixels per cell: 8, or with lite0 also 16, which is cheap to train"},
    "init": {
        "help": "weights to start from: a name or a path; with lite0 also imagenet; with irnet-timm also a checkpoint "
        "of timm's inception_resnet_v2 (.safetensors, or .pth)"
    },
    "steps": {"type": int, "help": "optimiser steps of the initial training"},
    "cascade_steps": {"type": int, "help": "optimiser steps of cascade training"},
    "batch": {"type": count, "help": "images a step"},
    "crop": {"type": count, "nargs": 2, "metavar": ("H", "W"), "help": "size of the training crops"},
    "scale": {"type": positive, "nargs": 2, "metavar": ("LOW", "HIGH"), "help": "range of the random scale"},
    "stage_weights": {
        "type": float,
        "nargs": 3,
        "metavar": ("L1", "L2", "L3"),
        "help": "factors of the stages' losses",
    },
    "class_weight": {
        "type": float,
        "help": "c of the class weights 1 / log(c + share), above 1; the larger, the evener",
    },
    "jaccard": {"type": float, "help": "factor of a soft Jaccard loss beside the softmax loss"},
    "teacher": {"help": "weights whose last stage, run dense, every stage imitates: a name or a path"},
    "imitate": {"type": float, "help": "factor of the loss of imitating the teacher"},
    "lr": {"type": positive, "help": "peak learning rate of the initial training"},
    "cascade_lr": {"type": positive, "help": "peak learning rate of cascade training"},
    "backbone_lr": {"type": positive, "help": "factor on the learning rate of the stages; heads have 1"},
    "freeze": {"type": int, "help": "modules at the start of stage 1 (the stem, then blocks) that do not learn"},
    "warmup": {"type": int, "help": "steps of the warm-up"},
    "weight_decay": {"type": float, "help": "of AdamW, on kernels"},
    "dropout": {"type": float, "help": "fraction dropped before each classifier"},
    "ema": {"type": float, "help": "decay of the averaged weights"},
    "rho": {"type": float, "help": "threshold of cascade training"},
    "halo": {"type": int, "help": "cells by which regions are grown in cascade training"},
    "seed": {"type": seed, "help": "of everything random"},
    "workers": {"type": int, "help": "processes that read images"},
    "log_every": {"type": count, "help": "steps between two lines of the log"},
    "save_every": {"type": count, "help": "steps between two checkpoints"},
    "val_every": {"type": int, "help": "steps between two scores on the validation split; 0: at the end only"},
    "val_images": {"type": count, "help": "images of the validation split to score"},
}
"""Options that set the field of the same name of `TrainConfig`."""


class _Help(argparse.Action):
    """Prints the help with the presets, which only torch's import makes known."""

    def __init__(self, option_strings: list[str], dest: str, **_: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help="show this help and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print and end."""
        parser.epilog = f"{parser.epilog}\n\npresets:\n{presets()}"
        parser.print_help()
        parser.exit()


def presets() -> str:
    """One line a recipe."""
    try:
        from lcnb.training import PRESETS
    except Exception as error:
        return f"  unknown, as torch cannot be imported ({error})"
    return "\n".join(
        f"  {name:<18}{c.dataset}, {_network(c)}, {c.steps} + {c.cascade_steps} steps of {c.batch} images"
        for name, c in PRESETS.items()
    )


def _network(config: TrainConfig) -> str:
    return f"width {config.width:g}" if config.network == "irnet" else config.network


def add(commands: Any) -> None:
    """The command's options."""
    parser = command(
        commands,
        "train",
        run,
        "train a cascade",
        "lcnb train --preset streets-small --out runs/streets-small",
        add_help=False,
    )
    parser.add_argument("-h", "--help", action=_Help)
    parser.add_argument("--preset", metavar="NAME", help="start from a recipe; other options change it")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint, with its settings")
    parser.add_argument("--device", default="cpu", help="where to train (default: cpu)")
    parser.add_argument("--no-amp", action="store_true", help="float32 instead of bfloat16 in the forward pass")
    for name, options in KNOBS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", **options)


def run(arguments: argparse.Namespace) -> int:
    """Train to the end."""
    from lcnb.training import Trainer
    from lcnb.training.processes import writes

    config = settings(arguments)
    device = usable_device(arguments.device)
    with locked(arguments.out, "lcnb train") if writes() else nullcontext():
        trainer = Trainer(config, arguments.out, resume=arguments.resume, device=device, say=_say)
        trainer.run()
    print(f"done: {trainer.checkpoint}; `lcnb weights pack {arguments.out} --name NAME` makes weights of it")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def settings(arguments: argparse.Namespace) -> TrainConfig:
    """The preset's, the checkpoint's or the default knobs, with what the options change.

    Raises:
        UsageError: there is nothing to start from, or no such preset.
    """
    from lcnb.training import PRESETS, TrainConfig, config_of

    if arguments.preset is not None and arguments.preset not in PRESETS:
        raise UsageError(f"no preset is named {arguments.preset!r}; there are {', '.join(PRESETS)}")
    if arguments.preset is not None:
        config = PRESETS[arguments.preset]
    elif arguments.resume:
        config = config_of(arguments.out)
    elif arguments.dataset is not None:
        config = TrainConfig()
    else:
        raise UsageError("name a recipe with --preset or a data set with --dataset, or go on with --resume")
    changes = {name: _value(arguments, name) for name in KNOBS if getattr(arguments, name) is not None}
    if arguments.no_amp:
        changes["amp"] = False
    return dataclasses.replace(config, **changes)


def _value(arguments: argparse.Namespace, name: str) -> Any:
    value = getattr(arguments, name)
    return tuple(value) if isinstance(value, list) else value
