"""Table 6, as far as it is about size: parameters and multiply-adds, counted without computing anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from lcnb.datasets import spec
from lcnb.models import cascade_cost
from lcnb.models.baselines import baseline
from lcnb.models.cost import count_macs
from lcnb.models.networks import NETWORKS
from lcnb.reproduction.paper import T1, T6
from lcnb.reproduction.request import Request

SIDE = 512
"""Pixels of the paper's input."""
OTHERS = {"DPN": "dpn", "DeepLab-v2": "deeplab-v2"}
"""Systems of the table that lcnb can build, by the name of the baseline."""


def size(request: Request, say: Callable[[str], None]) -> dict[str, Any]:
    """Parameters and multiply-adds of the request's network, and of the systems that it is compared with.

    Args:
        request: of table 6.
        say: called with each line of progress.

    Returns:
        rows, one for each network: parameters_m (millions) in all and by stage and head; gmacs of a 512x512 picture for
        the plain network (one classifier), at rho = 1 (three), and at the exits that the paper prints for rho = .985
        and .8 (computed from them, as `exits` says). Other systems are at full width and have "plain" only.
    """
    config = request.config
    network = NETWORKS[config.network]
    knobs = {"width": config.width} if network.has("width") else {}
    say(f"counting {config.network}{f' at width {config.width:g}' if knobs else ''}")
    classes = len(spec(config.dataset, config.classes).classes)
    with torch.device("meta"):
        cascade = network.build(classes, **knobs)
    cost = cascade_cost(cascade, SIDE, SIDE)
    work = {rho: _work_printed(rho) for rho in (0.985, 0.8)}
    gmacs: dict[str, float] = {"plain": cost.single_head, "rho = 1": cost.dense}
    gmacs |= {f"rho = {rho}": float(cost.of(torch.tensor([w]))[0]) for rho, w in work.items()}
    row = {
        "system": "IRNet-LC" if knobs else config.network,
        "classes": classes,
        "parameters_m": _millions(cascade),
        "parameters_m_by_stage": [_millions(m) for m in cascade.stages],
        "parameters_m_by_head": [_millions(m) for m in cascade.heads],
        "gmacs": {name: round(value / 1e9, 4) for name, value in gmacs.items()},
        "exits": "rho = .985 and .8: those printed in table 1, not measured here",
        "paper": T6["IRNet-LC"],
    }
    others = [_other(system, name, classes) for system, name in OTHERS.items()]
    return {
        "rows": [row, *others],
        "picture": [SIDE, SIDE],
        "settings": {"network": config.network, **knobs},
    }


def _other(system: str, name: str, classes: int) -> dict[str, Any]:
    with torch.device("meta"):
        network = baseline(name, classes)
    macs = count_macs(network, torch.empty(1, 3, SIDE, SIDE, device="meta"))
    return {
        "system": system,
        "classes": classes,
        "parameters_m": _millions(network),
        "gmacs": {"plain": round(macs / 1e9, 4)},
        "paper": T6[system],
    }


def _work_printed(rho: float) -> list[float]:
    """Share of the cells that each stage computes at the exits of the paper's table 1."""
    place = T1["rho"].index(rho)
    first, second = T1["left_at_stage_1"][place] / 100, T1["left_at_stage_2"][place] / 100
    return [1.0, 1 - first, 1 - first - second]


def _millions(module: torch.nn.Module) -> float:
    return round(sum(p.numel() for p in module.parameters()) / 1e6, 4)
