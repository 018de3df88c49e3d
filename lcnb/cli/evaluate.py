"""`lcnb eval`: score weights on a data set, as a table and as JSON with its provenance."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lcnb.cli.console import Live, bar, number, percent, table
from lcnb.cli.options import (
    Parser,
    UsageError,
    add_halo,
    blamed_on,
    command,
    count,
    or_on_cpu,
    probability,
    usable_device,
)
from lcnb.errors import DataError
from lcnb.paths import check_writable, write_json

ADAPTIVE = ("fcn_resnet101", "fcn_resnet50")
"""The keys of `lcnb.models.ADAPTIVE`, known before torch is imported."""

if TYPE_CHECKING:
    from torch import Tensor

    from lcnb.datasets import DatasetSpec, SegmentationDataset
    from lcnb.models import LayerCascade

    Scored = tuple[LayerCascade, SegmentationDataset, dict[str, Any]]


def add(commands: Any) -> None:
    """The command's options."""
    parser = command(
        commands,
        "eval",
        run,
        "score weights on a data set",
        "lcnb eval --weights camvid-small --dataset camvid --split val --rho 0.985 --json build/camvid.json",
    )
    add_subject(parser)
    parser.add_argument(
        "--rho", type=probability, nargs="+", metavar="R",
        help="threshold in [0, 1], one for all exits or one each (default: the weights' own)",
    )  # fmt: skip
    parser.add_argument(
        "--mode", choices=("true", "cached"), default="true",
        help="true: later stages run on regions; cached: dense stage outputs, re-thresholded (default: true)",
    )  # fmt: skip
    add_halo(parser)


def add_subject(parser: Parser) -> None:
    """What is scored, on what and where: the options that `eval` and `sweep` share."""
    network = parser.add_mutually_exclusive_group()
    network.add_argument(
        "--weights", metavar="NAME", default="streets-small", help="name, folder or file (default: streets-small)"
    )
    network.add_argument(
        "--model",
        choices=ADAPTIVE,
        help="torchvision's pretrained network as a cascade of two stages (VOC)",
    )
    parser.add_argument("--dataset", help="data set to score on (default: the one the weights were trained on)")
    parser.add_argument("--split", default="val", help="split to score on (default: val)")
    parser.add_argument("--limit", type=count, metavar="N", help="score the first N images only")
    parser.add_argument("--classes", choices=("all", "covered7"), default="all", help="covered7 is for voc2012")
    parser.add_argument("--device", default="cpu", help="where to run (default: cpu)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result here")


def run(arguments: argparse.Namespace) -> int:
    """Score and report."""

    def scored(device: str) -> Scored:
        from lcnb.benchmark.load import LoadWatch

        cascade, dataset = subject(arguments, device)
        watch = LoadWatch(even_if_busy=True)
        numbers = score(
            cascade, dataset, rho=arguments.rho, mode=arguments.mode, halo=arguments.halo, limit=arguments.limit
        )
        return cascade, dataset, numbers | {"load": watch.end().as_dict()}

    if arguments.halo and arguments.mode == "cached":
        raise UsageError("--halo grows the regions of a true run; with --mode cached nothing runs on regions")
    check_writable(arguments.json)
    return publish(arguments, report, *or_on_cpu(arguments.device, scored))


def subject(arguments: argparse.Namespace, device: str) -> tuple[LayerCascade, SegmentationDataset]:
    """The network, on a device, and the data set that the options name.

    Raises:
        UsageError: no data set is named, and the weights do not say one.
        WeightsError, DataError: they are not here, or do not fit each other.
    """
    import lcnb
    from lcnb import models

    device = usable_device(device)
    if arguments.model is not None:
        dataset = _dataset(arguments, arguments.dataset or "voc2012")  # first: the weights may have to be fetched
        cascade = models.ADAPTIVE[arguments.model]().to(device)
    else:
        cascade = lcnb.load(arguments.weights, device)
        name = arguments.dataset or cascade.meta.get("dataset")
        if name is None:
            raise UsageError(f"{arguments.weights} does not say what it was trained on; name a data set with --dataset")
        dataset = _dataset(arguments, name)
    check_classes(cascade, dataset.spec)
    return cascade, dataset


def _dataset(arguments: argparse.Namespace, name: str) -> SegmentationDataset:
    from lcnb.datasets import load_dataset

    return load_dataset(name, arguments.split, classes=arguments.classes)


