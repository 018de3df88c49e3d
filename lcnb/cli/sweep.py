"""`lcnb sweep`: many thresholds on a data set, cached and true: what each saves and what it costs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lcnb.cli.console import number, percent, table
from lcnb.cli.evaluate import add_subject, halo_of, over_images, publish, stage_numbers, subject, with_halo
from lcnb.cli.options import add_halo, command, or_on_cpu, probability
from lcnb.paths import check_writable

if TYPE_CHECKING:
    from lcnb.cli.evaluate import Scored

RHOS = (1.0, 0.999, 0.995, 0.99, 0.985, 0.97, 0.95, 0.9, 0.8)
"""Finer where the exits change fastest; .985 and .8 are the paper's (table 1)."""


def add(commands: Any) -> None:
    """The command's options."""
    parser = command(
        commands,
        "sweep",
        run,
        "score many thresholds on a data set: exits, mIoU cached and true, multiply-adds",
        "lcnb sweep --model fcn_resnet101 --dataset voc2012 --split val --rho 1 .995 .985 .95 --json build/voc.json",
    )
    add_subject(parser)
    parser.add_argument(
        "--rho", type=probability, nargs="+", metavar="R", default=RHOS,
        help=f"thresholds in [0, 1], each for all exits (default: {' '.join(f'{r:g}' for r in RHOS)})",
    )  # fmt: skip
    add_halo(parser)


def run(arguments: argparse.Namespace) -> int:
    """Score and report."""
    from lcnb.evaluation import sweep

    def swept(device: str) -> Scored:
        cascade, dataset = subject(arguments, device)
        halo = halo_of(cascade, arguments.halo)
        found = over_images(sweep, cascade, dataset, arguments.limit, rhos=arguments.rho, halo=halo)
        return cascade, dataset, {"halo": halo, **found.as_dict()}

    check_writable(arguments.json)
    return publish(arguments, report, *or_on_cpu(arguments.device, swept))


def report(result: dict[str, Any]) -> str:
    """The result for people."""
    points = result["points"]
    stages = stage_numbers(points[0]["true"]["exits"])
    subject_of = f"{result['weights']} on {result['dataset']} {result['split']}"
    head = ("rho", f"cells left at {stages}, true", "mIoU cached", "mIoU true", "GMAC true", "reduction", "ms true")
    rows = [
        (
            f"{point['rho']:g}",
            " / ".join(map(percent, true["exits"])),
            number(point["cached"]["miou"]),
            number(true["miou"]),
            number(true["gmacs_per_image"], 2),
            number(true["reduction"], 2),
            number(true["ms_per_image"]["p50"], 1),
        )
        for point in points
        for true in [point["true"]]
    ]
    return "\n".join(
        [
            f"{subject_of}: {result['images']} images{with_halo(result['halo'])}",
            "",
            table([head, *rows], right=(0, 2, 3, 4, 5, 6)),
            "",
            f"GMAC an image, classifiers included; dense (rho = 1) {number(result['gmacs_per_image_dense'], 2)}, "
            f"the plain network with its last classifier only {number(result['gmacs_per_image_one_head'], 2)}.",
            "reduction: against rho = 1. cached: dense outputs re-thresholded; true: later stages run on regions.",
        ]
    )
