"""`lcnb eval` and `lcnb sweep`: score one threshold, or many, on a data set."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import lcnb
from lcnb.cli.console import Live, each, number, percent, percents, publish, stage_numbers, table
from lcnb.cli.options import (
    BUILDER,
    CLASSES,
    DATASET,
    DEVICE,
    HALO,
    JSON,
    LIMIT,
    RHO,
    SPLIT,
    WEIGHTS,
    Option,
    UsageError,
    blamed_on,
    command,
    loaded,
    option,
    or_on_cpu,
    own_unless,
    probability,
    usable_device,
)
from lcnb.errors import DataError
from lcnb.machine import command as repeat
from lcnb.machine import machine
from lcnb.paths import check_writable

if TYPE_CHECKING:
    from lcnb.datasets import DatasetSpec, SegmentationDataset
    from lcnb.models import LayerCascade

    Measure = Callable[[LayerCascade, SegmentationDataset], dict[str, Any]]

ADAPTIVE = ("fcn_resnet101", "fcn_resnet50")
"""The keys of `lcnb.models.ADAPTIVE`, known before torch is imported."""
RHOS = (1.0, 0.999, 0.995, 0.99, 0.985, 0.97, 0.95, 0.9, 0.8)
"""Finer where the exits change fastest; .985 and .8 are the paper's (table 1)."""


def add(commands: Any) -> None:
    """The options of both commands."""
    model = option(
        "--model", choices=ADAPTIVE, help="torchvision's pretrained network as a cascade of two stages (VOC)"
    )
    subject: list[Option | list[Option]] = [
        [WEIGHTS, model],
        BUILDER,
        DATASET,
        SPLIT,
        LIMIT,
        CLASSES,
        DEVICE,
        JSON,
        HALO,
    ]
    mode = option(
        "--mode", choices=("true", "cached"), default="true",
        help="true: later stages run on regions; cached: dense stage outputs, re-thresholded (default: true)",
    )  # fmt: skip
    rhos = option(
        "--rho", type=probability, nargs="+", metavar="R", default=RHOS,
        help=f"thresholds in [0, 1], each for all exits (default: {' '.join(f'{r:g}' for r in RHOS)})",
    )  # fmt: skip
    command(
        commands, "eval", run_eval, "score weights on a data set",
        "lcnb eval --weights camvid-small --dataset camvid --split val --rho 0.985 --json build/camvid.json",
        [*subject, RHO, mode],
    )  # fmt: skip
    command(
        commands, "sweep", run_sweep, "score many thresholds on a data set: exits, mIoU cached and true, multiply-adds",
        "lcnb sweep --model fcn_resnet101 --dataset voc2012 --split val --rho 1 .995 .985 .95 --json build/voc.json",
        [*subject, rhos],
    )  # fmt: skip


def run_eval(arguments: argparse.Namespace) -> int:
    """Score one threshold."""

    def scored(cascade: LayerCascade, dataset: SegmentationDataset) -> dict[str, Any]:
        from lcnb.benchmark.load import LoadWatch

        watch = LoadWatch(even_if_busy=True)
        found = score(cascade, dataset, arguments.rho, arguments.mode, arguments.halo, arguments.limit)
        return found | {"load": watch.end().as_dict()}

    if arguments.halo and arguments.mode == "cached":
        raise UsageError("--halo grows the regions of a true run; with --mode cached nothing runs on regions")
    return _measure(arguments, scored, eval_text)


def run_sweep(arguments: argparse.Namespace) -> int:
    """Score many thresholds."""

    def swept(cascade: LayerCascade, dataset: SegmentationDataset) -> dict[str, Any]:
        from lcnb.evaluation import sweep

        halo = own_unless(arguments.halo, cascade.halo)
        found = _over_images(sweep, cascade, dataset, arguments.limit, rhos=arguments.rho, halo=halo)
        return {"halo": halo, **found.as_dict()}

    return _measure(arguments, swept, sweep_text)


def _measure(arguments: argparse.Namespace, measure: Measure, text: Callable[[dict[str, Any]], str]) -> int:
    """Load, measure (on the CPU where the device's memory does not suffice), report with provenance."""

    def whole(device: str) -> dict[str, Any]:
        cascade, dataset = subject_of(arguments, usable_device(device))
        used = next(cascade.parameters()).device.type
        about = {"dataset": dataset.spec.name, "split": dataset.split, "weights": cascade.meta["name"], "device": used}
        return about | measure(cascade, dataset)

    check_writable(arguments.json)
    result = or_on_cpu(arguments.device, whole) | {"machine": machine(), "command": repeat(arguments.argv)}
    publish(text(result), result, arguments.json)
    return 0


def subject_of(arguments: argparse.Namespace, device: str) -> tuple[LayerCascade, SegmentationDataset]:
    """The network, on a device, and the data set that the options name.

    Raises:
        UsageError: no data set is named, and the weights do not say one.
        WeightsError, DataError: they are not here, or do not fit each other.
    """

    def load_dataset(name: str) -> SegmentationDataset:
        return lcnb.load_dataset(name, arguments.split, classes=arguments.classes)

    if arguments.model is not None:
        if arguments.builder is not None:
            raise UsageError("--builder is for --weights; --model has a network")
        dataset = load_dataset(arguments.dataset or "voc2012")  # first: the weights may have to be fetched
        cascade = lcnb.models.ADAPTIVE[arguments.model]().to(device)
    else:
        cascade = loaded(arguments, device)
        dataset = load_dataset(dataset_name(arguments, cascade))
    check_classes(cascade, dataset.spec)
    return cascade, dataset


