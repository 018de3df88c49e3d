"""`lcnb bench training`: what a step of training costs in each of the two steps of the paper, and without regions.

Shape letters: B images, K classes, H, W pixels of the crop, S stages.

Every round has a batch of its own, so each has other regions, as in training. The optimiser is not timed: it is
the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lcnb.benchmark.protocol import Opponent, Protocol, Times, measure
from lcnb.clock import stopwatch_for
from lcnb.models import LayerCascade
from lcnb.training import TrainConfig
from lcnb.training.objective import Objective
from lcnb.training.phases import Phase, prepare

KINDS = {
    "deep": "step one: every stage learns from every pixel",
    "cascade": "step two: the later stages run, and learn, on regions",
    "hard": "the losses of step two, every stage on the whole map",
}
TIMED = {
    "inside": ["forward and backward pass", "exits, masks, neighbour tables", "losses at full size"],
    "outside": ["reading and augmenting images", "the optimiser's step"],
}


def bench_training(
    cascade: LayerCascade,
    batches: Sequence[tuple[Tensor, Tensor]],
    config: TrainConfig,
    ignore_index: int,
    protocol: Protocol,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, Any], list[Times]]:
    """Measure a step of each kind in turns.

    Args:
        cascade: trained, or no cell exits; on the device to measure. Its batch-norm is frozen, as in step two.
        batches: of (B, 3, H, W) RGB in [0, 1] and (B, H, W) int64 classes, on that device.
        config: rho, halo, amp and stage weights.
        ignore_index: class that counts for nothing.
        protocol: how.
        progress: called with rounds done and rounds in all.

    Returns:
        The result as JSON takes it, and all times.
    """
    config = config.for_stages(cascade.stage_count)
    objective = Objective(cascade, config, None, ignore_index)
    phases = {kind: Phase(kind, 0, 1, 1.0, 0, config.stage_weights, frozen_norm=True) for kind in KINDS}
    prepare(cascade, phases["cascade"])

    def step(kind: str) -> Callable[[int], None]:
        @torch.inference_mode(False)  # the clock's own mode is for networks that do not learn
        def run(turn: int) -> None:
            objective(*batches[turn % len(batches)], phases[kind]).backward()

        return run

    def clear(turn: int) -> None:
        cascade.zero_grad(set_to_none=True)

    x, _ = batches[0]
    opponents = [Opponent(kind, step(kind), clear, steady=kind != "cascade") for kind in KINDS]
    times = measure(opponents, protocol, stopwatch_for(str(x.device)), progress)
    clear(0)
    ms = {kind: t.p50 for kind, t in times.items()}
    result = {
        "device": str(x.device),
        "batch": len(x),
        "crop": list(x.shape[2:]),
        "batches": len(batches),
        "reached": reached(cascade, batches, config),
        "ms": {kind: t.as_ms() for kind, t in times.items()},
        "images_per_s": {kind: round(len(x) / seconds, 3) for kind, seconds in ms.items()},
        "cascade_over_deep": round(ms["deep"] / ms["cascade"], 4),
        "cascade_over_hard": round(ms["hard"] / ms["cascade"], 4),
    }
    return result, list(times.values())


@torch.no_grad()
def reached(cascade: LayerCascade, batches: Sequence[tuple[Tensor, Tensor]], config: TrainConfig) -> list[float]:
    """Fraction of all cells that reach each of the S stages in a true run, as a mean over the batches."""
    found = torch.zeros(len(cascade.stages))
    for x, _ in batches:
        _, masks = cascade.stages_on_regions(x, config.rho, halo=config.halo)
        found[: len(masks)] += torch.stack([m.float().mean() for m in masks]).cpu()
    return [round(v, 6) for v in (found / len(batches)).tolist()]
