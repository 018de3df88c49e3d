"""The exercises of notebook 01: grades by hand, who lives on a boundary, and what later stages change.

Shape letters: H, W pixels.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from lcnb.difficulty import EASY, HARD, IGNORED, MODERATE, NAMES, THRESHOLD, difficulty

PIXELS = ((0.99, True), (0.99, False), (0.60, True), (0.60, False), (0.95, True))
"""(confidence, is it right?) of the pixels in the exercise on names."""
GENERATOR_SEED = 0


def names_of_five(answer: Any) -> str | None:
    """The grades ("easy", "moderate", "hard") of five pixels of given confidence, right or wrong."""
    given = [str(a).strip().lower() for a in answer]
    if len(given) != len(PIXELS):
        return f"there are {len(PIXELS)} pixels, so as many grades; got {len(given)}"
    if strange := [g for g in given if g not in NAMES]:
        return f'a grade is "easy", "moderate" or "hard"; got {strange[0]!r}'
    for number, ((sure, right), mine) in enumerate(zip(PIXELS, given, strict=True), start=1):
        if mine != _name(sure, right):
            word = "right" if right else "wrong"
            return f"pixel {number}, {word} at {sure:g}, is not {mine}: {_reminder(sure)}"
    return None


def _name(confidence: float, right: bool) -> str:
    target = torch.tensor([0])
    return NAMES[difficulty(target + (not right), torch.tensor([confidence]).double(), target, IGNORED)[0]]


def _reminder(confidence: float) -> str:
    if confidence > THRESHOLD:
        return "the network is sure of it, so it is easy or hard, and only being wrong makes it hard"
    if confidence == THRESHOLD:
        return f"sure means *above* {THRESHOLD:g}"
    return f"below {THRESHOLD:g} nothing is easy or hard, whether it is right or wrong"


def _scene() -> tuple[Tensor, Tensor, Tensor]:
    """(H, W) labels, confidence and truth with every grade, a tie with the threshold, and unlabelled pixels."""
    generator = torch.Generator().manual_seed(GENERATOR_SEED)
    labels, truth = (torch.randint(0, 3, (12, 14), generator=generator) for _ in range(2))
    confidence = 0.6 + 0.4 * torch.rand(12, 14, generator=generator)
    confidence[5] = THRESHOLD
    truth[0] = IGNORED
    return labels, confidence, truth


def grades(answer: Any) -> str | None:
    """A function (labels, confidence, truth), all (H, W) -> (H, W): 0 easy, 1 moderate, 2 hard, 255 not labelled."""
    labels, confidence, truth = _scene()
    given = answer(labels.clone(), confidence.clone(), truth.clone())
    if not isinstance(given, Tensor) or given.shape != labels.shape:
        return f"the grades are a tensor of the shape of the labels, {tuple(labels.shape)}; got {_described(given)}"
    right, given = difficulty(labels, confidence, truth, IGNORED).long(), given.long()
    if given.equal(right):
        return None
    good, sure, known = labels == truth, confidence > THRESHOLD, truth != IGNORED
    only_sure = torch.where(sure, EASY, MODERATE)
    tied = torch.where(confidence >= THRESHOLD, torch.where(good, EASY, HARD), MODERATE)
    slips = [
        (torch.where(sure & good, EASY, torch.where(sure, HARD, MODERATE)), "unlabelled pixels (truth 255) get 255"),
        (tied, f"sure means *above* {THRESHOLD:g}; a pixel at exactly {THRESHOLD:g} is moderate"),
        (
            torch.where(good, torch.where(sure, EASY, MODERATE), HARD),
            "wrong and *unsure* is moderate; hard is wrong and sure",
        ),
        (
            torch.where(good, EASY, torch.where(sure, HARD, MODERATE)),
            "right and *unsure* is moderate; easy is right and sure",
        ),
        (
            torch.where(sure & good, EASY, torch.where(sure, MODERATE, HARD)),
            "moderate and hard are swapped: hard is wrong and *sure*",
        ),
        (only_sure, "confidence alone does not tell easy from hard; compare the labels with the truth too"),
    ]
    for value, sentence in slips:
        if given[known].equal(value[known]):
            return sentence
    i, j = (given != right).nonzero()[0].tolist()
    return (
        f"{int((given != right).sum())} of {right.numel()} pixels are graded otherwise; such as one of label "
        f"{int(labels[i, j])}, confidence {confidence[i, j]:.2f} and truth {int(truth[i, j])}: {int(right[i, j])}, not "
        f"{int(given[i, j])}"
    )


def boundary_share(answer: Any) -> str | None:
    """A function ((H, W) grades, (H, W) bool near a boundary, grade) -> fraction of that grade's pixels near one."""
    grade = difficulty(*_scene(), IGNORED)
    near = torch.rand(grade.shape, generator=torch.Generator().manual_seed(1)) > 0.7
    for wanted in (HARD, EASY, MODERATE):
        given = float(answer(grade.clone(), near.clone(), wanted))
        mine = grade == wanted
        right = float((mine & near).sum() / mine.sum())
        if abs(given - right) <= 1e-4:
            continue
        known = grade != IGNORED
        return next((s for v, s in _shares(mine, near, known) if abs(given - float(v)) <= 1e-4), None) or (
            f"of the {int(mine.sum())} pixels of grade {wanted}, {int((mine & near).sum())} are near a boundary: "
            f"{right:.3f}; you say {given:.3f}"
        )
    none = float(answer(torch.zeros(3, 3, dtype=torch.uint8), torch.ones(3, 3).bool(), HARD))
    return None if math.isnan(none) else f"a grade without a pixel has no fraction: give nan; got {none:g}"


