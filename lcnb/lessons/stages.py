"""The exercises of notebook 05: when stage 2 is silent, the map that fills up, figure 5's ratio, a pair of thresholds.

Shape letters: B images, K classes, S stages, H, W pixels.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from lcnb.datasets import load_dataset
from lcnb.evaluation.metrics import ExitCounts
from lcnb.models import LayerCascade
from lcnb.weights import load

OPEN = 255
RHO = 0.985
"""The paper's threshold, for both exits."""


def silent_second_stage(answer: Any) -> str | None:
    """The two thresholds at which no cell exits at stage 2, whatever the network and the image."""
    values = answer if isinstance(answer, list | tuple | set | frozenset) else [answer]
    given = {float(v) for v in values}
    for rho in sorted(given):
        if not 0 <= rho <= 1:
            return f"a threshold lies between 0 and 1; got {rho:g}"
        if rho not in (0.0, 1.0):
            return f"at rho = {rho:g} some network has a cell exit at stage 2; asked is what holds for all networks"
    if given == {1.0}:
        return "1 is one: no cell is surer than that. There is another, at which no cell *reaches* stage 2"
    if given == {0.0}:
        return "0 is one: all exit at stage 1. There is another, at which all reach stage 2 and no cell is sure enough"
    return None if given else "there are two such thresholds; give both"


def decided_so_far(answer: Any) -> str | None:
    """A function ((H, W) labels, (H, W) stages, s) -> (H, W): labels of what exited at stage s or before, else 255."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 5, (7, 8), generator=generator)
    stage = torch.randint(0, 3, (7, 8), generator=generator)
    for s in (1, 0, 2):
        given = answer(labels.clone(), stage.clone(), s)
        if not isinstance(given, Tensor) or given.shape != labels.shape:
            got = tuple(given.shape) if isinstance(given, Tensor) else f"a {type(given).__name__}"
            return f"the map has the shape of the labels, {tuple(labels.shape)}; got {got}"
        if given.equal(right := torch.where(stage <= s, labels, OPEN)):
            continue
        slips = [
            (
                torch.where(stage == s, labels, OPEN),
                "what was decided earlier stays decided: `stage <= s`, not only `== s`",
            ),
            (
                torch.where(stage < s, labels, OPEN),
                "stages count from 0, and those that exit *at* stage s are decided too",
            ),
            (torch.where(stage <= s, labels, 0), "0 is a class; a pixel that is still open gets 255"),
            (torch.where(stage <= s, labels, -1), "a pixel that is still open gets 255 here, not -1"),
            (torch.where(stage >= s, labels, OPEN), "that shows what is decided *late*; turn the comparison round"),
            (torch.where(stage > s, labels, OPEN), "that shows what is still open; turn the comparison round"),
        ]
        said = next((sentence for value, sentence in slips if given.equal(value)), None)
        return said or f"for s = {s}, {int((given != right).sum())} of {right.numel()} pixels are otherwise"
    return None


def entering_ratio(answer: Any) -> str | None:
    """A function (truth, stages, class, s) -> the class's fraction of what enters stage s over its fraction of all."""
    generator = torch.Generator().manual_seed(1)
    truth = torch.randint(0, 4, (20, 24), generator=generator)
    stage = torch.multinomial(torch.tensor([[5.0, 3, 2], [2, 3, 5], [1, 1, 1], [8, 1, 1]])[truth.flatten()], 1,
                              generator=generator).view(truth.shape)  # fmt: skip
    truth[:2] = OPEN
    right = _statistics(truth, stage).entering_ratio
    for s in (1, 2, 0):
        for label in (1, 3):
            given = float(answer(truth.clone(), stage.clone(), label, s))
            if abs(given - float(right[label, s])) <= 1e-4:
                continue
            return _why_another_ratio(given, float(right[label, s]), truth, stage, label, s)
    return None


def _statistics(truth: Tensor, stage: Tensor) -> ExitCounts:
    counts = ExitCounts(4, OPEN, 3)
    counts.update(stage, stage, truth)
    return counts


def _why_another_ratio(given: float, right: float, truth: Tensor, stage: Tensor, label: int, s: int) -> str:
    known, mine, enters = truth != OPEN, truth == label, stage >= s
    among, overall = _share(mine, enters & known), _share(mine, known)
    slips = [
        (among, "that is the fraction among those that enter; divide it by the fraction of the whole image"),
        (
            _share(enters, mine),
            "that is how much of the class enters; asked is how much of what enters is of the class, over its fraction",
        ),
        (overall / among, "that is turned: the fraction among those that enter comes on top"),
        (_share(mine, (stage == s) & known) / overall, "what *enters* stage s exits at s or later, not only at s"),
        (
            _share(mine, (stage > s) & known) / overall,
            "a pixel that exits at stage s has entered it too: `stage >= s`",
        ),
        (
            _share(mine, enters) / _share(mine, known | True),
            "pixels of truth 255 are not labelled: leave them out of both fractions",
        ),
        (
            _share(mine, enters) / overall,
            "pixels of truth 255 are not labelled: leave them out among those that enter too",
        ),
    ]
    said = next((sentence for value, sentence in slips if abs(given - value) <= 1e-4), None)
    return (
        said
        or f"class {label} enters stage {s + 1} at {right:.3f} times its fraction of the image; you say {given:.3f}"
    )


def _share(part: Tensor, of: Tensor) -> float:
    return float((part & of).sum() / of.sum())


def better_pair(answer: Any) -> str | None:
    """Two thresholds that beat .985 twice: less reaches stage 3, as much agrees with rho = 1, on one street."""
    first, second = (float(v) for v in answer)
    if not 0 <= first <= 1 or not 0 <= second <= 1:
        return f"thresholds lie between 0 and 1; got {first:g} and {second:g}"
    (late, agree), (most, least) = _on_the_street(first, second), _on_the_street(RHO, RHO)
    if first == second == RHO:
        return "that is the pair to beat"
    if late >= most:
        return (
            f"{late:.2%} of the cells reach stage 3, not less than the {most:.2%} of "
            f"({RHO:g}, {RHO:g}): lower a threshold"
        )
    if agree < least:
        return (
            f"only {late:.2%} reach stage 3 where {most:.2%} did, but {agree:.3%} of the "
            "pixels agree with rho = 1 where "
            f"{least:.3%} did: which exit makes more mistakes, and could be stricter?"
        )
    return None


@cache
def _street() -> tuple[LayerCascade, Tensor, Tensor]:
    """The shipped cascade, the first image of the embedded data set, and its labels at rho = 1."""
    cascade = load("streets-small")
    image = load_dataset("streets", "val")[0][0][None].float() / 255
    with torch.inference_mode():
        return cascade, image, cascade(image, 1.0).labels


def _on_the_street(first: float, second: float) -> tuple[float, float]:
    """(fraction of the cells that reach stage 3, fraction of the pixels labelled as at rho = 1), a true run."""
    cascade, image, full = _street()
    with torch.inference_mode():
        out = cascade(image, (first, second))
    return float(out.exits[0, 2]), float((out.labels == full).float().mean())
