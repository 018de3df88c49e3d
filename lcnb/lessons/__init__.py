"""Exercises that say what is wrong: `lcnb.check(name, answer)` in a notebook.

A grader computes the right answer itself, with the package; none is written down here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lcnb.errors import LcnbError
from lcnb.lessons import beyond, building, difficulty, quickstart, regions, reproduction, stages, training, video

MARKS = {True: "✓", False: "✗", None: "○"}
"""What a verdict's line begins with."""

Grader = Callable[[Any], str | None]
"""Takes an answer; None where it is right, else a sentence that helps. It may raise what the answer raises."""

EXERCISES: dict[str, Grader] = {
    "00-ends": quickstart.exits_at_the_ends,
    "00-saved": quickstart.fraction_saved,
    "00-stages": quickstart.exit_stages,
    "00-budget": quickstart.threshold_for_budget,
    "01-names": difficulty.names_of_five,
    "01-grades": difficulty.grades,
    "01-boundary": difficulty.boundary_share,
    "01-changes": difficulty.changes,
    "02-table": regions.row_of_the_table,
    "02-loops": regions.convolution_by_loops,
    "02-pool": regions.max_pool,
    "02-break-even": regions.break_even,
    "03-cost": building.cost_at_exits,
    "03-leaves": building.exit_decision,
    "03-factors": building.factorised,
    "04-rho": training.rho_at_its_ends,
    "04-plain": training.weights_of_the_plain_network,
    "04-loss": training.loss_of_step_two,
    "05-silent": stages.silent_second_stage,
    "05-decided": stages.decided_so_far,
    "05-ratio": stages.entering_ratio,
    "05-pair": stages.better_pair,
    "06-eighty": reproduction.speed_of_eighty,
    "06-dense": reproduction.dense_speed,
    "06-misprint": reproduction.misprinted_column,
    "06-referee": reproduction.who_won,
    "07-fps": video.frames_a_second,
    "07-share": video.share_for_the_talk,
    "07-newest": video.newest_frames,
    "08-coins": beyond.coins,
    "08-ece": beyond.expected_error,
    "08-swap": beyond.swapped,
    "08-budget": beyond.within_budget,
}
"""By name: the notebook's number and what is asked; in the order in which the lessons ask."""


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


def line(name: str, verdict: Verdict) -> str:
    """What `check` prints, and what `lcnb check --summary` finds again in a stored notebook: one line, always."""
    return f"{MARKS[verdict.right]} {name}: {' '.join(verdict.message.split())}"


def check(name: str, answer: Any) -> None:
    """Say whether an answer is right and, if it is not, what is wrong with it.

    Args:
        name: of the exercise, such as "04-rho".
        answer: a value, or a function where one is asked for.

    Raises:
        LcnbError: there is no such exercise.
    """
    print(line(name, grade(name, answer)))
