"""Write the generated parts of docs/teaching.md: the plans below and what `tools.classroom` measured.

A test compares the page with what this gives, and the plans with the clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lcnb.reproduction import stored
from tools.pages import DOCS, filled, table

ROOT = Path(__file__).resolve().parents[1]
PAGE = DOCS / "teaching.md"
NINETY = (
    (5, "", "The question: where would you stop thinking early? Everybody draws it on the printed street."),
    (15, "00", "One image, three exits, what that saves, is it faster. Read the speed-ups out loud."),
    (10, "00", "Everybody drags the slider: find the ρ at which stage 1 decides all. Cached is not true."),
    (12, "01", "Masks before networks; three grades; what does sure mean (slider)."),
    (8, "01", "The claim, the classes, the bet. First exercise."),
    (15, "02", "First half, to *As a tensor*: the 5 x 5 image on paper, then rank, table, gather and product."),
    (5, "02", "*What a hole does*: the ring that grows by a cell a layer. Show the break-even figure, do not measure."),
    (12, "05", "The map fills up; easy and hard streets; which classes exit when."),
    (5, "05", "The slider with a threshold for each exit, or a photograph of one's own."),
    (3, "", "Three questions of the quizzes, by show of hands. What would you build with it?"),
)
"""(minutes, notebook, what): the path of ninety minutes."""
WORDS, MINUTES_A_CELL, MINUTES_A_FIGURE = 150, 0.5, 0.5
"""How the reading time of a section is estimated: words a minute, and half a minute a code cell and a figure."""
HALF_DAY = (
    (30, "00", "As above, with the exercises"),
    (30, "01", "As above, with the exercises"),
    (15, "", "Break"),
    (45, "02", "All of it: by hand, as a tensor, the tile program, and measure"),
    (30, "03", "Where the work sits, what an exit is worth, cut another network"),
    (10, "", "Break"),
    (20, "04", "Start the training, write the two losses while it runs, read the ablation together"),
    (20, "05", "Figures 4 and 5, thresholds for each exit, one's own photograph"),
    (10, "", "Quiz in pairs, and what the room would try next"),
)
"""Likewise: half a day."""
HUB = """```python
# jupyterhub_config.py
c.Spawner.environment = {"OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "1000"}
c.Spawner.mem_limit = "LIMIT"  # two open notebooks at their peak; your spawner has to support limits
```"""


def pages() -> dict[Path, str]:
    """The page."""
    found = stored("classroom")
    text = filled(
        PAGE,
        machine=_machine(found), path=plan(NINETY), half_day=plan(HALF_DAY), alone=_alone(found), rows=_rows(found),
        server_own=f"{found['server']['own_mb']:.0f}", effect=_effect(found), thirty=_thirty(found),
        hub=HUB.replace("LIMIT", _limit(found)),
        quizzes=_quizzes(),
        sections=_sections(found), words=WORDS,
    )  # fmt: skip
    return {PAGE: text}


def plan(parts: Sequence[tuple[int, str, str]]) -> str:
    """A table with the clock running along, and its sum."""
    rows, clock = [], 0
    for minutes, notebook, what in parts:
        where = f"[{notebook}](../notebooks/{_notebook(notebook).name})" if notebook else ""
        rows.append([_time(clock), str(minutes), where, what])
        clock += minutes
    return table(["from", "minutes", "notebook", "what"], [*rows, [_time(clock), f"**{clock}**", "", "together"]], 4)


def row(found: Mapping[str, Any], people: int, setting: str) -> Mapping[str, Any]:
    """One measured row."""
    return next(r for r in found["rows"] if (r["people"], r["setting"]) == (people, setting))


def _notebook(number: str) -> Path:
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    return path


def _time(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"


def _machine(found: Mapping[str, Any]) -> str:
    lines = [_one_machine(part["machine"], part["load"]) for part in (found, found["alone"])]
    return "; ".join(dict.fromkeys(lines))


def _one_machine(m: Mapping[str, Any], load: Mapping[str, Any]) -> str:
    line = f"{m['cores']} cores of an {m['cpu']}, {m['memory_gb']:g} GB, torch {m['torch'].split('+')[0]}, {m['date']}"
    return line + (" (not a quiet machine, so the seconds mean little)" if load["busy"] else "")


def _alone(found: Mapping[str, Any]) -> str:
    rows = [[r["notebook"], f"{r['seconds']:.0f}", str(r["peak_mb"])] for r in found["alone"]["rows"]]
    return table(["run alone, quick profile", "seconds", "peak memory, MB"], rows)


def _sections(found: Mapping[str, Any]) -> str:
    rows = []
    for notebook in found["alone"]["rows"]:
        parts = [p for p in notebook["sections"] if p["title"] not in ("Try it yourself", "What you have seen")]
        minutes = [reading(p) for p in parts]
        rows.append(
            [f"**{notebook['notebook']}**", f"**{sum(minutes):.0f}**", f"**{sum(p['seconds'] for p in parts):.0f}**"]
        )
        rows += [[p["title"], f"{m:.0f}", f"{p['seconds']:.0f}"] for p, m in zip(parts, minutes, strict=True)]
    return table(["section", "minutes to read (estimate)", "seconds to run (measured)"], rows)


def reading(part: Mapping[str, Any]) -> float:
    """Minutes, by the rule above."""
    return part["words"] / WORDS + MINUTES_A_CELL * part["cells"] + MINUTES_A_FIGURE * part["figures"]


def _rows(found: Mapping[str, Any]) -> str:
    head = ["readers", "setting", "own, MB", "fair share, MB", "resident, MB", "threads", "computing", "seconds",
            "slowest", "processor seconds"]  # fmt: skip
    keys = ("own_mb", "fair_share_mb", "resident_mb", "threads", "computing_threads", "seconds", "slowest_seconds",
            "processor_seconds")  # fmt: skip
    return table(head, [[str(r["people"]), r["setting"], *(f"{r[k]:.0f}" for k in keys)] for r in found["rows"]])


def _effect(found: Mapping[str, Any]) -> str:
    times = [f"{row(found, 4, s)['slowest_seconds']:.0f} s with {_code(s)}" for s in _settings(found, 4)]
    alone = [f"{row(found, 1, s)['seconds']:.0f} s with {_code(s)}" for s in _settings(found, 1)]
    free, one = (row(found, 1, s)["seconds"] for s in ("nothing set", "OMP_NUM_THREADS=1"))
    advice = "leave both alone: the other cores help" if free < one else "try both: here the other cores did not help"
    return (
        f"Here the slowest of four readers was through after {', '.join(times)}; a single one after {', '.join(alone)}."
        f" On a machine of one's own, {advice}."
    )


def _code(setting: str) -> str:
    return f"`{setting}`" if "=" in setting else setting


def _settings(found: Mapping[str, Any], people: int) -> list[str]:
    return [r["setting"] for r in found["rows"] if r["people"] == people]


def _thirty(found: Mapping[str, Any]) -> str:
    """Thirty people, from what four took. An extrapolation, and said to be one."""
    four, server = row(found, 4, "OMP_NUM_THREADS=1"), found["server"]
    shared = 4 * (four["fair_share_mb"] - four["own_mb"])
    total = (30 * (four["own_mb"] + server["own_mb"]) + shared) / 1e3
    return (
        f"Thirty people were not measured. From four: 30 x ({four['own_mb']:.0f} MB of a kernel + "
        f"{server['own_mb']:.0f} MB of a server) + {shared:.0f} MB shared once is about {total:.0f} GB at rest, with "
        "one open notebook each; while cells run, a kernel takes up to the peak in the table further up."
    )


def _limit(found: Mapping[str, Any]) -> str:
    """Of one person: two open notebooks at their peak, in whole GB."""
    return f"{-(-2 * max(r['peak_mb'] for r in found['alone']['rows']) // 1000)}G"


def _quizzes() -> str:
    lines = []
    for path in sorted((DOCS / "quiz").glob("*.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        lines.append(f"- [{title}](quiz/{path.name})")
    return "\n".join(lines)
