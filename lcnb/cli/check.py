"""`lcnb check`: the exercises, and a class's marks from the notebooks they handed in (nothing is executed)."""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lcnb.cli.console import table
from lcnb.cli.options import UsageError, command, option
from lcnb.errors import LcnbError
from lcnb.paths import check_writable, write_json, written_whole

if TYPE_CHECKING:
    from lcnb.lessons.marks import Student

WORDS = {"✓": "right", "✗": "wrong", "○": "not answered"}
NOTE = "read from stored outputs, nothing was executed; outputs can be edited, so this is feedback and no exam"
SHORT = 90
"""Letters of a sentence that are shown."""


def add(commands: Any) -> None:
    """The command's options."""
    command(
        commands, "check", run, "list the exercises, or sum up what a class has answered",
        "lcnb check --summary submissions/ --csv class.csv",
        [
            option(
                "--summary", nargs="+", type=Path, metavar="PATH",
                help="notebooks, or folders of them: one file or folder per student; outputs are read, code is not run",
            ),
            option("--csv", type=Path, metavar="FILE", help="write the summary's marks, a row for each student"),
            option("--json", type=Path, metavar="FILE", help="write the summary, with what each was told"),
        ],
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """List, or sum up.

    Raises:
        LcnbError: at the end, all else being printed and written, where a notebook could not be read.
    """
    if arguments.summary is None:
        if arguments.csv or arguments.json:
            raise UsageError("--csv and --json write a summary; add --summary and the notebooks")
        print(listing())
        return 0
    from lcnb.lessons.marks import collect

    check_writable(arguments.csv, arguments.json)
    students = collect(arguments.summary)
    print(summary(students))
    if arguments.csv:
        _write_csv(arguments.csv, students)
    if arguments.json:
        _write_json(arguments.json, students)
    if without := sum(len(s.problems) for s in students):
        raise LcnbError(f"{without} of the notebooks gave no marks; the sentences below the table say why")
    return 0


def listing() -> str:
    """Every exercise with its question, by notebook."""
    from lcnb.lessons import EXERCISES

    parts = []
    for book, names in groupby(EXERCISES, key=_book):
        lines = [f"  {name:15} {(EXERCISES[name].__doc__ or '').splitlines()[0]}" for name in names]
        parts.append("\n".join([f"notebook {book}", *lines]))
    return "\n\n".join(parts)


def summary(students: Sequence[Student]) -> str:
    """Student x exercise, then the exercises from the hardest on, then what could not be read."""
    names = _exercises(students)
    parts = [_by_student(students, names), _by_exercise(students, names)] if names else []
    return "\n\n".join([*parts, "\n".join([NOTE, *(problem for s in students for problem in s.problems)])])


def _book(name: str) -> str:
    return name[:2]


def _exercises(students: Sequence[Student]) -> list[str]:
    """Those that any student has, in the order of the lessons."""
    from lcnb.lessons import EXERCISES

    return [name for name in EXERCISES if any(name in s.marks for s in students)]


def _by_student(students: Sequence[Student], names: Sequence[str]) -> str:
    """A column per notebook, a mark per exercise, in the order of the list below."""
    books = {book: list(own) for book, own in groupby(names, key=_book)}
    rows = []
    for student in sorted(students, key=lambda s: s.name):
        marks = {name: student.marks.get(name, ("·", ""))[0] for name in names}
        right = sum(mark == "✓" for mark in marks.values())
        cells = ["".join(marks[name] for name in own) for own in books.values()]
        rows.append((student.name, *cells, f"{right}/{len(names)}"))
    order = "\n".join(f"{book}: {', '.join(name[3:] for name in own)}" for book, own in books.items())
    legend = "✓ right  ✗ wrong  ○ not answered  · not in the notebook"
    return f"{table([('student', *books, 'right'), *rows], right=(len(books) + 1,))}\n\n{legend}\n{order}"


def _by_exercise(students: Sequence[Student], names: Sequence[str]) -> str:
    rows = []
    for name in names:
        given = [s.marks[name] for s in students if name in s.marks]
        marks = Counter(mark for mark, _ in given)
        slips = Counter(said for mark, said in given if mark == "✗").most_common(1)
        told = f"{slips[0][1]} x {slips[0][0]}" if slips else ""
        rows.append((marks["✓"] / len(given), (name, *(marks[mark] for mark in WORDS), told[:SHORT])))
    hardest = [row for _, row in sorted(rows, key=lambda r: r[0])]
    return table([("hardest first", *WORDS, "told most often"), *hardest], right=(1, 2, 3))


def _write_csv(path: Path, students: Sequence[Student]) -> None:
    names = _exercises(students)
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["student", *names])
        for s in students:
            cells = [WORDS[s.marks[n][0]] if n in s.marks else "" for n in names]
            writer.writerow([f"'{s.name}" if s.name[:1] in "=+-@" else s.name, *cells])  # no formula in a spreadsheet


def _write_json(path: Path, students: Sequence[Student]) -> None:
    found = {}
    for s in students:
        marks = {name: {"mark": WORDS[mark], "said": said} for name, (mark, said) in s.marks.items()}
        found[s.name] = {"marks": marks, "problems": s.problems}
    write_json(path, {"note": NOTE, "students": found})
