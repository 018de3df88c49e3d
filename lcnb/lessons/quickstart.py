"""The exercises of notebook 00: exits at both ends of rho, what they save, and the cascade's decision by hand.

Shape letters: B images, K classes, S stages, h, w cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lcnb.models import max_softmax
from lcnb.models.exits import Criterion, ExitLedger

CALLS = 40
"""How often the exercise on the budget may ask for the work; halving an interval needs about ten."""
STEP = 0.002
"""How near the highest threshold is near enough."""
CASES = (((0.6, 0.3, 0.1), (2.0, 3.0, 1.0)), ((0.25, 0.0, 0.75), (1.0, 4.0, 2.0)), ((0.0, 0.0, 1.0), (1.0, 1.0, 1.0)))
"""(fractions that exit, multiply-adds) of the stages, in the exercise on saving."""


def exits_at_the_ends(answer: Any) -> str | None:
    """{rho: fractions of the cells that exit at stages 1, 2, 3}, for rho 0 and 1, whatever the network."""
    if not isinstance(answer, dict) or {float(k) for k in answer} != {0.0, 1.0}:
        return "give a dictionary with the keys 0.0 and 1.0, and three fractions for each"
    right = {0.0: (1.0, 0.0, 0.0), 1.0: (0.0, 0.0, 1.0)}
    for rho, fractions in sorted(answer.items()):
        given = tuple(float(v) for v in fractions)
        if len(given) != 3:
            return f"for rho = {rho:g} give three fractions, one for each stage; there are {len(given)}"
        if given == right[float(rho)]:
            continue
        if sum(given) == 100:
            return "give fractions of 1, not per cent"
        if abs(sum(given) - 1) > 1e-6:
            return f"every cell exits exactly once, so the fractions add up to 1; for rho = {rho:g} to {sum(given):g}"
        return f"rho = {rho:g}: a cell exits where its top score is above rho; can a score be above {rho:g}?"
    return None


def fraction_saved(answer: Any) -> str | None:
    """A function (fractions that exit at S stages, their S costs) -> fraction of the dense work that is saved."""
    for exits, costs in CASES:
        given, right = float(answer(exits, costs)), 1 - _work(exits, costs)
        if abs(given - right) <= 1e-6:
            continue
        return next((s for value, s in _savings(exits, costs) if abs(given - value) <= 1e-6), None) or (
            f"exits {exits} and costs {costs} save {right:.4g} of the dense work; you say {given:.4g}"
        )
    return None


def _work(exits: Sequence[float], costs: Sequence[float]) -> float:
    reached = [sum(exits[s:]) for s in range(len(exits))]
    return sum(r * c for r, c in zip(reached, costs, strict=True)) / sum(costs)


def _savings(exits: Sequence[float], costs: Sequence[float]) -> list[tuple[float, str]]:
    """What usual slips give, and what to say to each."""
    exiting = sum(e * c for e, c in zip(exits, costs, strict=True)) / sum(costs)
    work = _work(exits, costs)
    return [
        (work, "that is the fraction that is done; what is saved is the rest"),
        (1 - exiting, "a stage computes all cells that reach it, not only those that exit there"),
        (
            1 - _work(exits, [1.0] * len(exits)),
            "that counts all stages as equally expensive; weight each with its cost",
        ),
        ((1 - work) * sum(costs), "that is in multiply-adds; divide by those of all stages on every cell"),
        (1 - exits[-1], "cells that exit early have a cost too: all cells pay for stage 1"),
    ]


def exit_stages(answer: Any) -> str | None:
    """A function (S maps of (B, K, h, w) logits, rho) -> (B, h, w) int64: 0, 1 or 2, each cell's exit stage."""
    generator = torch.Generator().manual_seed(0)
    maps = [2 * torch.randn(2, 4, 6, 7, generator=generator) for _ in range(3)]
    maps[0][0, 0, 0, 0] = maps[1][0, 0, 0, 1] = 100.0  # as sure as a float can be
    for rho in (0.7, 1.0, 0.4):
        given = answer([m.clone() for m in maps], rho)
        if not isinstance(given, Tensor) or given.is_floating_point() or given.dtype == torch.bool:
            got = given.dtype if isinstance(given, Tensor) else type(given).__name__
            return f"a stage is a whole number, so give a tensor of integers; got {got}"
        if given.shape != (2, 6, 7):
            return f"one stage for each cell: shape (2, 6, 7) for maps of (2, 4, 6, 7); got {tuple(given.shape)}"
        if not given.long().equal(right := _stages(maps, rho)):
            return _why_not_there(given.long(), right, maps, rho)
    return None


def _stages(maps: Sequence[Tensor], rho: float, criterion: Criterion = max_softmax) -> Tensor:
    ledger = ExitLedger((rho,) * (len(maps) - 1), criterion)
    for logits in maps:
        ledger.accept(logits)
    return ledger.stage


def _why_not_there(given: Tensor, right: Tensor, maps: Sequence[Tensor], rho: float) -> str:
    first, second = (max_softmax(m) > rho for m in maps[:2])
    if given.equal(right + 1):
        return "count from 0, as `out.stage` does: 0 is stage 1"
    if given.equal(torch.where(second, 1, torch.where(first, 0, 2))):
        return "an exited cell is gone: stage 2 must not take back a cell that exited at stage 1"
    if given.equal(torch.where(first, 0, 1)):
        return "cells that stage 2 is not sure of continue to stage 3, so there are three answers: 0, 1 and 2"
    if given.max() > 2 or given.min() < 0:
        return "every cell exits: stage 3 takes all that are still open, sure or not; the stages are 0, 1 and 2"
    if given.equal(_stages(maps, rho, lambda logits: logits.amax(1))):
        return "logits are no probabilities: take the softmax over the classes first"
    if rho == 1:
        return "at rho = 1 no cell exits early, not even one whose score rounds to 1: the score must be *above* rho"
    return (
        f"at rho = {rho:g}, {int((given != right).sum())} of {right.numel()} cells exit at another stage than you say"
    )


def threshold_for_budget(answer: Any) -> str | None:
    """A function (work: rho -> fraction of the dense work, budget) -> the highest rho within the budget."""
    for bend, budget in ((3.0, 0.5), (9.0, 0.6), (3.0, 1.0), (1.0, 0.35)):
        work, asked = _counted(bend)
        rho = float(answer(work, budget))
        if not 0 <= rho <= 1:
            return f"a threshold lies between 0 and 1; got {rho:g}"
        if len(asked) > CALLS:
            return (
                f"that asked for the work {len(asked)} times, and each time is a run of the network; work only grows "
                f"with rho, so halve the interval instead ({CALLS} calls are plenty)"
            )
        if work(rho) > budget:
            return f"rho = {rho:.4f} takes {work(rho):.1%} of the work, above the budget of {budget:.0%}; go lower"
        if rho < 1 and work(min(1.0, rho + STEP)) <= budget:
            return (
                f"rho = {rho:.4f} keeps the budget of {budget:.0%}, but a rho higher by "
                f"{STEP:g} keeps it too; go higher"
            )
    return None


def _counted(bend: float) -> tuple[Callable[[float], float], list[float]]:
    """Work that grows with rho from 0.3 to 1, in small steps as cells exit, and the thresholds it was asked for."""
    asked: list[float] = []

    def work(rho: float) -> float:
        asked.append(float(rho))
        return 0.3 + 0.7 * round(1000 * float(rho) ** bend) / 1000

    return work, asked
