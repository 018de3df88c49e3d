"""Marks of a class, read from what `lcnb.check` printed into stored notebooks. No code of a notebook is ever executed.

Anyone who can edit a notebook can edit its outputs, so marks are feedback to a teacher, and no exam.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lcnb.errors import LcnbError, printable
from lcnb.lessons import EXERCISES, MARKS

LARGEST = 50_000_000
"""Bytes of a notebook that is still read; those of this project have less than one million."""
LINE = re.compile(rf"^([{''.join(MARKS.values())}]) (\d\d-[a-z-]+): (.*)$", re.MULTILINE)
BEST = (MARKS[True], MARKS[False], MARKS[None])
"""Where an exercise was checked more than once the best mark counts."""
LESSON = re.compile(r"\d\d_")


@dataclass
class Student:
    """One person's notebooks.

    Attributes:
        name: of the file, or of the folder where the files are lessons.
        marks: by exercise, a mark and what was said.
        problems: sentences about files that could not be read or hold no mark.
    """

    name: str
    marks: dict[str, tuple[str, str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def collect(paths: Sequence[Path]) -> list[Student]:
    """Read the marks of everybody.

    Args:
        paths: notebooks, or folders of them. A notebook is one student, named by the file; one that is called like a
            lesson ("03_...") belongs to the student its folder is named after. In a folder, each folder is a student.

    Raises:
        LcnbError: a path is not there, or there is no notebook at all.
    """
    groups: dict[Path, list[Path]] = {}
    for path in paths:
        if not path.exists():
            raise LcnbError(f"{path} is not there; give notebooks, or a folder of them")
        for owner, file in _owned(path.absolute()):
            groups.setdefault(owner, []).append(file)
    if not groups:
        raise LcnbError(f"no notebook (*.ipynb) in {', '.join(map(str, paths))}")
    names = _names(list(groups))
    return [_student(names[owner], list(dict.fromkeys(files))) for owner, files in groups.items()]


def _owned(path: Path) -> Iterator[tuple[Path, Path]]:
    """(owner, notebook) below a path; the owner is a folder or a file."""
    if path.is_file():
        yield (path.parent if LESSON.match(path.name) else path), path
        return
    for file in sorted(path.rglob("*.ipynb")):
        inside = file.relative_to(path).parts
        if file.is_file() and not any(part.startswith(".") for part in inside):
            lesson = path if LESSON.match(file.name) else file
            yield (lesson if len(inside) == 1 else path / inside[0]), file


def _names(owners: Sequence[Path]) -> dict[Path, str]:
    """A short name for each; those of the same name get their folder too, or else the whole path."""
    names = {o: o.stem if o.suffix == ".ipynb" else o.name for o in owners}
    for longer in (lambda o: f"{o.parent.name}/{o.name}", str):
        times = Counter(names.values())
        names = {o: longer(o) if times[n] > 1 else n for o, n in names.items()}
    return {o: printable(n) for o, n in names.items()}


def _student(name: str, files: Sequence[Path]) -> Student:
    student = Student(name)
    for file in files:
        try:
            found = marks(file)
        except LcnbError as error:
            student.problems.append(str(error))
            continue
        if not found:
            student.problems.append(
                f"{file} holds no output of lcnb.check: run its cells, save it, and hand it in again"
            )
        for exercise, mark in found.items():
            student.marks[exercise] = _better(student.marks.get(exercise), mark)
    return student


def marks(path: Path) -> dict[str, tuple[str, str]]:
    """(mark, what was said) of each exercise that was checked in a stored notebook.

    Raises:
        LcnbError: it is no notebook, or larger than 50 MB.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise LcnbError(f"{path} has {path.stat().st_size / 1e6:.0f} MB and is not read; clear its large outputs")
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts = [_text(output) for cell in cells for output in cell.get("outputs", [])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LcnbError(f"{path} cannot be read as a notebook ({type(error).__name__})") from None
    found: dict[str, tuple[str, str]] = {}
    for mark, exercise, said in LINE.findall("\n".join(texts)):
        if exercise in EXERCISES:
            found[exercise] = _better(found.get(exercise), (mark, printable(said)))
    return found


def _text(output: dict[str, Any]) -> str:
    """What a cell printed, in lines."""
    text = output.get("text", "") if output.get("name") == "stdout" else ""
    return text if isinstance(text, str) else "".join(map(str, text))


def _better(old: tuple[str, str] | None, new: tuple[str, str]) -> tuple[str, str]:
    return new if old is None or BEST.index(new[0]) <= BEST.index(old[0]) else old
