"""docs/teaching.md and the quizzes: plans add up, commands exist, links lead somewhere, answers are right."""

import ast
import contextlib
import io
import json
import operator
import re
import subprocess
import sys

import pytest

from lcnb.cli import parser
from lcnb.reproduction import stored
from tests.cli.conftest import ROOT
from tools import teaching_page as built
from tools.classroom import sections

NOTEBOOKS = sorted(p.stem for p in (ROOT / "notebooks").glob("*.ipynb"))
QUIZZES = sorted((ROOT / "docs" / "quiz").glob("*.md"))
SUM = re.compile(r"`([\d\s.+\-*/()]+) = (-?[\d.]+)`")
MARK = re.compile(r"<!-- ([\w-]+)((?: [\w.]+:\.\d[f%])+) -->(.*?)<!-- / -->", re.DOTALL)
"""`<!-- RESULT path.to.a.number:.1% ... -->`, a text whose first numbers are these, `<!-- / -->`."""
BLOCK = re.compile(r"```(python|text)\n(.*?)```", re.DOTALL)
OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}  # fmt: skip


@pytest.fixture(params=QUIZZES, ids=lambda p: p.stem)
def quiz(request):
    return request.param.read_text(encoding="utf-8")


def value(text):
    """Of a sum such as `1 - 0.23 * 2`."""

    def of(node):
        return OPERATORS[type(node.op)](of(node.left), of(node.right)) if isinstance(node, ast.BinOp) else node.value

    return of(ast.parse(text.strip(), mode="eval").body)


def questions(text):
    """(question, answer) pairs."""
    parts = re.split(r"^\*\*(\d+)\.\*\* ", text, flags=re.MULTILINE)[1:]
    assert [int(n) for n in parts[::2]] == list(range(1, 11))
    pairs = []
    for body in parts[1::2]:
        question, answer = re.fullmatch(
            r"(.+?)<details><summary>Answer</summary>\n\n(.+)\n\n</details>\n*", body, re.DOTALL
        ).groups()
        pairs.append((question.strip(), answer.strip()))
    return pairs


def test_every_notebook_has_a_quiz():
    assert len(QUIZZES) == 9
    assert [n for n in NOTEBOOKS if n[:2] not in {p.stem for p in QUIZZES}] == []


def test_ten_questions_with_ten_answers(quiz):
    pairs = questions(quiz)
    assert len(pairs) == 10
    for question, answer in pairs:
        assert len(question) > 40
        assert len(answer) > 40
    assert len({q for q, _ in pairs}) == 10


def test_arithmetic_in_answers_is_right(quiz):
    sums = SUM.findall(quiz)
    assert sums
    for left, right in sums:
        unit = 10.0 ** -len(right.partition(".")[2])
        assert abs(value(left) - float(right)) <= 0.501 * unit, (left, value(left), right)


def test_predicted_outputs_are_what_the_code_prints(quiz):
    for question, answer in questions(quiz):
        code = [body for kind, body in BLOCK.findall(question) if kind == "python"]
        told = [body for kind, body in BLOCK.findall(answer) if kind == "text"]
        assert len(code) == len(told) <= 1
        if code:
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(code[0], "question", "exec"), {})
            assert out.getvalue() == told[0]


def untrue(text, kept=stored):
    """The marked passages of a page whose numbers are not those of the results."""
    wrong = []
    for name, paths, told in MARK.findall(text):
        wanted = []
        for path in paths.split():
            keys, form = path.split(":")
            found = kept(name)
            for key in keys.split("."):
                found = found[int(key) if key.isdigit() else key]
            wanted.append(f"{found:{form}}".rstrip("%"))
        if re.findall(r"\d+\.\d+", told)[: len(wanted)] != wanted:
            wrong.append((told, wanted))
    return wrong


def test_marked_numbers_are_those_of_the_results(quiz):
    assert quiz.count("<!-- / -->") == len(MARK.findall(quiz))
    assert untrue(quiz) == []


def test_one_altered_digit_of_a_result_is_found():
    text = "<!-- T1-x rows.0.saved:.1% rows.0.miou:.3f -->`12.3 / 0.457 = 26.9`<!-- / -->"
    assert untrue(text, lambda _: {"rows": [{"saved": 0.1234, "miou": 0.4567}]}) == []
    for altered in ({"saved": 0.1334, "miou": 0.4567}, {"saved": 0.1234, "miou": 0.4577}):
        assert untrue(text, lambda _, row=altered: {"rows": [row]})
    marked = {path.stem for path in QUIZZES if MARK.search(path.read_text(encoding="utf-8"))}
    assert {"01", "05"} <= marked


@pytest.mark.parametrize(("plan", "minutes"), [(built.NINETY, 90), (built.HALF_DAY, 210)])
def test_the_plans_add_up(plan, minutes):
    assert sum(m for m, _, _ in plan) == minutes


