"""Is anybody else computing here? A time taken on a busy machine means nothing.

Three signs: how idle the processors are before we begin, what share of them others use while we measure, and how far
the repeats of the same work lie apart. The first two need psutil (extra `notebooks`); without it they are unknown.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lcnb.benchmark.protocol import Times
from lcnb.errors import LcnbError

IDLE_NEEDED = 0.9
"""Share of the processors' time that has to be idle before we begin."""
OTHERS_ALLOWED = 0.05
"""Share of the processors' time that others may use while we measure."""
SPREAD_ALLOWED = 0.15
"""Width of the middle half of an opponent's times, over their median."""
SPREAD_FROM = 1e-3
"""Seconds that a run has to take for its spread to count; shorter ones jitter on a quiet machine too."""
MOST = 0.9
"""Share of the opponents whose spread has to be within that: among hundreds, a few are unlucky on any machine."""
LOOK = 1.0
"""Seconds for which we watch before we begin."""


class BusyError(LcnbError):
    """The machine is too busy to measure anything."""


@dataclass(frozen=True)
class Load:
    """What the machine did beside our measurement.

    Attributes:
        idle_before: share of the processors' time, or None where it is not known.
        others_during: share of the processors' time that other processes used, or None.
        spread: below this are the spreads of nine in ten steady opponents.
        reasons: why the machine counts as busy; empty if it does not.
    """

    idle_before: float | None
    others_during: float | None
    spread: float
    reasons: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "idle_before": _rounded(self.idle_before),
            "others_during": _rounded(self.others_during),
            "spread": _rounded(self.spread),
            "limits": {"idle_before": IDLE_NEEDED, "others_during": OTHERS_ALLOWED, "spread": SPREAD_ALLOWED},
            "busy": bool(self.reasons),
            "reasons": self.reasons,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


@dataclass(frozen=True)
class Usage:
    """Processor seconds since the system, or the process, began.

    Attributes:
        total: of all processors we may use, idle or not.
        idle: of those, idle or waiting for a disk.
        own: used by this process and its finished children.
    """

    total: float
    idle: float
    own: float


def usage() -> Usage | None:
    """Now; None without psutil."""
    try:
        import psutil
    except ImportError:
        return None
    each = psutil.cpu_times(percpu=True)
    own = psutil.Process()
    if hasattr(own, "cpu_affinity"):
        each = [times for number, times in enumerate(each) if number in set(own.cpu_affinity())] or each
    # On Linux "guest" is part of "user" already.
    parts = [{k: v for k, v in times._asdict().items() if not k.startswith("guest")} for times in each]
    mine = own.cpu_times()
    used = mine.user + mine.system + getattr(mine, "children_user", 0.0) + getattr(mine, "children_system", 0.0)
    idle = sum(p.get("idle", 0.0) + p.get("iowait", 0.0) for p in parts)
    return Usage(sum(sum(p.values()) for p in parts), idle, used)


class LoadWatch:
    """Watches from its making until `end`.

    Args:
        even_if_busy: go on, and mark the result, instead of refusing.
        look: seconds to watch before we begin; `LOOK` if None.

    Raises:
        BusyError: the machine is not idle enough.
    """

    def __init__(self, even_if_busy: bool = False, look: float | None = None) -> None:
        first = usage()
        time.sleep((LOOK if look is None else look) if first is not None else 0)
        self._start = usage()
        self.idle = idle_share(first, self._start)
        if self.idle is not None and self.idle < IDLE_NEEDED and not even_if_busy:
            raise BusyError(
                f"this machine is busy: its processors are idle for {self.idle:.0%} of the time and "
                f"{IDLE_NEEDED:.0%} is needed; wait, or measure --even-if-busy, which marks the result"
            )

    def end(self, times: Iterable[Times] = ()) -> Load:
        """What happened meanwhile.

        Args:
            times: all that were taken; only steady ones of more than a moment are looked at.
        """
        others = others_share(self._start, usage())
        apart = [t.spread for t in times if t.steady and t.p50 >= SPREAD_FROM and len(t.seconds) > 3]
        spread = Times(tuple(apart)).quantile(MOST) if apart else 0.0
        return Load(self.idle, others, spread, reasons(self.idle, others, spread))


def idle_share(before: Usage | None, after: Usage | None) -> float | None:
    """Of the processors' time between two moments; None where it is not known."""
    if before is None or after is None or after.total <= before.total:
        return None
    return min(1.0, max(0.0, (after.idle - before.idle) / (after.total - before.total)))


def others_share(before: Usage | None, after: Usage | None) -> float | None:
    """What processes other than this one used, of the processors' time; None where it is not known."""
    if before is None or after is None or after.total <= before.total:
        return None
    span = after.total - before.total
    busy = span - (after.idle - before.idle)
    return min(1.0, max(0.0, (busy - (after.own - before.own)) / span))


def reasons(idle: float | None, others: float | None, spread: float) -> list[str]:
    """Why a machine counts as busy, in words."""
    found = []
    if idle is not None and idle < IDLE_NEEDED:
        found.append(f"idle for {idle:.0%} before we began, {IDLE_NEEDED:.0%} needed")
    if others is not None and others > OTHERS_ALLOWED:
        found.append(f"others used {others:.0%} of the processors meanwhile, {OTHERS_ALLOWED:.0%} allowed")
    if spread > SPREAD_ALLOWED:
        found.append(f"the same work took times {spread:.0%} apart, {SPREAD_ALLOWED:.0%} allowed")
    return found


def busy_sentence(load: dict[str, Any]) -> str:
    """What a report says of a machine that was busy; "" where it was quiet. Takes `Load.as_dict()`."""
    return f"BUSY, these times mean little: {'; '.join(load['reasons'])}" if load["busy"] else ""
