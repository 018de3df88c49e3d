"""The paper's claims, one by one: what is printed, what the kept results say, and whether that agrees.

A verdict is computed from the files in docs/results, by a rule that is written beside it; none is stored. Each claim
has a function from kept results to a finding, whose first line states the rule, as `Claim.rule` does for readers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from lcnb.reproduction.paper import DECK, F1, F5, F7, T1, T2, T3, T6
from lcnb.reproduction.store import stored

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
    """Figure 1: the order of the three fractions, then their size."""
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
    """Table 1: rho = .985 against rho = 1. True runs decide; the cached view is reported with them."""
    row, dense = _at(sweep, 0.985), _at(sweep, 1.0)
    true, cached = row["miou_true"] - dense["miou_true"], row["miou_cached"] - dense["miou_true"]
    interval = row["true_minus_dense"]
    return Finding(
        _word(interval["low"] > 0, interval["high"] >= 0),
        f"true {true:+.3f}, cached {cached:+.3f}, at {row['saved']:.0%} fewer multiply-adds",
        f"true: {_range(interval)}",
    )


def half_leaves_early(sweep: Mapping[str, Any]) -> Finding:
    """Table 1: the fraction that exits before stage 3 at rho = .985, and that it grows as rho falls."""
    rows = sorted(sweep["rows"], key=lambda r: -r["rho"])
    left = [1 - r["exits_true"][2] for r in rows]
    first, second, _ = _at(sweep, 0.985)["exits_true"]
    grows = all(b >= a for a, b in itertools.pairwise(left))
    close = abs(first - 0.23) <= 0.1 and abs(second - 0.29) <= 0.1
    return Finding(
        _word(grows and close, grows and first + second >= 0.4),
        f"{first:.0%} exit at stage 1 and {second:.0%} at stage 2; the fraction that exits early "
        + ("grows" if grows else "does not always grow")
        + " as rho falls",
    )


def ahead_of(row: str) -> Callable[[Mapping[str, Any]], Finding]:
    """Table 2: the layer cascade minus another row."""

    def judge(found: Mapping[str, Any]) -> Finding:
        gap = found["differences"][f"lc - {row}"]
        return Finding(_word(gap["low"] > 0, gap["low"] <= 0 <= gap["high"]), f"{gap['value']:+.3f}", _range(gap))

    return judge


def ahead_at_less_work(found: Mapping[str, Any]) -> Finding:
    """Table 2 by the experiment: true runs of the cascade minus dense deep supervision, where they do best."""
    gaps: dict[tuple[int, float], list[Mapping[str, Any]]] = {}
    for c in (c for seed in found["seeds"] for c in seed["comparisons"] if c["what"] == "cascade - deep, dense"):
        if c["interval"] and c["unit"] == "multiply-adds":
            gaps.setdefault((c["halo"], c["cost"]), []).append(c["interval"])
    (halo, cost), best = max(gaps.items(), key=lambda item: min(gap["low"] for gap in item[1]))
    values = " / ".join(f"{gap['value']:+.3f}" for gap in best)
    return Finding(
        _word(all(gap["low"] > 0 for gap in best), all(gap["high"] >= 0 for gap in best)),
        f"{values} by seed, at {cost:.0%} of the multiply-adds and a halo of {halo}, the best of {len(gaps)} settings",
        f"{min(gap['low'] for gap in best):+.3f} to {max(gap['high'] for gap in best):+.3f}",
    )


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
    """Figure 5: how over-represented the hardest class is at stage 3, and the easiest; of table 2's cascade, or F1."""
    (row,) = [found] if found["table"] == "F1" else [r for r in found["rows"] if r["row"] == "lc"]
    everywhere = row["exits"][2]["share"] if row is found else row["exits"][2]
    late = {name: exits[2] for name, exits in row["exits_by_class"].items()}
    ratios = {name: share / everywhere for name, share in late.items() if share is not None}
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


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        title: what is claimed.
        source: where in the paper or its talk.
        printed: its numbers.
        rule: what would count as reproduced.
        results: names of the kept results that decide.
        judge: gives the finding, from these results in this order.
    """

    title: str
    source: str
    printed: str
    rule: str
    results: tuple[str, ...]
    judge: Callable[..., Finding]

    def finding(self) -> Finding:
        """As the kept results have it now.

        Raises:
            DataError: a result is missing or damaged.
        """
        return self.judge(*(stored(name) for name in self.results))


def _against(row: str) -> str:
    return f"{T2['lc']} against {T2[row]:.2f}"


ON_VOC = " (seven classes of VOC)"


def _on_voc(claim: Claim, *results: str) -> Claim:
    """The same claim by the same rule, on the seven classes of VOC that our images cover."""
    return replace(claim, title=f"{claim.title}{ON_VOC}", results=results)


SYSTEMS = "bench-systems-width-1"
_BOUNDARIES = Claim(
    "The harder a pixel, the nearer to a boundary", "figure 1",
    " / ".join(f"{F1[g]} %" for g in F1) + " of easy, moderate and hard pixels lie on boundaries",
    "the order, with intervals apart; each fraction within 10 points", ("F1-camvid-small",), boundaries_are_hard,
)  # fmt: skip
_HALF = Claim(
    "Half of the cells need no third stage", "table 1", "at rho = .985 23 % exit at stage 1 and 29 % at stage 2",
    "each within 10 points, and more exit as rho falls", ("T1-camvid-small",), half_leaves_early,
)  # fmt: skip
_FREE = Claim(
    "Exiting early costs no accuracy; it helps", "table 1",
    f"rho = .985: {T1['miou'][2]} mIoU, rho = 1: {T1['miou'][0]:.2f}",
    "true runs at rho = .985 ahead of rho = 1, interval above 0", ("T1-camvid-small",), exits_cost_nothing,
)  # fmt: skip
_CLASSES = Claim(
    "Hard classes go on to stage 3", "figure 5",
    f"chair and table about {F5['ratio_at_stage_3']['hardest']} times their share, car near "
    f"{F5['ratio_at_stage_3']['easiest']}",
    "the hardest class above 1.5, the easiest below 1.2", ("T2-camvid-small",), classes_differ,
)  # fmt: skip
_CHEAPER = Claim(
    "A lower threshold shortens stages 2 and 3", "figure 7",
    "; ".join(f"{' / '.join(map(str, ms))} ms at {r}" for r, ms in zip(F7["rho"], F7["ms_by_stage"], strict=True)),
    "stage 1 unchanged, stages 2 and 3 shortened by about as much", ("F7-camvid-small",), stages_get_cheaper,
)  # fmt: skip
CLAIMS: tuple[Claim, ...] = (
    _BOUNDARIES, _on_voc(_BOUNDARIES, "F1-voc-lite"), _HALF, _on_voc(_HALF, "T1-voc-lite"), _FREE,
    _on_voc(_FREE, "T1-voc-lite"),
    Claim(
        "The cascade beats the same network, dense", "table 2", _against("irnet"),
        "interval of the difference above 0", ("T2-camvid-small",), ahead_of("irnet"),
    ),
    Claim(
        "The cascade beats deep supervision alone", "table 2", _against("dsn"),
        "interval of the difference above 0", ("T2-camvid-small",), ahead_of("dsn"),
    ),
    Claim(
        f"The cascade beats deep supervision alone{ON_VOC}", "table 2", _against("dsn"),
        "true runs at 50 % or 70 % of the multiply-adds: interval of the difference above 0 in every seed",
        ("cascade-training",), ahead_at_less_work,
    ),
    Claim(
        "Stages trained one by one fail", "table 2", _against("mc"),
        "behind by half of the printed gap at least, interval above 0", ("T2-camvid-small",), parts_alone_fail,
    ),
    _CLASSES, _on_voc(_CLASSES, "F1-voc-lite"),
    Claim(
        "35.5 million parameters", "table 6", f"{T6['IRNet-LC']['parameters_m']} M", "within .3 M",
        ("T6-voc-paper",), size_is_right,
    ),
    Claim(
        "A region convolution costs what its region costs", "section 3, figure 3", "the layer is used, not timed alone",
        "time at most 1.25 x (dense time x share) down to a quarter of the cells", ("bench-ops-width-1",),
        time_follows_work,
    ),
    Claim(
        "42.8 % faster than the dense network", "abstract", "+42.8 % (about 10.3 to 14.7 FPS)",
        "+40 % over the fastest dense form", ("bench-model-width-1-rho-985",), faster_than_dense,
    ),
    _CHEAPER, _on_voc(_CHEAPER, "F7-voc-lite"),
    Claim(
        "LC is faster than DeepLab-v2", "table 3",
        f"{T3['DeepLab-v2']['ms']:.0f} / {T3['LC']['ms']} ms = {T3['DeepLab-v2']['ms'] / T3['LC']['ms']:.2f}",
        "within a tenth of the printed ratio", (SYSTEMS,),
        faster_than_deeplab("lc", T3["DeepLab-v2"]["ms"] / T3["LC"]["ms"]),
    ),
    Claim(
        "LC (fast) is faster still", "table 3",
        f"{T3['DeepLab-v2']['ms']:.0f} / {T3['LC (fast)']['ms']} ms = "
        f"{T3['DeepLab-v2']['ms'] / T3['LC (fast)']['ms']:.2f}",
        "within a tenth of the printed ratio", (SYSTEMS,),
        faster_than_deeplab("lc-fast", T3["DeepLab-v2"]["ms"] / T3["LC (fast)"]["ms"]),
    ),
    Claim(
        "80.3 mIoU at 14.7 frames per second", "the talk's table", f"{DECK['LC']['miou']} at {DECK['LC']['fps']} FPS",
        "one network with both, in the paper itself", (), talk_against_paper,
    ),
    Claim(
        "VOC test: 78.2, 80.3 with scales and CRF, 82.7 with COCO", "table 6 and the talk", "78.2 / 80.3 / 82.7",
        "the server's score", (),
        untestable(
            "no ImageNet weights of IRNet exist, and the labels are on VOC's server; `lcnb reproduce T1` and `T2` with "
            "`--preset voc-paper` measure VOC val where data and a GPU are"
        ),
    ),
    Claim(
        "Cityscapes test: 71.1", "table 5", "71.1 (71.0873 on the server)", "the server's score", (),
        untestable("needs Cityscapes, a GPU and the server; `lcnb train --preset cityscapes-paper` trains it"),
    ),
    Claim(
        "Real time: 17 frames per second, where others have 4", "the talk's video", "17 against 4 FPS",
        "the same two networks on the same GPU", (),
        untestable("neither the GPU nor the opponent is named; notebook 07 times our own two on this machine"),
    ),
)  # fmt: skip
"""In the order of the paper's argument: pixels differ, exits are free, training matters, it is faster, the scores."""


def counted() -> dict[Word, int]:
    """How many claims have each verdict."""
    words = [claim.finding().word for claim in CLAIMS]
    return {word: words.count(word) for word in WORDS}
