"""The moving-block bootstrap: by hand, against the truth on made data, and its refusals."""

import json
import math

import pytest
import torch

from lcnb.evaluation import ConfusionMatrix, bootstrap_miou, evaluate
from lcnb.evaluation.bootstrap import bootstrap_share, multiplicities, times_drawn
from lcnb.evaluation.metrics import miou

RIGHT, WRONG = torch.tensor([[4, 0], [0, 4]]), torch.tensor([[0, 4], [4, 0]])


def test_miou_is_that_of_the_confusion_matrix():
    counts = torch.randint(50, (6, 4, 4))
    counts[0, 3], counts[0, :, 3] = 0, 0  # class 3 is neither there nor predicted
    for c in counts:
        matrix = ConfusionMatrix(4, 9)
        matrix.counts = c
        assert float(miou(c)) == pytest.approx(matrix.miou, abs=1e-12)
    assert miou(counts).tolist() == pytest.approx([float(miou(c)) for c in counts])
    assert math.isnan(miou(torch.zeros(2, 2)))


def test_blocks_by_hand():
    """Frames 3 4, 0 1, 1 2 of five, the last cut: 3 4 0 1 1."""
    assert times_drawn(torch.tensor([[3, 0, 1]]), 5, 2).tolist() == [[1, 2, 0, 1, 1]]


def test_every_draw_has_as_many_images_and_every_start_is_as_likely():
    times = multiplicities(7, 3, 30_000, torch.Generator().manual_seed(0))
    assert (times.sum(1) == 7).all()
    # Two whole blocks with starts 0 to 4, and one frame that is a start: a fifth of each.
    whole = torch.tensor([1, 2, 3, 3, 3, 2, 1]) / 5 * 2
    third = torch.tensor([1, 1, 1, 1, 1, 0, 0]) / 5
    torch.testing.assert_close(times.double().mean(0).float(), whole + third, atol=0.02, rtol=0)


def test_two_images_by_hand():
    """One all right, one all wrong: 0, 1/3, 1/3 or 1, each of the four draws as likely."""
    counts = torch.stack([RIGHT, WRONG])
    wide = bootstrap_miou(counts, block=1)
    assert (wide.value, wide.low, wide.high) == pytest.approx((1 / 3, 0, 1))
    narrow = bootstrap_miou(counts, block=1, level=0.4)  # the 30th and the 70th percentile
    assert (narrow.low, narrow.high) == pytest.approx((1 / 3, 1 / 3))


def test_a_difference_by_hand():
    """Against one that is always wrong, the right image makes 1, a mix 1/3; against itself nothing is left."""
    counts = torch.stack([RIGHT, WRONG])
    gain = bootstrap_miou(counts, torch.stack([WRONG, WRONG]), block=1)
    assert (gain.value, gain.low, gain.high) == pytest.approx((1 / 3, 0, 1))
    assert not gain.excludes_zero
    same = bootstrap_miou(counts, counts, block=1)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    clear = bootstrap_miou(torch.stack([RIGHT, RIGHT]), torch.stack([WRONG, WRONG]), block=1)
    assert (clear.low, clear.high) == (1, 1)
    assert clear.excludes_zero


def made(images, share, generator):
    """(N, 2, 2) counts of 100 pixels of each class; each image has its own share of right ones."""
    right = (share + 0.2 * torch.rand(images, 2, generator=generator) - 0.1).mul(100).round().long()
    counts = torch.zeros(images, 2, 2, dtype=torch.int64)
    counts[:, 0, 0], counts[:, 1, 1] = right[:, 0], right[:, 1]
    counts[:, 0, 1], counts[:, 1, 0] = 100 - right[:, 0], 100 - right[:, 1]
    return counts


@pytest.mark.parametrize("block", [1, 10])
def test_the_interval_covers_the_truth_as_often_as_it_says(block):
    """On independent images: 95 % of 300 intervals, give or take; of the difference of two settings too."""
    generator = torch.Generator().manual_seed(1)
    truth = float(miou(made(1_000_000, 0.8, generator).sum(0)))
    level, gain = 0, 0
    for trial in range(300):
        a, b = made(120, 0.8, generator), made(120, 0.8, generator)
        one = bootstrap_miou(a, block=block, resamples=400, seed=trial)
        two = bootstrap_miou(a, b, block=block, resamples=400, seed=trial)
        level += one.low <= truth <= one.high
        gain += two.low <= 0 <= two.high
    assert 0.88 <= level / 300 <= 0.99
    assert 0.88 <= gain / 300 <= 0.99


def test_blocks_widen_the_interval_where_neighbours_are_alike():
    """Every frame ten times: frame by frame the interval is about sqrt(10) too narrow."""
    counts = made(30, 0.7, torch.Generator().manual_seed(0)).repeat_interleave(10, 0)
    alone, blocks = (bootstrap_miou(counts, block=b) for b in (1, 10))
    assert 2 < (blocks.high - blocks.low) / (alone.high - alone.low) < 4


def test_the_seed_decides_and_the_result_says_how_it_was_made():
    counts = made(40, 0.7, torch.Generator().manual_seed(0))
    first, again, other = (bootstrap_miou(counts, seed=s, resamples=100) for s in (3, 3, 4))
    assert first == again != other
    said = json.loads(json.dumps(first.as_dict()))
    assert {k: said[k] for k in ("images", "block", "resamples", "seed", "level")} == {
        "images": 40, "block": 10, "resamples": 100, "seed": 3, "level": 0.95,
    }  # fmt: skip


def test_evaluate_keeps_the_counts_of_each_image(small_cascade, picture, truth):
    data = [(picture, truth), (picture.flip(2), truth), (picture, truth.flip(1))]
    scores = evaluate(small_cascade, data, classes="abcd", ignore_index=11, rho=0.6, keep_counts=True)
    counts = scores.counts_by_image
    assert counts.shape == (3, 4, 4)
    assert counts.sum(0).equal(scores.confusion.counts)
    one = evaluate(small_cascade, data[1:2], classes="abcd", ignore_index=11, rho=0.6)
    assert one.confusion.counts.equal(counts[1])
    assert bootstrap_miou(counts, block=1).value == pytest.approx(scores.confusion.miou)
    with pytest.raises(ValueError, match="keep_counts=True"):
        _ = one.counts_by_image


def test_the_interval_of_a_share():
    part, whole = torch.tensor([1, 0, 3, 2]), torch.tensor([4, 4, 4, 8])
    found = bootstrap_share(part, whole, block=1, resamples=500)
    assert found.value == 6 / 20
    assert 0 <= found.low < found.value < found.high <= 3 / 4
    assert found == bootstrap_share(part, whole, block=1, resamples=500)
    same = bootstrap_share(whole, whole, block=2)
    assert (same.value, same.low, same.high) == (1, 1, 1)
