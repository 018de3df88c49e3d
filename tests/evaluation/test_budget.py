"""The table of all thresholds against cutting every picture at every pair."""

import itertools

import pytest
import torch

from lcnb.evaluation import ConfusionMatrix
from lcnb.evaluation.budget import BudgetError, ThresholdTable, stage_lines
from lcnb.models import StageLogits, cascade_cost, margin, rethreshold, to_labels, to_pixels
from lcnb.models.cost import CascadeCost
from tests.conftest import CLASSES

GRID = (0.0, 0.35, 0.5, 0.6, 0.9, 1.0)


def costs(cost: CascadeCost):
    return [a + b for a, b in zip(cost.stages, cost.heads, strict=True)]


@pytest.fixture(scope="module")
def data(small_cascade, picture, truth):
    """(logits, target, cost) of two pictures of different sizes."""
    other = picture.flip(2)[:, :40], truth.flip(1)[:40]
    with torch.inference_mode():
        return [
            (small_cascade.all_stages(i[None] / 255), t[None], cascade_cost(small_cascade, *t.shape))
            for i, t in ((picture, truth), other)
        ]


@pytest.fixture(scope="module")
def table(data):
    found = ThresholdTable(3, len(CLASSES), 11, GRID)
    for logits, target, cost in data:
        found.update(logits, target, costs(cost))
    return found


def one_by_one(data, rho, criterion=None):
    """Exits, MACs and confusion (labels by nearest cell) of one pair, each picture cut for itself."""
    confusion, macs, cells = ConfusionMatrix(len(CLASSES), 11), [], torch.zeros(3)
    for logits, target, cost in data:
        out = rethreshold(logits, rho, **({"criterion": criterion} if criterion else {}))
        said = torch.stack([to_labels(m, target.shape[1:]) for m in logits])
        confusion.update(said.gather(0, to_pixels(out.stage, target.shape[1:])[None])[0], target)
        macs.append(float(cost.of(out.work)[0]))
        cells += torch.bincount(out.stage.flatten(), minlength=3)
    return confusion, sum(macs) / len(macs), cells / cells.sum()


def test_every_pair_is_what_cutting_every_picture_gives(table, data):
    for i, j in itertools.product(range(len(GRID)), repeat=2):
        confusion, macs, exits = one_by_one(data, (GRID[i], GRID[j]))
        assert table.counts[i, j].equal(confusion.counts)
        assert float(table.macs[i, j]) == pytest.approx(macs, rel=1e-6)
        assert table.exits[i, j].tolist() == pytest.approx(exits.tolist(), abs=1e-6)
        assert float(table.miou[i, j]) == pytest.approx(confusion.miou)


def test_where_one_stage_answers_alone_the_labels_are_exact(table, data):
    for index, rho in (((0, 0), (0.0, 0.0)), ((5, 0), (1.0, 0.0)), ((5, 5), (1.0, 1.0))):
        confusion = ConfusionMatrix(len(CLASSES), 11)
        for logits, target, _ in data:
            confusion.update(rethreshold(logits, rho).labels, target)
        assert table.counts[index].equal(confusion.counts)


def test_other_criteria_and_numbers_of_stages(data, small_cascade, picture, truth):
    found = ThresholdTable(3, len(CLASSES), 11, (0.2, 0.5), margin)
    for logits, target, cost in data:
        found.update(logits, target, costs(cost))
    confusion, macs, _ = one_by_one(data, (0.2, 0.5), margin)
    assert found.counts[0, 1].equal(confusion.counts)
    assert float(found.macs[0, 1]) == pytest.approx(macs, rel=1e-6)
    two = ThresholdTable(2, len(CLASSES), 11, (0.3, 0.5, 0.7))
    logits, target, cost = data[0]
    two.update(StageLogits(logits[:2], logits.size), target, costs(cost)[:2])
    assert two.miou.shape == two.macs.shape == (3,)
    exits = rethreshold(logits[:2], 0.5).exits[0]
    assert two.exits[1].tolist() == pytest.approx(exits.tolist())


