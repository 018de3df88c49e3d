"""The network of a run: new, from weights, or as its checkpoint keeps it; and how well it does.

Shape letters: S stages.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from lcnb import imagenet
from lcnb.datasets import DatasetSpec, SegmentationDataset, spec
from lcnb.errors import WeightsError, first_line
from lcnb.evaluation import evaluate, stage_miou
from lcnb.models import LayerCascade
from lcnb.models.networks import NETWORKS, Builder, built, imported
from lcnb.training.checkpoint import CHECKPOINT, config_of, load_checkpoint
from lcnb.training.config import TrainConfig, TrainingError
from lcnb.training.processes import Processes
from lcnb.weights import BuilderNeeded, load


def new_network(config: TrainConfig, classes: int, builder: Builder | str | None = None) -> LayerCascade:
    """This run's network: new, or with the weights that `init` names.

    Args:
        config: which network; `config.builder` is a name only, and never imported.
        classes: K of the data.
        builder: what builds the network, where `config.builder` names one; a name is imported.

    Raises:
        WeightsError: there are no such weights, they are damaged, or the builder fails.
        TrainingError: they are of another network, or a builder is needed, or makes another number of classes.
    """
    if config.builder is not None:
        network = _built(config, classes, builder)
    elif config.builder_arg:
        raise TrainingError(f"builder_arg {' '.join(config.builder_arg):.60} is for a builder; name it with --builder")
    else:
        dropout = config.dropout or (0.5 if config.arm == "dsn-dropout" else 0.0)
        kind = NETWORKS[config.network]
        knobs = {k: v for k, v in {"width": config.width, "stride": config.stride}.items() if kind.has(k)}
        network = kind.build(classes, dropout=dropout, **knobs)
    if config.init == imagenet.PUBLISHED:
        imagenet.start(network, imagenet.packaged())
    elif config.init is not None and imagenet.is_checkpoint(config.init):
        imagenet.start(network, config.init)
    elif config.init is not None:
        try:
            network.load_state_dict(_weights(config.init, builder).state_dict())
        except RuntimeError:
            raise TrainingError(
                f"the weights {config.init} are of another network than {config.builder or config.network} with "
                f"{classes} classes{f' at width {config.width:g}' if 'width' in config.shown() else ''}"
            ) from None
    return network


def _built(config: TrainConfig, classes: int, builder: Builder | str | None) -> LayerCascade:
    """The builder's network; it is told the number of classes if it has an argument of that name."""
    if builder is None:
        raise TrainingError(
            f"{config.builder} builds this run's network; lcnb runs that code only if you name it: --builder "
            f"{config.builder} on the command line, builder= in Python"
        )
    takes = inspect.signature(imported(builder)).parameters
    arguments: dict[str, Any] = {"num_classes": classes} if "num_classes" in takes else {}
    for text in config.builder_arg:
        name, _, value = text.partition("=")
        try:
            arguments[name] = json.loads(value)
        except ValueError:
            arguments[name] = value
    network = built(builder, arguments)
    if (found := network.config["num_classes"]) != classes:
        raise TrainingError(f"{config.builder} builds a network of {found} classes; the data has {classes}")
    return network


def _weights(name: str, builder: Builder | str | None) -> LayerCascade:
    """Weights of one of lcnb's networks, or of the run's own builder."""
    try:
        return load(name)
    except BuilderNeeded:
        if builder is None:
            raise
        return load(name, builder=builder)


def teacher_of(
    config: TrainConfig, classes: Sequence[str], builder: Builder | str | None = None
) -> LayerCascade | None:
    """The network that a run imitates, if it names one.

    Args:
        config: for teacher.
        classes: names of the K classes of the data.
        builder: of the teacher, if it was saved with one.

    Raises:
        WeightsError: there are no such weights, or they are damaged.
        TrainingError: they know other classes.
    """
    if config.teacher is None:
        return None
    teacher = _weights(config.teacher, builder)
    theirs = teacher.meta.get("classes", [])
    if list(theirs) != list(classes):
        raise TrainingError(f"the teacher {config.teacher} knows {_listed(theirs)}; the data has {_listed(classes)}")
    return teacher


def _listed(classes: Sequence[str]) -> str:
    text = ", ".join(classes)
    return f"{len(classes)} classes ({text:.100}{' ...' if len(text) > 100 else ''})"


def of_run(folder: Path, builder: Builder | str | None = None) -> tuple[LayerCascade, TrainConfig, int]:
    """The network that a run has so far, from its checkpoint: its averaged weights, in eval mode.

    Args:
        folder: of the run.
        builder: of its network, if it was trained with one.

    Returns:
        The network, with `.meta`, `.rho` and `.halo` as `lcnb.save` stores them; the settings; the steps done.

    Raises:
        TrainingError: there is no checkpoint, it is damaged, or its network needs a builder.
        WeightsError: the checkpoint's tensors do not fit its settings.
    """
    state, config = load_checkpoint(folder / CHECKPOINT), config_of(folder)
    about = spec(config.dataset, config.classes)
    network = new_network(replace(config, init=None), len(about.classes), builder)
    try:
        network.load_state_dict(state["average"])
    except RuntimeError as error:
        raise WeightsError(f"the checkpoint does not fit its own settings ({first_line(error)})") from None
    network.rho, network.halo, network.meta = config.rho, config.halo, {"name": folder.name} | described(about)
    return network.eval(), config, state["step"]


def described(about: DatasetSpec) -> dict[str, Any]:
    """What weights say of the data that they were trained on."""
    return {
        "dataset": about.name, "classes": list(about.classes), "ignore_index": about.ignore_index,
        "licence": about.licence,
    }  # fmt: skip


def parameter_groups(model: LayerCascade, config: TrainConfig) -> list[dict[str, Any]]:
    """Weight decay on kernels only, not on norms and biases; `factor` is on the learning rate."""
    parts: list[tuple[nn.Module, float]] = [(model, 1.0)]
    if config.backbone_lr != 1:
        parts = [(model.stages, config.backbone_lr), (model.heads, 1.0)]
    groups = []
    for part, factor in parts:
        kernels = [p for p in part.parameters() if p.dim() > 1]
        rest = [p for p in part.parameters() if p.dim() <= 1]
        groups += [
            {"params": kernels, "weight_decay": config.weight_decay, "factor": factor},
            {"params": rest, "weight_decay": 0.0, "factor": factor},
        ]
    return groups


def scores_of(
    network: LayerCascade, dataset: SegmentationDataset, config: TrainConfig, processes: Processes
) -> dict[str, float]:
    """mIoU on a validation split: each of the S stages alone (dense), and a true run at the run's rho and halo.

    Each process takes its share of the images; all get the scores of all of them.
    """
    count, spec = min(len(dataset), config.val_images), dataset.spec
    mine = range(processes.number, count, processes.count)
    alone = stage_miou(network, (dataset[i] for i in mine), len(spec.classes), spec.ignore_index, processes.total)
    run = evaluate(
        network,
        (dataset[i] for i in mine),
        classes=spec.classes,
        ignore_index=spec.ignore_index,
        rho=config.rho,
        halo=config.halo,
        labels_only=True,
    )
    run.confusion.counts = processes.total(run.confusion.counts)
    return {**{f"miou_stage{s + 1}": v for s, v in enumerate(alone)}, "miou_true": run.confusion.miou}
