"""The experiment on cascade training: equal cost by hand, words at the edges, paired branches, one that was stopped."""

import dataclasses
import itertools
import json

import pytest
import torch

from lcnb.evaluation.bootstrap import bootstrap_miou, miou
from lcnb.reproduction import Request, cascade_training, readings, reproduce, store
from lcnb.reproduction.cascade_training import BRANCHES, runs_of
from lcnb.reproduction.readings import (
    AHEAD,
    BEHIND,
    DISAGREE,
    FAR_AHEAD,
    FAR_BEHIND,
    NO_BENEFIT,
    NOT_REACHED,
    PERHAPS_LOSS,
    PRIMARY,
    TOO_FEW,
    UNDECIDED,
    Curve,
    agreed,
    difference,
    headline,
    sentences,
    word_of,
)  # fmt: skip
from lcnb.training import Trainer
from tests.training.conftest import data, small  # noqa: F401


def quiet(line):
    """Takes a line of progress and keeps it to itself."""


def matrices(*rights):
    """(N, 1, 2, 2): 10 pixels of either class, so many of each right."""
    return torch.tensor([[[[r, 10 - r], [10 - r, r]]] for r in rights])


def test_counts_between_two_settings_by_hand():
    """.5 lies a quarter of the way from .4 to .8: three quarters of the one, one quarter of the other."""
    counts = torch.cat([matrices(6, 2), matrices(10, 8), matrices(8, 4)], dim=1)
    curve = Curve((0.4, 1.2, 0.8), counts)
    found = curve.at(0.5)
    assert found.tolist() == [[[6500, 3500], [3500, 6500]], [[2500, 7500], [7500, 2500]]]
    assert curve.at(1.0).tolist() == (500 * counts[:, 2] + 500 * counts[:, 1]).tolist()
    assert curve.at(0.4).tolist() == (1000 * counts[:, 0]).tolist()
    assert curve.at(1.2).tolist() == (1000 * counts[:, 1]).tolist()
    assert curve.at(0.39) is None
    assert curve.at(1.21) is None


def test_two_settings_of_one_cost_and_a_rising_and_falling_curve():
    counts = torch.cat([matrices(1), matrices(2), matrices(3)], dim=1)
    assert Curve((0.5, 0.5, 0.7), counts).at(0.5).tolist() == (1000 * counts[:, 0]).tolist()
    assert Curve((0.7, 0.5, 0.6), counts).at(0.65).tolist() == (500 * counts[:, 2] + 500 * counts[:, 0]).tolist()


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (-0.01, 0.01, NO_BENEFIT),
        (0.002, 0.01, NO_BENEFIT),
        (-0.01, -0.001, NO_BENEFIT),
        (0.002, 0.010001, AHEAD),
        (0.01, 0.02, AHEAD),
        (0.010001, 0.02, FAR_AHEAD),
        (0.0, 0.02, UNDECIDED),
        (-0.005, 0.010001, UNDECIDED),
        (-0.02, 0.02, UNDECIDED),
        (-0.010001, 0.01, PERHAPS_LOSS),
        (-0.02, 0.0, PERHAPS_LOSS),
        (-0.02, -0.000001, BEHIND),
        (-0.02, -0.01, BEHIND),
        (-0.02, -0.010001, FAR_BEHIND),
    ],
)
def test_words_at_the_edges_of_an_interval(low, high, word):
    assert word_of(low, high) == word


def test_a_difference_is_the_paired_bootstrap_of_the_mixtures():
    one, other = 1000 * matrices(9, 8, 7, 6)[:, 0], 1000 * matrices(8, 8, 7, 5)[:, 0]
    found = difference(one, other, 1)
    assert found["interval"] == bootstrap_miou(one, other, block=1).as_dict()
    assert found["interval"]["value"] == pytest.approx(float(miou(one.sum(0)) - miou(other.sum(0))), abs=1e-6)
    assert found["word"] == word_of(found["interval"]["low"], found["interval"]["high"])
    assert difference(None, other, 1) == {"interval": None, "word": NOT_REACHED}
    assert difference(one[:1], other[:1], 1) == {"interval": None, "word": TOO_FEW}


def seed(*words, value=0.02):
    comparisons = [
        {"what": PRIMARY, "halo": 0, "cost": 0.5, "unit": "multiply-adds", "interval": {"value": value}, "word": word}
        for word in words
    ]
    return {"comparisons": comparisons}


@pytest.mark.parametrize(
    ("words", "start"),
    [
        ([FAR_AHEAD, AHEAD], "Cascade training is ahead of deep supervision at matched multiply-adds, by +0.010 to"),
        ([BEHIND, FAR_BEHIND], "Cascade training is behind deep supervision at matched multiply-adds: +0.010 to"),
        ([BEHIND, NO_BENEFIT], "Cascade training brings no benefit above one point over deep supervision"),
        ([PERHAPS_LOSS, NO_BENEFIT], "Cascade training brings no benefit above one point over deep supervision"),
        (
            [AHEAD, NO_BENEFIT],
            "No single verdict on cascade training against deep supervision at matched multiply-adds",
        ),
        ([UNDECIDED, UNDECIDED], "No single verdict on cascade training"),
    ],
)
def test_the_headline(words, start):
    first, second = words
    assert headline([seed(first, value=0.01), seed(second, value=0.03)], 2).startswith(start)


