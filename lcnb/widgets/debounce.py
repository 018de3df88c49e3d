"""Run something slow once the reader's hand is still, and drop answers that are no longer wanted.

ipywidgets has no "slider released" event, so the slow work starts a moment after the last change, in one
thread that all widgets share: the kernel stays free to answer the next drag, and two runs never fight for the cores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

REST = 0.3
"""Seconds without a change before the slow work starts."""

WORKER = ThreadPoolExecutor(1, thread_name_prefix="lcnb-true-run")
"""The one thread of all widgets."""


class Debounced:
    """Calls `work(*args)` after a rest, then `done(result)` on the kernel's own thread.

    A newer call cancels an older one: before it starts, it never starts; while it runs, its result is dropped.

    Args:
        work: slow; runs in the worker thread.
        done: takes the result; runs where the widgets live.
        failed: takes the exception of `work`.
        rest: seconds.
    """

    def __init__(
        self,
        work: Callable[..., Any],
        done: Callable[[Any], None],
        failed: Callable[[BaseException], None],
        rest: float = REST,
    ) -> None:
        self.work, self.done, self.failed, self.rest = work, done, failed, rest
        self._newest = 0
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, *args: Any) -> None:
        """Ask for a run. Without a running event loop (plain Python) it happens at once."""
        self._newest += 1
        if self._timer is not None:
            self._timer.cancel()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._finish(self._newest, WORKER.submit(self.work, *args))
            return
        self._timer = loop.call_later(self.rest, self._start, loop, self._newest, args)

    def _start(self, loop: asyncio.AbstractEventLoop, ticket: int, args: tuple) -> None:
        future = WORKER.submit(self._if_newest, ticket, args)
        future.add_done_callback(lambda f: loop.call_soon_threadsafe(self._finish, ticket, f))

    def _if_newest(self, ticket: int, args: tuple) -> Any:
        return self.work(*args) if ticket == self._newest else None

    def _finish(self, ticket: int, future: Future) -> None:
        if ticket != self._newest:
            return
        error = future.exception()
        if error is not None:
            self.failed(error)
        else:
            self.done(future.result())
