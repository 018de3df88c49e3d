"""Exercises that say what is wrong: `lcnb.check(name, answer)` in a notebook.

A grader computes the right answer itself, with the package; none is written down here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lcnb.errors import LcnbError
from lcnb.lessons import building, training, video

Grader = Callable[[Any], str | None]
"""Takes an answer; None where it is right, else a sentence that helps. It may raise what the answer raises."""

EXERCISES: dict[str, Grader] = {
    "03-cost": building.cost_at_exits,
    "03-leaves": building.who_leaves,
    "03-factors": building.factorised,
    "04-rho": training.rho_at_its_ends,
    "04-loss": training.loss_of_step_two,
    "04-plain": training.weights_of_the_plain_network,
    "07-fps": video.frames_a_second,
    "07-share": video.share_for_the_talk,
    "07-newest": video.newest_frames,
}
"""By name: the notebook's number and what is asked."""


@dataclass(frozen=True)
class Verdict:
    """On an answer.

    Attributes:
        right: None where nothing was answered yet.
        message: a sentence.
    """

    right: bool | None
    message: str


def grade(name: str, answer: Any) -> Verdict:
    """Look at an answer without printing.

    Args:
        name: of the exercise, one of `EXERCISES`.
        answer: a value, or a function where one is asked for; `...` or None if there is none yet.

    Raises:
        LcnbError: there is no such exercise.
    """
    if name not in EXERCISES:
        raise LcnbError(f"no exercise is called {name!r}; there are {', '.join(EXERCISES)}")
    if answer is None or answer is ...:
        return Verdict(None, "no answer yet: put yours in the place of `...` and run this cell again")
    try:
        wrong = EXERCISES[name](answer)
    except Exception as error:  # whatever the reader's code does
        return Verdict(False, f"your answer could not be tried: {type(error).__name__}: {error}")
    return Verdict(wrong is None, wrong or "right")


def check(name: str, answer: Any) -> None:
    """Say whether an answer is right and, if it is not, what is wrong with it.

    Args:
        name: of the exercise, such as "04-rho".
        answer: a value, or a function where one is asked for.

    Raises:
        LcnbError: there is no such exercise.
    """
    verdict = grade(name, answer)
    mark = {True: "✓", False: "✗", None: "○"}[verdict.right]
    print(f"{mark} {name}: {verdict.message}")