def publish(
    arguments: argparse.Namespace,
    text: Callable[[dict[str, Any]], str],
    cascade: LayerCascade,
    dataset: SegmentationDataset,
    numbers: dict[str, Any],
) -> int:
    """Print a result as text and, where `--json` says so, write it with its provenance."""
    from lcnb.machine import command as repeat
    from lcnb.machine import machine

    device = next(cascade.parameters()).device.type
    about = {"dataset": dataset.spec.name, "split": dataset.split, "weights": cascade.meta["name"], "device": device}
    result = about | numbers | {"machine": machine(), "command": repeat(arguments.argv)}
    print(text(result))
    if arguments.json is not None:
        write_json(arguments.json, result)
        print(f"\nwritten to {arguments.json}")
    return 0


def check_classes(cascade: LayerCascade, spec: DatasetSpec) -> None:
    """Refuse a score that would compare one class with another.

    Raises:
        DataError: the weights were trained for other classes than the data set has.
    """
    known, wanted = cascade.meta.get("classes"), list(spec.classes)
    size = cascade.config["num_classes"]
    if size == len(wanted) and (known is None or list(known) == wanted):
        return
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
    *,
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
    from lcnb.evaluation import evaluate

    limits = cascade.rho if rho is None else rho
    limits = limits[0] if isinstance(limits, Sequence) and len(limits) == 1 else limits
    halo = halo_of(cascade, halo) if mode == "true" else 0
    scores = over_images(evaluate, cascade, dataset, limit, rho=limits, mode=mode, halo=halo)
    found = {"rho": limits, "mode": mode, "halo": halo, **scores.as_dict()}
    # A ring of void hides the outlines that this score compares.
    return found | {"boundary_f": None} if dataset.spec.void_ring else found


def halo_of(cascade: LayerCascade, given: int | None) -> int:
    """The halo of a true run: the given one, else the weights' own."""
    return cascade.halo if given is None else given


def over_images(
    function: Callable, cascade: LayerCascade, dataset: SegmentationDataset, limit: int | None, **options: Any
) -> Any:
    """Call `evaluate` or `sweep` on a data set or its first images, with a live line on a terminal."""
    total = len(dataset) if limit is None else min(limit, len(dataset))
    spec = dataset.spec
    with Live() as live, blamed_on("--rho"):

        def progress(done: int) -> None:
            live.show(f"{bar(done, total)} image {done} of {total}")

        items = first(dataset, total)
        return function(
            cascade, items, classes=spec.classes, ignore_index=spec.ignore_index, progress=progress, **options
        )


def first(dataset: SegmentationDataset, total: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The first items of a data set."""
    return islice((dataset[i] for i in range(len(dataset))), total)


def report(result: dict[str, Any]) -> str:
    """The result for people."""
    from lcnb.benchmark.load import busy_sentence

    rho = result["rho"] if isinstance(result["rho"], float | int) else " / ".join(map(str, result["rho"]))
    head = (
        f"{result['weights']} on {result['dataset']} {result['split']}: {result['images']} images, "
        f"{result['mode']} run at rho {rho}{with_halo(result['halo'])}"
    )
    times = result["ms_per_image"]
    facts = [
        ("mIoU", number(result["miou"])),
        ("pixel accuracy", number(result["pixel_accuracy"])),
        (f"boundary F ({result['boundary_tolerance_px']} px)", number(result["boundary_f"])),
        (f"cells left at stage {stage_numbers(result['exits'])}", " / ".join(map(percent, result["exits"]))),
        ("GMAC an image", number(result["gmacs_per_image"], 2)),
        ("ms an image (median / p95)", f"{number(times['p50'], 1)} / {number(times['p95'], 1)}"),
    ]
    width = max(len(name) for name, _ in facts)
    lines = [f"{name.ljust(width)}  {value}" for name, value in facts]
    busy = busy_sentence(result["load"])
    return "\n".join([head, "", *lines, *([busy] if busy else []), "", _by_class(result)])


def with_halo(halo: int) -> str:
    """Words on a halo, for a heading; none where there is none."""
    return f", with a halo of {halo}" if halo else ""


def stage_numbers(exits: Sequence[Any]) -> str:
    """ "1 / 2 / 3" for three stages."""
    return " / ".join(str(s + 1) for s in range(len(exits)))


def _by_class(result: dict[str, Any]) -> str:
    stages = [f"stage {s + 1}" for s in range(len(result["exits"]))]
    rows = [(name, number(iou), *map(percent, result["exits_by_class"][name])) for name, iou in result["iou"].items()]
    return table([("class", "IoU", *stages), *rows], right=range(1, 2 + len(stages)))
