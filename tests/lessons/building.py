"""Answers to the exercises of notebook 03: right ones, and each usual slip with a part of its sentence."""

import torch
from torch import nn

from lcnb.models import cascade_cost, irnet_lc

with torch.device("meta"):
    COST = cascade_cost(irnet_lc(21), 512, 512)
EACH = [(s + h) / 1e9 for s, h in zip(COST.stages, COST.heads, strict=True)]
SPENT = EACH[0] + 0.5 * EACH[1] + 0.2 * EACH[2]


def exiting(logits, rho):
    return logits.softmax(1).amax(1) > rho


def long_arm(*kernels):
    return nn.Sequential(*(nn.Conv2d(128, 128, k, padding=(k[0] // 2, k[1] // 2)) for k in kernels))


RIGHT = [
    ("03-cost", SPENT),
    ("03-cost", round(SPENT, 1)),
    ("03-leaves", exiting),
    ("03-factors", long_arm((1, 7), (7, 1))),
]


SLIPS = [
    ("03-cost", sum(EACH), "no cell exits early in it"),
    ("03-cost", 0.5 * EACH[0] + 0.3 * EACH[1] + 0.2 * EACH[2], "all cells that reach it"),
    ("03-cost", (COST.stages[0] + 0.5 * COST.stages[1] + 0.2 * COST.stages[2]) / 1e9, "leaves out the classifiers"),
    ("03-cost", 2 * SPENT, "two operations"),
    ("03-cost", SPENT * 1e9, "divide by 10^9"),
    ("03-cost", 1.0, "is not what these exits cost"),
    ("03-leaves", lambda x, rho: ~exiting(x, rho), "where a cell continues"),
    ("03-leaves", lambda x, rho: x.amax(1) > rho, "softmax"),
    ("03-leaves", lambda x, rho: x.softmax(1).amax(1) >= rho, "at rho = 1 no cell exits"),
    ("03-leaves", lambda x, rho: exiting(x, rho).float(), "a bool tensor"),
    ("03-leaves", lambda x, rho: exiting(x, rho)[:, None], "shape (2, 5, 6)"),
    ("03-leaves", lambda x, rho: x.softmax(1)[:, 0] > rho, "cells exit by your answer"),
    ("03-factors", nn.Conv2d(128, 128, 7, padding=3), "less than a third"),
    ("03-factors", long_arm((3, 3), (3, 3), (3, 3)), "55% of the multiply-adds"),
    ("03-factors", long_arm((1, 7)), "yours sees 1 x 7"),
    ("03-factors", nn.Conv2d(128, 128, (1, 7)), "padding"),
    ("03-factors", 7, "a module"),
]
