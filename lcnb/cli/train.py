"""`lcnb train`: train a cascade in a folder; a run that was stopped continues with --resume."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
from collections.abc import Collection
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lcnb.cli.console import each, say
from lcnb.cli.options import (
    DEVICE,
    Option,
    Options,
    Parser,
    UsageError,
    builder,
    command,
    count,
    flag,
    option,
    positive,
    seed,
    usable_device,
)
from lcnb.locking import locked

if TYPE_CHECKING:
    from lcnb.training import TrainConfig

NARROWER = {
    **dict.fromkeys(("batch", "crop", "log_every", "save_every", "val_images"), count),
    **dict.fromkeys(("width", "scale", "lr", "cascade_lr", "backbone_lr"), positive),
    "seed": seed,
    "builder": builder,
}
"""Settings whose values argparse can refuse; `TrainConfig` refuses the rest."""
OWN = ("network", "width", "stride")
"""Settings of lcnb's own networks, which a builder does not get."""
METAVARS: dict[str, Any] = {
    "crop": ("H", "W"), "scale": ("LOW", "HIGH"), "stage_weights": "L", "builder": "MODULE:FUNCTION",
    "builder_arg": "NAME=VALUE",
}  # fmt: skip


def add(commands: Any) -> None:
    """The command's options."""
    example = "lcnb train --preset streets-small --out runs/streets-small"
    command(commands, "train", run, "train a cascade", example, _options)


def _options(parser: Parser) -> Options:
    from lcnb.training import PRESETS

    named = (
        f"  {name:<18}{c.dataset}, {f'width {c.width:g}' if c.network == 'irnet' else c.network}, "
        f"{c.steps} + {c.cascade_steps} steps of {c.batch} images"
        for name, c in PRESETS.items()
    )
    parser.epilog = "\n".join([f"{parser.epilog}\n\npresets (without one, the values in brackets hold):", *named])
    return [
        option("--preset", metavar="NAME", help="start from a recipe; other options change it"),
        option("--out", type=Path, required=True, help="folder of the run"),
        flag("--resume", "continue from the folder's checkpoint, with its settings"),
        DEVICE,
        *settings_options(),
    ]


def settings_options(without: Collection[str] = ()) -> list[Option]:
    """An option for each field of `TrainConfig`: its type and default from the field, its help from the docstring."""
    from lcnb.training import TrainConfig

    entries = re.findall(r"^ {4}([\w, ]+): (.+(?:\n {8}.+)*)", inspect.getdoc(TrainConfig) or "", re.MULTILINE)
    helps = {name: " ".join(text.split()) for names, text in entries for name in names.split(", ")}
    return [_option(field, helps[field.name]) for field in dataclasses.fields(TrainConfig) if field.name not in without]


def _option(field: dataclasses.Field[Any], text: str) -> Option:
    name, kind, default = f"--{field.name.replace('_', '-')}", str(field.type), field.default
    told = f"{text.rstrip('.').replace('%', '%%')} [{each(default)}]"
    if kind == "bool":
        return option(name, action=argparse.BooleanOptionalAction, help=told)
    one = kind.removeprefix("tuple[").split(",")[0].removesuffix(" | None")
    settings: dict[str, Any] = {"type": NARROWER.get(field.name, {"int": int, "float": float, "str": str}[one])}
    if isinstance(default, tuple):
        settings |= {"nargs": "+", "action": "extend"} if "..." in kind else {"nargs": len(default)}
    return option(name, help=told, metavar=METAVARS.get(field.name), **settings)


def run(arguments: argparse.Namespace) -> int:
    """Train to the end."""
    from lcnb.training import Trainer
    from lcnb.training.processes import writes

    config = settings(arguments)
    device = usable_device(arguments.device)
    with locked(arguments.out, "lcnb train") if writes() else nullcontext():
        trainer = Trainer(
            config, arguments.out, resume=arguments.resume, device=device, say=say, builder=arguments.builder
        )
        trainer.run()
    print(f"done: {trainer.checkpoint}; `lcnb weights pack {arguments.out} --name NAME` makes weights of it")
    return 0


def settings(arguments: argparse.Namespace) -> TrainConfig:
    """The preset's, the checkpoint's or the default settings, with what the options change.

    Raises:
        UsageError: there is nothing to start from, or no such preset.
    """
    from lcnb.training import TrainConfig, config_of

    if arguments.preset is not None:
        config = preset(arguments.preset)
    elif arguments.resume:
        config = config_of(arguments.out)
    elif arguments.dataset is not None:
        config = TrainConfig()
    else:
        raise UsageError("name a recipe with --preset or a data set with --dataset, or continue with --resume")
    given = changed(arguments)
    if vain := [name for name in OWN if name in given and (given.get("builder") or config.builder)]:
        raise UsageError(f"--{vain[0]} is for lcnb's own networks; tell the builder with --builder-arg")
    return dataclasses.replace(config, **given)


def preset(name: str) -> TrainConfig:
    """A recipe by name.

    Raises:
        UsageError: no recipe has this name.
    """
    from lcnb.training import PRESETS

    if name not in PRESETS:
        raise UsageError(f"no preset is named {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def changed(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of `TrainConfig` that the options set."""
    from lcnb.training import TrainConfig

    given = {field.name: getattr(arguments, field.name, None) for field in dataclasses.fields(TrainConfig)}
    return {name: tuple(v) if isinstance(v, list) else v for name, v in given.items() if v is not None}
