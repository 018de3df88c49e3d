"""The exercises of notebook 04: what the two steps of training compute.

Shape letters: B images, K classes, S stages, h, w cells, H, W pixels.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lcnb.models import max_softmax, to_pixels
from lcnb.models.exits import ExitLedger
from lcnb.training import TrainConfig, stage_losses
from lcnb.training.phases import phases

IGNORED = 255


def rho_at_its_ends(answer: Any) -> str | None:
    """{rho: fractions of the pixels that stages 1, 2, 3 learn from in step two}, for rho 1 and 0."""
    if not isinstance(answer, dict) or {float(k) for k in answer} != {0.0, 1.0}:
        return "give a dictionary with the keys 1.0 and 0.0, and three fractions for each"
    maps = torch.randn(3, 1, 5, 6, 8, generator=torch.Generator().manual_seed(0))
    for rho, fractions in sorted(answer.items(), reverse=True):
        ledger = ExitLedger((float(rho),) * 2, max_softmax)
        for stage in maps:
            ledger.accept(stage)
        right = [float(cells.float().mean()) for cells in ledger.reached]
        given = [float(v) for v in fractions]
        if len(given) != len(right):
            return f"for rho = {rho:g} give three fractions, one for each stage; there are {len(given)}"
        for s, (mine, theirs) in enumerate(zip(given, right, strict=True), start=1):
            if abs(mine - theirs) > 1e-6:
                return (
                    f"for rho = {rho:g}, stage {s} does not learn from {mine:.0%} of the pixels. A cell exits where "
                    f"its top score is above rho: can a score be above {rho:g}? Which cells reach stage {s} then?"
                )
    return None


def loss_of_step_two(answer: Any) -> str | None:
    """A function (S maps (B, K, h, w), (B, H, W) target, S masks (B, h, w)) -> () loss; 255 is not labelled."""
    maps, target, reached = _case()
    right = stage_losses(maps, target, [1.0] * 3, None, IGNORED, reached)
    given = answer(maps, target, reached)
    if not isinstance(given, Tensor) or given.dim() != 0:
        return f"the loss is a tensor with no dimensions, so that it can go backward; got {_described(given)}"
    if not given.requires_grad:
        return "no gradient reaches the maps: is there a .detach(), .item() or no_grad on the way?"
    if torch.isclose(given, right, rtol=1e-4):
        return None
    for value, sentence in _mistakes(maps, target, reached, right):
        if torch.isclose(given, value, rtol=1e-4):
            return sentence
    return f"got {given.item():.4f} where {right.item():.4f} is right, on maps of random numbers"


def weights_of_the_plain_network(answer: Any) -> str | None:
    """The stage weights that turn deep supervision into the plain network of table 2."""
    weights = tuple(float(w) for w in answer)
    right = phases(TrainConfig(arm="irnet"))[0].stage_weights
    if len(weights) != len(right):
        return f"there are {len(right)} stages, so {len(right)} weights; got {len(weights)}"
    if weights[-1] <= 0:
        return "with that the last stage learns nothing, and the plain network has no other classifier"
    if any(weights[:-1]):
        return "stages 1 and 2 still have losses of their own: that is deep supervision"
    return None


def _case() -> tuple[list[Tensor], Tensor, list[Tensor]]:
    """Random maps, a target with pixels that are not labelled, and masks each inside the one before."""
    generator = torch.Generator().manual_seed(1)
    maps = [torch.randn(2, 4, 5, 6, generator=generator, requires_grad=True) for _ in range(3)]
    target = torch.randint(0, 4, (2, 40, 48), generator=generator)
    target[:, :7] = IGNORED
    draw = torch.rand(2, 5, 6, generator=generator)
    return maps, target, [draw >= low for low in (0.0, 0.4, 0.8)]


def _mistakes(maps: list[Tensor], target: Tensor, reached: list[Tensor], right: Tensor) -> list[tuple[Tensor, str]]:
    """What usual slips give, and what to say to each."""
    full = [F.interpolate(m, size=target.shape[1:], mode="bilinear") for m in maps]
    wanted = [target.masked_fill(~to_pixels(c, target.shape[1:]), IGNORED) for c in reached]
    everywhere = sum(F.cross_entropy(m, target, ignore_index=IGNORED) for m in full)
    pairs = list(zip(full, wanted, strict=True))
    sums = [F.cross_entropy(m, t, ignore_index=IGNORED, reduction="sum") for m, t in pairs]
    over_all = sum(sums) / (target != IGNORED).sum()
    return [
        (torch.as_tensor(everywhere), "that is deep supervision: every stage learns from every pixel; use `reached`"),
        (right / len(maps), "that is the mean over the stages; the paper's loss is their sum"),
        (over_all, "a stage's loss is the mean over the pixels that reach it; yours divides by all labelled pixels"),
        (torch.stack(sums).sum(), "that adds the pixels up; a stage's loss is the mean over the pixels that reach it"),
    ]


def _described(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
