"""The exercises of notebook 03: what blocks and exits cost, and which cells exit.

Shape letters: B images, K classes, C channels, S stages, h, w cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from lcnb.models import cascade_cost, irnet_lc, max_softmax
from lcnb.models.cost import CascadeCost, count_macs
from lcnb.models.exits import leaves

EXITS = (0.5, 0.3, 0.2)
"""Fractions that exit at stages 1, 2 and 3 in the exercise on cost."""
SIZE = (512, 512)
RHOS = (0.0, 0.3, 0.6, 1.0)


def cost_at_exits(answer: Any) -> str | None:
    """GMAC of the paper's network at 512x512 if half of the cells exit at stage 1 and three tenths at stage 2."""
    cost = paper_cost()
    given, right = float(answer) * 1e9, _spent(cost.stages, cost.heads, EXITS)
    if abs(given - right) <= 0.005 * right:
        return None
    for value, sentence in _slips(cost.stages, cost.heads):
        if abs(given - value) <= 0.005 * value:
            return sentence
    if abs(given / 1e9 - right) <= 0.005 * right:
        return "the answer is asked for in GMAC: divide by 10^9"
    return f"{given / 1e9:.1f} GMAC is not what these exits cost; which cells does each stage compute?"


@cache
def paper_cost() -> CascadeCost:
    """Of the paper's network; counting takes a second or two."""
    return cascade_cost(irnet_lc(21), *SIZE)


def _spent(stages: Sequence[int], heads: Sequence[int], exits: Sequence[float]) -> float:
    return sum(r * (s + h) for r, s, h in zip([1.0, 1 - exits[0], exits[2]], stages, heads, strict=True))


def _slips(stages: Sequence[int], heads: Sequence[int]) -> list[tuple[float, str]]:
    """What usual slips give, and what to say to each."""
    each = [s + h for s, h in zip(stages, heads, strict=True)]
    return [
        (
            sum(e * c for e, c in zip(EXITS, each, strict=True)),
            "a stage computes all cells that reach it, not only those that exit there",
        ),
        (_spent(stages, [0, 0, 0], EXITS), "that leaves out the classifiers; each is run on the cells that reach it"),
        (float(sum(each)), "that is the dense network with its three classifiers: no cell exits early in it"),
        (
            2 * _spent(stages, heads, EXITS),
            "that counts a multiply-add as two operations; a GMAC is 10^9 multiply-adds",
        ),
    ]


def exit_decision(answer: Any) -> str | None:
    """A function ((B, K, h, w) logits, rho) -> (B, h, w) bool, True where a cell exits."""
    logits = 2 * torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    logits[0, 0, 0, 0] = 100.0  # as sure as a float can be
    for rho in RHOS:
        given = answer(logits.clone(), rho)
        if not isinstance(given, Tensor) or given.dtype != torch.bool:
            got = given.dtype if isinstance(given, Tensor) else type(given).__name__
            return f"for each cell the answer is True or False, so a bool tensor; got {got}"
        if given.shape != (2, 5, 6):
            return f"one answer for each cell: shape (2, 5, 6) for logits of (2, 4, 5, 6); got {tuple(given.shape)}"
        if not given.equal(right := leaves(max_softmax(logits), rho)):
            return _why_not(given, right, logits, rho)
    return None


def _why_not(given: Tensor, right: Tensor, logits: Tensor, rho: float) -> str:
    if given.equal(~right):
        return "that is where a cell continues; True should be where it exits"
    if given.equal(logits.amax(1) > rho):
        return "logits are no probabilities: take the softmax over the classes first"
    if rho == 1:
        return "at rho = 1 no cell exits early, not even one whose top score rounds to 1: the score must be *above* rho"
    sent, sure = int(given.sum()), int(right.sum())
    return f"at rho = {rho:g}, {sent} of {given.numel()} cells exit by your answer; {sure} have a top score above it"


def factorised(answer: Any) -> str | None:
    """A module with the reach of a 7x7 convolution, 128 -> 128 channels, at under a third of its multiply-adds."""
    if not isinstance(answer, nn.Module):
        return f"the answer is a module, such as nn.Sequential(...); got a {type(answer).__name__}"
    x = torch.zeros(1, 128, 21, 21)
    with torch.inference_mode():
        out = answer.eval()(x)
        if tuple(out.shape) != (1, 128, 21, 21):
            return f"(1, 128, 21, 21) should keep its shape; got {tuple(out.shape)}: is there padding for each kernel?"
    if (reach := _reach(answer)) != (7, 7):
        return f"an output cell should see 7 x 7 cells of the input; yours sees {reach[0]} x {reach[1]}"
    fraction = count_macs(answer, x.to("meta")) / count_macs(nn.Conv2d(128, 128, 7, padding=3), x.to("meta"))
    return (
        None
        if fraction < 1 / 3
        else f"that takes {fraction:.0%} of the multiply-adds of the 7x7; less than a third was asked for"
    )


def _reach(module: nn.Module) -> tuple[int, int]:
    """(height, width) of the input cells that the middle output cell depends on."""
    x = torch.rand(1, 128, 21, 21, generator=torch.Generator().manual_seed(0)).requires_grad_()
    module(x)[0, :, 10, 10].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(0) > 0
    return int(seen.any(1).sum()), int(seen.any(0).sum())
