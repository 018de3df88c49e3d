"""Answers to the exercises of notebook 08: right ones, and each usual slip with a part of its sentence."""

import torch

CELLS = [[3.0, 0.0, 0.0], [3.4, 1.5, -9.0]]


def ece(confidence, right, bins, *, weigh=True, absolute=True, worst=False):
    """The right answer, or one with a slip."""
    total, gaps = 0.0, []
    for m in range(bins):
        held = (confidence > m / bins) & (confidence <= (m + 1) / bins)
        if held.any():
            gap = confidence[held].mean() - right[held].float().mean()
            gaps.append(float(gap.abs() if absolute else gap) * (float(held.float().mean()) if weigh else 1))
            total += gaps[-1]
    return max(gaps) if worst else abs(total) if weigh else total / len(gaps)


def slip(**options):
    return lambda *given: ece(*given, **options)


def best(score, work, budget):
    place = int(torch.where(work <= budget, score, -1.0).argmax())
    return divmod(place, score.shape[1])


def pick(values):
    return divmod(int(values.argmax()), values.shape[1])


RIGHT = [
    ("08-coins", (0.5, 0.6)),
    ("08-ece", ece),
    ("08-swap", CELLS),
    ("08-swap", torch.tensor(CELLS)),
    ("08-budget", best),
]


SLIPS = [
    ("08-coins", (0.5, 0.3), "only the cells that are still open toss"),
    ("08-coins", (0.5, 0.6, 1.0), "tosses no coin"),
    ("08-coins", (0.5,), "two numbers; got 1"),
    ("08-coins", (0.5, 0.4), "the chances to continue"),
    ("08-coins", (0.2, 0.5), "the fractions are 0.20 / 0.40 / 0.40"),
    ("08-ece", slip(weigh=False), "yours all count the same"),
    ("08-ece", slip(absolute=False), "cancel"),
    ("08-ece", slip(weigh=False, worst=True), "*maximum* calibration error"),
    ("08-ece", lambda c, r, m: (c - r.float()).abs().mean(), "a single pixel is right or wrong"),
    ("08-ece", lambda c, r, m: 0.5, "got 0.5000 where"),
    ("08-ece", lambda c, r: 0, "could not be tried: TypeError"),
    ("08-swap", CELLS[::-1], "the first cell should be the surer one before"),
    ("08-swap", [[3.0, 0.0, 0.0], [1.0, 0.0, 0.0]], "the order does not change"),
    ("08-swap", [[3.0, 0.0], [1.0, 0.0]], "take three classes"),
    ("08-swap", [1.0, 2.0, 3.0], "two rows; got (3,)"),
    ("08-budget", lambda s, w, b: pick(s), "the best mIoU of all, but takes"),
    ("08-budget", lambda s, w, b: pick(torch.where(w <= b, w, -1.0)), "the most expensive pair within the budget"),
    ("08-budget", lambda s, w, b: pick(torch.where(w < b, s, -1.0)), "meets the budget exactly"),
    ("08-budget", lambda s, w, b: pick(w), "more than the budget"),
    ("08-budget", lambda s, w, b: (0, 0), "within the budget of 0.600 there is one with"),
    ("08-budget", lambda s, w, b: (3,), "got 1 numbers"),
]
