"""The systems of the talk: their counts, their ratios, and printed figures that stay printed."""

import pytest
import torch

from lcnb.benchmark import Protocol
from lcnb.benchmark.inputs import Inputs, noise
from lcnb.benchmark.systems import SYSTEMS, SystemsSettings, bench_systems, printed_of, rows_of_table, system_macs
from lcnb.models import irnet_lc
from lcnb.reproduction.paper import SPEEDS


@pytest.fixture(scope="module")
def counts():
    with torch.device("meta"):
        cascade = irnet_lc(21)
    return {name: system_macs(name, SystemsSettings(), cascade) / 1e9 for name in SYSTEMS}


def test_counts_at_full_size(counts):
    """GMAC at 512 x 512, 21 classes."""
    expected = {
        "fcn-8s": 190.4, "segnet": 163.1, "dpn": 652.5, "dpn-unary": 591.9, "adelaide": 279.8, "deeplab-v2": 183.2,
        "irnet": 137.0, "lc": 106.7, "lc-fast": 65.9,
    }  # fmt: skip
    assert counts == pytest.approx(expected, rel=1e-3)


def test_ratios_to_the_cascade(counts):
    assert counts["deeplab-v2"] / counts["lc"] == pytest.approx(1.72, abs=0.01)
    assert counts["dpn-unary"] / counts["lc"] == pytest.approx(5.55, abs=0.01)
    assert counts["dpn"] / counts["lc"] == pytest.approx(6.12, abs=0.01)


@pytest.fixture(scope="module")
def results():
    settings = SystemsSettings(width=0.02, size=(40, 48), num_classes=3, exits=(0.5, 0.3), batch=2)
    found, times = bench_systems(settings, Inputs([noise(2, 40, 48)], "cpu"), Protocol(0, 1))
    assert len(times) == len(found)
    return found


def test_every_system_runs(results):
    assert [r["system"] for r in results] == [*SYSTEMS, "lc-exits"]
    by_name = {r["system"]: r for r in results}
    assert by_name["deeplab-v2"]["speed_over_deeplab_v2"] == 1
    assert by_name["lc-exits"]["exits"] == [0.5, 0.3]
    assert by_name["irnet"]["exits"] is None
    for r in results:
        reference = by_name["deeplab-v2"]
        assert r["speed_over_deeplab_v2"] == pytest.approx(reference["ms"]["p50"] / r["ms"]["p50"], rel=1e-2)
        assert r["images_per_s"] == pytest.approx(2e3 / r["ms"]["p50"], rel=1e-2)
    assert len(rows_of_table(results)) == 1 + len(results)


def test_some_systems_and_always_the_reference():
    assert SystemsSettings(("lc", "irnet")).all_names() == ["deeplab-v2", "irnet", "lc"]
    with pytest.raises(ValueError, match="no system is named 'unet'; there are fcn-8s"):
        SystemsSettings(("unet",)).all_names()


def test_printed_figures():
    assert set(SPEEDS) <= set(SYSTEMS)
    deck = {name: e for name in SPEEDS for e in printed_of(name) if e["source"] == "deck"}
    assert deck["lc"]["speed_over_deeplab_v2"] == 2.07
    assert deck["lc"]["fps"] / deck["dpn"]["fps"] == pytest.approx(2.58, abs=0.005)
    assert "1.0 FPS" in deck["lc"]["note"]
    assert "speed_over_deeplab_v2" not in deck["adelaide"]
    assert all("speed_over_deeplab_v2" not in e for n in SPEEDS for e in printed_of(n) if e["source"] == "T6")
    assert printed_of("fcn-8s") == []
