"""The exercises of notebook 03: right answers pass, and each usual slip gets its own sentence."""

import pytest
import torch
from torch import nn

from lcnb.lessons import grade
from lcnb.models import cascade_cost, irnet_lc

COST = cascade_cost(irnet_lc(21), 512, 512)
EACH = [(s + h) / 1e9 for s, h in zip(COST.stages, COST.heads, strict=True)]
SPENT = EACH[0] + 0.5 * EACH[1] + 0.2 * EACH[2]


def leaving(logits, rho):
    return logits.softmax(1).amax(1) > rho


def long_arm(*kernels):
    return nn.Sequential(*(nn.Conv2d(128, 128, k, padding=(k[0] // 2, k[1] // 2)) for k in kernels))


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("03-cost", SPENT),
        ("03-cost", round(SPENT, 1)),
        ("03-leaves", leaving),
        ("03-factors", long_arm((1, 7), (7, 1))),
    ],
)
def test_right(name, answer):
    assert grade(name, answer).right is True


@pytest.mark.parametrize(
    ("name", "answer", "text"),
    [
        ("03-cost", sum(EACH), "no cell exits early in it"),
        ("03-cost", 0.5 * EACH[0] + 0.3 * EACH[1] + 0.2 * EACH[2], "all cells that reach it"),
        ("03-cost", (COST.stages[0] + 0.5 * COST.stages[1] + 0.2 * COST.stages[2]) / 1e9, "leaves out the classifiers"),
        ("03-cost", 2 * SPENT, "two operations"),
        ("03-cost", SPENT * 1e9, "divide by 10^9"),
        ("03-cost", 1.0, "is not what these exits cost"),
        ("03-leaves", lambda x, rho: ~leaving(x, rho), "who stays"),
        ("03-leaves", lambda x, rho: x.amax(1) > rho, "softmax"),
        ("03-leaves", lambda x, rho: x.softmax(1).amax(1) >= rho, "at rho = 1 no cell exits"),
        ("03-leaves", lambda x, rho: leaving(x, rho).float(), "a bool tensor"),
        ("03-leaves", lambda x, rho: leaving(x, rho)[:, None], "shape (2, 5, 6)"),
        ("03-leaves", lambda x, rho: x.softmax(1)[:, 0] > rho, "at rho = 0.3 you send out"),
        ("03-factors", nn.Conv2d(128, 128, 7, padding=3), "less than a third"),
        ("03-factors", long_arm((3, 3), (3, 3), (3, 3)), "55% of the multiply-adds"),
        ("03-factors", long_arm((1, 7)), "yours sees 1 x 7"),
        ("03-factors", nn.Conv2d(128, 128, (1, 7)), "padding"),
        ("03-factors", 7, "a module"),
    ],
)
def test_slips(name, answer, text):
    verdict = grade(name, answer)
    assert verdict.right is False
    assert text in verdict.message


def test_the_lessons_count_what_the_paper_counts():
    assert sum(p.numel() for p in irnet_lc(21).parameters()) / 1e6 == pytest.approx(35.49, abs=0.01)
    assert torch.tensor(EACH).sum().item() == pytest.approx(149.9, abs=0.1)
