"""The command line of `lcnb bench`: how fast, against whom, and where the time goes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lcnb.cli.benchrun import run_model, run_ops, run_systems, run_training
from lcnb.cli.options import EXITS, Parser, add_halo, command, count, probability, seed, threads, width

DTYPES = ("float32", "bfloat16", "float16")
MASKS = ("blobs", "boundaries", "random")
WARMUP = 2


def shares(text: str) -> tuple[float, ...]:
    """ ".23,.29" -> the share of all cells that leaves at each exit."""
    found = tuple(probability(part) for part in text.split(","))
    if len(found) != EXITS or sum(found) > 1:
        raise argparse.ArgumentTypeError(f"{text}: {EXITS} shares of all cells are needed, together at most 1")
    return found


shares.__name__ = "pair of shares"


def add(commands: Any) -> None:
    """The command's options."""
    example = "lcnb bench model --width 1 --size 512 512 --exits .23,.29 --json build/model.json"
    parser = command(commands, "bench", show_help, "measure speed", example)
    parser.set_defaults(help=parser.format_help)
    parts = parser.add_subparsers(title="parts", metavar="PART")
    _add_ops(parts)
    _add_model(parts)
    _add_systems(parts)
    _add_training(parts)


def show_help(arguments: argparse.Namespace) -> int:
    """What there is to measure."""
    print(arguments.help())
    return 0


def _add_ops(parts: Any) -> None:
    parser = command(
        parts, "ops", run_ops, "IRNet's blocks and layers on regions, against dense x share",
        "lcnb bench ops --level blocks --mask blobs --json build/ops.json",
    )  # fmt: skip
    parser.add_argument("--level", choices=("blocks", "layers"), nargs="+", default=["blocks", "layers"])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="pieces whose names begin so, e.g. B")
    parser.add_argument(
        "--share", type=probability, nargs="+", default=[1.0, 0.75, 0.5, 0.25, 0.1, 0.05], metavar="S",
        help="shares of active cells (default: 1 .75 .5 .25 .1 .05)",
    )  # fmt: skip
    parser.add_argument("--mask", choices=MASKS, nargs="+", default=list(MASKS), help="kinds of masks (default: all)")
    parser.add_argument(
        "--path", nargs="+", default=["rows", "gather"], metavar="P",
        help="rows (the fused path) and names of region backends (default: rows gather)",
    )  # fmt: skip
    parser.add_argument("--width", type=width, default=1.0, help="factor on IRNet's channels (default: 1)")
    _add_common(parser)


def _add_model(parts: Any) -> None:
    parser = command(
        parts, "model", run_model, "a cascade against the dense forms of the same network",
        "lcnb bench model --weights streets-small --rho 0.985 --limit 20 --json build/streets.json",
    )  # fmt: skip
    parser.add_argument("--weights", metavar="NAME", help="shipped weights; true masks on the images of a data set")
    parser.add_argument("--dataset", help="data set (default: the one the weights were trained on)")
    parser.add_argument("--split", default="val", help="split of the data set (default: val)")
    parser.add_argument("--limit", type=count, default=20, metavar="N", help="its first N images (default: 20)")
    parser.add_argument("--rho", type=probability, nargs="+", metavar="R", help="threshold (default: the weights' own)")
    parser.add_argument(
        "--exits", type=shares, metavar="A,B",
        help="plan the exits: these shares of all cells leave at stages 1 and 2 (default without weights: .23,.29)",
    )  # fmt: skip
    parser.add_argument("--mask", choices=MASKS, default="blobs", help="of planned exits (default: blobs)")
    parser.add_argument("--width", type=width, default=1.0, help="without weights: factor on the channels")
    parser.add_argument("--classes", type=count, default=21, metavar="K", help="without weights: classes (default: 21)")
    add_halo(parser)
    parser.add_argument(
        "--path", default="fused", help="how the cascade runs: fused, or a region backend's name (default: fused)"
    )
    parser.add_argument(
        "--compile", action="store_true",
        help="also time torch.compile of the plain dense form, and compile stage 1 of the prepared ones",
    )  # fmt: skip
    _add_common(parser)


def _add_systems(parts: Any) -> None:
    parser = command(
        parts, "systems", run_systems, "the networks of the talk's table, as ratios to DeepLab-v2",
        "lcnb bench systems --size 512 512 --repeats 5 --json build/systems.json",
    )  # fmt: skip
    parser.add_argument(
        "--system", nargs="+", metavar="NAME", help="some of them (default: all); DeepLab-v2 is always in"
    )
    parser.add_argument("--exits", type=shares, metavar="A,B", help="one more cascade, with these exits")
    parser.add_argument("--mask", choices=MASKS, default="blobs", help="of the cascades' regions (default: blobs)")
    parser.add_argument("--width", type=width, default=1.0, help="factor on all channels (default: 1)")
    parser.add_argument("--classes", type=count, default=21, metavar="K", help="classes (default: 21)")
    _add_common(parser)


def _add_training(parts: Any) -> None:
    parser = command(
        parts, "training", run_training, "a step of each kind of training: how much regions save",
        "lcnb bench training --weights streets-small --json build/training.json",
    )  # fmt: skip
    parser.add_argument("--weights", default="streets-small", metavar="NAME", help="default: streets-small")
    parser.add_argument("--dataset", help="data set (default: the one the weights were trained on)")
    parser.add_argument("--split", default="train", help="split of the data set (default: train)")
    parser.add_argument("--rho", type=probability, help="threshold (default: the weights' own)")
    _add_common(parser, size=(240, 320), batch=8, dtype="bfloat16")


def _add_common(parser: Parser, size: tuple[int, int] = (512, 512), batch: int = 1, dtype: str = "float32") -> None:
    parser.add_argument(
        "--size", type=count, nargs=2, default=list(size), metavar=("H", "W"), help=f"default: {size[0]} {size[1]}"
    )
    parser.add_argument(
        "--batch", type=count, nargs="+", default=[batch], metavar="B", help=f"pictures at once (default: {batch})"
    )
    parser.add_argument("--device", nargs="+", help="default: cpu, and cuda where there is one")
    parser.add_argument("--dtype", choices=DTYPES, default=dtype, help=f"of weights and features (default: {dtype})")
    parser.add_argument("--threads", type=threads, help="of the CPU (default: torch's own choice)")
    parser.add_argument("--tf32", choices=("on", "off"), help="TF32 on CUDA (default: torch's own choice)")
    parser.add_argument("--resident", action="store_true", help="pictures lie on the device: their copy is not timed")
    parser.add_argument("--warmup", type=int, default=WARMUP, help=f"untimed rounds (default: {WARMUP})")
    parser.add_argument("--repeats", type=count, help="timed rounds (default: 10, and at least one a picture)")
    parser.add_argument("--seed", type=seed, default=0, help="of weights, pictures and masks (default: 0)")
    parser.add_argument("--even-if-busy", action="store_true", help="measure on a busy machine, and mark the result")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result here")
