"""Policies: the same work, whoever decides."""

import pytest
import torch

from lcnb.evaluation.policies import (
    assigned,
    assigned_run,
    earliest_right,
    matched_thresholds,
    oracle_stages,
    random_stages,
    right_pixels,
)
from lcnb.models import CRITERIA, StageLogits, margin, max_softmax, rethreshold


@pytest.fixture(scope="module")
def logits(small_cascade, picture):
    with torch.inference_mode():
        return small_cascade.all_stages(torch.stack([picture, picture.flip(2)]) / 255)


@pytest.fixture(scope="module")
def out(logits):
    return rethreshold(logits, 0.6)


@pytest.fixture(scope="module")
def target(truth):
    return torch.stack([truth, truth.flip(1)])


def numbers(stage):
    return [torch.bincount(s.flatten(), minlength=3).tolist() for s in stage]


def test_a_policys_map_is_carried_out_cached_and_true(small_cascade, picture, logits, out):
    again = assigned(logits, out.stage)
    assert again.labels.equal(out.labels)
    assert again.exits.equal(out.exits)
    x = torch.stack([picture, picture.flip(2)]) / 255
    with torch.inference_mode():
        wanted = small_cascade(x, 0.6)
        true = assigned_run(small_cascade, x, wanted.stage)
        assert (true.mode, true.labels.equal(wanted.labels)) == ("true", True)
        assert true.work.equal(wanted.work)
        assert assigned_run(small_cascade.for_inference(), x, wanted.stage).stage.equal(wanted.stage)
        assert (assigned_run(small_cascade, x, wanted.stage, halo=1).work >= wanted.work).all()


@pytest.mark.parametrize("stage", [torch.zeros(6, 8), torch.full((1, 6, 8), 3), torch.full((1, 6, 8), -1)])
def test_a_map_that_is_none_is_refused(logits, stage):
    with pytest.raises(ValueError, match="values from 0 to 2"):
        assigned(logits, stage.long())


def test_random_and_oracle_keep_the_numbers_of_each_picture(logits, out, target):
    right = right_pixels(logits, target, 11)
    shuffled = random_stages(out.stage, torch.Generator().manual_seed(0))
    told = oracle_stages(right, out.stage)
    assert numbers(shuffled) == numbers(told) == numbers(out.stage)
    assert not shuffled.equal(out.stage)
    again = random_stages(out.stage, torch.Generator().manual_seed(0))
    assert shuffled.equal(again)


def test_right_pixels_by_hand():
    """Cells of 2 x 2 pixels, logits that are flat over a cell's own pixels because all cells agree."""
    maps = torch.zeros(1, 3, 2, 2)
    maps[:, 1] = 5.0
    target = torch.tensor([[[1, 1, 0, 9], [1, 0, 9, 9], [1, 1, 0, 0], [1, 1, 0, 1]]])
    assert right_pixels(StageLogits([maps, -maps], (4, 4)), target, 9).tolist() == [
        [[[3, 0], [4, 1]]],
        [[[1, 1], [0, 3]]],
    ]


def test_the_first_stage_that_no_later_one_beats():
    right = torch.tensor([[0, 2, 1, 4], [0, 2, 3, 1], [0, 3, 3, 0]]).view(3, 1, 1, 4)
    assert earliest_right(right).tolist() == [[[0, 2, 1, 0]]]


def test_oracle_has_more_right_cells_than_the_threshold_and_any_shuffle(logits, out, target):
    right = right_pixels(logits, target, 11)

    def hits(stage):
        return int(right.gather(0, stage[None]).sum())

    best = hits(oracle_stages(right, out.stage))
    assert best > hits(out.stage)
    shuffles = [hits(random_stages(out.stage, torch.Generator().manual_seed(k))) for k in range(20)]
    assert best > max(shuffles)
    assert hits(earliest_right(right)) == int(right.amax(0).sum())  # no policy has more


def test_oracle_breaks_ties_as_the_threshold_would(out, logits):
    assert oracle_stages(torch.zeros(3, *out.stage.shape, dtype=torch.int64), out.stage).equal(out.stage)


@pytest.mark.parametrize("name", CRITERIA)
@pytest.mark.parametrize("exits", [(0.3, 0.4, 0.3), (0.0, 0.5), (0.25, 0.75, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)])
def test_matched_thresholds_give_these_exits(logits, exits, name):
    pictures = [[m[b : b + 1] for m in logits] for b in range(2)]
    rho = matched_thresholds(pictures, exits, CRITERIA[name])
    found = rethreshold(logits, rho, criterion=CRITERIA[name]).exits.mean(0)
    assert found[:2].tolist() == pytest.approx(exits[:2], abs=0.5 / 48)


def test_matched_thresholds_of_the_same_criterion_are_the_same_policy(logits, out):
    rho = matched_thresholds([logits], out.exits.mean(0).tolist(), max_softmax)
    assert rethreshold(logits, rho).stage.equal(out.stage)


def test_a_criterion_of_zero_does_not_become_the_threshold_that_sends_all_out():
    ties = torch.zeros(1, 2, 1, 4)
    ties[0, 0, 0, 0] = 3.0
    rho = matched_thresholds([[ties, ties]], (0.25,), margin)
    assert rethreshold([ties, ties], rho, criterion=margin).stage.tolist() == [[[0, 1, 1, 1]]]
