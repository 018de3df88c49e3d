"""Scores of nothing, of the wrong thing, and of numbers that are none."""

import pytest
import torch
from torch import nn

import lcnb
from lcnb.evaluation import ConfusionMatrix, bootstrap_miou, bootstrap_share, evaluate, stage_miou, sweep
from lcnb.evaluation.budget import BudgetError, ThresholdTable
from lcnb.evaluation.calibration import CalibrationError, Reliability, fit_temperature, with_temperatures
from lcnb.evaluation.policies import matched_thresholds
from lcnb.models.cut import SplitError
from tests.conftest import CLASSES

NAN = float("nan")
ABOUT = {"classes": CLASSES, "ignore_index": 11}
LOGITS = [torch.zeros(1, 4, 2, 2)] * 3
COUNTS = torch.randint(9, (6, 4, 4), generator=torch.Generator().manual_seed(0))


def test_nothing_to_score(small_cascade):
    """`evaluate` and `sweep` of an empty data set: no images, and no number that was not measured"""
    found = evaluate(small_cascade, [], **ABOUT).as_dict()
    assert (found["images"], found["miou"], found["pixel_accuracy"], found["boundary_f"]) == (0, None, None, None)
    swept = sweep(small_cascade, [], [0.5], **ABOUT).as_dict()["points"][0]["true"]
    assert (swept["miou"], swept["reduction"]) == (None, None)
    assert all(v != v for v in stage_miou(small_cascade, [], 4, 11))


@pytest.mark.parametrize("score", [evaluate, sweep, stage_miou])
def test_images_that_are_no_bytes(score, small_cascade, picture, truth):
    """`evaluate` of images that are floats already: refused, where they would all turn black"""
    options = {"rhos": [0.5], **ABOUT} if score is sweep else {**ABOUT} if score is evaluate else {}
    more = (4, 11) if score is stage_miou else ()
    with pytest.raises(TypeError, match=r"of torch\.uint8, got torch\.float32"):
        score(small_cascade, [(picture / 255, truth)], *more, **options)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: bootstrap_miou(COUNTS[:0], block=1), id="no frames"),
        pytest.param(lambda: bootstrap_miou(COUNTS[:1], block=1), id="one frame"),
        pytest.param(lambda: bootstrap_miou(COUNTS, block=0), id="blocks of none"),
        pytest.param(lambda: bootstrap_miou(COUNTS, block=4), id="blocks of more than half"),
        pytest.param(lambda: bootstrap_miou(COUNTS, block=1, resamples=0), id="no resamples"),
        pytest.param(lambda: bootstrap_miou(COUNTS, block=1, level=NAN), id="a level of NaN"),
        pytest.param(lambda: bootstrap_miou(COUNTS[0], block=1), id="one matrix"),
        pytest.param(lambda: bootstrap_miou(COUNTS, COUNTS + 1, block=1), id="other images"),
        pytest.param(lambda: bootstrap_share(COUNTS[:, 0, 0] + 99, COUNTS[:, 0, 0], block=1), id="more than all"),
        pytest.param(lambda: bootstrap_miou(COUNTS[:, :3], block=1), id="matrices that are not square"),
        pytest.param(lambda: bootstrap_share(COUNTS[:1, 0, 0], COUNTS[:, 0, 0], block=1), id="parts of fewer images"),
        pytest.param(lambda: bootstrap_share(COUNTS[:, 0, 0], COUNTS[:, 0, 0], block=4), id="blocks of shares"),
        pytest.param(lambda: matched_thresholds([LOGITS], (0.5,)), id="too few shares"),
        pytest.param(lambda: matched_thresholds([LOGITS], (-0.1, 0.5)), id="a share below 0"),
        pytest.param(lambda: matched_thresholds([], (0.5, 0.5)), id="thresholds of no image"),
        pytest.param(lambda: matched_thresholds([LOGITS], (NAN, 0.1)), id="shares of NaN"),
        pytest.param(lambda: matched_thresholds([LOGITS], (0.9, 0.9)), id="shares above 1"),
        pytest.param(lambda: ThresholdTable(3, 4, 11, grid=(NAN,)), id="a grid of NaN"),
        pytest.param(lambda: ThresholdTable(3, 4, 11, grid=(0.5, 0.5)), id="a grid that does not rise"),
        pytest.param(lambda: ThresholdTable(3, 4, 11, grid=[i / 9999 for i in range(9999)]), id="a grid of 9999"),
        pytest.param(lambda: Reliability(3, 11, 0), id="no bins"),
        pytest.param(lambda: ConfusionMatrix(4, 11).update(torch.tensor([-1]), torch.tensor([0])), id="a label of -1"),
    ],
)
def test_statistics_of_nothing(call):
    """Bootstraps of no or one frame, levels and shares of NaN, grids that do not rise, labels of -1: refused"""
    with pytest.raises(ValueError, match=r".{20,}"):
        call()


