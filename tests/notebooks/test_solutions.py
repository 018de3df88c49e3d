"""The solutions answer every exercise of their lesson, are stored fresh, and still pass a reader's checks."""

import json
import re
import subprocess
import sys

import pytest

from lcnb.lessons import EXERCISES
from tests.cli.conftest import ROOT, environment
from tools.store_notebooks import NOTEBOOKS, SOLUTIONS, digests

PATHS = sorted(SOLUTIONS.glob("*.ipynb"))
NAME = re.compile(r'"(\d\d-[a-z-]+)"')
PRINTED = re.compile(r"^([✓✗○]) (\S+): (.*)$", re.MULTILINE)
RUN = """
import json, sys
for path in sys.argv[1:]:
    names = {"__name__": "__main__"}
    for cell in json.load(open(path, encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), path, "exec"), names)
"""
"""All of them in one process, because the imports take most of the time; each with names of its own."""


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(notebook):
    return [c for c in notebook["cells"] if c["cell_type"] == "code"]


def checked(notebook):
    cells = [text for c in code_cells(notebook) if "lcnb.check(" in (text := "".join(c["source"]))]
    return [name for text in cells for name in NAME.findall(text)]


def printed(notebook):
    texts = ["".join(o.get("text", [])) for c in code_cells(notebook) for o in c["outputs"]]
    return {name: (mark, message) for mark, name, message in PRINTED.findall("\n".join(texts))}


def of_lesson(path):
    return [name for name in EXERCISES if name.startswith(f"{path.stem[:2]}-")]


@pytest.fixture(params=PATHS, ids=lambda p: p.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return read(path)


def test_every_lesson_with_exercises_has_solutions_and_three_or_more():
    lessons = {p.stem: p for p in NOTEBOOKS.glob("*.ipynb")}
    assert {p.stem for p in PATHS} == set(lessons)
    for lesson in lessons.values():
        assert len(of_lesson(lesson)) >= 3, lesson.stem


def test_every_exercise_is_asked_in_the_lesson_and_answered_here(path, notebook):
    assert checked(read(NOTEBOOKS / path.name)) == of_lesson(path)
    assert checked(notebook) == of_lesson(path)


def test_the_lesson_is_stored_without_an_answer(path):
    shown = printed(read(NOTEBOOKS / path.name))
    assert list(shown) == of_lesson(path)
    assert all(mark == "○" for mark, _ in shown.values())


def test_stored_answers_are_right(path, notebook):
    assert printed(notebook) == dict.fromkeys(of_lesson(path), ("✓", "right"))


def test_outputs_are_fresh(notebook):
    """Fails when cells, graders, weights, data or code changed since: python -m tools.store_notebooks."""
    assert notebook["metadata"]["lcnb"]["digests"] == digests(notebook, solution=True)


def test_stored_as_a_whole_and_without_errors(notebook):
    cells = code_cells(notebook)
    assert [c["execution_count"] for c in cells] == list(range(1, len(cells) + 1))
    for output in (o for c in cells for o in c["outputs"]):
        assert output["output_type"] != "error"
        assert output.get("name") != "stderr"
    assert not re.search(r"/(home|root|work|tmp|Users)/", json.dumps(notebook))


def test_titles_and_parameters(path, notebook):
    lesson = "".join(read(NOTEBOOKS / path.name)["cells"][0]["source"]).splitlines()[0]
    title = "".join(notebook["cells"][0]["source"]).splitlines()[0]
    number, _, topic = lesson.removeprefix("# ").partition(" · ")
    assert title.startswith(f"# Solutions to {number} · {topic.split(':')[0]}")
    assert [c["metadata"].get("tags") for c in code_cells(notebook)].count(["parameters"]) == 1


@pytest.mark.slow
def test_solutions_still_pass():
    """Each answer is put before its grader anew."""
    call = [sys.executable, "-W", "error::FutureWarning", "-c", RUN, *map(str, PATHS)]
    env = environment(MPLBACKEND="agg")
    env.pop("LCNB_DATA", None)
    done = subprocess.run(call, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = {name: mark for mark, name, _ in PRINTED.findall(done.stdout)}
    assert found == {name: "✓" for path in PATHS for name in of_lesson(path)}
