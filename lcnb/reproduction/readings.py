"""What the runs of `cascade_training.py` say: settings compared at equal cost, and the word for each interval.

Shape letters: N images, R settings, K classes.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lcnb.evaluation.bootstrap import interval_of

POINT = 0.01
"""One point of mIoU: a benefit that would matter."""
PARTS = 1000
"""Mixtures of two settings are made in thousandths, so counts stay whole numbers."""
FAR_AHEAD, AHEAD, FAR_BEHIND, BEHIND = (
    "ahead by more than one point",
    "ahead",
    "behind by more than one point",
    "behind",
)
NO_BENEFIT, PERHAPS_LOSS = "no benefit above one point", "no benefit above one point, a loss not excluded"
UNDECIDED = "undecided"
NOT_REACHED, TOO_FEW = "not measured: no two settings enclose this cost", "not measured: too few images"
DISAGREE = "the seeds disagree"
PRIMARY = "cascade - deep"


@dataclass(frozen=True)
class Curve:
    """Confusion counts of one network at settings of different cost.

    Attributes:
        costs: R, of all images together, as fractions of the dense network's.
        counts: (N, R, K, K) int64.
    """

    costs: Sequence[float]
    counts: Tensor

    def at(self, cost: float) -> Tensor | None:
        """(N, K, K) int64, `PARTS` times the counts at a cost; None where no two settings enclose it.

        Between two settings the counts are mixed linearly: what is expected where a fraction of the images, drawn by
        chance, is run at the one setting and the others at the other one, so that the cost is met.
        """
        order = sorted(range(len(self.costs)), key=lambda r: self.costs[r])
        for low, high in itertools.pairwise(order):
            if self.costs[low] <= cost <= self.costs[high]:
                part = self.part(cost, low, high)
                return (PARTS - part) * self.counts[:, low] + part * self.counts[:, high]
        return None

    def part(self, cost: float, low: int, high: int) -> int:
        """Thousandths of the images that are run at setting `high`."""
        span = self.costs[high] - self.costs[low]
        return round(PARTS * (cost - self.costs[low]) / span) if span else 0


def word_of(low: float, high: float) -> str:
    """The word for the interval of a difference of two mIoUs. Its ends are as they are stored, 6 decimals."""
    if low >= -POINT and high <= POINT:
        return NO_BENEFIT
    if low > 0:
        return FAR_AHEAD if low > POINT else AHEAD
    if high < 0:
        return FAR_BEHIND if high < -POINT else BEHIND
    return PERHAPS_LOSS if high <= POINT else UNDECIDED


def difference(one: Tensor | None, other: Tensor | None, block: int) -> dict[str, Any]:
    """The mIoU of one setting minus another's, with its paired interval over the images and the word for it.

    Args:
        one, other: (N, K, K), of the same images, both times the same factor; None for a cost that is not reached.
        block: of the bootstrap.

    Returns:
        interval (None where there is none) and word.
    """
    if one is None or other is None:
        return {"interval": None, "word": NOT_REACHED}
    interval = interval_of(one, other, block)
    return {"interval": interval, "word": TOO_FEW if interval is None else word_of(interval["low"], interval["high"])}


def agreed(words: Sequence[str]) -> str:
    """The word of a comparison over all seeds."""
    return words[0] if len(set(words)) == 1 else DISAGREE


def headline(seeds: Sequence[dict[str, Any]], wanted: int) -> str:
    """One sentence on the primary outcome, over all seeds, halos and budgets that were measured."""
    found = [c for seed in seeds for c in seed["comparisons"] if c["what"] == PRIMARY]
    known = [c for c in found if c["interval"] is not None]
    so_far = "" if len(seeds) >= wanted else f"So far, with {len(seeds)} of {wanted} seeds: "
    if not known:
        return f"{so_far}nothing is decided: the budgets are not reached, or there are too few images."
    values = sorted(c["interval"]["value"] for c in known)
    between = f"{values[0]:+.3f} to {values[-1]:+.3f} mIoU"
    words = {c["word"] for c in known}
    versus = "deep supervision at matched multiply-adds"
    if words <= {FAR_AHEAD, AHEAD}:
        text = f"cascade training is ahead of {versus}, by {between}"
    elif words <= {FAR_BEHIND, BEHIND}:
        text = f"cascade training is behind {versus}: {between}"
    elif words <= {NO_BENEFIT, PERHAPS_LOSS, FAR_BEHIND, BEHIND}:
        text = f"cascade training brings no benefit above one point over {versus}: {between}"
    else:
        counted = Counter(c["word"] for c in known)
        listed = "; ".join(f"{word} in {n}" for word, n in counted.most_common())
        text = f"no single verdict on cascade training against {versus} ({between}): {listed} of {len(known)} intervals"
    if len(known) < len(found):
        text += f"; {len(found) - len(known)} of {len(found)} comparisons could not be made"
    sentence = f"{so_far}{text}."
    return sentence[0].upper() + sentence[1:]


def sentences(seeds: Sequence[dict[str, Any]], wanted: int) -> list[str]:
    """The headline, then one sentence for each comparison: its value for every seed and the word for all of them."""
    lines = [headline(seeds, wanted)]
    for parts in zip(*(seed["comparisons"] for seed in seeds), strict=True):
        values = ", ".join("-" if p["interval"] is None else f"{p['interval']['value']:+.3f}" for p in parts)
        lines.append(f"{named(parts[0])}: {values}: {agreed([p['word'] for p in parts])}.")
    return lines


def named(comparison: dict[str, Any]) -> str:
    """What is compared, for people."""
    where = f"halo {comparison['halo']}, at {comparison['cost']:.0%} of dense {comparison['unit']}"
    return f"{comparison['what']} ({where})"