def test_sections_that_a_plan_names_are_in_the_notebook():
    for _, number, what in (*built.NINETY, *built.HALF_DAY):
        for section in re.findall(r"\*([^*]+)\*", what):
            text = built._notebook(number).read_text(encoding="utf-8")
            assert f"## {section}" in text, (number, section)


def test_the_sections_on_the_page_are_those_of_the_notebooks():
    for measured in stored("classroom")["alone"]["rows"]:
        content = json.loads((ROOT / "notebooks" / f"{measured['notebook']}.ipynb").read_text(encoding="utf-8"))
        prose = "\n".join("".join(c["source"]) for c in content["cells"] if c["cell_type"] == "markdown")
        titles = re.findall(r"^## (.+)$", prose, re.MULTILINE)
        told = [part["title"] for part in measured["sections"]]
        assert told == ["beginning", *titles], "run: python -m tools.classroom --alone; python -m tools.pages"


@pytest.mark.parametrize("number", [f"0{k}" for k in range(9)])
def test_a_lesson_has_a_question_of_three_answers_with_feedback(number):
    content = json.loads(built._notebook(number).read_text(encoding="utf-8"))
    (question,) = [text for c in content["cells"] if (text := "".join(c["source"])).startswith("## Question")]
    answers = re.findall(r"<details><summary>([abc])\) .+?</summary>\n\n(.+?)\n\n</details>", question, re.DOTALL)
    assert "".join(letter for letter, _ in answers) == "abc"
    assert [said.startswith("Right") for _, said in answers].count(True) == 1


def test_seconds_words_and_figures_are_counted_by_section():
    picture = {"output_type": "display_data", "data": {"image/png": "", "text/plain": ""}, "metadata": {}}
    first = {"cell_type": "code", "source": "1", "metadata": {"papermill": {"duration": 1.25}}, "outputs": []}
    second = {"cell_type": "code", "source": "2", "metadata": {}, "outputs": [picture]}
    prose = {"cell_type": "markdown", "source": "end of it\n\n## Next\n\ntwo words", "metadata": {}}
    opening, following = sections({"cells": [first, prose, second]})
    assert opening == {"title": "beginning", "seconds": 1.2, "words": 3, "cells": 1, "figures": 0}
    assert following == {"title": "Next", "seconds": 0.0, "words": 4, "cells": 1, "figures": 1}


def _prose(path):
    text = path.read_text(encoding="utf-8")
    cells = json.loads(text)["cells"] if path.suffix == ".ipynb" else [{"cell_type": "markdown", "source": text}]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


PAGES = sorted(p for d in ("docs", "notebooks", "data") for p in (ROOT / d).rglob("*") if p.suffix in (".md", ".ipynb"))


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *PAGES], ids=lambda p: str(p.relative_to(ROOT)))
def test_relative_links_lead_somewhere(path):
    links = re.findall(r"\]\(([^)\s#]+)[^)]*\)", re.sub(r"```.*?```|`[^`]*`", "", _prose(path), flags=re.DOTALL))
    assert [link for link in links if not re.match("[a-z]+:", link) and not (path.parent / link).exists()] == []


def test_commands_exist():
    """Each `lcnb ...`, `make ...` and `python -m tools...` that the page names."""
    text = built.PAGE.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert target in targets
    for line in re.findall(r"(?:`|-m )lcnb ([^`\n]+)", text):
        assert parser().parse_args(line.split()).run
    for module in re.findall(r"python -m (tools\.\w+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists()


def test_what_the_page_advises_holds_for_what_was_measured():
    """One thread each does not make four readers wait longer, and saves processor time."""
    found = stored("classroom")
    free, one = (built.row(found, 4, s) for s in ("nothing set", "OMP_NUM_THREADS=1"))
    assert one["computing_threads"] == 1
    assert one["threads"] <= free["threads"]
    assert one["processor_seconds"] < free["processor_seconds"]
    assert one["slowest_seconds"] < 1.05 * free["slowest_seconds"]
    assert 0 < one["own_mb"] <= one["fair_share_mb"] <= one["resident_mb"]


@pytest.mark.slow
def test_the_tool_measures_a_reader(tmp_path):
    """A kernel that runs a notebook of one cell and stays open: its memory, threads and seconds."""
    script = """
import json, sys
from pathlib import Path
from lcnb.running import Notebook
from tools import classroom
code = "x = bytearray(50_000_000)"
cell = {"cell_type": "code", "source": code, "metadata": {}, "outputs": [], "execution_count": None}
path = Path(sys.argv[1], "00_small.ipynb")
path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
classroom.find = lambda *_: [Notebook(path, path.stem)]
print(json.dumps(classroom.measure(2, "OMP_NUM_THREADS=1")))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["people"] == 2
    assert 50 < found["own_mb"] <= found["fair_share_mb"] <= found["resident_mb"]
    assert found["computing_threads"] == 1
    assert 0 < found["seconds"] <= found["slowest_seconds"]
