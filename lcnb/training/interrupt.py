"""Ctrl-C, or the end of a cluster's time, between two steps, never inside one."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, NoReturn

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Interrupts:
    """While entered, the first Ctrl-C is noted in `.wanted` instead of raised; a second one is raised at once.

    So a step is never cut in half, and what is saved afterwards is the state of a whole one. SIGTERM and SIGHUP count
    as Ctrl-C where Python code answers them, as in `lcnb train`; in a notebook they end the kernel as ever. It does
    nothing outside the main thread, where Python raises no KeyboardInterrupt, and where Ctrl-C was ignored before.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._number = signal.SIGINT
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
            self._before = {n: signal.getsignal(n) for n in numbers if callable(signal.getsignal(n))}
            for number in self._before:
                signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.wanted:
            self._raise(number, frame)
        self.wanted, self._number = True, signal.Signals(number)

    def deliver(self) -> NoReturn:
        """Raise what was noted, here or in another process of the run."""
        self._raise(self._number, None)

    def _raise(self, number: int, frame: FrameType | None) -> NoReturn:
        if number in self._before:
            self._before[number](number, frame)
        raise KeyboardInterrupt


def ignore_interrupts(worker: int) -> None:
    """For data loader workers: a signal reaches the whole process group, and what to do is the trainer's decision."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