def _shares(mine: Tensor, near: Tensor, known: Tensor) -> list[tuple[Tensor, str]]:
    """What usual slips give, and what to say to each."""
    both = (mine & near).sum()
    turned = "that asks which part of the *boundary* is of this grade; asked is which part of the *grade* is on it"
    everywhere = "that divides by all pixels; divide by those of the grade"
    return [
        (both / near.sum(), turned),
        (both / (near & known).sum(), turned),
        (both / mine.numel(), everywhere),
        (both / known.sum(), everywhere),
        (100 * both / mine.sum(), "a fraction lies between 0 and 1; that is in per cent"),
        (1 - both / mine.sum(), "that is the fraction that is *not* near a boundary"),
        (both, "that is a number of pixels; divide by those of the grade"),
    ]


def changes(answer: Any) -> str | None:
    """A function (grades before, grades after), both (H, W) -> (3, 3) counts: row = before, column = after."""
    labels, confidence, truth = _scene()
    before = difficulty(labels, confidence, truth, IGNORED)
    after = difficulty(labels.roll(3, 1), confidence.roll(5, 1), truth, IGNORED)
    known = truth != IGNORED
    right = torch.bincount(before[known].long() * 3 + after[known].long(), minlength=9).view(3, 3)
    given = torch.as_tensor(answer(before.clone(), after.clone()))
    if given.shape != (3, 3):
        return f"three grades before and three after make a (3, 3) table; got {tuple(given.shape)}"
    given = given.double()
    if given.equal(right.double()):
        return None
    if given.equal(right.T.double()):
        return "that is turned: the row is the grade before, the column the grade after"
    if torch.allclose(given, (right / right.sum()).double(), atol=1e-6):
        return "these are fractions of all pixels; asked are numbers of pixels"
    if torch.allclose(given, (right / right.sum(1, keepdim=True)).double(), atol=1e-6):
        return "these are fractions of each row; asked are numbers of pixels"
    if given.sum() != right.sum():
        return f"the table should add up to the {int(right.sum())} labelled pixels; yours adds up to {given.sum():g}"
    i, j = (given != right).nonzero()[0].tolist()
    return f"{int(right[i, j])} pixels go from {NAMES[i]} to {NAMES[j]}; your table has {given[i, j]:g}"


def _described(value: Any) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
