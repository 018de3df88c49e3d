"""Answers to the exercises of notebook 00: right ones, and each usual slip with a part of its sentence."""

import torch

ENDS = {0.0: (1, 0, 0), 1.0: (0, 0, 1)}


def saved(exits, costs):
    reached = [sum(exits[s:]) for s in range(3)]
    return 1 - sum(r * c for r, c in zip(reached, costs, strict=True)) / sum(costs)


def left(maps, rho, score=lambda x: x.softmax(1).amax(1), above=torch.gt):
    first, second = (above(score(m), rho) for m in maps[:2])
    return torch.where(first, 0, torch.where(second, 1, 2))


def taken_back(maps, rho):
    first, second = (m.softmax(1).amax(1) > rho for m in maps[:2])
    return torch.where(second, 1, torch.where(first, 0, 2))


def highest(work, budget, halvings=12):
    low, high = 0.0, 1.0
    if work(high) <= budget:
        return high
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = (middle, high) if work(middle) <= budget else (low, middle)
    return low


RIGHT = [("00-ends", ENDS), ("00-saved", saved), ("00-stages", left), ("00-budget", highest)]


SLIPS = [
    ("00-ends", {0.0: (1, 0, 0)}, "the keys 0.0 and 1.0"),
    ("00-ends", {0.0: (100, 0, 0), 1.0: (0, 0, 100)}, "not per cent"),
    ("00-ends", {0.0: (1, 0, 0), 1.0: (1, 1, 1)}, "for rho = 1 to 3"),
    ("00-ends", {0.0: (0, 0, 1), 1.0: (1, 0, 0)}, "can a score be above 0?"),
    ("00-ends", {0.0: (1, 0), 1.0: (0, 1)}, "there are 2"),
    ("00-saved", lambda e, c: 1 - saved(e, c), "that is the fraction that is done"),
    (
        "00-saved",
        lambda e, c: 1 - sum(x * y for x, y in zip(e, c, strict=True)) / sum(c),
        "not only those that exit",
    ),
    ("00-saved", lambda e, c: saved(e, (1, 1, 1)), "equally expensive"),
    ("00-saved", lambda e, c: saved(e, c) * sum(c), "in multiply-adds"),
    ("00-saved", lambda e, c: 1 - e[-1], "all cells pay for stage 1"),
    ("00-saved", lambda e, c: 0.123, "you say 0.123"),
    ("00-stages", lambda m, r: left(m, r) + 1, "count from 0"),
    ("00-stages", taken_back, "must not take back"),
    ("00-stages", lambda m, r: left(m, r).clamp(max=1), "three answers"),
    ("00-stages", lambda m, r: left(m, r).where(left(m, r) < 2, 5), "stage 3 takes all that are still open"),
    ("00-stages", lambda m, r: left(m, r, lambda x: x.amax(1)), "softmax"),
    ("00-stages", lambda m, r: left(m, r, above=torch.ge), "at rho = 1 no cell exits early"),
    ("00-stages", lambda m, r: left(m, r).float(), "got torch.float32"),
    ("00-stages", lambda m, r: left(m, r)[0], "got (6, 7)"),
    ("00-stages", lambda m, r: torch.zeros(2, 6, 7).long(), "exit at another stage"),
    ("00-budget", lambda work, b: 0.999, "above the budget of 50%"),
    ("00-budget", lambda work, b: 0.1, "go higher"),
    ("00-budget", lambda work, b: max(i / 1000 for i in range(1001) if work(i / 1000) <= b), "halve the interval"),
    ("00-budget", lambda work, b: 1.5, "between 0 and 1"),
]
