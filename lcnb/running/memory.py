"""How much memory a kernel takes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import psutil


class Taken(NamedTuple):
    """Bytes.

    Attributes:
        resident: all that is in memory, libraries included, which processes share.
        private: without pages of files. How many of these are in memory is the system's own affair (newer ones read
            far ahead), and it drops them when memory is short; this part is what the kernel asks for.
    """

    resident: int = 0
    private: int = 0

    def most(self, other: Taken) -> Taken:
        """The larger of each."""
        return Taken(max(self.resident, other.resident), max(self.private, other.private))


class Memory:
    """Memory of the kernel and its children: all descendants of the runner, itself left out.

    Memory that processes share counts once for each of them, as in every sum of resident sizes. A descendant that
    still has the runner's command line is a fork of it that has not become the kernel yet: it does not count.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.runner: list[str] = []

    def sample(self) -> Taken:
        """The sum now, or the highest that one process ever had (where the system tells), whichever is more."""
        try:
            runner = psutil.Process(self.pid)
            self.runner = self.runner or runner.cmdline()
            kernels = [p for p in runner.children(recursive=True) if p.cmdline() != self.runner]
        except psutil.Error:
            return Taken()
        resident = [_resident(p) for p in kernels]
        high, of_files = zip(*(_of_linux(p.pid) for p in kernels), strict=True) if kernels else ((), ())
        own = [max(0, r - f) for r, f in zip(resident, of_files, strict=True)]
        peaks = [max(0, h - f) for h, f in zip(high, of_files, strict=True)]
        return Taken(max([sum(resident), *high]), max([sum(own), *peaks]))


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def _of_linux(pid: int) -> tuple[int, int]:
    """Linux's own peak of a process, which misses no peak between two samples, and its pages of files; else 0."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    sizes = {row.split(":")[0]: int(row.split()[1]) * 1024 for row in lines if row.startswith(("VmHWM:", "RssFile:"))}
    return sizes.get("VmHWM", 0), sizes.get("RssFile", 0)
