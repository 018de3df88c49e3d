"""How much memory a kernel takes."""

from __future__ import annotations

from pathlib import Path

import psutil


class Memory:
    """Resident bytes of the kernel and its children: all descendants of the runner, itself left out.

    Memory that processes share counts once for each of them, as in every sum of resident sizes. A descendant that
    still has the runner's command line is a fork of it that has not become the kernel yet: it does not count.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.runner: list[str] = []

    def sample(self) -> int:
        """The sum now, or the highest that one process ever had (where the system tells), whichever is more."""
        try:
            runner = psutil.Process(self.pid)
            self.runner = self.runner or runner.cmdline()
            kernels = [p for p in runner.children(recursive=True) if p.cmdline() != self.runner]
        except psutil.Error:
            return 0
        now = [_resident(p) for p in kernels]
        return max([sum(now), *(_high_water(p.pid) for p in kernels)])


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def _high_water(pid: int) -> int:
    """Linux's own peak of a process, so that a peak between two samples is not missed; 0 elsewhere."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next((row for row in text.splitlines() if row.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1024
