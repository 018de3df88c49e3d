"""`lcnb weights`: which weights are here, what is known about them, and how a run becomes weights.

Weights that ship are the averaged network of a run, its scores, and a card that says what it is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lcnb
from lcnb.cli.console import each, number, percents, stage_numbers, table
from lcnb.cli.evaluate import score
from lcnb.cli.options import (
    BUILDER,
    SPLIT,
    cells,
    command,
    flag,
    folder_name,
    loaded,
    option,
    or_on_cpu,
    probability,
    usable_device,
)
from lcnb.errors import WeightsError, WriteError
from lcnb.machine import command as repeat
from lcnb.machine import machine
from lcnb.paths import check_writable, write_json

if TYPE_CHECKING:
    from lcnb.datasets import SegmentationDataset
    from lcnb.models import LayerCascade

PARTS = ("list", "show", "pack")
CARD = "README.md"


def add(commands: Any) -> None:
    """The options of the command's parts."""
    text, example = "list weights, show one, or make them of a training run", "lcnb weights show streets-small"
    parts = command(commands, "weights", list_all, text, example).add_subparsers(title="parts", metavar="PART")
    command(parts, "list", list_all, "list the weights that are here", "lcnb weights list")
    named = option("weights", metavar="NAME", help="name, folder or file of the weights, or a training run's folder")
    command(
        parts, "show", show_one, "show what is known about weights", "lcnb weights show streets-small",
        [named, BUILDER],
    )  # fmt: skip
    command(
        parts, "pack", pack, "turn a training run into weights, score them and describe them",
        "lcnb weights pack runs/streets-small --name streets-small",
        [
            option("run_folder", type=Path, metavar="RUN_FOLDER", help="folder of `lcnb train`"),
            option("--name", type=folder_name, required=True, help="of the weights"),
            option("--out", type=Path, default=Path("data/weights"), help="folder above it (default: data/weights)"),
            option("--rho", type=probability, default=0.985, help="the weights' own threshold (default: 0.985)"),
            option("--halo", type=cells, default=0, metavar="N", help="the weights' own halo (default: 0)"),
            BUILDER, SPLIT,
            option("--calibrate", metavar="SPLIT", help="fit a temperature per stage on this split"),
            option("--licence", help="of the weights (default: that of the data)"),
            option("--note", help="a sentence for the card, such as where the run's initial weights came from"),
            option("--device", default="cpu", help="where to score (default: cpu)"),
            flag("--force", "replace weights of that name"),
        ],
    )  # fmt: skip


def with_part(words: Sequence[str]) -> list[str]:
    """`lcnb weights NAME` as `lcnb weights show NAME`."""
    at = next((n for n, word in enumerate(words) if not word.startswith("-")), len(words))
    following = words[at + 1 : at + 2]
    named = words[at : at + 1] == ["weights"] and following and following[0].strip()
    if named and following[0] not in PARTS and not following[0].startswith("-"):
        return [*words[: at + 1], "show", *words[at + 1 :]]
    return list(words)


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
    cascade = loaded(arguments)
    size = sum(p.numel() for p in cascade.parameters())
    print(json.dumps({"parameters": size, "config": cascade.config, **cascade.meta}, indent=1))
    return 0


def pack(arguments: argparse.Namespace) -> int:
    """Make weights of a run."""
    arguments.device = usable_device(arguments.device)
    folder = arguments.out / arguments.name
    metrics = pack_run(arguments, folder)
    print(
        f"{folder}: mIoU {number(metrics['true']['miou'])} at rho {arguments.rho}, "
        f"{number(metrics['dense']['miou'])} dense, stages {' / '.join(map(number, metrics['stage_miou']))}"
    )
    return 0


