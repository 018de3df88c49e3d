"""The exercises of notebook 06: reading printed numbers, and saying who won.

Shape letters: none; everything here is a number of a table.
"""

from __future__ import annotations

from typing import Any

from lcnb.reproduction.paper import DECK, T1, T3, T6

INTERVALS = ((-0.021, -0.029, -0.015), (0.015, 0.010, 0.022), (0.004, -0.006, 0.013), (0.0, 0.0, 0.0))
"""(difference, low, high) that the reader's function is tried on; made up."""


def speed_of_eighty(answer: Any) -> str | None:
    """Frames per second of the network that scores 80.3 on VOC test, as the paper's own table 6 prints it."""
    fps, right = float(answer), T6["IRNet-LC, multi-scale, CRF"]["fps"]
    if fps == right:
        return None
    if fps == DECK["LC"]["fps"]:
        return "that is the talk's pairing, and table 3's single-scale network; find 80.3 in table 6 and read its row"
    others = {row["fps"]: name for name, row in T6.items() if name.startswith("IRNet-LC") and row["fps"] != right}
    if fps in others:
        return f"that is {others[fps]}, which scores {T6[others[fps]]['miou']}, not {DECK['LC']['miou']}"
    return f"{fps:g} stands beside no IRNet-LC of table 6; its rows differ in scales and CRF"


def misprinted_column(answer: Any) -> str | None:
    """The rho of the column of table 1 that cannot be right, given that a lower rho lets more cells exit."""
    rho = float(answer)
    if rho not in T1["rho"]:
        return f"{rho:g} is no column of table 1; its thresholds are {', '.join(f'{r:g}' for r in T1['rho'])}"
    place = T1["rho"].index(rho)
    if rho == _odd_one():
        return None
    left = T1["left_at_stage_1"][place] + T1["left_at_stage_2"][place]
    return (
        f"at {rho:g} {left} % exit before stage 3; compare that sum with the columns to its left and right: it should "
        "only grow as rho falls"
    )


def _odd_one() -> float:
    """The one column without which what exits before stage 3 only grows as rho falls."""
    left = [a + b for a, b in zip(T1["left_at_stage_1"], T1["left_at_stage_2"], strict=True)]
    # Two columns cure the sums (.93 and .9); stage 2 alone jumps at the first of them and back behind it.
    cures = [k for k in range(len(left)) if _grows([*left[:k], *left[k + 1 :]])]
    second = T1["left_at_stage_2"]
    jumps = {k: abs(second[k] - (second[k - 1] + second[k + 1]) / 2) for k in cures if 0 < k < len(second) - 1}
    return float(T1["rho"][max(jumps, key=jumps.__getitem__)])


def _grows(values: list[int]) -> bool:
    return values == sorted(values)


def dense_speed(answer: Any) -> str | None:
    """Frames per second of dense IRNet, if LC has 14.7 (table 3) and that is 42.8 % faster."""
    fps, lc = float(answer), T3["LC"]["fps"]
    if abs(fps - lc / 1.428) <= 0.06:
        return None
    if abs(fps - lc * (1 - 0.428)) <= 0.06:
        return "42.8 % faster than x is 1.428 x; taking 42.8 % off the faster one is another number"
    if abs(fps - lc * 1.428) <= 0.06:
        return "the dense network is the slower of the two"
    return f"{fps:g} times 1.428 is {fps * 1.428:.1f}, not {lc}"


def who_won(answer: Any) -> str | None:
    """A function (difference, low, high) -> "ahead", "behind" or "neither": the verdict on a difference of two mIoU."""
    for gap, low, high in INTERVALS:
        given, right = answer(gap, low, high), "ahead" if low > 0 else "behind" if high < 0 else "neither"
        if given not in ("ahead", "behind", "neither"):
            return f'the answer is "ahead", "behind" or "neither"; got {given!r}'
        if given != right:
            hint = (
                "zero is inside it, so other frames of the same drive might have turned it round"
                if right == "neither"
                else "the whole interval lies on one side of zero"
            )
            return f"a difference of {gap:+.3f} with the interval {low:+.3f} to {high:+.3f} is {right!r}: {hint}"
    return None
