"""`lcnb reproduce`: measure a table of the paper, or run the experiment on cascade training, with your data.

One that was stopped continues when called again.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lcnb.cli.console import number, percent, percents, say, table
from lcnb.cli.options import (
    BUILDER,
    DEVICE,
    LIMIT,
    Options,
    Parser,
    UsageError,
    command,
    flag,
    option,
    seed,
    thresholds,
    usable_device,
)
from lcnb.cli.train import changed, preset, settings_options
from lcnb.locking import locked
from lcnb.machine import command as repeat
from lcnb.machine import machine
from lcnb.paths import check_writable, write_json

if TYPE_CHECKING:
    from lcnb.reproduction import Request
    from lcnb.training import TrainConfig

OWN = ("arm", "rho", "builder", "builder_arg")
"""Settings of `lcnb train` that a table sets itself, or that no table has; all others change the preset here too."""
TABLES = ("T1", "T2", "T3", "T6", "F1", "F7", "cascade-training")
EXPERIMENT = TABLES[-1]
STEPS, BRANCH_STEPS, RATE = 2000, 1000, 0.3
"""Of the experiment: of the trunk, of each branch, and the branches' learning rate as a factor on the trunk's."""


def add(commands: Any) -> None:
    """The command's options."""
    command(
        commands, "reproduce", run,
        "measure a table or figure: T1 (thresholds), T2 (training), T3 (speed), T6 (size), F1 (difficulty), F7 (time); "
        "or run cascade-training, the experiment of docs/cascade-training.md",
        "lcnb reproduce T2 --data /path/to/data --device cuda --dry-run\n"
        "  lcnb reproduce T1 --preset camvid-small --weights camvid-small --limit 20\n"
        "  lcnb reproduce cascade-training --seeds 0",
        _options,
    )  # fmt: skip


def _options(parser: Parser) -> Options:
    parser.epilog = f"{parser.epilog}\n\na setting that is not given is the preset's"
    return [
        option("table", choices=TABLES, metavar="TABLE", help=f"{', '.join(TABLES[:-1])} or {EXPERIMENT}"),
        option("--data", type=Path, metavar="DIR", help="folder above voc2012/ and so on (default: LCNB_DATA)"),
        flag("--dry-run", "say what is needed, filled and spent, and stop"),
        option(
            "--preset", metavar="NAME",
            help=f"recipe (default: voc-paper; of {EXPERIMENT} that of its name, {STEPS} + {BRANCH_STEPS} steps)",
        ),
        option("--weights", metavar="NAME", help="T1, T3, F1, F7: weights or a run's folder (default: T2's lc)"),
        BUILDER,
        option("--arms", nargs="+", metavar="ARM", help="T2: arms to train (default: all)"),
        option(
            "--rhos", type=thresholds, nargs="+", metavar="R",
            help="T1, F7: thresholds to sweep; .99,.85 is one for each exit",
        ),
        option("--seeds", type=seed, nargs="+", metavar="SEED", help=f"{EXPERIMENT}: of its runs (default: 0 1 2)"),
        LIMIT,
        DEVICE,
        option(
            "--work", type=Path, default=Path("runs/reproduce"), metavar="DIR",
            help="folder of runs and finished parts, which the next call takes up (default: runs/reproduce)",
        ),
        option(
            "--out", type=Path, metavar="FILE",
            help="the result (default: docs/results/TABLE-PRESET.json, or cascade-training.json)",
        ),
        *settings_options(OWN),
    ]  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Plan, or measure and write."""
    from lcnb.reproduction import plan, reproduce

    if arguments.data is not None:
        look_in(arguments.data)
    request = requested(arguments)
    if arguments.dry_run:
        print(plan(request).text())
        return 0
    named = EXPERIMENT if request.table == EXPERIMENT else f"{request.table}-{request.preset}"
    out = arguments.out or Path("docs/results") / f"{named}.json"
    check_writable(out)
    with locked(request.work / request.preset / request.table, "lcnb reproduce", "give --work another folder"):
        for sitting in sittings(request):
            found = reproduce(sitting, say)
            write_json(out, found | {"machine": machine(), "command": repeat(arguments.argv)})
    print(f"\n{report(found)}\n\nwritten to {out}")
    return 0


def sittings(request: Request) -> list[Request]:
    """What is written one after the other: the experiment after every seed, anything else once."""
    if request.table != EXPERIMENT:
        return [request]
    return [dataclasses.replace(request, seeds=request.seeds[: n + 1]) for n in range(len(request.seeds))]


def look_in(folder: Path) -> None:
    """From now on, data sets are looked for in this folder first.

    Raises:
        UsageError: there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"--data {folder}: no such folder; it should hold voc2012/, camvid/ or cityscapes/")
    os.environ["LCNB_DATA"] = os.pathsep.join(filter(None, (str(folder), os.environ.get("LCNB_DATA"))))


def requested(arguments: argparse.Namespace) -> Request:
    """What the options ask for.

    Raises:
        LcnbError: there is no such preset, arm or device, or an option does not go with the table.
    """
    from lcnb.reproduction import Request
    from lcnb.reproduction.request import SEEDS, TABLE_2_ARMS

    if arguments.builder is not None and arguments.weights is None:
        raise UsageError("--builder needs --weights: tables train networks of lcnb only")
    if arguments.table == EXPERIMENT:
        for name in {"seed", "halo"} & changed(arguments).keys():
            raise UsageError(f"--{name} does not go with {EXPERIMENT}, which has seeds (--seeds) and halos of its own")
    return Request(
        table=arguments.table,
        preset=preset_of(arguments),
        config=settings(arguments),
        weights=arguments.weights,
        builder=arguments.builder,
        arms=tuple(arguments.arms or TABLE_2_ARMS),
        rhos=tuple(arguments.rhos or ()),
        seeds=tuple(arguments.seeds or SEEDS),
        limit=arguments.limit,
        work=arguments.work,
        device=usable_device(arguments.device),
    )


