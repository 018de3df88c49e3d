"""From a training run to weights one can ship: the averaged network, its scores, and a card that says what it is."""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lcnb.cli.console import number, percent
from lcnb.cli.evaluate import first, score
from lcnb.cli.options import or_on_cpu
from lcnb.errors import WeightsError, WriteError
from lcnb.machine import machine
from lcnb.paths import check_writable, write_json

if TYPE_CHECKING:
    from lcnb.datasets import SegmentationDataset
    from lcnb.models import LayerCascade

CARD = "README.md"


def pack_run(
    run: Path,
    target: Path,
    *,
    rho: float,
    halo: int,
    split: str,
    licence: str | None,
    device: str,
    force: bool,
    command: str,
    note: str | None = None,
    calibrate: str | None = None,
) -> dict[str, Any]:
    """Write the folder of weights: `model.safetensors`, `metrics.json` and `README.md`.

    The scores are those of the file as it will be loaded, kernels in float16. The folder appears when all is
    done; one that is replaced keeps its files until then.

    Args:
        run: folder of the training run.
        target: folder to write; its name is the weights' name.
        rho, halo: their own threshold and halo.
        split: to score on.
        licence: of the weights; that of the data if None.
        device: where to score.
        force: replace weights that are there.
        command: what to record as the command that did this.
        note: a sentence for the card, such as where the initial weights of the run came from.
        calibrate: split that a temperature a stage is fitted on, which goes into the stage's classifier
            (`lcnb.evaluation.calibration`); none if None.

    Returns:
        The content of `metrics.json`.

    Raises:
        TrainingError: there is no checkpoint, or it is damaged.
        WeightsError: there are such weights already.
        DataError: the data set to score on is not here.
    """
    from lcnb.datasets import load_dataset
    from lcnb.training import config_of, load_checkpoint
    from lcnb.training.checkpoint import CHECKPOINT
    from lcnb.training.network import averaged
    from lcnb.weights import FILE, METRICS, load, save

    if (target / FILE).exists() and not force:
        raise WeightsError(f"{target} holds weights already; --force replaces them")
    state, config = load_checkpoint(run / CHECKPOINT), config_of(run)
    dataset = load_dataset(config.dataset, split, classes=config.classes)
    fitted_on = None if calibrate is None else load_dataset(config.dataset, calibrate, classes=config.classes)
    terms = licence or dataset.spec.licence
    check_writable(target / FILE)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _beside(target) as name:
        folder = Path(name) / target.name
        spec = dataset.spec
        meta = {
            "dataset": config.dataset, "classes": list(spec.classes), "ignore_index": spec.ignore_index, "rho": rho,
            "halo": halo, "licence": terms,
        }  # fmt: skip
        network, temperatures = averaged(state["average"], len(spec.classes), config), None
        if fitted_on is not None:
            network, temperatures = or_on_cpu(device, lambda there: _calibrated(network.to(there), fitted_on))
        file = save(network, folder, meta)
        about = {
            "name": target.name,
            "dataset": config.dataset,
            "split": split,
            "licence": terms,
            "data_licence": spec.licence,
            "bytes": file.stat().st_size,
            "steps_done": state["step"],
            "note": note,
            "calibration": None if temperatures is None else {"split": calibrate, "temperatures": temperatures},
        }
        scores = or_on_cpu(device, lambda there: _scores(load(file, there), dataset, rho))
        metrics = about | scores | {"recipe": config.shown(), "machine": machine(), "command": command}
        write_json(folder / METRICS, metrics)
        (folder / CARD).write_text(card(metrics), encoding="utf-8")
        _move(folder, target, (FILE, METRICS, CARD), force)
    return metrics


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[str]:
    """A folder to work in, removed after; what goes wrong with its files is told of the weights' folder."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", suffix=".unfinished", dir=target.parent) as name:
            yield name
    except OSError as error:
        raise WriteError(target, error) from error


def _calibrated(network: LayerCascade, dataset: SegmentationDataset) -> tuple[LayerCascade, list[float]]:
    """The network with a temperature in each classifier, fitted on the pictures of a data set."""
    import torch

    from lcnb.evaluation.calibration import LogitSample, with_temperatures
    from lcnb.evaluation.evaluate import as_batch

    sample = LogitSample(network.stage_count, dataset.spec.ignore_index)
    with torch.inference_mode():
        for image, mask in first(dataset, len(dataset)):
            sample.update(network.all_stages(as_batch(image, network.mean.device)), mask[None])
    found = [round(t, 4) for t in sample.temperatures()]
    return with_temperatures(network, found).cpu(), found


def _scores(cascade: LayerCascade, dataset: SegmentationDataset, rho: float) -> dict[str, Any]:
    """A true run at rho, one at rho = 1 (dense), and each stage alone."""
    from lcnb.evaluation import stage_miou

    spec = dataset.spec
    stages = stage_miou(cascade, first(dataset, len(dataset)), len(spec.classes), spec.ignore_index)
    return {
        "parameters": sum(p.numel() for p in cascade.parameters()),
        "stage_miou": [round(v, 6) for v in stages],
        "true": score(cascade, dataset, rho=rho),
        "dense": score(cascade, dataset, rho=1.0, halo=0),
        "images_with": _images_with(dataset),
    }


def _images_with(dataset: SegmentationDataset) -> dict[str, int]:
    """How many images of a data set show each class."""
    counts = dict.fromkeys(dataset.spec.classes, 0)
    for i in range(len(dataset)):
        for label in set(dataset.mask(i).flatten().tolist()) - {dataset.spec.ignore_index}:
            counts[dataset.spec.classes[label]] += 1
    return counts


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


def card(metrics: dict[str, Any]) -> str:
    """A model card in Markdown."""
    return "\n".join([_head(metrics), _score_table(metrics), _classes(metrics), _recipe(metrics), _measured(metrics)])


def _head(m: dict[str, Any]) -> str:
    recipe = m["recipe"]
    named = recipe.get("network", "irnet")  # cards of before 2.0 know IRNet only
    network = "EfficientNet-Lite0" if named == "lite0" else f"IRNet, width {recipe['width']:g}"
    return (
        f"# {m['name']}\n\nA three-stage Layer Cascade ({network}, "
        f"{m['parameters'] / 1e6:.2f} million parameters, {m['bytes'] / 1e6:.1f} MB), trained on {m['dataset']}.\n\n"
        f'```python\nimport lcnb\n\ncascade = lcnb.load("{m["name"]}")\n```\n\n'
        f"Licence of the weights: {m['licence']}. Licence of the data they were trained on: {m['data_licence']}.\n"
    )


def _score_table(m: dict[str, Any]) -> str:
    true, dense = m["true"], m["dense"]
    rows = [
        ("mIoU", number(true["miou"]), number(dense["miou"])),
        ("pixel accuracy", number(true["pixel_accuracy"]), number(dense["pixel_accuracy"])),
        *([] if true["boundary_f"] is None else [_boundary(true, dense)]),
        ("cells that leave at stage 1 / 2 / 3", *(" / ".join(map(percent, run["exits"])) for run in (true, dense))),
        ("GMAC an image", number(true["gmacs_per_image"], 2), number(dense["gmacs_per_image"], 2)),
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    stages = " / ".join(map(number, m["stage_miou"]))
    return (
        f"## Scores on {m['dataset']} {m['split']} ({true['images']} images)\n\n"
        f"| | {_setting(true)} | rho = 1 (dense) |\n|---|---|---|\n"
        + "\n".join(lines)
        + f"\n\nEach stage alone, on every pixel: mIoU {stages}. All runs are true runs: later stages on regions.\n"
    )


def _boundary(true: dict[str, Any], dense: dict[str, Any]) -> tuple[str, str, str]:
    name = f"boundary F, {true['boundary_tolerance_px']} px"
    return name, number(true["boundary_f"]), number(dense["boundary_f"])


def _classes(m: dict[str, Any]) -> str:
    true, dense = m["true"], m["dense"]
    shown = m.get("images_with", {})  # how many images show a class: what its IoU rests on
    lines = [
        f"| {name} | {number(iou)} | {number(dense['iou'][name])} | {shown.get(name, '')} |"
        for name, iou in true["iou"].items()
    ]
    head = f"| class | IoU, {_setting(true)} | IoU, rho = 1 | images with it |\n|---|---|---|---|\n"
    return head + "\n".join(lines) + "\n"


def _setting(run: dict[str, Any]) -> str:
    return f"rho = {run['rho']}" + (f", halo {run['halo']}" if run.get("halo") else "")


def _recipe(m: dict[str, Any]) -> str:
    knobs = ", ".join(f"{name} {_shown(value)}" for name, value in m["recipe"].items())
    steps = f"{m['steps_done']} of {m['recipe']['steps']} + {m['recipe']['cascade_steps']} steps"
    note = f"\n{m['note']}\n" if m.get("note") else ""
    return (
        f"## Recipe\n\n`lcnb train`, {steps}, averaged weights, kernels stored as float16: {knobs}.\n"
        f"{_calibration(m.get('calibration'))}{note}"
    )


def _calibration(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    temperatures = " / ".join(f"{t:g}" for t in found["temperatures"])
    return f"\nLogits are divided by {temperatures}, fitted on the split {found['split']} (temperature scaling).\n"


def _shown(value: Any) -> str:
    return " / ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _measured(m: dict[str, Any]) -> str:
    where = m["machine"]
    return (
        f"Measured on {where['cpu']} ({where['cores']} cores), torch {where['torch']}, {where['date']}, with "
        f"`{_without_note(m['command'])}`; all numbers are in `metrics.json`.\n"
    )


def _without_note(command: str) -> str:
    """The command but for its --note, which the card has already."""
    words = shlex.split(command)
    if "--note" in words:
        at = words.index("--note")
        del words[at : at + 2]
    return shlex.join(words)
