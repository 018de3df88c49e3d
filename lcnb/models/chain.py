"""Which part of a network can run on regions, where to cut it, and what that leaves to do.

Shape letters: S stages.

The modules that run on a region and hand their result, unchanged and alone, from one to the next form chains; each link
is a place to cut, and the grid does not change along one. The costliest chain is the part worth having in later stages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from lcnb.models.probe import Call


def costliest_chain(calls: Sequence[Call]) -> list[Call]:
    """The chain with most multiply-adds, its modules as small as they can be cut; empty if nothing runs on a region.

    Args:
        calls: as `probe` gives them, in the order of execution.
    """
    able = [c for c in calls if c.refusal is None and c.calls == 1 and not c.bypassed and not is_covered(c, calls)]
    best: list[list[Call]] = []
    for i, call in enumerate(able):
        before = [best[j] for j in range(i) if able[j].name in call.sources]
        best.append([*max(before, key=macs_of, default=[]), call])
    return [part for call in max(best, key=macs_of, default=[]) for part in _links(call, calls)]


def is_covered(call: Call, calls: Sequence[Call]) -> bool:
    """Whether the module around it runs on a region, and so says it all."""
    return any(c.name == call.parent and c.refusal is None for c in calls)


def inside(call: Call, calls: Sequence[Call]) -> list[Call]:
    """The modules directly in a module."""
    return [c for c in calls if c.parent == call.name]


def macs_of(calls: Sequence[Call]) -> int:
    """Multiply-adds of modules of which none is in another."""
    return sum(c.macs for c in calls)


def _links(call: Call, calls: Sequence[Call]) -> list[Call]:
    """A module as the chain of its submodules, if it is one, else itself."""
    inner = inside(call, calls)
    linked = all(a.name in b.sources for a, b in pairwise(inner))
    whole = bool(inner) and inner[0].sources == call.sources and inner[-1].name in call.made
    if linked and whole and macs_of(inner) == call.macs and all(c.calls == 1 and not c.bypassed for c in inner):
        return [link for c in inner for link in _links(c, calls)]
    return [call]


def suggested_ends(chain: Sequence[Call], calls: Sequence[Call], stages: int) -> list[str]:
    """The last module of each of S stages: stage 1 ends where the chain begins, the others share it about equally.

    Fewer than S names where the chain has too few links.
    """
    if not chain:
        return []
    feeding = [c for c in calls if c.name in chain[0].sources]
    ends = [_outermost(feeding[-1], calls)] if feeding else []
    parts, whole, done = stages - len(ends), macs_of(chain), 0
    for call in chain[:-1]:
        done += call.macs
        if len(ends) < stages - 1 and done >= whole * (len(ends) - stages + parts + 1) / parts:
            ends.append(_outermost(call, calls))
    return [*ends, _outermost(chain[-1], calls)]


def _outermost(call: Call, calls: Sequence[Call]) -> str:
    """The largest module that ends with this one and gives what it gives."""
    while (parent := next((c for c in calls if c.name == call.parent), None)) is not None:
        if parent.calls > 1 or call.name not in parent.made:
            break
        call = parent
    return call.name


def reached(
    chain: Sequence[Call], calls: Sequence[Call], ends: Sequence[str], exits: Sequence[float]
) -> dict[str, float]:
    """The fraction of the cells that reach each module of the chain, in [0, 1].

    Args:
        chain, calls: as above.
        ends: as suggested.
        exits: (S,) fraction of the cells that exit at each stage.
    """
    found: dict[str, float] = {}
    lasts = [_outermost(call, calls) in ends for call in chain]
    stage = len(ends) - sum(lasts)  # 1, or 0 where the chain begins with the network itself
    for call, last in zip(chain, lasts, strict=True):
        found[call.name] = sum(exits[stage:])
        stage += last
    return found


def remaining(calls: Sequence[Call], shares: Mapping[str, float]) -> dict[str, float]:
    """Multiply-adds of each module that are left when these modules see these fractions of the cells."""
    found: dict[str, float] = {}
    for call in reversed(calls):  # what is in a module comes behind it
        inner = inside(call, calls)
        own = call.macs - macs_of(inner)
        found[call.name] = own + sum(found[c.name] for c in inner)
        if call.name in shares:
            found[call.name] = call.macs * shares[call.name]
    return found
