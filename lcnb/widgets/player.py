"""A player that truly runs the networks: the film goes on, and frames that come while they work are missed.

That is what "real time" means in front of a camera. The counters are medians of times just taken. CSS classes for
tests and style: `lcnb-player`, `lcnb-readout`, `lcnb-image`.
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import ipywidgets as ipw
from torch import Tensor

from lcnb.video import Compared, Duel, Painter
from lcnb.widgets.controls import image_view, jpeg, readout
from lcnb.widgets.debounce import WORKER

CHOICES = {"both, in turns": ("dense", "cascade"), "cascade alone": ("cascade",), "dense alone": ("dense",)}


class LivePlayer(ipw.VBox):
    """A play button, a choice of networks, a read-out and the image.

    Args:
        duel: the two networks.
        frames: called for an iterator over the (3, H, W) uint8 frames from the first on; it is called again when the
            film starts anew, so that only one frame is ever in memory.
        count: frames of the film.
        fps: at which it is played.
        classes: names, by index.

    Attributes:
        seen, missed: frames that were run and that passed by since the film started or the choice changed.
    """

    def __init__(
        self, duel: Duel, frames: Callable[[], Iterator[Tensor]], count: int, fps: float, classes: Sequence[str]
    ) -> None:
        self.duel, self.frames, self.classes = duel, frames, classes
        self._coming: Iterator[Tensor] | None = None
        self._next = 0
        self._painter: Painter | None = None
        self.seen, self.missed, self._last = 0, 0, -1
        self._run = Latest(self._work, self._show, self._fail)
        self.play = ipw.Play(min=0, max=count - 1, interval=round(1000 / fps), description="play", show_repeat=False)
        self.place = ipw.IntSlider(min=0, max=count - 1, description="frame", layout=ipw.Layout(width="420px"))
        ipw.jslink((self.play, "value"), (self.place, "value"))
        self.choice = ipw.Dropdown(options=list(CHOICES), description="run", layout=ipw.Layout(width="260px"))
        self.image_view, self.readout = image_view(), readout()
        self.play.observe(lambda change: self._run(change["new"]), "value")
        self.choice.observe(lambda change: self._again(), "value")
        super().__init__([ipw.HBox([self.play, self.place, self.choice]), self.readout, self.image_view])
        self.add_class("lcnb-player")
        self._run(0)

    def _again(self) -> None:
        self.seen, self.missed, self._last = 0, 0, -1
        self._run(self.play.value)

    def _work(self, number: int) -> tuple[Compared, bytes]:
        """In the worker thread: read on to the frame, run what is chosen, draw."""
        frame = self._frame(number)
        compared = self.duel.one(frame, number, CHOICES[self.choice.value])
        size = (int(frame.shape[1]), int(frame.shape[2]))
        if self._painter is None:
            self._painter = Painter(self.classes, size)
        return compared, jpeg(self._painter(compared))

    def _frame(self, number: int) -> Tensor:
        if self._coming is None or number < self._next:
            self._coming, self._next = self.frames(), 0
        for frame in self._coming:
            self._next += 1
            if self._next > number:
                self._current = frame
                break
        return self._current  # the last one, where the film is shorter than it says

    def _show(self, result: tuple[Compared, bytes]) -> None:
        compared, data = result
        if compared.number > self._last >= 0:
            self.missed += compared.number - self._last - 1
        self.seen, self._last = self.seen + 1, compared.number
        self.image_view.value = data
        self.readout.value = self._read(compared)

    def _read(self, compared: Compared) -> str:
        parts, attributes = [], [f'data-frame="{compared.number}"', f'data-missed="{self.missed}"']
        for name in ("dense", "cascade"):
            side = getattr(compared, name)
            if side is not None:
                parts.append(f"{name} <b>{side.fps:.1f} FPS</b> (this frame {side.ms:.0f} ms)")
                attributes.append(f'data-{name}="{side.fps:.3f}"')
        parts.append(f"{self.seen} frame{'s' * (self.seen != 1)} run, <b>{self.missed} missed</b>")
        return f'<div role="status" {" ".join(attributes)}>{" · ".join(parts)}</div>'

    def _fail(self, error: BaseException) -> None:
        self.readout.value = (
            f'<div role="status" data-mode="error">The film stops here: {html.escape(str(error))}</div>'
        )


class Latest:
    """Calls `work(value)` in the widgets' worker thread, then `done(result)` on the kernel's own; always on the newest.

    `Debounced` drops an answer that is no longer wanted. A player that did so would never show an image: the next
    frame is due before this one is done. Here the running work is always finished and shown, and what was asked for
    meanwhile is skipped, except the last.

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