def test_a_batch_is_its_images(data, table):
    logits, target, cost = data[0]
    once, twice = (ThresholdTable(3, len(CLASSES), 11, GRID) for _ in range(2))
    once.update(StageLogits([m.repeat(2, 1, 1, 1) for m in logits], logits.size), target.repeat(2, 1, 1), costs(cost))
    for _ in range(2):
        twice.update(logits, target, costs(cost))
    assert once.counts.equal(twice.counts)
    assert torch.allclose(once.macs, twice.macs)


def test_the_best_within_a_budget_is_the_best_of_all_pairs(table):
    for budget in torch.linspace(float(table.macs.min()), float(table.macs.max()), 7).tolist():
        choice = table.best_within(budget)
        allowed = table.macs <= budget
        assert choice.macs <= budget
        assert choice.miou == float(table.miou[allowed].max())
        rivals = table.macs[allowed & (table.miou == choice.miou)]
        assert choice.macs == float(rivals.min())
    at = tuple(GRID.index(r) for r in choice.rho)
    assert choice == table.choice(at)


def test_the_cheapest_within_a_loss(table):
    dense = float(table.miou[-1, -1])
    for loss in (0.0, 0.02, 1.0):
        choice = table.cheapest_within(loss)
        assert choice.miou >= dense - loss
        assert choice.macs == float(table.macs[table.miou >= dense - loss].min())
    assert choice.exits[0] == 1  # any loss allowed: stage 1 alone
    with pytest.raises(ValueError, match=r"0 or more, got -0\.1"):
        table.cheapest_within(-0.1)


def test_a_budget_below_stage_1_names_the_least(table):
    with pytest.raises(BudgetError, match="no thresholds of this grid stay within 1; the cheapest take"):
        table.best_within(1.0)


def test_a_budget_in_another_unit(table):
    spent = table.linear((0.0, 10.0, 30.0), fixed=5.0)
    exits = table.exits[2, 3]
    assert float(spent[2, 3]) == pytest.approx(5 + 10 * float(exits[1:].sum()) + 30 * float(exits[2]))
    choice = table.best_within(20.0, spent)
    assert choice.miou == float(table.miou[spent <= 20].max())


def test_lines_of_time():
    shares = torch.tensor([[1.0, 0.2, 0.1], [1.0, 0.6, 0.1], [1.0, 1.0, 0.4]])
    ms = torch.stack([torch.full((3,), 7.0), 2 + 10 * shares[:, 1], 1 + 5 * shares[:, 2], torch.full((3,), 3.0)], dim=1)
    rise, fixed = stage_lines(shares, ms)
    assert rise == pytest.approx((0, 10, 5))
    assert fixed == pytest.approx(7 + 2 + 1 + 3)


def test_too_large_a_table_and_wrong_numbers_of_stages(data):
    with pytest.raises(ValueError, match="take fewer thresholds"):
        ThresholdTable(6, 21, 255)
    with pytest.raises(ValueError, match="two stages"):
        ThresholdTable(1, 21, 255)
    logits, target, cost = data[0]
    with pytest.raises(ValueError, match="3 stages: got 2 maps and 3 costs"):
        ThresholdTable(3, 4, 11).update(StageLogits(logits[:2], logits.size), target, costs(cost))


@pytest.mark.slow
def test_the_shipped_network_is_close_to_what_the_table_says():
    """Labels by nearest cell against the blended ones, on embedded pictures."""
    import lcnb

    cascade, pictures = lcnb.load("streets-small"), lcnb.load_dataset("streets", "val")
    found = ThresholdTable(3, 11, 11, (0.7, 0.985))
    exact = ConfusionMatrix(11, 11)
    with torch.inference_mode():
        for k in range(0, 50, 10):
            image, mask = pictures[k]
            logits = cascade.all_stages(image[None].float() / 255)
            found.update(logits, mask[None], costs(cascade_cost(cascade, 360, 480)))
            exact.update(rethreshold(logits, (0.985, 0.7)).labels, mask[None])
    assert float(found.miou[1, 0]) == pytest.approx(exact.miou, abs=0.005)
