"""Figure 1's sets, by hand."""

import pytest
import torch

from lcnb.difficulty import DifficultyCounts, boundary_band, difficulty, pixel_scores

IGNORE = 11


def test_the_three_sets_by_hand():
    confidence = torch.tensor([[0.96, 0.96, 0.95, 0.2, 0.99]])
    labels = torch.tensor([[1, 2, 1, 1, 0]])
    target = torch.tensor([[1, 1, 1, 1, IGNORE]])
    assert difficulty(labels, confidence, target, IGNORE).tolist() == [[0, 2, 1, 1, 255]]
    assert difficulty(labels, confidence, target, IGNORE, threshold=0.1).tolist() == [[0, 2, 0, 0, 255]]


def test_counts_by_hand():
    """A 4x8 picture, class 0 left and 1 right: with width 0 the boundary is columns 3 and 4."""
    target = torch.zeros(4, 8, dtype=torch.int64)
    target[:, 4:] = 1
    grade = torch.zeros(4, 8, dtype=torch.uint8)
    grade[:, 3:5] = 1
    grade[0, 4] = 2
    grade[3, 7] = 2
    counts = DifficultyCounts(3, IGNORE, width=0)
    counts.update(grade, target)
    assert counts.counts.tolist() == [[12, 4, 0], [11, 3, 2], [0, 0, 0]]
    assert counts.shares.tolist() == pytest.approx([23 / 32, 7 / 32, 2 / 32])
    assert counts.boundary_shares.tolist() == pytest.approx([0, 1, 0.5])


def test_a_wider_boundary_takes_more():
    target = torch.zeros(6, 20, dtype=torch.int64)
    target[:, 10:] = 1
    grade = torch.zeros(6, 20, dtype=torch.uint8)
    shares = []
    for width in (0, 1, 3):
        counts = DifficultyCounts(2, IGNORE, width)
        counts.update(grade, target)
        shares.append(float(counts.boundary_shares[0]))
    assert shares == pytest.approx([2 / 20, 4 / 20, 8 / 20])


def test_ignored_pixels_count_for_nothing_and_make_no_boundary():
    target = torch.tensor([[0, 0, IGNORE, IGNORE]] * 4)
    counts = DifficultyCounts(1, IGNORE, width=3)
    counts.update(difficulty(torch.zeros_like(target), torch.ones(4, 4), target, IGNORE), target)
    assert counts.counts.sum() == 8
    assert counts.on_boundary.sum() == 0


def test_a_ring_of_void_is_a_boundary_where_the_data_set_has_one():
    """An object of one column, the ring beside it hides its outline: the band lies behind the ring, one pixel wide."""
    target = torch.tensor([[0, 0, 0, IGNORE, 1, IGNORE, 0, 0, 0]] * 3)
    assert boundary_band(target, IGNORE, 0, void_ring=True)[1].tolist() == [0, 0, 1, 0, 1, 0, 1, 0, 0]
    assert not boundary_band(target, IGNORE, 3).any()
    counts = DifficultyCounts(2, IGNORE, 0, void_ring=True)
    counts.update(difficulty(torch.zeros_like(target), torch.ones(3, 9), target, IGNORE), target)
    assert counts.boundary_shares.tolist()[::2] == pytest.approx([2 / 6, 1])


def test_pixel_scores_upsample_logits():
    logits = torch.tensor([[[[4.0, 0.0]], [[0.0, 4.0]]]])
    labels, confidence = pixel_scores(logits, (2, 4))
    assert labels.tolist() == [[0, 0, 1, 1]] * 2
    assert confidence[0, 0] > confidence[0, 1] > 0.5