def test_statistics_of_unlabelled_frames():
    """A bootstrap of frames in which nothing is labelled, and a table of no images, say NaN, and not zero."""
    assert bootstrap_miou(COUNTS * 0, block=1).as_dict()["value"] is None
    assert ThresholdTable(3, 4, 11, (0.0, 1.0)).miou.isnan().all()


def test_temperatures_of_nothing(small_cascade):
    """Temperatures of no pixels, of NaN logits or unknown classes, of zero, NaN or too few"""
    for logits, target in (
        (torch.zeros(0, 4), torch.zeros(0)),
        (torch.full((3, 4), NAN), torch.zeros(3)),
        (torch.zeros(3, 4), torch.tensor([9, 9, 9])),
        (torch.zeros(3, 4), torch.tensor([-1, 0, 0])),
    ):
        with pytest.raises(CalibrationError, match="a temperature needs"):
            fit_temperature(logits, target)
    for temperatures in ([0, 1, 1], [NAN, 1, 1], [-1, 1, 1], [float("inf"), 1, 1], [1]):
        with pytest.raises(CalibrationError):
            with_temperatures(small_cascade, temperatures)
    with pytest.raises(BudgetError):
        ThresholdTable(3, 4, 11).best_within(NAN)


NET = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))


class Depends(nn.Module):
    """Its way depends on values."""

    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("model", "names"),
    [
        pytest.param(NET, [], id="no names"),
        pytest.param(NET, ["nope"], id="an unknown name"),
        pytest.param(NET, ["2", "0"], id="the wrong order"),
        pytest.param(NET, ["0", "0"], id="a name twice"),
        pytest.param(nn.Sequential(), ["0"], id="an empty network"),
        pytest.param(nn.Sequential(Depends(), nn.ReLU()), ["0.x", "1"], id="a name inside of nothing"),
    ],
)
def test_networks_that_cannot_be_cut(model, names):
    """`lcnb.split` at no, unknown, repeated or disordered places: it says which"""
    with pytest.raises(SplitError):
        lcnb.split(model, names, num_classes=3, example=torch.rand(1, 3, 16, 16))


@pytest.mark.parametrize("model", [nn.Sequential(), nn.Identity(), Depends()], ids=["empty", "identity", "depends"])
def test_networks_without_anything(model):
    """`lcnb.inspect` of networks in which nothing can be cut: a report that says so"""
    assert lcnb.inspect(model, torch.rand(1, 3, 16, 16)).ends == ()


def test_what_is_no_network():
    """`lcnb.inspect` of a function or nothing, and with shares of NaN"""
    for what in (None, lambda x: x, "resnet18"):
        with pytest.raises(TypeError, match="inspect takes a network"):
            lcnb.inspect(what, torch.rand(1, 3, 16, 16))
    for shares in ((NAN, 1), (1,), (-1, 2), (0.5, 0.6)):
        with pytest.raises(ValueError, match="exits are the fractions"):
            lcnb.inspect(NET, torch.rand(1, 3, 16, 16), exits=shares)
