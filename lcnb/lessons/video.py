"""The exercises of notebook 07: frames per second, what a ratio of them needs, and which frames a camera loses.

Shape letters: T frames.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from lcnb.lessons.building import paper_cost
from lcnb.video import fps

TIMES = (91.0, 88.0, 240.0, 95.0, 90.0, 93.0, 86.0)
"""Milliseconds; one frame met a busy machine."""
RATIO = 17 / 4
"""Of the talk's two counters."""
INTERVAL = 40.0
"""Milliseconds between two frames of the exercise's camera."""
TOOK = (90.0, 20.0, 130.0, 35.0, 35.0, 95.0, 20.0)
"""Milliseconds of the network on the frames it takes, one after the other."""


def frames_a_second(answer: Any) -> str | None:
    """A function (milliseconds of T frames) -> frames per second of the median frame."""
    right, given = fps(TIMES), float(answer(list(TIMES)))
    if _near(given, right):
        return None
    mean = statistics.fmean(TIMES)
    slips = [
        (1 / statistics.median(TIMES), "the times are in milliseconds, and a second has 1000 of them"),
        (1000 / mean, "that is 1000 over the mean: one frame that met a busy machine drags it; take the median"),
        (
            statistics.fmean(1000 / t for t in TIMES),
            "that is the mean of each frame's FPS: it weighs quick frames most. Take the median time first",
        ),
        (statistics.median(TIMES), "that is the median time in milliseconds; frames per second are its inverse"),
        (statistics.median(TIMES) / 1000, "that is the median time in seconds; frames per second are its inverse"),
    ]
    return _slip(given, slips) or f"got {given:.2f} for {', '.join(f'{t:g}' for t in TIMES)} ms; {right:.2f} is right"


def share_for_the_talk(answer: Any) -> str | None:
    """Fraction that has to exit at stage 1 for 17 / 4 by multiply-adds, over one-head IRNet, if none exits at 2."""
    cost = paper_cost()
    first, *later = (s + h for s, h in zip(cost.stages, cost.heads, strict=True))
    rest, budget = sum(later), cost.single_head / RATIO
    right, given = 1 - (budget - first) / rest, float(answer)
    if abs(given - right) <= 0.005:
        return None
    if abs(given / 100 - right) <= 0.005:
        return "a fraction lies between 0 and 1; that is in per cent"
    slips = [
        (1 - right, "that is the fraction that continues; asked is the fraction that exits"),
        (1 - 1 / RATIO, "stage 1 is paid for every cell, also for those that exit there: it is part of the budget"),
        (1 - (cost.dense / RATIO - first) / rest, "the opponent is the plain network, with one classifier, not three"),
        (
            1 - (budget - cost.stages[0]) / (cost.stages[1] + cost.stages[2]),
            "that omits the classifiers; each is run on the cells that reach it",
        ),
    ]
    return _slip(given, slips, 0.002) or (
        f"with {given:.0%} exiting at stage 1 the speed-up by multiply-adds would be "
        f"{cost.single_head / (first + (1 - given) * rest):.2f}, and {RATIO:g} is asked for"
    )


def newest_frames(answer: Any) -> str | None:
    """A function (ms between frames, ms the network takes on each frame it runs) -> numbers of the frames it runs."""
    given = answer(INTERVAL, list(TOOK))
    if not isinstance(given, Sequence) or isinstance(given, str):
        return f"give a list of frame numbers; got a {type(given).__name__}"
    numbers, right = [int(n) for n in given], _newest(INTERVAL, TOOK)
    if numbers == right:
        return None
    if len(numbers) != len(TOOK):
        return f"{len(TOOK)} times were given, so the network ran on {len(TOOK)} frames; you list {len(numbers)}"
    if numbers == list(range(len(TOOK))):
        return (
            "that runs every frame, one after the other: each answer comes later than the one before. Drop old frames"
        )
    if len(set(numbers)) < len(numbers):
        return "a frame is run twice: where no new one has come yet, the network waits for the next"
    if numbers[0] != 0:
        return "the first frame is number 0, and it comes at time 0"
    return f"got {numbers}, and {right} is right: when it is done, the network takes the newest frame that is there"


def _newest(interval: float, took: Sequence[float]) -> list[int]:
    """Frame k comes at k x interval; a network that is free takes the newest, or waits for the next."""
    now, numbers = 0.0, [0]
    for ms in took[:-1]:
        now += ms
        newest = max(int(now // interval), numbers[-1] + 1)
        now = max(now, newest * interval)
        numbers.append(newest)
    return numbers


def _near(given: float, right: float) -> bool:
    return abs(given - right) <= 0.005 * abs(right)


def _slip(given: float, slips: Sequence[tuple[float, str]], within: float | None = None) -> str | None:
    """The sentence of the first slip that gives this value."""
    for value, sentence in slips:
        if _near(given, value) if within is None else abs(given - value) <= within:
            return sentence
    return None