def test_the_headline_says_what_is_missing():
    found = headline([seed(AHEAD)], 3)
    assert found.startswith("So far, with 1 of 3 seeds: cascade training is ahead")
    hole = {**seed(AHEAD)["comparisons"][0], "interval": None, "word": NOT_REACHED}
    assert headline([{"comparisons": [*seed(AHEAD)["comparisons"], hole]}], 1).endswith(
        "; 1 of 2 comparisons could not be made."
    )
    assert "nothing is decided" in headline([{"comparisons": [hole]}], 1)


def test_a_sentence_has_every_seeds_value_and_a_word_for_all():
    assert agreed([AHEAD, AHEAD]) == AHEAD
    assert agreed([AHEAD, NO_BENEFIT]) == DISAGREE
    lines = sentences([seed(AHEAD, value=0.015), seed(UNDECIDED, value=-0.002)], 2)
    assert lines[1:] == ["cascade - deep (halo 0, at 50% of dense multiply-adds): +0.015, -0.002: the seeds disagree."]


def test_the_runs_of_a_seed_differ_in_arm_and_halo_only(small):  # noqa: F811
    trunk, *branches = runs_of(dataclasses.replace(small, steps=4, cascade_steps=2))
    assert (trunk.arm, trunk.total_steps) == ("dsn", 4)
    assert [(b.arm, b.halo) for b in branches] == [
        ("dsn", 0), ("hard", 0), ("lc", 0), ("lc", 1), ("shuffled", 0), ("shuffled", 1),
    ]  # fmt: skip
    assert len({dataclasses.replace(b, arm="dsn", halo=0) for b in branches}) == 1


@pytest.fixture
def request_(small, tmp_path, monkeypatch):  # noqa: F811
    """Two steps of a trunk and two of each branch, scored at three thresholds and timed on one image."""
    monkeypatch.setattr(cascade_training, "RHOS", (0.1, 0.3, 1.0))
    monkeypatch.setattr(cascade_training, "TIMED", 1)
    monkeypatch.setattr(store, "PART", 1)
    config = dataclasses.replace(small, steps=2, cascade_steps=2, rho=0.12, save_every=1)
    return Request("cascade-training", "tiny", config, seeds=(0,), work=tmp_path / "work")


def without_times(found):
    """What does not hang on a clock."""
    plain = json.loads(json.dumps(found))
    for part in plain["seeds"]:
        del part["ms"], part["load"]
        part["comparisons"] = [c for c in part["comparisons"] if c["unit"] != "time"]
    del plain["verdicts"]
    return plain


def test_one_that_was_stopped_gives_what_an_unbroken_one_gives(request_, tmp_path, monkeypatch):
    whole = reproduce(request_, quiet)
    other = dataclasses.replace(request_, work=tmp_path / "other")
    stops = {"step": 0, "image": 0}

    def stopping(name, place, true, after):
        def call(*arguments, **options):
            stops[name] += 1
            if stops[name] == after:
                raise KeyboardInterrupt
            return true(*arguments, **options)

        monkeypatch.setattr(place, {"step": "_train_step", "image": "measured"}[name], call)

    stopping("step", Trainer, Trainer._train_step, 8)
    stopping("image", cascade_training, cascade_training.measured, 7)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            reproduce(other, quiet)
    assert without_times(reproduce(other, quiet)) == without_times(whole)
    assert stops == {"step": 2 + 2 * len(BRANCHES) + 1, "image": 2 * sum(len(b.scored) for b in BRANCHES) + 1}


def test_what_is_stored_is_what_the_numbers_are_made_of(request_):
    found = reproduce(request_, quiet)["seeds"][0]
    assert found["branches"].keys() == {b.name for b in BRANCHES}
    for branch in found["branches"].values():
        for row in itertools.chain(branch["dense"], *branch["true"].values()):
            counts = torch.tensor([[int(n) for n in line.split()] for line in row["counts"]])
            assert row["miou"] == pytest.approx(float(miou(counts)), abs=1e-6)
        first, second, third = (row["cost"] for row in branch["dense"])
        for runs in branch["true"].values():
            costs = [row["cost"] for row in runs]
            assert costs == sorted(costs)
            assert runs[-1]["counts"] == branch["dense"][-1]["counts"]
            assert 0 < first < second < third == 1 < costs[-1]
    scored = {name: tuple(map(int, branch["true"])) for name, branch in found["branches"].items()}
    assert scored == {b.name: b.scored for b in BRANCHES}
    assert [row["scale"] for row in found["opponents"]["reduced"]] == list(cascade_training.SCALES)
    assert found["opponents"]["reduced"][-1]["counts"] == found["branches"]["deep"]["dense"][-1]["counts"]
    assert {"dense", "scale 0.5", "stop 1", "stop 2", "cascade-0 rho 0.1", "cascade-1 rho 1"} <= found["ms"].keys()
    primary = [(c["halo"], c["cost"]) for c in found["comparisons"] if c["what"] == PRIMARY]
    assert primary == [(0, 0.5), (0, 0.7), (1, 0.5), (1, 0.7)]
    assert readings.sentences([found], 3)[0].startswith("So far, with 1 of 3 seeds: ")
