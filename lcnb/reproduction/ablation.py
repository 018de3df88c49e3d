"""Table 2: what each part of the training gives, every arm on the same budget, scored in true runs.

The paper's five rows, and two controls of ours: the deeply supervised network with exits at test time but no cascade
training, and one with the cascade's losses but no exits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from torch import Tensor

from lcnb.datasets import SegmentationDataset
from lcnb.evaluation import evaluate
from lcnb.evaluation.bootstrap import interval_of
from lcnb.models import LayerCascade
from lcnb.reproduction.paper import T2
from lcnb.reproduction.request import Request
from lcnb.reproduction.store import digest
from lcnb.training import Trainer
from lcnb.training.checkpoint import CHECKPOINT, CONFIG


@dataclass(frozen=True)
class Row:
    """A row: how an arm is scored; with exits at the run's threshold, or at rho = 1, its last stage on every cell."""

    name: str
    arm: str
    exits: bool
    title: str


ROWS = (
    Row("irnet", "irnet", False, "IRNet: the last classifier's loss only"),
    Row("dsn", "dsn", False, "DSN: every stage supervised on every pixel"),
    Row("dsn-dropout", "dsn-dropout", False, "DSN with dropout"),
    Row("mc", "mc", True, "model cascade: stages trained one by one"),
    Row("lc", "lc", True, "layer cascade"),
    Row("dsn-exits", "dsn", True, "control: DSN with exits, no cascade training"),
    Row("hard", "hard", False, "control: the cascade's losses, no exits"),
)


def rows(request: Request) -> list[Row]:
    """Those that the request's arms fill."""
    return [row for row in ROWS if row.arm in request.arms]


def ablation(request: Request, say: Callable[[str], None]) -> dict[str, Any]:
    """Train every arm that is not trained yet, score every row, compare each with the layer cascade.

    Args:
        request: of table 2.
        say: called with each line of progress.

    Returns:
        rows; differences (of the layer cascade to each other row); settings; images; block.

    Raises:
        DataError, TrainingError: data are missing, or a run of other settings is in the way.
    """
    val, count = request.images()
    found: list[dict[str, Any]] = []
    counts: dict[str, Tensor] = {}
    for arm in request.arms:
        network = trained(request, arm, count, say)
        for row in rows(request):
            if row.arm == arm:
                numbers, counts[row.name] = scored(request, row, network, val, count, say)
                found.append(numbers)
    order = [row.name for row in ROWS]
    found.sort(key=lambda numbers: order.index(numbers["row"]))
    block = request.block(count)
    for numbers in found:
        numbers["interval"] = interval_of(counts[numbers["row"]], None, block)
    others = [n["row"] for n in found if n["row"] != "lc"] if "lc" in counts else []
    return {
        "images": count,
        "block": block,
        "rows": found,
        "differences": {f"lc - {name}": _difference(counts["lc"], counts[name], block) for name in others},
        "settings": {k: v for k, v in request.config.shown().items() if k != "arm"},  # without folders of this machine
    }


def trained(request: Request, arm: str, images: int, say: Callable[[str], None]) -> LayerCascade:
    """The averaged network of an arm: trained to its end here, or before."""
    folder = request.folder(arm)
    begun = (folder / CHECKPOINT).exists() or (folder / CONFIG).exists()
    config = dataclasses.replace(request.config, arm=arm, val_images=min(request.config.val_images, images))
    say(f"arm {arm} in {folder}")
    return Trainer(config, folder, resume=begun, device=request.device, say=say).run()


def scored(
    request: Request,
    row: Row,
    network: LayerCascade,
    val: SegmentationDataset,
    images: int,
    say: Callable[[str], None],
) -> tuple[dict[str, Any], Tensor]:
    """A row's numbers and its (N, K, K) counts: from the store, or measured and kept there."""
    config = request.config
    rho = config.rho if row.exits else 1.0
    store = request.store("scores", images=images)
    key = {"network": digest(network.state_dict()), "rho": rho, "halo": config.halo}
    if (kept := store.get(row.name, **key)) is not None:
        say(f"row {row.name} was scored before")
        return kept[0], kept[1]["counts"]
    say(f"row {row.name}: a true run at rho {rho:g} on {images} images")
    scores = evaluate(
        network, islice((val[i] for i in range(len(val))), images), classes=val.spec.classes,
        ignore_index=val.spec.ignore_index, rho=rho, halo=config.halo, keep_counts=True,
    )  # fmt: skip
    numbers = {
        "row": row.name, "title": row.title, "arm": row.arm, "rho": rho, "mode": "true", "paper": T2.get(row.name),
        **scores.as_dict(),
    }  # fmt: skip
    store.put(row.name, numbers, {"counts": scores.counts_by_image}, **key)
    return numbers, scores.counts_by_image


def _difference(counts: Tensor, other: Tensor, block: int) -> dict[str, Any] | None:
    """None where there are too few images to draw from."""
    found = interval_of(counts, other, block)
    return found and found | {"excludes_zero": found["low"] > 0 or found["high"] < 0}
