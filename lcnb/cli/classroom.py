"""`lcnb check`: the exercises, and a class's marks from the notebooks they handed in (nothing is executed); and
`lcnb classroom`: a folder for a class, of the lessons without their solutions, slides, and a handout to print."""

from __future__ import annotations

import argparse
import base64
import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lcnb.cli.console import table
from lcnb.cli.options import UsageError, command, option
from lcnb.errors import LcnbError
from lcnb.paths import check_writable, write_json, written_whole

if TYPE_CHECKING:
    from lcnb.lessons.marks import Student
    from lcnb.running.notebooks import Notebook

WORDS = {"✓": "right", "✗": "wrong", "○": "not answered"}
NOTE = "read from stored outputs, nothing was executed; outputs can be edited, so this is feedback and no exam"
SHORT = 90
"""Letters of a sentence that are shown."""
OUTWARD = re.compile(r"!?\[([^\]]*)\]\((?:\.\./|solutions/)[^)]*\)")
"""Links of a lesson to what the folder does not have: docs, data, solutions."""
HEAD = '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{title}</title>\n<style>{style}</style>\n'
SLIDES = """
html { color: #000; background: #fff; scroll-snap-type: y mandatory; font: 3.2vmin/1.35 system-ui, sans-serif; }
body { margin: 0; }
section { box-sizing: border-box; height: 100vh; padding: 4vmin 6vmin; scroll-snap-align: start; display: flex;
  flex-direction: column; justify-content: center; break-after: page; }
h1 { font-size: 7vmin; margin: 0; } h2 { font-size: 5vmin; margin: 0 0 2vmin; }
img { min-height: 0; width: 100%; object-fit: contain; }
p { margin: 2vmin 0 0; } small { opacity: .75; }
@page { size: 297mm 167mm; margin: 0; }
"""
KEYS = """<script>
addEventListener("keydown", event => {
  const step = { ArrowRight: 1, ArrowDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  scrollTo({ top: (Math.round(scrollY / innerHeight) + step) * innerHeight });
});
</script>
"""
PAPER = """
body { font: 10.5pt/1.4 Georgia, serif; color: #000; background: #fff; max-width: 180mm; margin: 0 auto; padding: 8mm; }
h1 { font-size: 16pt; margin: 0; } h2 { font-size: 11.5pt; margin: 4mm 0 1mm; } p { margin: 1mm 0; }
img { max-width: 100%; max-height: 76mm; display: block; margin: 2mm auto; }
table { border-collapse: collapse; width: 100%; } th, td { border: .3mm solid #888; padding: 1mm 2mm;
  text-align: center; }
ol { margin: 1mm 0; padding-left: 6mm; } li { margin-bottom: 18mm; } @page { size: A4; margin: 10mm; }
"""
LARGEST = ((0.999, 1.0, 1.0), (0.97, 0.995, 1.0), (0.6, 0.99, 0.98), (0.4, 0.5, 0.7))
"""The largest probability of four made-up cells at the three stages, for the exercise of the handout."""


def add(commands: Any) -> None:
    """The options of both commands."""
    command(
        commands, "check", check, "list the exercises, or sum up what a class has answered",
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
    command(
        commands, "classroom", prepare, "make a folder for a class: lessons without solutions, slides, a handout",
        "lcnb classroom --out class",
        [
            option("--out", type=Path, metavar="DIR", required=True, help="a new or empty folder"),
            option("notebooks", nargs="*", metavar="NOTEBOOK", help="such as 00 05 (default: all lessons)"),
        ],
    )  # fmt: skip


def check(arguments: argparse.Namespace) -> int:
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


def prepare(arguments: argparse.Namespace) -> int:
    """Copy the lessons, and make slides and a handout of the figures that they were stored with.

    Raises:
        UsageError: the folder has something in it, which would stay beside the lessons.
        LcnbError: no lesson has a figure.
    """
    from lcnb.running import find

    out, lessons = arguments.out, find(arguments.notebooks)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"--out {out} exists and is not empty; give a new folder, so that no solution is left in it")
    shown = [(lesson, *figure) for lesson in lessons for figure in figures(lesson)]
    if not shown:
        raise LcnbError("no figure is stored in these notebooks; run them first (`lcnb run`), or take those of a clone")
    (out / "notebooks").mkdir(parents=True)
    files = {out / "notebooks" / f"{lesson.path.stem}.ipynb": _copy(lesson) for lesson in lessons}
    files |= {out / "slides.html": slides(lessons, shown), out / "handout.html": handout(*shown[0][2:])}
    for file, text in files.items():
        with written_whole(file) as path:
            path.write_text(text, encoding="utf-8")
    print(f"wrote {out}: {len(lessons)} lessons, slides.html ({len(shown)} figures), handout.html (one page, to print)")
    return 0


