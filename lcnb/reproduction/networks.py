"""The network that a table scores: weights by name or path, or a run's."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from lcnb.datasets import spec
from lcnb.models import LayerCascade
from lcnb.reproduction.request import ReproductionError, Request
from lcnb.training import config_of, load_checkpoint
from lcnb.training.checkpoint import CHECKPOINT
from lcnb.training.network import averaged
from lcnb.weights import load


def network_of(request: Request) -> tuple[LayerCascade, str]:
    """The cascade to score, in eval mode on the request's device, and what to call it.

    Raises:
        ReproductionError: none was named and there is no finished run of arm "lc"; or it does not fit the data set.
        WeightsError, TrainingError: what was named is not there, or damaged.
    """
    named = request.weights
    folder = request.folder("lc") if named is None else Path(named)
    if (folder / CHECKPOINT).is_file():
        cascade, name = (
            _of_run(folder),
            f"run {folder.name} of preset {request.preset}" if named is None else folder.name,
        )
    elif named is None:
        raise ReproductionError(
            f"{request.table} scores trained weights, and {folder} holds no run: name some with --weights, or train "
            f"them with `lcnb reproduce T2 --preset {request.preset} --arms lc`"
        )
    else:
        cascade = load(named)
        name = str(cascade.meta["name"])
    wanted, known = spec(request.config.dataset, request.config.classes).classes, cascade.meta.get("classes")
    if cascade.config["num_classes"] != len(wanted) or (known is not None and list(known) != list(wanted)):
        raise ReproductionError(
            f"{name} knows {cascade.config['num_classes']} classes that are not the {len(wanted)} of "
            f"{request.config.dataset}: name weights that were trained on it, or the preset of their data set"
        )
    return cascade.eval().to(request.device), name


def _of_run(folder: Path) -> LayerCascade:
    state, config = load_checkpoint(folder / CHECKPOINT), config_of(folder)
    if state["step"] < config.total_steps:
        raise ReproductionError(
            f"the run in {folder} is at step {state['step']} of {config.total_steps}; go on with "
            f"`lcnb train --resume --out {folder}`, or name finished weights with --weights"
        )
    classes = spec(config.dataset, config.classes).classes
    cascade = averaged(state["average"], len(classes), dataclasses.replace(config, init=None))
    cascade.meta = {"name": folder.name, "dataset": config.dataset, "classes": list(classes)}
    return cascade
