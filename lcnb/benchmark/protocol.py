"""How times are taken: warm-up, then rounds in which the opponents take turns, and medians.

A slow minute of the machine then falls on all opponents alike, so the ratio of two medians survives it. The order
moves on by one each round, so that no opponent always follows the same one (and finds its leftovers in the cache).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lcnb.clock import Stopwatch


@dataclass(frozen=True)
class Protocol:
    """How often.

    Attributes:
        warmup: untimed rounds before the timed ones, at least 0.
        repeats: timed rounds, at least 1.
    """

    warmup: int = 2
    repeats: int = 10

    def __post_init__(self) -> None:
        if self.warmup < 0 or self.repeats < 1:
            raise ValueError(f"warmup is at least 0 and repeats at least 1, got {self.warmup} and {self.repeats}")


def _nothing(turn: int) -> None:
    """No preparation."""


@dataclass(frozen=True)
class Opponent:
    """Something to time.

    Attributes:
        name: of the opponent; unique among those that take turns.
        run: what is timed; takes the round's number, by which it may choose its input.
        prepare: called before each `run`, outside the time.
        steady: its work is the same in every round, so that its spread tells how quiet the machine is.
    """

    name: str
    run: Callable[[int], Any]
    prepare: Callable[[int], Any] = _nothing
    steady: bool = True


@dataclass(frozen=True)
class Times:
    """The times of one opponent.

    Attributes:
        seconds: one for each timed round, in the order they were taken; at least one.
        steady: as of the opponent.
    """

    seconds: tuple[float, ...]
    steady: bool = True

    def quantile(self, q: float) -> float:
        """Seconds, interpolated between the sorted times; q in [0, 1]."""
        return float(torch.tensor(self.seconds, dtype=torch.float64).quantile(q))

    @property
    def p50(self) -> float:
        """The median, in seconds."""
        return self.quantile(0.5)

    @property
    def spread(self) -> float:
        """The middle half's width over the median: 0 on a silent machine."""
        return (self.quantile(0.75) - self.quantile(0.25)) / self.p50 if self.p50 else 0.0

    def as_ms(self) -> dict[str, float | int]:
        """As JSON takes it: p50, p95, min in milliseconds, spread, n."""
        return {
            "p50": round(self.p50 * 1e3, 4),
            "p95": round(self.quantile(0.95) * 1e3, 4),
            "min": round(min(self.seconds) * 1e3, 4),
            "spread": round(self.spread, 4),
            "n": len(self.seconds),
        }


@torch.inference_mode()
def measure(
    opponents: Sequence[Opponent],
    protocol: Protocol,
    watch: Stopwatch,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Times]:
    """Time opponents in turns.

    Args:
        opponents: with names of their own.
        protocol: how many rounds.
        watch: the clock.
        progress: called with rounds done and rounds in all.

    Returns:
        The times by name, in the order given.

    Raises:
        ValueError: there is nothing to time, or two have one name.
    """
    names = [o.name for o in opponents]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"opponents need names of their own, got {names}")
    seconds: dict[str, list[float]] = {name: [] for name in names}
    rounds = protocol.warmup + protocol.repeats
    for turn in range(rounds):
        first = turn % len(opponents)
        for opponent in (*opponents[first:], *opponents[:first]):
            opponent.prepare(turn)
            seconds_taken = watch.timed(opponent.run, turn)[1]
            if turn >= protocol.warmup:
                seconds[opponent.name].append(seconds_taken)
        if progress is not None:
            progress(turn + 1, rounds)
    return {o.name: Times(tuple(seconds[o.name]), o.steady) for o in opponents}
