"""Exercises: right answers pass, each usual slip gets its own sentence, and any answer gets one line."""

import numpy as np
import pytest
import torch

import lcnb
from lcnb.errors import LcnbError
from lcnb.lessons import EXERCISES, grade, line
from tests.lessons import beyond, building, difficulty, quickstart, regions, reproduction, stages, training, video

LESSONS = (quickstart, difficulty, regions, building, training, stages, reproduction, video, beyond)


@pytest.mark.parametrize(("name", "answer"), [case for lesson in LESSONS for case in lesson.RIGHT])
def test_right(name, answer):
    assert (grade(name, answer).right, grade(name, answer).message) == (True, "right")


@pytest.mark.parametrize(("name", "answer", "text"), [case for lesson in LESSONS for case in lesson.SLIPS])
def test_slips(name, answer, text):
    verdict = grade(name, answer)
    assert verdict.right is False
    assert text in verdict.message


def test_every_exercise_has_an_answer_and_a_slip():
    for cases in ("RIGHT", "SLIPS"):
        assert {name for lesson in LESSONS for name, *_ in getattr(lesson, cases)} == set(EXERCISES)


def failing(*_):
    raise RuntimeError("several\nlines")


class Strange:
    """Compares and converts to nothing."""


JUNK = [
    0, -1, 10**30, float("inf"), float("nan"), "", "x", "x" * 10**5, "\x1b[31m", b"x", [], {}, [[]] * 3, object(), int,
    Strange, torch.zeros(0), np.zeros(3), torch.full((2,), float("nan")), failing, lambda *_: None, lambda *_: "x",
    lambda *_: torch.zeros(0), lambda *_: torch.zeros(7, 7, 7), lambda *_: float("nan"), lambda: 1, lambda: 1 / 0,
]  # fmt: skip


@pytest.mark.parametrize("name", EXERCISES)
def test_junk_is_wrong_and_gets_a_sentence(name):
    for answer in JUNK:
        verdict = grade(name, answer)
        assert verdict.right is False, answer
        assert len(verdict.message) > 10
        assert len(line(name, verdict).splitlines()) == 1


@pytest.mark.parametrize("name", EXERCISES)
def test_no_answer_is_not_wrong(name, capsys):
    assert grade(name, None).right is None
    assert grade(name, ...).right is None
    lcnb.check(name, ...)
    assert capsys.readouterr().out.startswith(f"○ {name}: no answer yet")


@pytest.mark.parametrize("name", EXERCISES)
def test_the_question_fits_on_a_line(name):
    first = EXERCISES[name].__doc__.splitlines()[0]
    assert first.endswith(".")
    assert "\n" not in first


def test_a_verdict_is_printed_on_one_line(capsys):
    lcnb.check("00-saved", failing)
    lcnb.check("00-saved", quickstart.saved)
    assert capsys.readouterr().out.splitlines() == [
        "✗ 00-saved: your answer could not be tried: RuntimeError: several lines", "✓ 00-saved: right",
    ]  # fmt: skip


def test_an_exercise_that_does_not_exist():
    with pytest.raises(LcnbError, match=r"no exercise is called '4-rho'; there are .*04-rho"):
        lcnb.check("4-rho", 1)


def test_grading_draws_nothing_from_the_readers_random_numbers():
    torch.manual_seed(0)
    wanted = torch.rand(1)
    torch.manual_seed(0)
    grade("04-loss", training.loss)
    grade("04-rho", training.RIGHT_FRACTIONS)
    assert torch.rand(1) == wanted
