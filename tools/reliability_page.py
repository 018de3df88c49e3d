"""Write docs/reliability.md: what was tried, what passed, what was saved, from the reports of the test runs.

    make test ARGS="--trust-report=docs/results/reliability.json"
    make test-long ARGS="--trust-report=docs/results/reliability-long.json"
    python -m tools.reliability_page

The reports are counted by tests/trust.py while the tests run.
"""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

from lcnb.paths import written_whole
from tests.trust import AREAS
from tools.markdown import filled, shell, table

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "reliability.md"
REPORTS = {
    "make test": DOCS / "results" / "reliability.json",
    "make test-long": DOCS / "results" / "reliability-long.json",
}


def reports() -> dict[str, dict[str, Any]]:
    """Those that are kept, by the command that left them."""
    return {
        name: json.loads(path.read_text(encoding="utf-8")) for name, path in REPORTS.items() if path.is_file()
    }  # fmt: skip


def rows() -> list[dict[str, Any]]:
    """All rows, by area, each with the command that it comes from; one that another command tried stands once."""
    found: dict[str, dict[str, Any]] = {}
    for name, report in reports().items():
        for row in report["rows"]:
            if row["tried"] or row["test"] not in found:
                found[row["test"]] = row | {"run": name}
    return sorted(found.values(), key=lambda row: (list(AREAS).index(row["area"]), row["test"]))


def page() -> str:
    """The text of the page."""
    return filled(PAGE, summary=_summary(), areas=_areas(), commands=shell(_commands()), machine=_machine())


def _summary() -> str:
    lines = []
    for area, group in groupby(rows(), key=lambda row: row["area"]):
        some = list(group)
        saved = sum(row["passed"] for row in some if row["saved"])
        lines.append((AREAS[area], str(len(some)), *_counts(some), str(saved)))
    every = rows()
    lines.append(("**all**", str(len(every)), *_counts(every), str(sum(r["passed"] for r in every if r["saved"]))))
    return table(("", "tests", "cases tried", "passed", "with nothing lost"), lines)


def _counts(some: list[dict[str, Any]]) -> tuple[str, str]:
    return str(sum(row["tried"] for row in some)), str(sum(row["passed"] for row in some))


def _areas() -> str:
    parts = []
    for area, group in groupby(rows(), key=lambda row: row["area"]):
        lines = [_line(row) for row in group]
        parts.append(f"## {AREAS[area]}\n\n{table(('case', 'test', 'tried', 'passed', 'nothing lost'), lines, 2)}")
    return "\n\n".join(parts)


def _line(row: dict[str, Any]) -> tuple[str, str, str, str, str]:
    path, _, name = row["test"].partition("::")
    where = f"[{name.split('::')[-1]}](../{path})"
    case = row["case"].replace("|", "\\|") + (" *(long)*" if row["run"] == "make test-long" else "")
    passed = str(row["passed"]) if row["tried"] else "not run here"
    return case, where, str(row["tried"]), passed, "yes" if row["saved"] and row["passed"] == row["tried"] else ""


def _commands() -> str:
    said = [
        f'{name} ARGS="--trust-report={path.relative_to(DOCS.parent)}"'
        for name, path in REPORTS.items()
        if path.is_file()
    ]
    return "\n".join([*said, "python -m tools.reliability_page"])


def _machine() -> str:
    found = {}
    for name, report in reports().items():
        m = report["machine"]
        text = f"{m['cores']} cores of an {m['cpu']}, {m['platform']}, torch {m['torch'].split('+')[0]}, {m['date']}"
        found.setdefault(text, []).append(f"`{name}`")
    return "; ".join(f"{text} ({', '.join(names)})" for text, names in found.items())


def main() -> int:
    """Write the page."""
    with written_whole(PAGE) as path:
        path.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
