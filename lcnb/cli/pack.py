"""From a training run to weights one can ship: the averaged network, its scores, and a card that says what it is."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lcnb.cli.card import card
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
