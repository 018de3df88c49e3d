"""What is read of a process while a load goes on, and the rule that says whether it stayed flat."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import psutil

KEPT = 60
"""Samples of a curve at most."""
ALLOWED_MB = 20.0
"""By how much the memory of the end may lie above that of the beginning, in 10^6 bytes."""
RULE = (
    "The first fifth is warm-up. Flat: the median memory of the last fifth is at most 20 MB above that of the second "
    "fifth, and its medians of open files, threads, children and files left over do not exceed the highest "
    "of the second. Where a load has `before` and `after`, these two are compared instead, by the same measure."
)
COUNTED = ("handles", "threads", "children", "left", "buffers", "shares")
"""What is counted beside the memory, where a load counts it."""

Sample = Mapping[str, float]


def read(process: psutil.Process) -> dict[str, float]:
    """One sample of a process: `mb` (resident, 10^6 bytes), `handles` (open files and sockets) and `threads`."""
    with process.oneshot():
        handles = process.num_handles() if psutil.WINDOWS else process.num_fds()
        return {
            "mb": round(process.memory_info().rss / 1e6, 1),
            "handles": handles,
            "threads": process.num_threads(),
        }


class Curve:
    """Samples over a load.

    Args:
        process: that is looked at; this one if None.
    """

    def __init__(self, process: psutil.Process | None = None) -> None:
        self.process = process or psutil.Process()
        self.samples: list[dict[str, float]] = []

    def note(self, at: float, **more: float) -> None:
        """Take a sample.

        Args:
            at: how far the load has come, in its own unit.
            more: other counts, by name.
        """
        self.samples.append({"at": round(at, 1), **read(self.process), **more})


def fifths(samples: Sequence[Sample]) -> tuple[Sequence[Sample], Sequence[Sample]]:
    """The second fifth and the last one of a curve.

    Raises:
        ValueError: fewer than ten samples, which say nothing.
    """
    if len(samples) < 10:
        raise ValueError(f"{len(samples)} samples are too few to tell whether a curve is flat; take at least 10")
    size = len(samples) // 5
    return samples[size : 2 * size], samples[-size:]


def judge(samples: Sequence[Sample]) -> dict[str, Any]:
    """Whether a curve is flat, by `RULE`.

    Returns:
        flat, grew_mb (how far the end lies above the beginning), and grew: the names of all that did.
    """
    early, late = fifths(samples)
    grew_mb = round(statistics.median(s["mb"] for s in late) - statistics.median(s["mb"] for s in early), 1)
    grew = ["memory"] if grew_mb > ALLOWED_MB else []
    for name in COUNTED:
        if name in samples[0] and statistics.median(s[name] for s in late) > max(s[name] for s in early):
            grew.append(name)
    return {"flat": not grew, "grew_mb": grew_mb, "grew": grew}


def came_back(before: Sample, after: Sample) -> dict[str, Any]:
    """Whether a process is after a load what it was before; the same keys as of `judge`."""
    grew_mb = round(after["mb"] - before["mb"], 1)
    grew = [name for name in COUNTED if after.get(name, 0) > before.get(name, 0)]
    if grew_mb > ALLOWED_MB:
        grew.insert(0, "memory")
    return {"flat": not grew, "grew_mb": grew_mb, "grew": grew}


def verdict(found: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict on a load, computed from what was kept of it."""
    return came_back(found["before"], found["after"]) if "before" in found else judge(found["samples"])


def thinned(samples: Sequence[Sample], kept: int = KEPT) -> list[Sample]:
    """At most `kept` of them, evenly, with the first and the last."""
    if len(samples) <= kept:
        return list(samples)
    return [samples[round(i * (len(samples) - 1) / (kept - 1))] for i in range(kept)]


def result(title: str, unit: str, whose: str, curve: Curve, **facts: Any) -> dict[str, Any]:
    """What is kept of a load; the verdict is that of the kept samples, so that it can be checked.

    Args:
        title: of its panel.
        unit: of `at`, in the plural.
        whose: memory this is.
        curve: that was taken.
        facts: what else happened; `ok` says whether the load did what it should.
    """
    samples = thinned(curve.samples)
    return {"title": title, "unit": unit, "whose": whose, **facts, **judge(samples), "samples": samples}
