"""The exercises of notebook 08: calibration, policies and budgets.

Shape letters: N pixels, M bins, K classes, G thresholds of a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lcnb.models import max_softmax

BINS = 10
EXITS = (0.5, 0.3, 0.2)
"""Fractions of all cells that exit at stages 1, 2 and 3 in the exercise on coins."""
TEMPERATURE = 3.0


def expected_error(answer: Any) -> str | None:
    """A function ((N,) confidence, (N,) right, M) -> expected calibration error over M equal-width bins."""
    generator = torch.Generator().manual_seed(0)
    confidence = 1 - 0.8 * torch.rand(4000, generator=generator) ** 3
    right = torch.rand(4000, generator=generator) < torch.where(confidence > 0.9, confidence + 0.04, confidence - 0.15)
    given = float(answer(confidence.clone(), right.clone(), BINS))
    gaps, weights = _gaps(confidence.double(), right, BINS)
    if abs(given - float((gaps.abs() * weights).sum())) < 1e-4:
        return None
    for value, sentence in [
        (gaps.abs().mean(), "bins count by how many pixels they hold; yours all count the same"),
        (
            (gaps * weights).sum().abs(),
            "too sure in one bin and too modest in another cancel: take each bin's distance",
        ),
        (gaps.abs().max(), "that is the worst bin (the *maximum* calibration error); the mean was asked for"),
        (
            (confidence - right.float()).abs().mean(),
            "compare a bin's means: a single pixel is right or wrong, never 90 %",
        ),
    ]:
        if abs(given - float(value)) < 1e-4:
            return sentence
    return f"got {given:.4f} where {float((gaps.abs() * weights).sum()):.4f} is right, on made-up confidences"


def _gaps(confidence: Tensor, right: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """Mean confidence minus fraction of right pixels, and the fraction of the pixels, of each bin that holds any."""
    place = (confidence * bins).ceil().long().sub(1).clamp(0, bins - 1)
    held = [place == m for m in range(bins) if bool((place == m).any())]
    gaps = torch.stack([confidence[h].mean() - right[h].double().mean() for h in held])
    return gaps, torch.stack([h.double().mean() for h in held])


def coins(answer: Any) -> str | None:
    """The chances with which an open cell exits at stages 1 and 2, if 50, 30 and 20 % exit at stages 1, 2, 3."""
    given = [float(v) for v in answer]
    right = [EXITS[0], EXITS[1] / (1 - EXITS[0])]
    if len(given) == 3 and abs(given[2] - 1) < 1e-6:
        return "the last stage accepts every cell, so it tosses no coin: two numbers are enough"
    if len(given) != 2:
        return f"there are two exits where a coin is tossed, so two numbers; got {len(given)}"
    if max(abs(g - r) for g, r in zip(given, right, strict=True)) < 1e-3:
        return None
    if abs(given[1] - EXITS[1]) < 1e-3:
        return "at exit 2 only the cells that are still open toss; the fraction is of *all* cells"
    if max(abs(g + r - 1) for g, r in zip(given, right, strict=True)) < 1e-3:
        return "those are the chances to continue"
    left = (given[0], (1 - given[0]) * given[1], (1 - given[0]) * (1 - given[1]))
    return "with these, the fractions are " + " / ".join(f"{v:.2f}" for v in left)


def swapped(answer: Any) -> str | None:
    """Logits of two cells, of which the first is surer, and the second at temperature `TEMPERATURE`."""
    cells = torch.as_tensor(answer, dtype=torch.float32)
    if cells.dim() != 2 or cells.shape[0] != 2:
        return f"two cells with K logits each, so two rows; got {tuple(cells.shape)}"
    if cells.shape[1] < 3:
        return (
            "with two classes confidence rises with the difference of the two logits at any temperature, so the order "
            "never changes; take three classes"
        )
    before, after = (max_softmax(cells.T[None, :, None] / t)[0, 0].tolist() for t in (1.0, TEMPERATURE))
    said = f"at T = 1 they are {before[0]:.4f} and {before[1]:.4f} sure, at T = 3 {after[0]:.4f} and {after[1]:.4f}"
    if before[0] <= before[1]:
        return f"the first cell should be the surer one before; {said}"
    if after[0] >= after[1]:
        return (
            f"the order does not change; {said}. What do many weak rivals do to a cell as T rises, and one strong one?"
        )
    return None


def within_budget(answer: Any) -> str | None:
    """A function ((G, G) mIoU, (G, G) work, budget) -> place (i, j) of the best pair the budget allows."""
    generator = torch.Generator().manual_seed(3)
    work = torch.rand(5, 5, generator=generator).round(decimals=3)
    score = (0.3 + 0.2 * work + 0.1 * torch.rand(5, 5, generator=generator)).round(decimals=3)
    for budget in (0.6, float(work[3, 0])):  # the second is met exactly
        place = tuple(int(i) for i in answer(score.clone(), work.clone(), budget))
        if len(place) != 2:
            return f"a pair has two places, (i, j); got {len(place)} numbers"
        if (wrong := _why_not(place, score, work, budget)) is not None:
            return wrong
    return None


def _why_not(place: Sequence[int], score: Tensor, work: Tensor, budget: float) -> str | None:
    allowed = work <= budget
    best = torch.where(allowed, score, -1.0)
    i, j = place
    if (i, j) == _at(best):
        return None
    if (i, j) == _at(score):
        return f"that pair has the best mIoU of all, but takes {work[i, j]:.3f} where {budget:.3f} is allowed"
    if not bool(allowed[i, j]):
        return f"that pair takes {work[i, j]:.3f}, more than the budget of {budget:.3f}"
    if (i, j) == _at(torch.where(allowed, work, -1.0)):
        return "that is the most expensive pair within the budget; more work is not always a better mIoU"
    if (i, j) == _at(torch.where(work < budget, score, -1.0)):
        return "a pair that meets the budget exactly is allowed too"
    return f"that pair has {score[i, j]:.3f}; within the budget of {budget:.3f} there is one with {best.max():.3f}"


def _at(values: Tensor) -> tuple[int, int]:
    place = int(values.argmax())
    return place // values.shape[1], place % values.shape[1]
