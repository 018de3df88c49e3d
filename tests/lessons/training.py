"""Answers to the exercises of notebook 04: right ones, and each usual slip with a part of its sentence."""

import torch.nn.functional as F

from lcnb.models import to_pixels

RIGHT_FRACTIONS = {1.0: (1, 1, 1), 0.0: (1, 0, 0)}


def loss(maps, target, reached, *, regions=True, mean=False, reduction="mean", detach=False):
    """The right answer, or one with a slip."""
    total = 0
    for m, cells in zip(maps, reached, strict=True):
        full = F.interpolate(m.detach() if detach else m, size=target.shape[1:], mode="bilinear")
        wanted = target.masked_fill(~to_pixels(cells, target.shape[1:]), 255) if regions else target
        total = total + F.cross_entropy(full, wanted, ignore_index=255, reduction=reduction)
    return total / len(maps) if mean else total


def slip(**options):
    return lambda *given: loss(*given, **options)


def over_all(maps, target, reached):
    return slip(reduction="sum")(maps, target, reached) / (target != 255).sum()


RIGHT = [("04-rho", RIGHT_FRACTIONS), ("04-loss", loss), ("04-plain", [0, 0, 1]), ("04-plain", (0, 0, 2.5))]


SLIPS = [
    ("04-rho", {1.0: (1, 1, 1)}, "the keys 1.0 and 0.0"),
    ("04-rho", {1.0: (1, 1), 0.0: (1, 0, 0)}, "three fractions, one for each stage; there are 2"),
    ("04-rho", {1.0: (1, 0, 0), 0.0: (1, 1, 1)}, "for rho = 1, stage 2 does not learn from 0%"),
    ("04-rho", {1.0: (1, 1, 1), 0.0: (1, 1, 0)}, "for rho = 0, stage 2 does not learn from 100%"),
    ("04-loss", slip(regions=False), "that is deep supervision"),
    ("04-loss", slip(mean=True), "the mean over the stages"),
    ("04-loss", slip(reduction="sum"), "adds the pixels up"),
    ("04-loss", slip(reduction="none"), "no dimensions, so that it can go backward; got a tensor of shape (2, 40"),
    ("04-loss", slip(detach=True), "no gradient reaches the maps"),
    ("04-loss", lambda *given: loss(*given).item(), "got a float"),
    ("04-loss", over_all, "yours divides by all labelled pixels"),
    ("04-loss", lambda *given: 2 * loss(*given), "is right, on maps of random numbers"),
    ("04-loss", lambda maps, target: maps, "could not be tried: TypeError"),
    ("04-plain", (0, 1), "3 weights; got 2"),
    ("04-plain", (1, 0, 0), "the last stage learns nothing"),
    ("04-plain", (1, 1, 1), "that is deep supervision"),
]