def _copy(lesson: Notebook) -> str:
    """The notebook's text; of links that lead out of the folder, the words."""
    content = lesson.read()
    for cell in content["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = OUTWARD.sub(r"\1", "".join(cell["source"])).splitlines(keepends=True)
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def figures(lesson: Notebook) -> Iterator[tuple[str, str, str]]:
    """Each stored figure as (heading above it, alt text, `data:` address)."""
    title = ""
    for cell in lesson.read()["cells"]:
        for line in "".join(cell["source"]).splitlines() if cell["cell_type"] == "markdown" else ():
            title = line.removeprefix("## ") if line.startswith("## ") else title
        for output in cell.get("outputs", []):
            for kind, data in output.get("data", {}).items():
                if kind.startswith("image/"):
                    text = "".join(data).strip()
                    packed = base64.b64encode(text.encode()).decode() if kind == "image/svg+xml" else text
                    yield title, output["metadata"].get(kind, {}).get("alt", ""), f"data:{kind};base64,{packed}"


def slides(lessons: list[Notebook], shown: list[tuple[Notebook, str, str, str]]) -> str:
    """A page of slides: a title for each lesson, then its figures; arrow keys, or print it."""
    from lcnb.running.notebooks import heading

    parts = [HEAD.format(title="Deep Layer Cascade: slides", style=SLIDES)]
    for lesson in lessons:
        title, about = (escape(text) for text in heading(lesson.read(), lesson.name))
        parts.append(f"<section><h1>{title}</h1><p>{about}</p></section>")
        parts += [
            f'<section><h2>{escape(head)}</h2><img src="{data}" alt=""><p><small>{escape(alt)}</small></p></section>'
            for of, head, alt, data in shown
            if of is lesson
        ]
    return "\n".join([*parts, KEYS, "</html>\n"])


def handout(alt: str, data: str) -> str:
    """One page of A4: a figure, the rule, four cells to decide by hand, three questions with room."""
    cells = "\n".join(
        f"<tr><td>{name}</td>{''.join(f'<td>{p:g}</td>' for p in largest)}<td></td><td></td></tr>"
        for name, largest in zip("ABCD", LARGEST, strict=True)
    )
    return HEAD.format(title="Deep Layer Cascade: handout", style=PAPER) + (
        "<h1>Deep Layer Cascade on one page</h1>\n"
        f'<img src="{data}" alt="{escape(alt)}">\n'
        "<h2>The rule</h2>\n<p>Each stage gives a cell one score per class. Softmax makes probabilities of them; the "
        "largest is the stage's confidence. If it is <b>above &rho;</b>, the cell exits with that class. If not, the "
        "next stage computes it again; the last stage decides what is left.</p>\n"
        "<h2>By hand: &rho; = 0.985</h2>\n<p>Largest probability of four made-up cells at each stage. At which stage "
        "does each exit? How many cells does each stage compute?</p>\n"
        "<table><tr><th>cell</th><th>stage 1</th><th>stage 2</th><th>stage 3</th><th>exits at &rho; = 0.985</th>"
        f"<th>at &rho; = 0.5</th></tr>\n{cells}\n</table>\n"
        "<h2>Questions</h2>\n<ol><li>Draw on the image where you expect cells to reach stage 3. Why there?</li>"
        "<li>What happens at &rho; = 0, and at &rho; = 1?</li>"
        "<li>A cell that goes on has neighbours that have exited. What does stage 2 see in their place?</li></ol>\n"
        "</html>\n"
    )
