"""`lcnb weights`: which weights are here, what is known about them, and how a run becomes weights."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lcnb.cli.console import number, table
from lcnb.cli.options import Parser, cells, command, folder_name, probability, usable_device

PARTS = ("list", "show", "pack")


def add(commands: Any) -> None:
    """The command's options."""
    text, example = "list weights, show one, or make them of a training run", "lcnb weights show streets-small"
    parser = command(commands, "weights", list_all, text, example)
    parts = parser.add_subparsers(title="parts", metavar="PART")
    command(parts, "list", list_all, "list the weights that are here", "lcnb weights list")
    show = command(parts, "show", show_one, "show what is known about weights", "lcnb weights show streets-small")
    show.add_argument("name", metavar="NAME", help="name, folder or file of the weights")
    packing = command(
        parts,
        "pack",
        pack,
        "turn a training run into weights, score them and describe them",
        "lcnb weights pack runs/streets-small --name streets-small",
    )
    _pack_options(packing)


def with_part(words: Sequence[str]) -> list[str]:
    """`lcnb weights NAME` as `lcnb weights show NAME`."""
    at = next((n for n, word in enumerate(words) if not word.startswith("-")), len(words))
    following = words[at + 1 : at + 2]
    named = words[at : at + 1] == ["weights"] and following and following[0].strip()
    if named and following[0] not in PARTS and not following[0].startswith("-"):
        return [*words[: at + 1], "show", *words[at + 1 :]]
    return list(words)


def _pack_options(parser: Parser) -> None:
    parser.add_argument("run_folder", type=Path, metavar="RUN_FOLDER", help="folder of `lcnb train`")
    parser.add_argument("--name", type=folder_name, required=True, help="of the weights")
    parser.add_argument(
        "--out", type=Path, default=Path("data/weights"), help="folder above it (default: data/weights)"
    )
    parser.add_argument("--rho", type=probability, default=0.985, help="the weights' own threshold (default: 0.985)")
    parser.add_argument("--halo", type=cells, default=0, metavar="N", help="the weights' own halo (default: 0)")
    parser.add_argument("--split", default="val", help="split to score on (default: val)")
    parser.add_argument(
        "--calibrate",
        metavar="SPLIT",
        help="fit a temperature for each stage on this split, and keep it in the weights",
    )
    parser.add_argument("--licence", help="of the weights (default: that of the data)")
    parser.add_argument("--note", help="a sentence for the card, such as where the run's initial weights came from")
    parser.add_argument("--device", default="cpu", help="where to score (default: cpu)")
    parser.add_argument("--force", action="store_true", help="replace weights of that name")


def list_all(arguments: argparse.Namespace) -> int:
    """One line each, with the score where it is known."""
    from lcnb.paths import searched
    from lcnb.weights import available

    found = available()
    if not found:
        print(f"no weights in weights/ under {searched()}")
        return 0
    rows = [(name, *_numbers(folder), str(folder)) for name, folder in found.items()]
    print(table([("name", "data set", "mIoU", "folder"), *rows], right=(2,)))
    return 0


def _numbers(folder: Path) -> tuple[str, str]:
    """(data set, mIoU) of the weights' own metrics; "-" where they do not say."""
    try:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        return str(metrics.get("dataset", "-")), number(metrics.get("true", {}).get("miou"))
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return "-", "-"


def show_one(arguments: argparse.Namespace) -> int:
    """Everything the file says about itself."""
    import lcnb

    cascade = lcnb.load(arguments.name)
    size = sum(p.numel() for p in cascade.parameters())
    about = {"parameters": size, "config": cascade.config, **cascade.meta}
    print(json.dumps(about, indent=1))
    return 0


def pack(arguments: argparse.Namespace) -> int:
    """Make weights of a run."""
    from lcnb.cli.pack import pack_run
    from lcnb.machine import command as repeat

    metrics = pack_run(
        arguments.run_folder,
        arguments.out / arguments.name,
        rho=arguments.rho,
        halo=arguments.halo,
        split=arguments.split,
        licence=arguments.licence,
        device=usable_device(arguments.device),
        force=arguments.force,
        command=repeat(arguments.argv),
        note=arguments.note,
        calibrate=arguments.calibrate,
    )
    print(f"{arguments.out / arguments.name}: mIoU {number(metrics['true']['miou'])} at rho {arguments.rho}, ", end="")
    print(f"{number(metrics['dense']['miou'])} dense, stages {' / '.join(map(number, metrics['stage_miou']))}")
    return 0
