"""Write docs/reproduction.md, the ledger of the paper's claims, the README's part of it, and docs/report.md.

Every verdict and number is computed from docs/results; a test compares the page with what these files give.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lcnb.plots import cascade_drawing
from lcnb.reproduction import ledger, stored
from tools.cascade_training_page import verdict
from tools.pages import DOCS, filled, shell, table, where
from tools.performance_page import LOSSLESS, MODELS

PAGE, README, REPORT = DOCS / "reproduction.md", DOCS.parent / "README.md", DOCS / "report.md"
SHOWN = (
    "35.5 million parameters", "A region convolution costs what its region costs",
    "42.8 % faster than the dense network", "LC is faster than DeepLab-v2", "Half of the cells need no third stage",
    "Exiting early costs no accuracy; it helps", "Half of the cells need no third stage (seven classes of VOC)",
    "Exiting early costs no accuracy; it helps (seven classes of VOC)",
)  # fmt: skip
"""Claims that the README shows beside those that are not reproduced."""
VOC, LITE = "T1-voc-lite", "T1-camvid-lite-halo1"
HALO, TAUGHT = "T1-camvid-small-halo1", "T2-camvid-small-teacher-halo1"
REPORTED = (1, 0.985, 0.8)
SPEEDS = ("over_plain", "over_fastest_dense", "multiply_adds_one_head")
TIMED = ("A region convolution costs what its region costs", "A lower threshold shortens stages 2 and 3",
         "LC is faster than DeepLab-v2", "LC (fast) is faster still")  # fmt: skip
DRAWN, DRAWING = VOC, DOCS / "images" / "exits.svg"
"""The run whose exits the README draws."""
MISSING = ("T2", "T1", "T3", "F1", "F7")


def pages() -> dict[Path, str]:
    """The page, and the README."""
    counts = ledger.counted()
    text = filled(
        PAGE,
        counts=", ".join(f"{n} {word}" for word, n in counts.items() if n) + f", of {sum(counts.values())} claims",
        ledger=_ledger(), data=_data(), machine=_machine(), commands=_commands(),
        missing=shell("\n".join(f"lcnb reproduce {t} --preset voc-paper --data DIR --device cuda" for t in MISSING)),
        halo=_halo(), taught=_taught(), voc=_voc(),
    )  # fmt: skip
    tally = ", ".join(f'{n} "{word}"' for word, n in counts.items())
    report = filled(
        REPORT, tally=f"Of {sum(counts.values())} verdicts: {tally}.", setting=_setting(), difficulty=_difficulty(),
        thresholds=_thresholds(), arms=_arms(), taught=_taught(), speeds=_speeds(), failed=_with("not reproduced"),
        untestable=_with("untestable here"), experiment=verdict(),
    )  # fmt: skip
    drawing, caption = _drawing()
    return {
        PAGE: text,
        DRAWING: drawing,
        REPORT: report,
        README: filled(README, ledger=_shown(), exits=caption, speed=_fast(), experiment=verdict()),
    }


def _drawing(rho: float = 0.985) -> tuple[str, str]:
    """Where the cells of a kept run exit, as SVG, and what stands in the README."""
    found = stored(DRAWN)
    (row,) = [r for r in found["rows"] if r["rho"] == rho]
    alt = "An image passes three stages; at the end of each, cells exit with their label and the others continue"
    return cascade_drawing(row["exits_true"]), (
        f"![{alt}]({DRAWING.relative_to(README.parent)})\n\n"
        f"*Mean fractions of the cells in true runs at ρ = {rho:g} on {found['images']} images of VOC's "
        f"{found['split']} split that show seven classes ([{DRAWN}](docs/results/{DRAWN}.json)).*"
    )


def _ledger() -> str:
    head = ("", "claim", "where", "printed", "here", "95 %", "verdict", "results")
    lines = []
    for number, claim in enumerate(ledger.CLAIMS, start=1):
        found = claim.finding()
        files = ", ".join(f"[{name}](results/{name}.json)" for name in claim.results) or "-"
        row = (claim.title, claim.source, claim.printed, found.measured, found.interval, f"**{found.word}**", files)
        lines.append((str(number), *row))
    rules = "\n".join(f"{n}. {claim.title}: {claim.rule}." for n, claim in enumerate(ledger.CLAIMS, start=1))
    return f"{table(head, lines, len(head))}\n\nWhat would count as reproduced:\n\n{rules}"


def _shown() -> str:
    """The README's part of the ledger."""
    claims = {claim.title: claim for claim in ledger.CLAIMS}
    rows = []
    for title in SHOWN:
        found = claims[title].finding()
        if found.word == "not reproduced":  # it is listed above the table
            continue
        rows.append((f"{title} ({claims[title].source})", claims[title].printed, found.measured, found.word))
    head = ("claim", "printed", "measured here", "")
    parts = (_tally(), _with("not reproduced"), "Some of the others:", table(head, rows, len(head)), _halo())
    return "\n\n".join(parts)


