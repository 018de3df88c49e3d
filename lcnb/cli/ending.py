"""How a command ends when it is told to: files that are half written and processes that it started go with it.

Python's own answer to SIGTERM (`kill`, a cluster whose time is over) and SIGHUP (the terminal was closed) is to be gone
at once. Here they unwind the command like Ctrl-C does. `nohup` still has its way: what is ignored stays ignored.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any


class Ended(SystemExit):
    """Somebody asked this process to end; the exit code is the shell's for that signal."""


@contextlib.contextmanager
def unwound() -> Iterator[None]:
    """While entered, SIGTERM and SIGHUP raise `Ended`; the first of them only."""
    before: dict[int, Any] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise Ended(128 + number)

    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
        before = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) == signal.SIG_DFL}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
