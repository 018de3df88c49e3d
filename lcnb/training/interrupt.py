"""Ctrl-C between two steps, never inside one."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupts:
    """While entered, the first Ctrl-C is noted in `.wanted` instead of raised; a second one is raised at once.

    So a step is never cut in half, and what is saved afterwards is the state of a whole one. It does nothing
    outside the main thread, where Python raises no KeyboardInterrupt, and where Ctrl-C was ignored before.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(before):
            self._before = before
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.wanted:
            raise KeyboardInterrupt
        self.wanted = True


def ignore_interrupts(worker: int) -> None:
    """For data loader workers: Ctrl-C reaches the whole process group, and what to do is the trainer's decision."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
