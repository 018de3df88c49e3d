"""The paper's claims, one by one: what is printed, what the kept results say, and whether that agrees.

A verdict is computed from the files in docs/results, by a rule that is written beside it. None is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lcnb.reproduction import judges
from lcnb.reproduction.judges import WORDS, Finding, Word
from lcnb.reproduction.paper import DECK, F1, F5, F7, T1, T2, T3, T6
from lcnb.reproduction.stored import stored


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
    """The same claim by the same rule, on the seven classes of VOC that our pictures cover."""
    return replace(claim, title=f"{claim.title}{ON_VOC}", results=results)


SYSTEMS = "bench-systems-width-1"
_BOUNDARIES = Claim(
    "The harder a pixel, the nearer to a boundary", "figure 1",
    " / ".join(f"{F1[g]} %" for g in F1) + " of easy, moderate and hard pixels lie on boundaries",
    "the order, with intervals apart; each share within 10 points", ("F1-camvid-small",), judges.boundaries_are_hard,
)  # fmt: skip
_HALF = Claim(
    "Half of the cells need no third stage", "table 1", "at rho = .985 23 % leave at stage 1 and 29 % at stage 2",
    "each within 10 points, and more leave as rho falls", ("T1-camvid-small",), judges.half_leaves_early,
)  # fmt: skip
_FREE = Claim(
    "Leaving early costs no accuracy; it helps", "table 1",
    f"rho = .985: {T1['miou'][2]} mIoU, rho = 1: {T1['miou'][0]:.2f}",
    "true runs at rho = .985 ahead of rho = 1, interval above 0", ("T1-camvid-small",), judges.exits_cost_nothing,
)  # fmt: skip
CLAIMS: tuple[Claim, ...] = (
    _BOUNDARIES, _on_voc(_BOUNDARIES, "F1-voc-lite"), _HALF, _on_voc(_HALF, "T1-voc-lite"), _FREE,
    _on_voc(_FREE, "T1-voc-lite"),
    Claim(
        "The cascade beats the same network, dense", "table 2", _against("irnet"),
        "interval of the difference above 0", ("T2-camvid-small",), judges.ahead_of("irnet"),
    ),
    Claim(
        "The cascade beats deep supervision alone", "table 2", _against("dsn"),
        "interval of the difference above 0", ("T2-camvid-small",), judges.ahead_of("dsn"),
    ),
    Claim(
        "Stages trained one by one fail", "table 2", _against("mc"),
        "behind by half of the printed gap at least, interval above 0", ("T2-camvid-small",), judges.parts_alone_fail,
    ),
    Claim(
        "Hard classes go on to stage 3", "figure 5",
        f"chair and table about {F5['ratio_at_stage_3']['hardest']} times their share, car near "
        f"{F5['ratio_at_stage_3']['easiest']}",
        "the hardest class above 1.5, the easiest below 1.2", ("T2-camvid-small",), judges.classes_differ,
    ),
    Claim(
        "35.5 million parameters", "table 6", f"{T6['IRNet-LC']['parameters_m']} M", "within .3 M",
        ("T6-voc-paper",), judges.size_is_right,
    ),
    Claim(
        "A region convolution costs what its region costs", "section 3, figure 3", "the layer is used, not timed alone",
        "time at most 1.25 x (dense time x share) down to a quarter of the cells", ("bench-ops-width-1",),
        judges.time_follows_work,
    ),
    Claim(
        "42.8 % faster than the dense network", "abstract", "+42.8 % (about 10.3 to 14.7 FPS)",
        "+40 % over the fastest dense form", ("bench-model-width-1-rho-985",), judges.faster_than_dense,
    ),
    Claim(
        "A lower threshold shortens stages 2 and 3", "figure 7",
        "; ".join(f"{' / '.join(map(str, ms))} ms at {r}" for r, ms in zip(F7["rho"], F7["ms_by_stage"], strict=True)),
        "stage 1 unchanged, stages 2 and 3 shortened by about as much", ("F7-camvid-small",), judges.stages_get_cheaper,
    ),
    Claim(
        "LC is faster than DeepLab-v2", "table 3",
        f"{T3['DeepLab-v2']['ms']:.0f} / {T3['LC']['ms']} ms = {T3['DeepLab-v2']['ms'] / T3['LC']['ms']:.2f}",
        "within a tenth of the printed ratio", (SYSTEMS,),
        judges.faster_than_deeplab("lc", T3["DeepLab-v2"]["ms"] / T3["LC"]["ms"]),
    ),
    Claim(
        "LC (fast) is faster still", "table 3",
        f"{T3['DeepLab-v2']['ms']:.0f} / {T3['LC (fast)']['ms']} ms = "
        f"{T3['DeepLab-v2']['ms'] / T3['LC (fast)']['ms']:.2f}",
        "within a tenth of the printed ratio", (SYSTEMS,),
        judges.faster_than_deeplab("lc-fast", T3["DeepLab-v2"]["ms"] / T3["LC (fast)"]["ms"]),
    ),
    Claim(
        "80.3 mIoU at 14.7 frames a second", "the talk's table", f"{DECK['LC']['miou']} at {DECK['LC']['fps']} FPS",
        "one network with both, in the paper itself", (), judges.talk_against_paper,
    ),
    Claim(
        "VOC test: 78.2, 80.3 with scales and CRF, 82.7 with COCO", "table 6 and the talk", "78.2 / 80.3 / 82.7",
        "the server's score", (),
        judges.untestable(
            "no ImageNet weights of IRNet exist, and the labels are on VOC's server; `lcnb reproduce T1` and `T2` with "
            "`--preset voc-paper` measure VOC val where data and a GPU are"
        ),
    ),
    Claim(
        "Cityscapes test: 71.1", "table 5", "71.1 (71.0873 on the server)", "the server's score", (),
        judges.untestable("needs Cityscapes, a GPU and the server; `lcnb train --preset cityscapes-paper` trains it"),
    ),
    Claim(
        "Real time: 17 frames a second, where others have 4", "the talk's video", "17 against 4 FPS",
        "the same two networks on the same GPU", (),
        judges.untestable("neither the GPU nor the opponent is named; notebook 07 times our own two on this machine"),
    ),
)  # fmt: skip
"""In the order of the paper's argument: pixels differ, leaving is free, training matters, it is faster, the scores."""


def counted() -> dict[Word, int]:
    """How many claims have each verdict."""
    words = [claim.finding().word for claim in CLAIMS]
    return {word: words.count(word) for word in WORDS}
