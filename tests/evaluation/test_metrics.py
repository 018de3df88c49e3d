"""Scores by hand, and equal to torchmetrics where that is defined."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassJaccardIndex

from lcnb.evaluation import BoundaryF, ConfusionMatrix, ExitCounts, boundaries, near
from lcnb.evaluation.metrics import pixel_counts

IGNORE = 9


def test_iou_by_hand():
    """Truth 0 0 1 1 / predicted 0 1 1 1, one pixel ignored: IoU 1/2 and 2/3; class 2 is absent."""
    confusion = ConfusionMatrix(3, IGNORE)
    confusion.update(torch.tensor([0, 1, 1, 1, 2]), torch.tensor([0, 0, 1, 1, IGNORE]))
    assert confusion.counts.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert confusion.iou[:2].tolist() == pytest.approx([1 / 2, 2 / 3])
    assert math.isnan(confusion.iou[2])
    assert confusion.absent == [2]
    assert confusion.miou == pytest.approx(7 / 12)
    assert confusion.pixel_accuracy == pytest.approx(3 / 4)


def test_a_class_that_is_only_predicted_counts_as_zero():
    confusion = ConfusionMatrix(3, IGNORE)
    confusion.update(torch.tensor([0, 2]), torch.tensor([0, 0]))
    assert confusion.iou.nan_to_num(-1).tolist() == [0.5, -1, 0]
    assert confusion.miou == pytest.approx(0.25)


def test_updates_add_up_and_stages_part_them():
    parts, whole = ConfusionMatrix(4, IGNORE), ConfusionMatrix(4, IGNORE)
    labels, target = torch.randint(4, (2, 6, 6)), torch.randint(4, (2, 6, 6))
    for image in range(2):
        parts.update(labels[image], target[image])
    whole.update(labels, target)
    assert parts.counts.equal(whole.counts)
    stage = torch.arange(6)[None, :, None].expand(2, 6, 6) // 2
    parted = pixel_counts(labels, target, 4, IGNORE, stage, 3)
    assert parted.sum((1, 2)).tolist() == [24, 24, 24]
    assert parted.sum(0).equal(whole.counts)
    assert parted[2].equal(pixel_counts(labels[:, 4:], target[:, 4:], 4, IGNORE)[0])


@pytest.mark.parametrize(
    ("labels", "target", "text"),
    [([0, 1], [0], "different shapes"), ([0, 3], [0, 1], "labels holds .* 3"), ([0, 1], [0, 7], "target holds .* 7")],
)
def test_confusion_refuses_values_outside_the_classes(labels, target, text):
    with pytest.raises(ValueError, match=text):
        ConfusionMatrix(3, IGNORE).update(torch.tensor(labels), torch.tensor(target))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 9999), classes=st.integers(2, 6), ignored=st.booleans())
def test_equals_torchmetrics(seed, classes, ignored):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (2, 9, 9), generator=generator)
    target = torch.randint(classes, (2, 9, 9), generator=generator)
    if ignored:
        target[torch.rand(target.shape, generator=generator) < 0.2] = IGNORE
    confusion = ConfusionMatrix(classes, IGNORE)
    confusion.update(labels, target)
    theirs = MulticlassJaccardIndex(classes, average="none", ignore_index=IGNORE)(labels, target)
    torch.testing.assert_close(confusion.iou.float().nan_to_num(0), theirs)
    if not confusion.absent:
        mean = MulticlassJaccardIndex(classes, ignore_index=IGNORE)(labels, target)
        assert confusion.miou == pytest.approx(float(mean), abs=1e-6)


def test_boundaries_by_hand():
    labels = torch.tensor([[0, 0, 1], [0, 0, 1], [2, 0, 1]])
    assert boundaries(labels).int().tolist() == [[0, 1, 1], [1, 1, 1], [1, 1, 1]]
    ignore = labels == 2
    assert boundaries(labels, ignore).int().tolist() == [[0, 1, 1], [0, 1, 1], [0, 1, 1]]


def test_near_grows_by_a_square():
    mask = torch.zeros(5, 5, dtype=torch.bool)
    mask[2, 2] = True
    assert near(mask, 0).equal(mask)
    assert near(mask, 1).sum() == 9
    assert near(mask[None], 2).all()


def halves(column, width=12):
    """Class 0 left of a column, class 1 from it on."""
    return (torch.arange(width) >= column).long().expand(6, width)


@pytest.mark.parametrize(("shift", "tolerance", "score"), [(0, 0, 1.0), (1, 1, 1.0), (3, 1, 0.0), (1, 0, 0.0)])
def test_boundary_f_by_hand(shift, tolerance, score):
    """A straight edge, moved by `shift`: found entirely within the tolerance, or not at all."""
    metric = BoundaryF(2, IGNORE, tolerance)
    metric.update(halves(5 + shift), halves(5))
    assert metric.score == pytest.approx(score)


def test_boundary_f_half_found():
    """The truth has two edges of class 1, the prediction one of them: precision 1, recall 1/2, F 2/3."""
    truth = ((torch.arange(12) >= 3) & (torch.arange(12) < 9)).long().expand(6, 12)
    metric = BoundaryF(2, IGNORE, 0)
    metric.update(halves(3), truth)
    assert metric.by_class.tolist() == pytest.approx([2 / 3, 2 / 3])


def test_boundary_f_ignores_what_is_ignored_and_absent_classes():
    target = halves(5).clone()
    target[:, 8:] = IGNORE
    metric = BoundaryF(3, IGNORE, 0)
    prediction = halves(5).clone()
    prediction[:, 9:] = 2  # an outline inside the ignored area
    metric.update(prediction, target)
    assert metric.score == pytest.approx(1)
    assert math.isnan(metric.by_class[2])
    with pytest.raises(ValueError, match="-1"):
        BoundaryF(2, IGNORE, -1)


def test_exit_counts_by_hand():
    """Eight pixels: class 0 leaves 3 at stage 1 and 1 at stage 3, class 1 leaves 1 and 3."""
    counts = ExitCounts(3, IGNORE, 3)
    stage = torch.tensor([[0, 0, 0, 2], [0, 2, 2, 2]])
    target = torch.tensor([[0, 0, 0, 0], [1, 1, 1, 1]])
    counts.update(stage, torch.tensor([[0, 2]]), target)
    assert counts.counts.tolist() == [[3, 0, 1], [1, 0, 3], [0, 0, 0]]
    assert counts.exits.tolist() == [0.5, 0, 0.5]
    assert counts.by_class[:2].tolist() == [[0.75, 0, 0.25], [0.25, 0, 0.75]]
    # at stages 2 and 3 one pixel of class 0 and three of class 1 are left; each had half of the image
    assert counts.entering_ratio[:2].tolist() == [[1, 0.5, 0.5], [1, 1.5, 1.5]]
    assert counts.entering_ratio[2].isnan().all()


def test_exit_counts_skip_ignored_pixels():
    counts = ExitCounts(2, IGNORE, 2)
    counts.update(torch.tensor([[0, 1]]), torch.tensor([[1]]), torch.tensor([[IGNORE, 0]]))
    assert counts.counts.tolist() == [[0, 1], [0, 0]]
    assert counts.cells.tolist() == [0, 1]