def _tally() -> str:
    """How many of all claims have each verdict, in a sentence."""
    counts, twice = ledger.counted(), sum(claim.title.endswith(ledger.ON_VOC) for claim in ledger.CLAIMS)
    return (
        f"**{counts['reproduced']} of {sum(counts.values())} verdicts on the claims of the paper and its talk are "
        f'"reproduced", {counts["partly"]} "partly", {counts["not reproduced"]} "not reproduced"**;\n'
        f"{counts['untestable here']} claims cannot be tested here, and {twice} are judged twice: on CamVid, from "
        "scratch, and on seven classes\nof VOC, from ImageNet. Not reproduced:"
    )


def _with(word: str) -> str:
    """Every claim with this verdict, with what was measured."""
    lines = []
    for claim in ledger.CLAIMS:
        found = claim.finding()
        if found.word == word:
            interval = "" if found.interval == "-" else f" (95 %: {found.interval})"
            lines.append(
                f"- {claim.title} ({claim.source}).\n  Printed: {claim.printed}.\n  Here: {found.measured}{interval}."
            )
    return "\n".join(lines) or "none."


def _halo(rho: float = 0.985) -> str:
    """What our remedy for the price of exiting early gives, at the paper's threshold."""
    found = []
    for name, data in ((HALO, "CamVid"), (f"{VOC}-halo1", "seven classes of VOC")):
        (row,) = [r for r in stored(name)["rows"] if r["rho"] == rho]
        change = row["true_minus_dense"]
        found.append(
            f"by {change['value']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}] on {data} at {row['saved']:.0%} "
            "fewer multiply-adds"
        )
    return (
        "Open cells lose the features of exited neighbours; a halo (ours: every region grown by a cell) keeps the "
        f"nearest.\nWith it, true runs at rho = {rho:g} change mIoU against rho = 1 " + ", and\n".join(found) + "."
    )


def _voc() -> str:
    """What the network with an ImageNet start does on photographs."""
    table_1, figure_1, halo = stored(VOC), stored("F1-voc-lite"), stored(f"{VOC}-halo1")
    (row,), (grown,) = ([r for r in found["rows"] if r["rho"] == 0.985] for found in (table_1, halo))
    exits = " / ".join(f"{100 * v:.0f}" for v in row["exits_true"])
    by_stage = "; ".join(
        f"stage {r['stage']}: {r['share']:.0%} of the pixels, {r['boundary_share']:.0%} of them near a boundary"
        for r in figure_1["exits"]
    )
    change = grown["true_minus_dense"]
    parts = (
        f"`voc-lite` starts from ImageNet weights and is scored on {table_1['images']} images of VOC's val that show "
        "seven classes: a convenience sample, mostly animals that ImageNet knows. Other classes count as unlabelled, "
        "and the void ring around every object hides its outline: pixels beside the ring count as near a boundary. "
        "Scores are not comparable with published ones.",
        f"At rho = .985 and without a halo, {exits} % of the cells exit at stages 1 / 2 / 3 in true runs (printed: 23 "
        f"/ 29 / 48). Boundary fractions by exit stage: {by_stage}.",
        f"With a halo of 1, true runs at rho = .985 change mIoU by {change['value']:+.4f} [{change['low']:+.4f}, "
        f"{change['high']:+.4f}] against rho = 1, at {grown['saved']:.0%} fewer multiply-adds. This network was "
        "trained by deep supervision, so rho = 1 is deep supervision here; that of a cascade-trained network is not.",
    )
    return "\n\n".join(textwrap.fill(part, 120, break_on_hyphens=False) for part in parts)


def _taught() -> str:
    """Table 2 once more, with our remedies."""
    found = stored(TAUGHT)
    made, rows = found["settings"], {row["row"]: row for row in found["rows"]}
    cascade, dense = rows["lc"], rows["dsn"]
    others = "; ".join(
        f"{name.removeprefix('lc - ')}: {gap['value']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]"
        for name, gap in found["differences"].items()
    )
    return (
        f"With a teacher for every row and a halo of {made['halo']}, {made['cascade_steps']} steps each from the same "
        f"weights,\nthe cascade has {cascade['miou']:.4f} and the deeply supervised network {dense['miou']:.4f}, at "
        f"{1 - cascade['gmacs_per_image'] / dense['gmacs_per_image']:.0%} fewer multiply-adds for the\ncascade. "
        f"The cascade minus {others}."
    )