def pack_run(arguments: argparse.Namespace, target: Path) -> dict[str, Any]:
    """Write the folder of weights: `model.safetensors`, `metrics.json` and `README.md`.

    The scores are those of the file as it will be loaded, kernels in float16. The folder appears when all is
    done; one that is replaced keeps its files until then.

    Args:
        arguments: of `lcnb weights pack`. With `calibrate` a temperature per stage is fitted on that split, which goes
            into the stage's classifier (`lcnb.evaluation.calibration`).
        target: folder to write; its name is the weights' name.

    Returns:
        The content of `metrics.json`.

    Raises:
        TrainingError: there is no checkpoint, or it is damaged.
        WeightsError: there are such weights already.
        DataError: the data set to score on is not here.
    """
    from lcnb.training.network import of_run
    from lcnb.weights import FILE, METRICS, save

    if (target / FILE).exists() and not arguments.force:
        raise WeightsError(f"{target} holds weights already; --force replaces them")
    network, config, steps = of_run(arguments.run_folder, arguments.builder)
    wanted = [arguments.split, *([arguments.calibrate] if arguments.calibrate else [])]
    dataset, *fitted_on = (lcnb.load_dataset(config.dataset, split, classes=config.classes) for split in wanted)
    spec = dataset.spec
    terms = arguments.licence or spec.licence
    check_writable(target / FILE)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _beside(target) as name:
        folder = Path(name) / target.name
        meta = {k: v for k, v in network.meta.items() if k != "name"} | {
            "rho": arguments.rho, "halo": arguments.halo, "licence": terms
        }  # fmt: skip
        calibrated, calibration = network, None
        if fitted_on:
            calibrated, found = or_on_cpu(arguments.device, lambda there: _calibrated(network.to(there), fitted_on[0]))
            calibration = {"split": arguments.calibrate, "temperatures": found}
        file = save(calibrated, folder, meta, builder=arguments.builder)
        about = {
            "name": target.name, "dataset": config.dataset, "split": arguments.split, "licence": terms,
            "data_licence": spec.licence, "bytes": file.stat().st_size, "steps_done": steps,
            "note": arguments.note, "calibration": calibration,
        }  # fmt: skip
        again = lcnb.load(file, builder=arguments.builder)
        scores = or_on_cpu(arguments.device, lambda there: _scores(again.to(there), dataset, arguments.rho))
        where = {"recipe": config.shown(), "machine": machine(), "command": repeat(arguments.argv)}
        metrics = about | scores | where
        write_json(folder / METRICS, metrics)
        (folder / CARD).write_text(card(metrics), encoding="utf-8")
        _move(folder, target, (FILE, METRICS, CARD), arguments.force)
    return metrics


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[str]:
    """A folder to work in, removed after; file errors name the weights folder."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", suffix=".unfinished", dir=target.parent) as name:
            yield name
    except OSError as error:
        raise WriteError(target, error) from error


def _calibrated(network: LayerCascade, dataset: SegmentationDataset) -> tuple[LayerCascade, list[float]]:
    """The network with a temperature in each classifier, fitted on the images of a data set."""
    import torch

    from lcnb.evaluation.calibration import LogitSample, with_temperatures
    from lcnb.evaluation.evaluate import as_batch

    sample = LogitSample(network.stage_count, dataset.spec.ignore_index)
    with torch.inference_mode():
        for image, mask in map(dataset.__getitem__, range(len(dataset))):
            sample.update(network.all_stages(as_batch(image, network.mean.device)), mask[None])
    found = [round(t, 4) for t in sample.temperatures()]
    return with_temperatures(network, found).cpu(), found


def _scores(cascade: LayerCascade, dataset: SegmentationDataset, rho: float) -> dict[str, Any]:
    """A true run at rho, one at rho = 1 (dense), each stage alone, and how many images show each class."""
    from lcnb.evaluation import stage_miou

    spec, numbers = dataset.spec, range(len(dataset))
    stages = stage_miou(cascade, map(dataset.__getitem__, numbers), len(spec.classes), spec.ignore_index)
    labels = Counter(label for i in numbers for label in set(dataset.mask(i).flatten().tolist()))
    return {
        "parameters": sum(p.numel() for p in cascade.parameters()),
        "stage_miou": [round(v, 6) for v in stages],
        "true": score(cascade, dataset, rho),
        "dense": score(cascade, dataset, 1.0, halo=0),
        "images_with": {name: labels[label] for label, name in enumerate(spec.classes)},
    }


def _move(source: Path, target: Path, names: tuple[str, ...], force: bool) -> None:
    """Put finished files in place, each at once; a new folder as a whole.

    Raises:
        WeightsError: another call has made weights of that name meanwhile.
    """
    with contextlib.suppress(OSError):  # a folder with files is there
        source.rename(target)
        return
    if (target / names[0]).exists() and not force:
        raise WeightsError(f"{target} holds weights by now, of another call; --force replaces them")
    for name in names:
        os.replace(source / name, target / name)


def card(m: dict[str, Any]) -> str:
    """A model card in Markdown, from the content of `metrics.json`."""
    recipe, where, true, dense = m["recipe"], m["machine"], m["true"], m["dense"]
    network = "EfficientNet-Lite0" if recipe.get("network") == "lite0" else f"IRNet, width {recipe.get('width', 1):g}"
    stages = {2: "two", 3: "three", 4: "four"}.get(len(true["exits"]), len(true["exits"]))
    load = f'lcnb.load("{m["name"]}")'
    if builder := recipe.get("builder"):
        network, load = f"built by `{builder}`", f'lcnb.load("{m["name"]}", builder="{builder}")'
    rows = [
        ("", _setting(true), "rho = 1 (dense)"),
        ("mIoU", number(true["miou"]), number(dense["miou"])),
        ("pixel accuracy", number(true["pixel_accuracy"]), number(dense["pixel_accuracy"])),
        (f"boundary F, {true['boundary_tolerance_px']} px", number(true["boundary_f"]), number(dense["boundary_f"])),
        (f"exits at stage {stage_numbers(true['exits'])}", percents(true["exits"]), percents(dense["exits"])),
        ("GMAC per image", number(true["gmacs_per_image"], 2), number(dense["gmacs_per_image"], 2)),
    ]
    if true["boundary_f"] is None:
        del rows[3]
    shown = m.get("images_with", {})  # what a class's IoU rests on
    classes = [("class", f"IoU, {_setting(true)}", "IoU, rho = 1", "images with it")]
    classes += [(n, number(iou), number(dense["iou"][n]), str(shown.get(n, ""))) for n, iou in true["iou"].items()]
    settings = ", ".join(f"{name} {each(value)}" for name, value in recipe.items())
    parts = [
        f"# {m['name']}\n\nA {stages}-stage Layer Cascade ({network}, "
        f"{m['parameters'] / 1e6:.2f} million parameters, {m['bytes'] / 1e6:.1f} MB), trained on {m['dataset']}.",
        f"```python\nimport lcnb\n\ncascade = {load}\n```",
        f"Licence of the weights: {m['licence']}. Licence of the data they were trained on: {m['data_licence']}.",
        f"## Scores on {m['dataset']} {m['split']} ({true['images']} images)",
        _markdown(rows),
        f"Each stage alone, on every pixel: mIoU {' / '.join(map(number, m['stage_miou']))}. "
        "All runs are true runs: later stages on regions.",
        _markdown(classes),
        f"## Recipe\n\n`lcnb train`, {m['steps_done']} of {recipe['steps']} + {recipe['cascade_steps']} steps, "
        f"averaged weights, kernels stored as float16: {settings}.",
    ]
    if found := m.get("calibration"):
        temperatures = " / ".join(f"{t:g}" for t in found["temperatures"])
        parts.append(
            f"Logits are divided by {temperatures}, fitted on the split {found['split']} (temperature scaling)."
        )
    if m.get("note"):
        parts.append(m["note"])
    parts.append(
        f"Measured on {where['cpu']} ({where['cores']} cores), torch {where['torch']}, {where['date']}, with "
        f"`{_without_note(m['command'])}`; all numbers are in `metrics.json`.\n"
    )
    return "\n\n".join(parts)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|---" * len(rows[0]) + "|")
    return "\n".join(lines)


def _setting(run: dict[str, Any]) -> str:
    return f"rho = {run['rho']}" + (f", halo {run['halo']}" if run.get("halo") else "")


def _without_note(command: str) -> str:
    """The command but for its --note, which the card has already."""
    words = shlex.split(command)
    if "--note" in words:
        at = words.index("--note")
        del words[at : at + 2]
    return shlex.join(words)
