"""The network of a run: new, from weights, or as its checkpoint keeps it; and how well it does.

Shape letters: S stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from lcnb import imagenet
from lcnb.datasets import SegmentationDataset
from lcnb.errors import WeightsError
from lcnb.evaluation import evaluate, stage_miou
from lcnb.models import LayerCascade
from lcnb.models.networks import NETWORKS
from lcnb.training.config import TrainConfig, TrainingError
from lcnb.training.processes import Processes
from lcnb.weights import load


def new_network(config: TrainConfig, classes: int) -> LayerCascade:
    """This run's network: new, or with the weights that `init` names.

    Raises:
        WeightsError: there are no such weights, or they are damaged.
        TrainingError: they are of another network.
    """
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
            network.load_state_dict(load(config.init).state_dict())
        except RuntimeError:
            raise TrainingError(
                f"the weights {config.init} are of another network than {config.network} with {classes} classes"
                f"{f' at width {config.width:g}' if kind.has('width') else ''}"
            ) from None
    return network


def teacher_of(config: TrainConfig, classes: Sequence[str]) -> LayerCascade | None:
    """The network that a run imitates, if it names one.

    Args:
        config: for teacher.
        classes: names of the K classes of the data.

    Raises:
        WeightsError: there are no such weights, or they are damaged.
        TrainingError: they know other classes.
    """
    if config.teacher is None:
        return None
    teacher = load(config.teacher)
    theirs = teacher.meta.get("classes", [])
    if list(theirs) != list(classes):
        raise TrainingError(f"the teacher {config.teacher} knows {_listed(theirs)}; the data has {_listed(classes)}")
    return teacher


def _listed(classes: Sequence[str]) -> str:
    text = ", ".join(classes)
    return f"{len(classes)} classes ({text:.100}{' ...' if len(text) > 100 else ''})"


def averaged(average: dict[str, Any], classes: int, config: TrainConfig) -> LayerCascade:
    """The network that a run evaluates and keeps, from its checkpoint.

    Raises:
        WeightsError: the checkpoint's tensors do not fit its settings.
    """
    network = new_network(replace(config, init=None), classes)
    try:
        network.load_state_dict(average)
    except RuntimeError as error:
        first_line = str(error).splitlines()[0]
        raise WeightsError(f"the checkpoint does not fit its own settings ({first_line})") from None
    return network.eval()


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
