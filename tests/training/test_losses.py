"""The losses, worked by hand."""

from math import log

import pytest
import torch

from lcnb.datasets import load_dataset
from lcnb.models.labels import upsampled
from lcnb.training.losses import class_weights, imitation, soft_jaccard, stage_losses
from tests.datasets import trees

IGNORE = 9
SURE = torch.tensor([0.0, log(3)]).view(1, 2, 1, 1)  # probabilities 1/4, 3/4
EVEN = torch.zeros(1, 2, 1, 1)
TARGET = torch.tensor([[[0, 1], [1, IGNORE]]])


ONE = torch.tensor([[[0, IGNORE], [IGNORE, IGNORE]]])
LOSSES = {
    "one stage": ([SURE], TARGET, (1.0,), None, (log(4) + 2 * log(4 / 3)) / 3),
    "a weighted mean": ([SURE], TARGET, (1.0,), [2.0, 0.5], (2 * log(4) + 2 * 0.5 * log(4 / 3)) / 3),
    "factors of stages": ([SURE, EVEN, EVEN], TARGET, (1, 0.5, 0), None, (log(4) + 2 * log(4 / 3)) / 3 + 0.5 * log(2)),
    "a light pixel alone counts in full": ([SURE], ONE, (1.0,), [0.01, 1.0], log(4)),
}


@pytest.mark.parametrize(("logits", "target", "factors", "weights", "expected"), LOSSES.values(), ids=LOSSES)
def test_losses_by_hand(logits, target, factors, weights, expected):
    loss = stage_losses(logits, target, factors, weights and torch.tensor(weights), IGNORE)
    assert loss.item() == pytest.approx(expected)


def test_logits_are_upsampled_bilinearly():
    """2 cells to 4 pixels: weights 1, 3/4, 1/4, 0 of the left one."""
    cells = torch.tensor([[0.0, 0.0], [0.0, 4.0]]).view(1, 2, 1, 2)
    target = torch.ones(1, 1, 4, dtype=torch.long)
    expected = sum(log(1 + torch.tensor(-v).exp().item()) for v in (0.0, 1.0, 3.0, 4.0)) / 4
    assert stage_losses([cells], target, (1.0,), None, IGNORE).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    "loss_of",
    [
        lambda logits, nothing: stage_losses([logits], nothing, (1.0,), None, IGNORE),
        lambda logits, nothing: stage_losses([logits], nothing, (1.0,), torch.tensor([0.5, 1.5]), IGNORE),
        lambda logits, nothing: soft_jaccard(logits, nothing, IGNORE),
    ],
    ids=["plain", "weighted", "jaccard"],
)
def test_a_batch_without_labels_costs_nothing_and_changes_nothing(loss_of):
    logits = torch.randn(2, 2, 3, 3, requires_grad=True)
    loss = loss_of(logits, torch.full((2, 3, 3), IGNORE))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().max() == 0


def test_bfloat16_logits_are_upcast():
    logits = torch.randn(1, 2, 2, 2)
    half = stage_losses([logits.bfloat16()], TARGET, (1.0,), None, IGNORE)
    assert half.dtype == torch.float32
    assert half.item() == stage_losses([logits.bfloat16().float()], TARGET, (1.0,), None, IGNORE).item()


def test_soft_jaccard_by_hand():
    """Two classes there, at 1 and 2 of three pixels that count, all guessed at 1/4, 3/4."""
    first = 0.25 / (3 * 0.25 + 1 - 0.25)
    second = 2 * 0.75 / (3 * 0.75 + 2 - 2 * 0.75)
    logits = SURE.expand(1, 2, 2, 2)
    assert soft_jaccard(logits, TARGET, IGNORE).item() == pytest.approx(1 - (first + second) / 2)
    alone = TARGET.masked_fill(TARGET == 0, IGNORE)  # the mean is over the classes there are
    assert soft_jaccard(logits, alone, IGNORE).item() == pytest.approx(1 - 2 * 0.75 / 2)


def test_soft_jaccard_is_one_minus_the_miou_of_sure_guesses():
    labels, guess = torch.randint(0, 4, (2, 2, 8, 8), generator=torch.Generator().manual_seed(0))
    sure = torch.nn.functional.one_hot(guess, 4).permute(0, 3, 1, 2) * 50.0
    iou = [((guess == k) & (labels == k)).sum() / ((guess == k) | (labels == k)).sum() for k in range(4)]
    assert soft_jaccard(sure, labels, IGNORE).item() == pytest.approx(1 - torch.stack(iou).mean().item(), abs=1e-6)


