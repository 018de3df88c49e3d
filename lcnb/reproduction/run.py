"""From a request to the content of its file."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from lcnb.reproduction.ablation import ablation
from lcnb.reproduction.cascade_training import cascade_training
from lcnb.reproduction.grades import figure_one
from lcnb.reproduction.paper import TITLES
from lcnb.reproduction.plan import NOT_FILLED
from lcnb.reproduction.request import CASCADE_TRAINING, ReproductionError, Request
from lcnb.reproduction.size import size
from lcnb.reproduction.sweeps import swept


def reproduce(request: Request, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Measure a table; what was measured before in `request.work` is taken from there.

    Args:
        request: the table, and how.
        say: called with each line of progress.

    Returns:
        As JSON takes it: table, title, preset, dataset, split, not_measured, and what the table's own function gives.

    Raises:
        LcnbError: data or weights are missing or do not fit, or a table cannot be measured like this.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        if request.table == CASCADE_TRAINING:
            raise ReproductionError(f"lcnb reproduce {request.table} is one process, its trainings too")
        raise ReproductionError(
            "lcnb reproduce is one process; train the arms with `torchrun ... -m lcnb train --preset "
            f"{request.preset} --arm ARM --out {request.folder('ARM')}` first: it takes up finished runs"
        )
    own = {"T2": ablation, "T6": size, "F1": figure_one, CASCADE_TRAINING: cascade_training}
    measure = own.get(request.table, swept)
    found = measure(request, say)
    data = {} if request.table == "T6" else {"dataset": request.config.dataset, "split": request.config.val_split}
    return {
        "table": request.table,
        "title": TITLES[request.table],
        "preset": request.preset,
        **data,
        **found,
        "not_measured": NOT_FILLED[request.table],
    }
