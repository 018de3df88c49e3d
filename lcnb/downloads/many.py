"""Many small files at once: a few connections, the first failure ends them all."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lcnb.downloads.checksums import silent
from lcnb.downloads.disk import on_disk
from lcnb.downloads.receive import Stopped
from lcnb.downloads.transfer import Session, Want, fetch

CONNECTIONS = 6
PARTING = 2.0
"""Seconds to let the other threads end after a failure or Ctrl-C."""


def fetch_all(session: Session, what: str, files: Sequence[tuple[Want, Path]]) -> None:
    """Fetch every file; progress is told from this thread only.

    Raises:
        DownloadError: of the first file that could not be had. What was complete stays.
    """
    todo: queue.SimpleQueue[tuple[Want, Path]] = queue.SimpleQueue()
    told: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
    for file in files:
        todo.put(file)
    quiet = replace(session, progress=silent, pausing=told.put)
    # daemons: Ctrl-C need not wait for a server; a file gets its name only when it is whole
    threads = [
        threading.Thread(target=_work, args=(quiet, todo, told), daemon=True)
        for _ in range(min(CONNECTIONS, len(files)))
    ]
    for thread in threads:
        thread.start()
    done = 0
    try:
        while done < len(files):
            news = told.get()
            if isinstance(news, BaseException):
                raise news
            if news is None:
                done += 1
            session.progress(what if news is None else news, done, len(files), "files")
    finally:
        session.stop.set()
        end = time.monotonic() + PARTING
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))


def _work(
    session: Session,
    todo: queue.SimpleQueue[tuple[Want, Path]],
    told: queue.SimpleQueue[str | BaseException | None],
) -> None:
    while not session.stop.is_set():
        try:
            want, target = todo.get_nowait()
        except queue.Empty:
            return
        try:
            with on_disk(target):
                target.parent.mkdir(parents=True, exist_ok=True)
            fetch(session, want, target)
        except Stopped:
            return
        except BaseException as error:
            told.put(error)
            return
        told.put(None)