def test_the_jaccard_loss_is_added_to_each_stage_on_its_own_pixels():
    logits = torch.randn(1, 2, 1, 2, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([[[0, 0, 1, 0], [0, 0, 1, IGNORE]]])
    right = torch.tensor([[[False, True]]])
    reached = [torch.ones_like(right), right]
    plain = stage_losses([logits] * 2, target, (1.0, 0.5), None, IGNORE, reached)
    both = stage_losses([logits] * 2, target, (1.0, 0.5), None, IGNORE, reached, jaccard=2.0)
    full = upsampled(logits, (2, 4))
    of_right = soft_jaccard(full, target.masked_fill(torch.tensor([1, 1, 0, 0]).bool(), IGNORE), IGNORE)
    assert both - plain == pytest.approx((2 * soft_jaccard(full, target, IGNORE) + of_right).item())


def test_imitation_by_hand():
    """The teacher says 1/4, 3/4 of both cells; a stage that says even odds is log 3 * 3/4 - log 2 away from it."""
    even, sure = EVEN.expand(1, 2, 1, 2), SURE.expand(1, 2, 1, 2)
    apart = 0.25 * log(0.25 / 0.5) + 0.75 * log(0.75 / 0.5)
    assert imitation([even, sure], sure, (1.0, 1.0)).item() == pytest.approx(apart)
    assert imitation([even, even], sure, (1.0, 0.5)).item() == pytest.approx(1.5 * apart)
    assert imitation([sure + 7], sure, (1.0,)).item() == pytest.approx(0, abs=1e-6)  # probabilities, not logits


def test_imitation_counts_the_cells_that_reach_a_stage():
    mixed = torch.cat([EVEN, SURE], dim=3)  # (1, 2, 1, 2): the right cell says what the teacher says
    right, none = torch.tensor([[[False, True]]]), torch.zeros(1, 1, 2, dtype=torch.bool)
    wanted = SURE.expand(1, 2, 1, 2)
    both = imitation([mixed], wanted, (1.0,))
    assert imitation([mixed], wanted, (1.0,), [~right]).item() == pytest.approx(2 * both.item())
    assert imitation([mixed], wanted, (1.0,), [right]).item() == pytest.approx(0, abs=1e-6)
    assert imitation([mixed], wanted, (1.0,), [none]).item() == 0


def test_class_weights_by_hand(data):
    """A quarter of the labelled pixels is class 3, the rest class 0; 1 / log(c + share), mean 1."""
    for k in range(5):
        values = trees.labels([0])
        values[:6], values[-4:] = 3, 11  # rows: 6 of class 3, 14 of class 0, 4 unlabelled
        trees.write(values, data / "trainannot" / f"train_{k:03}.png")
    raw = torch.tensor([1 / log(1.1 + share) for share in [0.7, 0, 0, 0.3] + [0] * 7])
    weights = class_weights(load_dataset("camvid", "train"), 1.1)
    assert weights.dtype == torch.float32
    torch.testing.assert_close(weights, raw / raw.mean())
    assert weights.mean().item() == pytest.approx(1)
    assert weights[0] < weights[3] < weights[1]


def test_only_the_cells_that_reach_a_stage_count():
    """Two cells of 2x2 pixels; the second stage is reached by the right one alone."""
    logits = torch.stack([torch.zeros(1, 1, 2), torch.tensor([[[0.0, log(3)]]])], dim=1)
    target = torch.tensor([[[0, 0, 1, 1], [0, 0, 1, IGNORE]]])
    right = torch.tensor([[[False, True]]])
    everywhere = torch.ones_like(right)
    alone = stage_losses([logits], target.masked_fill(torch.tensor([1, 1, 0, 0]).bool(), IGNORE), (1.0,), None, IGNORE)
    got = stage_losses([logits, logits], target, (0.0, 1.0, 1.0), None, IGNORE, [everywhere, right])
    assert got.item() == pytest.approx(alone.item())
    nothing = stage_losses([logits], target, (1.0,), None, IGNORE, [torch.zeros_like(right)])
    assert nothing.item() == 0
