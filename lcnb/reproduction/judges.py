"""What decides each claim of the ledger: functions from kept results to a finding, one a claim.

A rule is stated in the function's first line and, for readers, in `Claim.rule`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lcnb.reproduction.paper import F7, T2, T6

Word = Literal["reproduced", "partly", "not reproduced", "untestable here"]
WORDS: tuple[Word, ...] = ("reproduced", "partly", "not reproduced", "untestable here")
NONE = "-"


@dataclass(frozen=True)
class Finding:
    """What a claim came to.

    Attributes:
        word: the verdict.
        measured: what was found, with its numbers; or why nothing could be.
        interval: of the number that decides, or "-".
    """

    word: Word
    measured: str
    interval: str = NONE


def _word(whole: bool, part: bool) -> Word:
    return "reproduced" if whole else "partly" if part else "not reproduced"


def _range(interval: Mapping[str, Any], form: str = "+.3f") -> str:
    return f"{interval['low']:{form}} to {interval['high']:{form}}"


def _at(sweep: Mapping[str, Any], rho: float) -> Mapping[str, Any]:
    (row,) = [r for r in sweep["rows"] if r["rho"] == rho]
    return row


def _speedup(result: Mapping[str, Any]) -> Mapping[str, float]:
    return result["results"][0]["speedup"]


def boundaries_are_hard(found: Mapping[str, Any]) -> Finding:
    """Figure 1: the order of the three shares, then their size."""
    rows = {r["grade"]: r for r in found["rows"]}
    easy, moderate, hard = (rows[g] for g in ("easy", "moderate", "hard"))
    order = easy["interval"]["high"] < moderate["interval"]["low"] and (
        moderate["interval"]["high"] < hard["interval"]["low"]
    )
    near = all(abs(100 * r["boundary_share"] - r["paper"]) <= 10 for r in rows.values())
    shares = " / ".join(f"{100 * r['boundary_share']:.1f} %" for r in (easy, moderate, hard))
    return Finding(
        _word(order and near, order),
        f"{shares}; hard pixels are {hard['share']:.1%} of all",
        f"hard: {_range(hard['interval'], '.1%')}",
    )


def exits_cost_nothing(sweep: Mapping[str, Any]) -> Finding:
    """Table 1: rho = .985 against rho = 1. True runs decide; the cached view is told beside them."""
    row, dense = _at(sweep, 0.985), _at(sweep, 1.0)
    true, cached = row["miou_true"] - dense["miou_true"], row["miou_cached"] - dense["miou_true"]
    interval = row["true_minus_dense"]
    return Finding(
        _word(interval["low"] > 0, interval["high"] >= 0),
        f"true {true:+.3f}, cached {cached:+.3f}, at {row['saved']:.0%} fewer multiply-adds",
        f"true: {_range(interval)}",
    )


def half_leaves_early(sweep: Mapping[str, Any]) -> Finding:
    """Table 1: the share that leaves before stage 3 at rho = .985, and that it grows as rho falls."""
    rows = sorted(sweep["rows"], key=lambda r: -r["rho"])
    left = [1 - r["exits_true"][2] for r in rows]
    first, second, _ = _at(sweep, 0.985)["exits_true"]
    grows = all(b >= a for a, b in itertools.pairwise(left))
    close = abs(first - 0.23) <= 0.1 and abs(second - 0.29) <= 0.1
    return Finding(
        _word(grows and close, grows and first + second >= 0.4),
        f"{first:.0%} leave at stage 1 and {second:.0%} at stage 2; the share that leaves early "
        + ("grows" if grows else "does not always grow")
        + " as rho falls",
    )


def ahead_of(row: str) -> Callable[[Mapping[str, Any]], Finding]:
    """Table 2: the layer cascade minus another row."""

    def judge(found: Mapping[str, Any]) -> Finding:
        gap = found["differences"][f"lc - {row}"]
        return Finding(_word(gap["low"] > 0, gap["low"] <= 0 <= gap["high"]), f"{gap['value']:+.3f}", _range(gap))

    return judge


def parts_alone_fail(found: Mapping[str, Any]) -> Finding:
    """Table 2: the model cascade is behind; the paper has it behind by 29.7 points."""
    gap = found["differences"]["lc - mc"]
    printed = (T2["lc"] - T2["mc"]) / 100
    return Finding(
        _word(gap["low"] > 0 and gap["value"] > printed / 2, gap["low"] > 0),
        f"behind by {gap['value']:.3f}",
        _range(gap),
    )


def stages_get_cheaper(found: Mapping[str, Any]) -> Finding:
    """Figure 7: from rho = .985 to .8 stages 2 and 3 take less time, and stage 1 the same."""
    (a, b), printed = (_at(found, r)["ms_stages"][:3] for r in F7["rho"]), F7["ms_by_stage"]
    same, falls = abs(b[0] / a[0] - 1) < 0.1, b[1] < a[1] and b[2] < a[2]
    near = all(abs(b[s] / a[s] - printed[1][s] / printed[0][s]) < 0.2 for s in (1, 2))
    text = " / ".join(f"{x:.1f}" for x in a) + " ms becomes " + " / ".join(f"{x:.1f}" for x in b)
    return Finding(_word(same and falls and near, falls), text)


def faster_than_dense(found: Mapping[str, Any]) -> Finding:
    """Abstract: 42.8 % faster than the dense network at the exits of rho = .985, full width."""
    speed = _speedup(found)
    plain, dense, count = speed["over_plain"], speed["over_fastest_dense"], speed["multiply_adds_one_head"]
    return Finding(
        _word(dense >= 1.4, dense >= 1.1),
        f"{plain - 1:+.0%} over the plain network and {dense - 1:+.0%} over its fastest dense form, where "
        f"multiply-adds allow {count - 1:+.0%}",
    )


def time_follows_work(found: Mapping[str, Any]) -> Finding:
    """Region convolution costs what its region costs: time over (dense time x share), from all cells to a quarter."""
    ratios = [
        (r["op"], r["share"], r["paths"]["rows"]["over_dense_x_share"])
        for r in found["results"]
        if 0.25 <= r["share"] < 1
    ]
    worst = max(ratios, key=lambda r: r[2])
    best = min(ratios, key=lambda r: r[2])
    return Finding(
        _word(worst[2] <= 1.25, best[2] <= 1.1),
        f"time over (dense time x share of cells) is {best[2]:.2f} to {worst[2]:.2f} in IRNet's blocks, for shares "
        "of .25 to .75",
    )


def faster_than_deeplab(name: str, printed: float) -> Callable[[Mapping[str, Any]], Finding]:
    """Table 3: LC and LC (fast) against DeepLab-v2, all with one scale and no CRF."""

    def judge(found: Mapping[str, Any]) -> Finding:
        (row,) = [r for r in found["results"] if r["system"] == name]
        ratio, count = row["speed_over_deeplab_v2"], row["multiply_adds_below_deeplab_v2"]
        text = f"{ratio:.2f} times as fast, where multiply-adds allow {count:.2f}"
        return Finding(_word(ratio >= 0.9 * printed, ratio > 1.2), text)

    return judge


def size_is_right(found: Mapping[str, Any]) -> Finding:
    """Table 6: parameters within .3 million."""
    (row,) = [r for r in found["rows"] if r["system"] == "IRNet-LC"]
    here = row["parameters_m"]
    return Finding(_word(abs(here - T6["IRNet-LC"]["parameters_m"]) <= 0.3, False), f"{here:.2f} M")


def classes_differ(found: Mapping[str, Any]) -> Finding:
    """Figure 5: how over-represented the hardest class is at stage 3, and the easiest."""
    (row,) = [r for r in found["rows"] if r["row"] == "lc"]
    late = {name: exits[2] for name, exits in row["exits_by_class"].items() if exits is not None}
    ratios = {name: share / row["exits"][2] for name, share in late.items()}
    hardest, easiest = max(ratios, key=ratios.__getitem__), min(ratios, key=ratios.__getitem__)
    return Finding(
        _word(ratios[hardest] >= 1.5 and ratios[easiest] < 1.2, ratios[hardest] > 1.2),
        f"{hardest} {ratios[hardest]:.2f} times its share at stage 3, {easiest} {ratios[easiest]:.2f} times",
    )


def talk_against_paper() -> Finding:
    """The talk pairs a score with a speed; table 6 of the same paper has both, apart."""
    both = T6["IRNet-LC, multi-scale, CRF"]
    plain = T6["IRNet-LC"]
    return Finding(
        "not reproduced",
        f"table 6 prints {both['miou']} at {both['fps']:.1f} FPS (three scales and CRF) and {plain['miou']} at "
        f"{plain['fps']} FPS (one scale, none): no network of the paper has both",
    )


def untestable(why: str) -> Callable[[], Finding]:
    """A claim that nothing here can decide."""
    return lambda: Finding("untestable here", why)