def _setting() -> str:
    """Networks, data and machines of the report."""
    rows = []
    for name in ("T1-camvid-small", LITE, VOC):
        found = stored(name)
        path = DOCS.parent / "data" / "weights" / found["weights"] / "metrics.json"
        made = json.loads(path.read_text(encoding="utf-8"))
        stages = " / ".join(f"{miou:.3f}" for miou in made["stage_miou"])
        size = f"{made['parameters'] / 1e6:.2f} M"
        rows.append(
            (f"`{found['weights']}`", size, _data_of(found), str(found["images"]), stages, where(found["machine"]))
        )
    head = ("weights", "parameters", "scored on", "images", "mIoU of stages 1 / 2 / 3, dense", "machine")
    return table(head, rows, len(head))


def _data_of(found: Mapping[str, Any]) -> str:
    return f"{found['dataset']} {found['split']}"


def _difficulty() -> str:
    head = ("data", "grade", "fraction of the pixels", "near a boundary", "95 %", "printed")
    rows = [
        (_data_of(found), row["grade"], f"{row['share']:.1%}", f"{row['boundary_share']:.1%}",
         _between(row["interval"], ".1%"), f"{row['paper']:g} %")
        for found in (stored("F1-camvid-small"), stored("F1-voc-lite")) for row in found["rows"]
    ]  # fmt: skip
    return table(head, rows, 2)


def _between(interval: Mapping[str, float], form: str) -> str:
    return f"{interval['low']:{form}} to {interval['high']:{form}}"


def _thresholds() -> str:
    head = ("weights, halo", "rho", "exits at stages 1 / 2 / 3, true", "mIoU, cached", "mIoU, true",
            "true minus rho = 1, 95 %", "fewer multiply-adds", "printed: exits, mIoU")  # fmt: skip
    rows = []
    for name in ("T1-camvid-small", HALO, LITE, VOC, f"{VOC}-halo1"):
        found = stored(name)
        for row in (r for r in found["rows"] if r["rho"] in REPORTED):
            paper = row["paper"]
            first, second = paper["left_at_stage_1"], paper["left_at_stage_2"]
            rows.append(
                (f"{found['weights']}, {found['settings'].get('halo', 0)}", f"{row['rho']:g}",
                 " / ".join(f"{v:.0%}" for v in row["exits_true"]), f"{row['miou_cached']:.3f}",
                 f"{row['miou_true']:.3f}", _between(row["true_minus_dense"], "+.3f"), f"{row['saved']:.0%}",
                 f"{first} / {second} / {100 - first - second} %, {paper['miou']:g}")
            )  # fmt: skip
    return table(head, rows)


def _arms() -> str:
    found = stored("T2-camvid-small")
    gaps = {name.removeprefix("lc - "): gap for name, gap in found["differences"].items()}
    rows = [
        (row["title"], f"{row['miou']:.3f}", _between(gaps[row["row"]], "+.3f") if row["row"] in gaps else "-",
         f"{row['gmacs_per_image']:.1f}", f"{row['paper']:g}" if row["paper"] else "-")
        for row in found["rows"]
    ]  # fmt: skip
    return table(("training", "mIoU, true", "the cascade minus it, 95 %", "GMAC an image", "printed"), rows)


def _speeds() -> str:
    rows = []
    for name, title in MODELS.items():
        (one,) = stored(name)["results"]
        rows.append(
            (title, " / ".join(f"{e:.0%}" for e in one["exits"]), *(f"{one['speedup'][k]:.2f}" for k in SPEEDS))
        )
    head = ("network", "exits", "over plain torch", "over the fastest dense form", "multiply-adds allow")
    claims = {claim.title: claim for claim in ledger.CLAIMS}
    others = "\n".join(f"- {title}: {claims[title].finding().measured}." for title in TIMED)
    return f"{table(head, rows)}\n\n{others}"


def _fast() -> str:
    """The README's sentence on speed."""
    ratios = [stored(name)["results"][0]["speedup"]["over_fastest_dense"] for name in {**MODELS, **LOSSLESS}]
    return f"{min(ratios):.2f} to {max(ratios):.2f} times"


def _data() -> str:
    found = stored("T2-camvid-small")
    made, of = found["settings"], "table 2's arms had"
    return (
        f"Tables 1 and 2 and figures 1, 5 and 7: {made['dataset']} {made['val_split']}, width {made['width']:g}; "
        f"{of} {made['steps']} + {made['cascade_steps']} steps of {made['batch']} crops from {made['init']} each"
    )


def _results() -> list[str]:
    return list(dict.fromkeys(name for claim in ledger.CLAIMS for name in claim.results))


def _machine() -> str:
    return "; ".join(dict.fromkeys(where(stored(name)["machine"]) for name in _results()))


def _commands() -> str:
    commands = "\n".join(stored(name)["command"] for name in _results())
    return shell(commands)
