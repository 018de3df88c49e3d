"""The weights and the data of the checkout: what the notebooks tell about them holds."""

import json
import os

import pytest
import torch

import lcnb
from lcnb.difficulty import DifficultyCounts, difficulty, pixel_scores
from lcnb.evaluation import evaluate, stage_miou
from tests.cli.conftest import ROOT

pytestmark = [pytest.mark.slow]
RHO = 0.985
STREETS = ROOT / "data" / "streets"

REAL = [
    pytest.mark.real,
    pytest.mark.skipif(not os.environ.get("LCNB_DATA"), reason="LCNB_DATA is not set: no camvid to score on"),
]


@pytest.fixture(scope="module", params=["streets", pytest.param("camvid", marks=REAL)])
def shipped(request):
    """(cascade, validation set) of one data set."""
    return lcnb.load(f"{request.param}-small"), lcnb.load_dataset(request.param, "val")


@pytest.fixture(scope="module")
def scored(shipped):
    cascade, data = shipped
    return evaluate(
        cascade, data, classes=data.spec.classes, ignore_index=data.spec.ignore_index, rho=RHO, mode="true"
    ).as_dict()


@pytest.fixture(scope="module")
def lead(shipped):
    """mIoU of stage 3 over that of stage 1, each alone on every pixel."""
    cascade, data = shipped
    alone = stage_miou(cascade, data, len(data.spec.classes), data.spec.ignore_index)
    return alone[2] - alone[0]


def test_the_later_stages_are_worth_their_cost(lead):
    assert lead >= 0.05


@pytest.mark.xfail(reason="the aim is .08; what the weights lead by is in their cards: a wider network", strict=True)
def test_the_later_stages_lead_by_as_much_as_we_aim_for(lead):
    assert lead >= 0.08


MOST = {"streets": 0.6, "camvid": 2 / 3}
"""Of the cells at stage 1: how hard our own pictures are is an aim of theirs; CamVid is as it is."""


def test_a_third_to_two_thirds_leave_at_stage_one(shipped, scored):
    assert 0.3 <= scored["exits"][0] <= MOST[shipped[1].spec.name]


def test_the_card_tells_what_is_measured(shipped, scored):
    """metrics.json holds the numbers of these weights, not of earlier ones."""
    kept = shipped[0].meta["metrics"]["true"]
    assert scored["miou"] == pytest.approx(kept["miou"], abs=0.005)
    assert scored["exits"] == pytest.approx(kept["exits"], abs=0.005)


@torch.inference_mode()
def test_harder_pixels_lie_nearer_to_boundaries(shipped):
    """The claim of the paper's figure 1, in the setting of notebook 01; of CamVid's drive every frame, as F1 has it."""
    cascade, data = shipped
    counts = DifficultyCounts(len(data.spec.classes), data.spec.ignore_index)
    for k in range(0, len(data), {"streets": 5, "camvid": 1}[data.spec.name]):
        image, mask = data[k]
        logits = cascade.all_stages(image[None].float() / 255)
        labels, confidence = pixel_scores(logits[2], logits.size)
        counts.update(difficulty(labels, confidence, mask, data.spec.ignore_index), mask)
    easy, moderate, hard = counts.boundary_shares.tolist()
    assert easy < moderate < hard


def test_streets_is_whole_and_small():
    meta = json.loads((STREETS / "meta.json").read_text(encoding="utf-8"))
    seeds = [seed for split in meta["splits"].values() for seed in split["seeds"]]
    assert len(seeds) == len(set(seeds))  # no street is in two splits
    for split in lcnb.datasets.splits("streets"):
        told = meta["splits"][split]
        data = lcnb.load_dataset("streets", split)
        assert len(data) == told["frames"]
        assert data[0][0].shape == (3, 360, 480)
    files = [p for p in STREETS.rglob("*") if p.is_file() and "renderer" not in p.relative_to(STREETS).parts]
    assert sum(p.stat().st_size for p in files) <= 12e6


def test_the_drive_is_labelled_frame_by_frame():
    from lcnb.datasets import streets

    masks = list((STREETS / "driveannot").glob("*.png"))
    count = 0
    for _image, mask in streets.drive(STREETS):
        count += 1
        assert mask.unique().numel() >= 4
    assert count == len(masks) >= 60
