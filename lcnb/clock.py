"""The clock: seconds between marks, on the CPU or, by events, on a CUDA device."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import torch


class Stopwatch:
    """Wall-clock time between marks."""

    name = "time.perf_counter"

    def __init__(self) -> None:
        self._marks: list[Any] = []

    def mark(self) -> None:
        """Note the moment."""
        self._marks.append(time.perf_counter())

    def laps(self) -> list[float]:
        """Seconds between the marks since the last call."""
        marks, self._marks = self._marks, []
        return [b - a for a, b in itertools.pairwise(marks)]

    def timed(self, run: Callable, *args: Any, **kwargs: Any) -> tuple[Any, float]:
        """What a call returns, and the seconds until the device is done with it."""
        self.mark()
        result = run(*args, **kwargs)
        self.mark()
        return result, self.laps()[0]


class CudaStopwatch(Stopwatch):
    """Time between CUDA events; all work before the first one is done."""

    name = "CUDA events, synchronised before and after"

    def mark(self) -> None:
        """Note the moment at which the device gets here."""
        if not self._marks:
            torch.cuda.synchronize()
        event = torch.cuda.Event(enable_timing=True)
        event.record()  # type: ignore[no-untyped-call]
        self._marks.append(event)

    def laps(self) -> list[float]:
        """Seconds between the marks since the last call, once the device has reached them."""
        torch.cuda.synchronize()
        events, self._marks = self._marks, []
        return [a.elapsed_time(b) / 1e3 for a, b in itertools.pairwise(events)]


def stopwatch_for(device: torch.device | str) -> Stopwatch:
    """The clock of a device."""
    return CudaStopwatch() if torch.device(device).type == "cuda" else Stopwatch()
