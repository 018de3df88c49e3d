"""Notebook 00 in thirty kernels one after the other, and in four at once."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from lcnb.cli import main as lcnb
from lcnb.running import execute, find
from tools.load.samples import Curve, came_back, read, result, thinned

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = "00"
IN_SEQUENCE, AT_ONCE, TIMEOUT = 30, 4, 900.0


def in_sequence(many: int = IN_SEQUENCE) -> dict[str, Any]:
    """`lcnb run 00` so many times in one process: what stays behind in it, and of it, after each."""
    curve, failed = Curve(), 0
    with tempfile.TemporaryDirectory(prefix="lcnb-load-") as out, _own_temporary_folder() as scratch:
        for number in range(1, many + 1):
            with contextlib.redirect_stdout(io.StringIO()):
                failed += lcnb(["run", NOTEBOOK, "--out", out, "--timeout", str(TIMEOUT)]) != 0
            curve.note(number, children=_children(), left=_left(scratch))
    whose = "the process that runs `lcnb run`"
    return result(
        "Thirty kernels, one after the other", "kernels", whose, curve, ok=not failed, ran=many, failed=failed
    )


def at_once(many: int = AT_ONCE) -> dict[str, Any]:
    """So many kernels at the same time, each with notebook 00, after one alone; the memory of all of them together."""
    (notebook,) = find([NOTEBOOK], [ROOT / "notebooks"])
    with _own_temporary_folder() as scratch:
        outcomes = [execute(notebook, {}, TIMEOUT)]
        before = _now(scratch)
        workers = [
            threading.Thread(target=lambda: outcomes.append(execute(notebook, {}, TIMEOUT))) for _ in range(many)
        ]
        for worker in workers:
            worker.start()
        together: list[dict[str, float]] = []
        begun = time.monotonic()
        while any(worker.is_alive() for worker in workers):
            together.append({"at": round(time.monotonic() - begun, 1), **_family()})
            time.sleep(1)
        after = _now(scratch)
    failed = many + 1 - sum(outcome.ok for outcome in outcomes)
    return {
        "title": "Four kernels at once, together", "unit": "seconds", "whose": "the parent, afterwards",
        "ok": not failed, "ran": many, "failed": failed, "before": before, "after": after,
        **came_back(before, after), "samples": thinned(together),
    }  # fmt: skip


def _now(scratch: Path) -> dict[str, float]:
    return {**read(psutil.Process()), "children": _children(), "left": _left(scratch)}


def _family() -> dict[str, float]:
    """Memory and number of all processes below this one."""
    sizes = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            sizes.append(process.memory_info().rss / 1e6)
    return {"mb": round(sum(sizes), 1), "children": len(sizes)}


@contextlib.contextmanager
def _own_temporary_folder() -> Iterator[Path]:
    """A folder that everything temporary of this process goes into, so that what is left over can be counted."""
    with tempfile.TemporaryDirectory(prefix="lcnb-load-") as name:
        before, os.environ["TMPDIR"], tempfile.tempdir = os.environ.get("TMPDIR"), name, name
        try:
            yield Path(name)
        finally:
            tempfile.tempdir = None
            del os.environ["TMPDIR"]
            if before is not None:
                os.environ["TMPDIR"] = before


def _left(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


def _children() -> int:
    return len(psutil.Process().children(recursive=True))
