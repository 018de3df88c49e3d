"""`lcnb check`: the list of exercises, and marks read from stored notebooks without running them."""

import csv
import json

import pytest

from lcnb.lessons import EXERCISES, marks


def hand_in(path, *lines, **output):
    cell = {"cell_type": "code", "source": "raise SystemExit", "outputs": [
        {"output_type": "stream", "name": "stdout", "text": [f"{line}\n" for line in lines], **output}]}  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown"}, cell], "nbformat": 4}), encoding="utf-8")
    return path


def test_lists_every_exercise_with_its_question(lcnb):
    out = lcnb.ok("check")
    for name, grader in EXERCISES.items():
        assert f"{name} " in out
        assert grader.__doc__.splitlines()[0] in out


def test_one_file_and_one_folder_a_student(lcnb, home):
    """`lcnb check --summary` of notebooks that were handed in: their outputs are read, nothing is executed"""
    hand_in(home / "class" / "anna.ipynb", "✓ 03-cost: right", "✗ 03-leaves: that is who stays")
    hand_in(
        home / "class" / "bob" / "03_building_the_cascade.ipynb",
        "○ 03-cost: no answer yet",
        "✗ 03-leaves: that is who stays",
    )
    hand_in(home / "class" / "bob" / "sub" / "04_training.ipynb", "✓ 04-rho: right")
    hand_in(home / "class" / "bob" / ".ipynb_checkpoints" / "03_x-checkpoint.ipynb", "✓ 03-cost: right")
    out = lcnb.ok("check", "--summary", "class")
    lines = out.splitlines()
    assert lines[0].split() == ["student", "03", "04", "right"]
    assert lines[2].split() == ["anna", "✓✗", "·", "1/3"]
    assert lines[3].split() == ["bob", "○✗", "✓", "1/3"]
    hardest = [line.split()[0] for line in lines if line.startswith("03-")]
    assert hardest == ["03-leaves", "03-cost"]
    assert "2 x that is who stays" in out
    assert "nothing was executed" in out


def test_files_of_one_name_keep_apart_and_the_best_mark_counts(lcnb, home):
    for name in ("anna", "bob"):
        hand_in(
            home / name / "work.ipynb", "✓ 03-cost: right", "✗ 03-cost: no", "✗ 99-none: no", f"{name} ✓ 03-cost: x"
        )
    assert {s.name for s in marks.collect([home / "anna" / "work.ipynb", home / "bob" / "work.ipynb"])} == {
        "anna/work.ipynb",
        "bob/work.ipynb",
    }
    assert marks.marks(home / "anna" / "work.ipynb") == {"03-cost": ("✓", "right")}


def test_names_that_stay_alike_become_paths(home):
    files = [hand_in(home / group / "anna" / "work.ipynb", "✓ 03-cost: right") for group in ("one", "two")]
    assert [s.name for s in marks.collect(files)] == [str(f) for f in files]


def test_lessons_named_one_by_one_are_one_student(home):
    files = [hand_in(home / "eve" / f"0{i}_x.ipynb", f"✓ {n}: right") for i, n in ((3, "03-cost"), (4, "04-rho"))]
    (eve,) = marks.collect(files)
    assert (eve.name, list(eve.marks)) == ("eve", ["03-cost", "04-rho"])


def test_files_are_written(lcnb, home):
    hand_in(home / "class" / "=cmd.ipynb", "✓ 03-cost: right", "✗ 04-rho: no\x1b[31m")
    assert lcnb("check", "--summary", "class", "--csv", "out/a.csv", "--json", "out/a.json")[0] == 0
    assert list(csv.reader((home / "out" / "a.csv").read_text(encoding="utf-8").splitlines())) == [
        ["student", "03-cost", "04-rho"],
        ["'=cmd", "right", "wrong"],
    ]
    found = json.loads((home / "out" / "a.json").read_text(encoding="utf-8"))
    assert found["students"]["=cmd"]["marks"]["04-rho"] == {"mark": "wrong", "said": "no?[31m"}


ONE = "lcnb: error: 1 of the notebooks gave no marks; the sentences below the table say why\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "\x89PNG\r\n\xff",
        "{",
        "[]",
        "null",
        '{"cells": 3}',
        '{"cells": [1]}',
        '{"cells": [{"outputs": [1]}]}',
        "[" * 99999,
    ],
    ids=lambda text: ascii(text[:30]),
)
def test_a_broken_notebook_gets_a_sentence_and_the_others_are_read(lcnb, home, text):
    hand_in(home / "class" / "anna.ipynb", "✓ 03-cost: right")
    (home / "class" / "bob.ipynb").write_bytes(text.encode("latin-1"))
    code, out, error = lcnb("check", "--summary", "class")
    assert (code, error) == (1, ONE)
    assert "anna" in out
    assert "bob.ipynb cannot be read as a notebook (" in out


def test_a_notebook_without_marks_or_too_large(lcnb, home, monkeypatch):
    """A submission without marks, or too large to be read: a sentence about it"""
    hand_in(home / "anna.ipynb", "hello")
    assert "anna.ipynb holds no output of lcnb.check: run its cells" in lcnb("check", "--summary", "anna.ipynb")[1]
    monkeypatch.setattr(marks, "LARGEST", 10)
    assert "is not read; clear its large outputs" in lcnb("check", "--summary", "anna.ipynb")[1]
