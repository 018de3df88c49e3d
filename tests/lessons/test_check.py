"""What all exercises share: they survive any answer, have a question of one line, and print one line."""

import numpy as np
import pytest
import torch

import lcnb
from lcnb.lessons import EXERCISES, Verdict, grade, line


def failing(*_):
    raise RuntimeError("several\nlines")


class Strange:
    """Compares and converts to nothing."""


JUNK = [0, "x", [], {}, object(), Strange, float("nan"), torch.zeros(0), np.zeros(3), failing, lambda *_: None,
        lambda *_: "x", lambda *_: torch.zeros(0), lambda *_: torch.zeros(7, 7, 7), lambda: 1]  # fmt: skip


@pytest.mark.parametrize("name", EXERCISES)
def test_junk_is_wrong_and_gets_a_sentence(name):
    for answer in JUNK:
        verdict = grade(name, answer)
        assert verdict.right is False, answer
        assert len(verdict.message) > 10


@pytest.mark.parametrize("name", EXERCISES)
def test_no_answer_is_not_wrong(name):
    assert grade(name, None).right is None
    assert grade(name, ...).right is None


@pytest.mark.parametrize("name", EXERCISES)
def test_the_question_fits_on_a_line(name):
    first = EXERCISES[name].__doc__.splitlines()[0]
    assert first.endswith(".")
    assert "\n" not in first


def test_a_verdict_is_printed_on_one_line(capsys):
    lcnb.check("00-saved", failing)
    said = capsys.readouterr().out
    assert said == "✗ 00-saved: your answer could not be tried: RuntimeError: several lines\n"
    assert line("00-ends", Verdict(True, "right")) == "✓ 00-ends: right"
