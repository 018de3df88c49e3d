"""Answers to the exercises of notebook 01: right ones, and each usual slip with a part of its sentence."""

import torch

from lcnb.difficulty import difficulty

NAMES = ["easy", "hard", "moderate", "moderate", "moderate"]


def graded(labels, confidence, truth):
    return difficulty(labels, confidence, truth, 255)


def by(choose):
    """A function of (right, sure) maps as an answer, with the unlabelled pixels left out."""

    def answer(labels, confidence, truth):
        return choose(labels == truth, confidence > 0.95).masked_fill(truth == 255, 255)

    return answer


def near(grade_map, edge, wanted):
    return (edge & (grade_map == wanted)).sum() / (grade_map == wanted).sum()


def table(before, after):
    return torch.stack([torch.stack([((before == i) & (after == j)).sum() for j in range(3)]) for i in range(3)])


RIGHT = [
    ("01-names", NAMES),
    ("01-grades", graded),
    ("01-grades", lambda *a: graded(*a).long()),
    ("01-boundary", near),
    ("01-changes", table),
    ("01-changes", lambda b, a: table(b, a).tolist()),
]


SLIPS = [
    ("01-names", NAMES[:4], "got 4"),
    ("01-names", ["simple", *NAMES[1:]], "got 'simple'"),
    ("01-names", ["easy", "moderate", *NAMES[2:]], "pixel 2, wrong at 0.99, is not moderate: the network is sure"),
    ("01-names", ["easy", "hard", "easy", *NAMES[3:]], "below 0.95 nothing is easy"),
    ("01-names", [*NAMES[:3], "hard", "moderate"], "pixel 4, wrong at 0.6, is not hard"),
    ("01-names", [*NAMES[:4], "easy"], "means *above* 0.95"),
    ("01-grades", lambda a, b, c: difficulty(a, b, c, -1), "get 255"),
    ("01-grades", lambda a, b, c: difficulty(a, b + 1e-6, c, 255), "exactly 0.95 is moderate"),
    ("01-grades", by(lambda r, s: torch.where(r, torch.where(s, 0, 1), 2)), "wrong and *unsure*"),
    ("01-grades", by(lambda r, s: torch.where(r, 0, torch.where(s, 2, 1))), "right and *unsure*"),
    ("01-grades", by(lambda r, s: torch.where(r & s, 0, torch.where(s, 1, 2))), "swapped"),
    ("01-grades", by(lambda r, s: torch.where(s, 0, 1)), "confidence alone"),
    ("01-grades", by(lambda r, s: torch.zeros_like(r).long()), "pixels are graded otherwise; such as one of label"),
    ("01-grades", lambda *a: graded(*a)[:2], "the shape of the labels"),
    ("01-grades", lambda *a: "easy", "a str"),
    ("01-boundary", lambda g, e, w: (e & (g == w)).sum() / e.sum(), "which part of the *grade*"),
    ("01-boundary", lambda g, e, w: (e & (g == w)).sum() / (e & (g != 255)).sum(), "which part of the *grade*"),
    ("01-boundary", lambda g, e, w: (e & (g == w)).float().mean(), "divides by all pixels"),
    ("01-boundary", lambda g, e, w: 100 * near(g, e, w), "is in per cent"),
    ("01-boundary", lambda g, e, w: 1 - near(g, e, w), "*not* near a boundary"),
    ("01-boundary", lambda g, e, w: (e & (g == w)).sum(), "a number of pixels"),
    ("01-boundary", lambda g, e, w: 0.5, "you say 0.500"),
    ("01-boundary", lambda g, e, w: near(g, e, w).nan_to_num(0), "give nan"),
    ("01-changes", lambda b, a: table(a, b), "turned"),
    ("01-changes", lambda b, a: table(b, a) / table(b, a).sum(), "fractions of all pixels"),
    ("01-changes", lambda b, a: table(b, a) / table(b, a).sum(1, keepdim=True), "fractions of each row"),
    ("01-changes", lambda b, a: table(b, a) + 1, "adds up to"),
    ("01-changes", lambda b, a: table(b, a).flatten().roll(1).view(3, 3), "pixels go from easy to easy"),
    ("01-changes", lambda b, a: [1, 2], "(3, 3) table; got (2,)"),
]
