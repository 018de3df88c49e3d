"""Estimates by hand, and that what is measured is there."""

import dataclasses

import pytest
import torch

from lcnb.models import cascade_cost, irnet_lc
from lcnb.reproduction.plan import STATES, Probe, affordable, probe
from lcnb.training import TrainConfig

CONFIG = TrainConfig(steps=90, cascade_steps=10, batch=4, crop=(20, 40), width=0.05, amp=False)
MEASURED = Probe(2, (10, 20), {"deep": 0.5, "cascade": 0.25}, 0.1, 0.05, 1_000_000, 2_000_000, "cpu")


def test_hours_and_memory_by_hand():
    """A crop is 4 times what was measured: 16 images' worth a step."""
    assert MEASURED.training_hours(CONFIG) * 3600 == pytest.approx(90 * (16 * 0.5 + 0.05) + 10 * (16 * 0.25 + 0.05))
    for arm in ("dsn", "hard", "mc", "irnet"):
        hours = MEASURED.training_hours(dataclasses.replace(CONFIG, arm=arm))
        assert hours * 3600 == pytest.approx(100 * (16 * 0.5 + 0.05))
    assert MEASURED.scoring_hours(50, (10, 40), 3) * 3600 == pytest.approx(50 * 3 * 2 * 0.1)
    assert MEASURED.training_gb(CONFIG) == pytest.approx((STATES * 8e6 + 16e6) / 1e9)
    assert MEASURED.scoring_gb((10, 20)) == pytest.approx(9e6 / 1e9)
    assert MEASURED.how.startswith("an estimate: one step of each kind, with 2 x 10x20 random pixels")


def test_what_is_measured_is_cut_to_what_is_affordable():
    net = irnet_lc(3, 0.05, blocks=(1, 1, 1))
    one = cascade_cost(net, 20, 40).dense
    assert affordable(net, CONFIG, 2.5 * one) == (2, (20, 40))
    assert affordable(net, CONFIG, 100 * one) == (4, (20, 40))
    large = dataclasses.replace(CONFIG, crop=(320, 640))
    images, (height, width) = affordable(net, large, cascade_cost(net, 320, 640).dense / 16)
    assert (images, height, width) == (1, 80, 160)


def test_a_probe_measures_and_leaves_the_random_state():
    config = dataclasses.replace(CONFIG, crop=(24, 32), batch=2)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    found = probe(config, 4, "cpu")
    assert torch.rand(1).equal(expected)
    assert (found.images, found.size, found.device) == (2, (24, 32), "cpu")
    assert found.step_s.keys() == {"deep", "cascade"}
    assert min(*found.step_s.values(), found.forward_s, found.update_s) > 0
    assert found.parameters == sum(p.numel() for p in irnet_lc(4, 0.05).parameters())
    assert found.kept_bytes > 24 * 32 * 3 * 4
    assert probe(config, 4, "cpu", training=False).step_s == {}