def dataset_name(arguments: argparse.Namespace, cascade: LayerCascade) -> str:
    """The data set that `--dataset` names, else the one that the weights were trained on.

    Raises:
        UsageError: neither says one.
    """
    name = arguments.dataset or cascade.meta.get("dataset")
    if name is None:
        raise UsageError(f"{arguments.weights} does not say what it was trained on; name a data set with --dataset")
    return name


def check_classes(cascade: LayerCascade, spec: DatasetSpec) -> None:
    """Refuse a score that would compare one class with another.

    Raises:
        DataError: the weights were trained for other classes than the data set has.
    """
    known, wanted, size = cascade.meta.get("classes"), list(spec.classes), cascade.config["num_classes"]
    if size != len(wanted) or (known is not None and list(known) != wanted):
        names = f" ({_few(known)})" if known else ""
        raise DataError(
            f"{cascade.meta['name']} knows {size} classes{names}, but {spec.title} has {len(wanted)} ({_few(wanted)}); "
            "take weights that were trained on this data set's classes"
        )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def score(
    cascade: LayerCascade,
    dataset: SegmentationDataset,
    rho: float | Sequence[float] | None = None,
    mode: str = "true",
    halo: int | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """Evaluate one threshold, with a live line on a terminal.

    Args:
        cascade: the weights.
        dataset: whose images are scored in order.
        rho: the weights' own if None; a sequence of one counts for every exit.
        mode: "true" or "cached".
        halo: of a true run, in cells; the weights' own if None.
        limit: score so many images only.

    Returns:
        rho, mode, halo and all of `Scores.as_dict`.

    Raises:
        UsageError: rho has too many values.
    """
    used = {
        "rho": own_unless(rho, cascade.rho),
        "mode": mode,
        "halo": own_unless(halo, cascade.halo) if mode == "true" else 0,
    }
    found = used | _over_images(lcnb.evaluate, cascade, dataset, limit, **used).as_dict()
    # A ring of void hides the outlines that this score compares.
    return found | {"boundary_f": None} if dataset.spec.void_ring else found


def _over_images(
    function: Callable, cascade: LayerCascade, dataset: SegmentationDataset, limit: int | None, **options: Any
) -> Any:
    """Call `evaluate` or `sweep` on a data set or its first images, with a live line on a terminal."""
    total, spec = min(limit or len(dataset), len(dataset)), dataset.spec
    with Live() as live, blamed_on("--rho"):
        return function(
            cascade, map(dataset.__getitem__, range(total)), classes=spec.classes, ignore_index=spec.ignore_index,
            progress=lambda done: live.progress("image", done, total), **options,
        )  # fmt: skip


def eval_text(result: dict[str, Any]) -> str:
    """The result of `lcnb eval` for people."""
    from lcnb.benchmark.load import busy_sentence

    exits, times = result["exits"], result["ms_per_image"]
    facts = [
        ("mIoU", number(result["miou"])),
        ("pixel accuracy", number(result["pixel_accuracy"])),
        (f"boundary F ({result['boundary_tolerance_px']} px)", number(result["boundary_f"])),
        (f"exits at stage {stage_numbers(exits)}", percents(exits)),
        ("GMAC per image", number(result["gmacs_per_image"], 2)),
        ("ms per image (median / p95)", f"{number(times['p50'], 1)} / {number(times['p95'], 1)}"),
    ]
    stages = [f"stage {s + 1}" for s in range(len(exits))]
    classes = [
        (name, number(iou), *map(percent, result["exits_by_class"][name])) for name, iou in result["iou"].items()
    ]
    by_class = table([("class", "IoU", *stages), *classes], right=range(1, 2 + len(stages)))
    head = f"{_subject(result)}, {result['mode']} run at rho {each(result['rho'])}{_with_halo(result)}"
    busy = busy_sentence(result["load"])
    return "\n".join([head, "", table(facts, head=False), *([busy] if busy else []), "", by_class])


def sweep_text(result: dict[str, Any]) -> str:
    """The result of `lcnb sweep` for people."""
    pairs = [(point, point["true"]) for point in result["points"]]
    exits = f"exits at {stage_numbers(pairs[0][1]['exits'])}, true"
    head = ("rho", exits, "mIoU cached", "mIoU true", "GMAC true", "reduction", "ms true")
    rows = [
        (
            f"{point['rho']:g}", percents(true["exits"]), number(point["cached"]["miou"]), number(true["miou"]),
            number(true["gmacs_per_image"], 2), number(true["reduction"], 2), number(true["ms_per_image"]["p50"], 1),
        )
        for point, true in pairs
    ]  # fmt: skip
    return (
        f"{_subject(result)}{_with_halo(result)}\n\n{table([head, *rows], right=(0, 2, 3, 4, 5, 6))}\n\n"
        f"GMAC per image, classifiers included; dense (rho = 1) {number(result['gmacs_per_image_dense'], 2)}, "
        f"the plain network with its last classifier only {number(result['gmacs_per_image_one_head'], 2)}.\n"
        "reduction: against rho = 1. cached: dense outputs re-thresholded; true: later stages run on regions."
    )


def _subject(result: dict[str, Any]) -> str:
    return f"{result['weights']} on {result['dataset']} {result['split']}: {result['images']} images"


def _with_halo(result: dict[str, Any]) -> str:
    return f", with a halo of {result['halo']}" if result["halo"] else ""
