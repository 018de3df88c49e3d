"""Answers to the exercises of notebook 07: right ones, and each usual slip with a part of its sentence."""

import statistics

from lcnb.lessons.video import RATIO
from tests.lessons.building import COST

EACH = [s + h for s, h in zip(COST.stages, COST.heads, strict=True)]
SHARE = 1 - (COST.single_head / RATIO - EACH[0]) / (EACH[1] + EACH[2])


def newest(interval, took):
    """By small steps of time, unlike the grader."""
    runs, free_at, time = [], 0.0, 0.0
    while len(runs) < len(took):
        there = int(time // interval)
        if time >= free_at and (not runs or there > runs[-1]):
            runs.append(there)
            free_at = time + took[len(runs) - 1]
        time += 1.0
    return runs


RIGHT = [
    ("07-fps", lambda ms: 1000 / statistics.median(ms)),
    ("07-share", SHARE),
    ("07-share", round(SHARE, 2)),
    ("07-newest", newest),
]


SLIPS = [
    ("07-fps", lambda ms: 1 / statistics.median(ms), "milliseconds, and a second has 1000"),
    ("07-fps", lambda ms: 1000 / statistics.fmean(ms), "over the mean"),
    ("07-fps", lambda ms: statistics.fmean(1000 / t for t in ms), "mean of each frame's FPS"),
    ("07-fps", statistics.median, "inverse"),
    ("07-fps", lambda ms: statistics.median(ms) / 1000, "in seconds"),
    ("07-fps", lambda ms: 3.0, "got 3.00 for 91, 88"),
    ("07-share", 100 * SHARE, "in per cent"),
    ("07-share", 1 - SHARE, "fraction that continues"),
    ("07-share", 1 - 1 / RATIO, "stage 1 is paid for every cell"),
    ("07-share", 1 - (COST.dense / RATIO - EACH[0]) / (EACH[1] + EACH[2]), "one classifier, not three"),
    (
        "07-share",
        1 - (COST.single_head / RATIO - COST.stages[0]) / (COST.stages[1] + COST.stages[2]),
        "omits the classifiers",
    ),
    ("07-share", 0.3, "with 30% exiting at stage 1 the speed-up by multiply-adds would be 1."),
    ("07-newest", lambda interval, took: list(range(len(took))), "Drop old frames"),
    ("07-newest", lambda interval, took: newest(interval, took)[:3], "7 times were given"),
    ("07-newest", lambda interval, took: [n + 1 for n in newest(interval, took)], "number 0"),
    ("07-newest", lambda interval, took: [int(sum(took[:k]) // interval) for k in range(len(took))], "run twice"),
    ("07-newest", lambda interval, took: [5 * k for k in range(len(took))], "takes the newest frame"),
    ("07-newest", lambda interval, took: 7, "a list of frame numbers"),
]
