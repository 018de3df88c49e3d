"""Other exit decisions: a coin and a prophet, as bounds for any criterion at the same work.

Shape letters: B images, K classes, h, w the 1/8 grid, H, W pixels, S stages.

A policy is a map of stages: where each cell exits. The threshold makes one from confidence. The **random** policy
shuffles that map within its image: as many cells exit at each stage, at the same multiply-adds, and no confidence is
looked at. The **oracle** has seen the truth: with the same numbers, it sends on those cells that gain most by it. Any
criterion should lie between the two, and the distance to the oracle is what a better criterion could win. Neither is in
the paper.

A map of stages is carried out like any other decision (`assigned` in the cached view, `assigned_run` in a true run).
The oracle looks at one cell at a time and counts right pixels, so it is greedy: a cleverer one may have more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from lcnb.models import CascadeOutput, Criterion, StageLogits, max_softmax, rethreshold, to_labels
from lcnb.models.exits import PLANNED_RHO, PlannedExits, leaves
from lcnb.models.labels import to_pixels
from lcnb.models.runs import CascadeRuns

TINY = torch.finfo(torch.float32).tiny
"""A threshold that is not 0, at which every cell exits."""


def assigned(logits: StageLogits, stage: Tensor) -> CascadeOutput:
    """The cached view of a map of stages.

    Args:
        logits: S maps (B, K, h, w), as `all_stages` gives them.
        stage: (B, h, w) int64 in 0 .. S-1, where each cell is to exit.

    Returns:
        As `rethreshold` gives it; its confidence means nothing.
    """
    return rethreshold(logits, PLANNED_RHO, criterion=_planned(stage, len(logits)))


def assigned_run(runs: CascadeRuns, x: Tensor, stage: Tensor, *, halo: int | None = None) -> CascadeOutput:
    """A true run in which the cells exit where they are told to; arguments as for a true run and for `assigned`."""
    return runs(x, PLANNED_RHO, criterion=_planned(stage, runs.stage_count), halo=halo)


def random_stages(stage: Tensor, generator: torch.Generator) -> Tensor:
    """The (B, h, w) map of stages with the cells of each image shuffled."""
    flat = stage.flatten(1)
    order = torch.rand(flat.shape, generator=generator).argsort(1).to(flat.device)
    return flat.gather(1, order).view(stage.shape)


def right_pixels(logits: StageLogits, target: Tensor, ignore_index: int) -> Tensor:
    """How many pixels of each cell each stage labels right, were it alone.

    Args:
        logits: S maps (B, K, h, w).
        target: (B, H, W) true classes.

    Returns:
        (S, B, h, w) int64; a pixel belongs to its nearest cell, and ignored ones count for no stage.
    """
    batch, _, h, w = logits[0].shape
    cell = to_pixels(torch.arange(batch * h * w, device=target.device).view(batch, h, w), target.shape[1:])
    known = target != ignore_index
    found = []
    for maps in logits:
        right = known & (to_labels(maps, target.shape[1:]).to(target.device) == target)
        found.append(torch.bincount(cell[right], minlength=batch * h * w).view(batch, h, w))
    return torch.stack(found)


def earliest_right(right: Tensor) -> Tensor:
    """(S, B, h, w) right pixels -> (B, h, w): the first stage that no later one beats.

    A cell that no stage gets right, or that is not labelled, exits at stage 1, for the lowest cost.
    """
    return right.argmax(0)  # the first of equal ones


def oracle_stages(right: Tensor, stage: Tensor) -> Tensor:
    """As many cells exit at each stage as in `stage`, but those that gain least by going on.

    Args:
        right: (S, B, h, w) of `right_pixels`.
        stage: (B, h, w) the map whose numbers are kept, image by image; it also decides between equal gains.
    """
    _check(stage, len(right))
    stages, flat, wanted = len(right), right.flatten(2).cpu(), stage.flatten(1).cpu()
    chosen = torch.full_like(wanted, stages - 1)
    for b in range(len(wanted)):
        still = torch.arange(wanted.shape[1])
        for s in range(stages - 1):
            gain = flat[s + 1 :, b, still].amax(0) - flat[s, b, still]
            order = (gain * stages + wanted[b, still]).argsort(stable=True)
            leaving = int((wanted[b] == s).sum())
            chosen[b, still[order[:leaving]]] = s
            still = still[order[leaving:]]
    return chosen.view(stage.shape).to(stage.device)


def matched_thresholds(
    maps: Iterable[Sequence[Tensor]], exits: Sequence[float], criterion: Criterion = max_softmax
) -> tuple[float, ...]:
    """Thresholds at which these fractions of all cells exit: criteria are compared at equal work, not at equal rho.

    No labels are looked at. It keeps 4 (S - 1) bytes per cell.

    Args:
        maps: for each image the S maps (B, K, h, w) of `all_stages`.
        exits: S fractions that sum to 1, or the first S - 1 of them.
        criterion: whose thresholds are wanted.

    Returns:
        S - 1 thresholds. Where cells tie at a threshold, or are as sure as a float can be, fewer exit.

    Raises:
        ValueError: there are no images, or the fractions are not of this kind.
    """
    kept = [[criterion(m).flatten().cpu() for m in list(stages)[:-1]] for stages in maps]
    if not kept:
        raise ValueError("matched_thresholds needs the logits of at least one image, got none")
    confidences = [torch.cat(parts) for parts in zip(*kept, strict=True)]
    shares = [float(v) for v in exits][: len(confidences)]
    if len(shares) < len(confidences) or not all(0 <= v <= 1 for v in shares) or sum(shares) > 1 + 1e-6:
        raise ValueError(
            f"exits needs a share for each of {len(confidences)} exits, at most 1 together; got {list(exits)}"
        )
    still, found = torch.ones_like(confidences[0], dtype=torch.bool), []
    for confidence, share in zip(confidences, shares, strict=True):
        rest = confidence[still].sort(descending=True).values
        leaving = round(share * len(confidence))
        limit = 0.0 if leaving >= len(rest) else min(1.0, max(TINY, float(rest[leaving])))
        found.append(limit)
        still = still & ~leaves(confidence, limit)
    return tuple(found)


def _planned(stage: Tensor, stages: int) -> PlannedExits:
    _check(stage, stages)
    return PlannedExits([stage > s for s in range(stages - 1)])


def _check(stage: Tensor, stages: int) -> None:
    lowest, highest = (int(stage.min()), int(stage.max())) if stage.numel() else (0, 0)
    if stage.dim() != 3 or lowest < 0 or highest >= stages:
        raise ValueError(
            f"a map of stages is (B, h, w) with values from 0 to {stages - 1}; got {tuple(stage.shape)}, "
            f"{lowest} to {highest}"
        )