def preset_of(arguments: argparse.Namespace) -> str:
    """The name of the recipe."""
    return arguments.preset or (EXPERIMENT if arguments.table == EXPERIMENT else "voc-paper")


def settings(arguments: argparse.Namespace) -> TrainConfig:
    """The preset's, with what the options change; fewer steps shorten both steps of training alike."""
    config, changes = preset(preset_of(arguments)), changed(arguments)
    changes.pop("builder", None)  # of --weights, not of what is trained
    if arguments.table == EXPERIMENT:
        branches = {"steps": STEPS, "cascade_steps": BRANCH_STEPS, "cascade_lr": RATE * changes.get("lr", config.lr)}
        config = dataclasses.replace(config, **branches)
    if "steps" in changes and "cascade_steps" not in changes and config.steps:
        changes["cascade_steps"] = max(1, round(changes["steps"] * config.cascade_steps / config.steps))
    return dataclasses.replace(config, **changes)


def report(found: dict[str, Any]) -> str:
    """The result for people."""
    if found["table"] == EXPERIMENT:
        return _experiment(found)
    head = [f"the paper's {found['title']}"]
    if "dataset" in found:
        where = f"{found['dataset']} {found['split']}, {found['images']} images, preset {found['preset']}"
        printed = "; the column `paper` is as printed, in percent" if found["table"] in ("T1", "T2") else ""
        head.append(f"measured on {where}{printed}")
    tables = {"T1": _thresholds, "T2": _arms, "T3": _times, "T6": _sizes, "F1": _grades, "F7": _times}
    shown = tables[found["table"]](found)
    return "\n".join([*head, "", shown, *(f"not measured: {cell}" for cell in found["not_measured"])])


def _experiment(found: dict[str, Any]) -> str:
    head = f"{found['title']}\nmeasured on {found['dataset']} {found['split']}, {found['images']} images"
    return "\n".join([f"{head}; {len(found['seeds'])} of {len(found['wanted'])} seeds", "", *found["verdicts"]])


def _thresholds(found: dict[str, Any]) -> str:
    rows = [
        (row["rho"], *map(percent, row["exits_true"]), number(row["miou_true"]), number(row["miou_cached"]),
         number(row["gmacs_true"], 2), percent(row["saved"]),
         "-" if row["paper"] is None else f"{row['paper']['miou']:.2f}")
        for row in found["rows"]
    ]  # fmt: skip
    stages = [f"stage {s + 1}" for s in range(len(found["rows"][0]["exits_true"]))]
    head = ("rho", *stages, "mIoU true", "cached", "GMAC", "saved", "paper")
    return table([head, *rows], right=range(1, len(head)))


def _arms(found: dict[str, Any]) -> str:
    rows = [
        (row["row"], row["rho"], number(row["miou"]), _between(row["interval"]), percents(row["exits"]),
         number(row["gmacs_per_image"], 2), number(row["paper"], 2))
        for row in found["rows"]
    ]  # fmt: skip
    text = table([("row", "rho", "mIoU", "95 %", "exits", "GMAC", "paper"), *rows], right=(1, 2, 5, 6))
    lines = [f"{name}: {_difference(interval)}" for name, interval in found["differences"].items()]
    return "\n".join([text, "", *lines])


def _times(found: dict[str, Any]) -> str:
    rows = [
        (row.get("system", ""), row["rho"], number(row["miou_true"]), number(row["ms"], 1), number(row["fps"], 1),
         " / ".join(number(ms, 1) for ms in row["ms_stages"]))
        for row in found["rows"]
    ]  # fmt: skip
    head = ("system", "rho", "mIoU", "ms", "FPS", "ms by stage")
    text = table([head, *rows], right=(1, 2, 3, 4))
    return f"{text}\n\nnetwork: {found['network']}; times are medians of {found['images']} images"


def _sizes(found: dict[str, Any]) -> str:
    rows = [
        (row["system"], number(row["parameters_m"], 2), row["paper"]["parameters_m"],
         ", ".join(f"{name} {number(value, 2)}" for name, value in row["gmacs"].items()))
        for row in found["rows"]
    ]  # fmt: skip
    return table([("system", "million parameters", "paper", "GMAC of a 512x512 image"), *rows], right=(1, 2))


def _grades(found: dict[str, Any]) -> str:
    rows = [
        (row["grade"], percent(row["share"]), percent(row["boundary_share"]), _between(row["interval"]), row["paper"])
        for row in found["rows"]
    ]
    return table([("grade", "of all pixels", "near a boundary", "95 %", "paper, %"), *rows], right=range(1, 5))


def _between(interval: dict[str, Any] | None) -> str:
    return "-" if interval is None else f"{number(interval['low'])} to {number(interval['high'])}"


def _difference(interval: dict[str, Any] | None) -> str:
    if interval is None:
        return "too few images to say"
    verdict = "excludes 0" if interval["excludes_zero"] else "holds 0: no winner"
    return f"{interval['value']:+.3f}, 95 % from {interval['low']:+.3f} to {interval['high']:+.3f}: {verdict}"
