"""Always work on the newest: what a camera's frames need when the network is slower than the camera.

`Debounced` drops an answer that is no longer wanted. A player that did so would never show an image: the next
frame is due before this one is done. Here the running work is always finished and shown, and what was asked for
meanwhile is skipped, except the last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from lcnb.widgets.debounce import WORKER


class Latest:
    """Calls `work(value)` in the widgets' worker thread, then `done(result)` on the kernel's own.

    Args:
        work: slow; runs in the worker thread, one call at a time.
        done: takes the result; runs where the widgets live.
        failed: takes the exception of `work`.
    """

    def __init__(
        self, work: Callable[[Any], Any], done: Callable[[Any], None], failed: Callable[[BaseException], None]
    ) -> None:
        self.work, self.done, self.failed = work, done, failed
        self._busy = False
        self._waiting: list[Any] = []

    def __call__(self, value: Any) -> None:
        """Ask for work on a value. Without a running event loop (plain Python) it happens at once."""
        if self._busy:
            self._waiting = [value]
            return
        future = WORKER.submit(self.work, value)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._finish(future)
            return
        self._busy = True
        future.add_done_callback(lambda f: loop.call_soon_threadsafe(self._finish, f))

    def _finish(self, future: Future) -> None:
        error = future.exception()
        self._busy = False
        if error is None:
            self.done(future.result())
        else:
            self.failed(error)
        if self._waiting:
            self(self._waiting.pop())
