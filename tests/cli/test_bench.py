"""`lcnb bench`: tiny runs, what they print, and JSON whose fields stay."""

import json

import pytest
import torch

from lcnb.benchmark import gpu, load
from lcnb.benchmark.load import Usage
from lcnb.benchmark.runners import RIVALS
from lcnb.cli.bench import RUNTIMES
from lcnb.models import irnet_lc
from lcnb.regions.gather import GatherBackend

TINY = ["--repeats", "1", "--warmup", "0"]
TOP = {
    "schema", "kind", "settings", "protocol", "load", "results", "not_measured", "machine", "versions", "command",
}  # fmt: skip
TIMES = {"p50", "p95", "min", "spread", "n"}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """A machine without other load."""
    clock = iter(range(1000))
    monkeypatch.setattr(load, "LOOK", 0)
    monkeypatch.setattr(load, "usage", lambda: Usage(now := 10.0 * next(clock), now * 0.99, 0.0))


def bench(lcnb, home, *arguments):
    """Run on the CPU; returns the JSON and what was printed."""
    out = lcnb.ok("bench", *arguments, "--device", "cpu", "--json", "out/x.json", *TINY)
    found = json.loads((home / "out" / "x.json").read_text())
    assert set(found) == TOP
    assert found["schema"] == "lcnb-bench-1"
    assert found["kind"] == arguments[0]
    assert found["command"].startswith(f"lcnb bench {arguments[0]} ")
    assert {"cpu", "cores", "threads", "torch", "date"} <= found["machine"].keys()
    assert found["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    assert found["protocol"].keys() == {
        "warmup_rounds", "timed_rounds", "order", "statistic", "clock", "threads", "tf32", "inside", "outside",
    }  # fmt: skip
    assert {"size", "batch", "dtype", "seed"} <= found["settings"].keys()
    assert found["load"]["busy"] is False
    assert "machine: quiet" in out
    assert "inside the time: " in out
    return found, out


def test_ops(lcnb, home):
    arguments = ["--width", "0.05", "--size", "32", "40", "--level", "blocks", "--only", "C", "--share", "1", "0.5"]
    found, out = bench(lcnb, home, "ops", *arguments, "--mask", "random")
    assert [(r["op"], r["share"], r["mask"]) for r in found["results"]] == [("C", 1, "random"), ("C", 0.5, "random")]
    first = found["results"][0]
    assert first.keys() == {
        "op", "level", "in_network", "device", "batch", "mask", "share", "cells", "gmac", "dense", "tables", "paths",
    }  # fmt: skip
    assert first["paths"].keys() == {"rows", "gather"}
    assert first["paths"]["rows"].keys() == {"ms", "over_dense", "over_dense_x_share", "gmac_per_s"}
    assert first["dense"]["ms"].keys() == TIMES
    assert "/ (dense x share)" in out


@pytest.fixture
def small_networks(monkeypatch):
    monkeypatch.setattr(gpu, "NETWORKS", {"IRNet": lambda: irnet_lc(4, width=0.05, blocks=(1, 1, 1))})
    monkeypatch.setattr(gpu, "CASES", {name: gpu.CASES[name] for name in ("1x7", "depthwise 5x5 dilated")})


def test_gpu(lcnb, home, small_networks):
    found, out = bench(lcnb, home, "gpu", "--size", "32", "40", "--batch", "1", "2")
    assert [(r["network"], r["batch"], r["dtype"]) for r in found["results"]] == [
        ("IRNet", batch, dtype) for batch in (1, 2) for dtype in ("float32", "bfloat16")
    ]
    cases = found["settings"]["kernels"]["cpu"]
    assert len(cases) == 6
    assert all(c["right"] and 0 < max(c["errors"]) <= c["allowed"] and len(c["errors"]) == 3 for c in cases)
    assert "attach the JSON to an issue" in out


def test_gpu_says_that_a_kernel_is_wrong(lcnb, home, small_networks, monkeypatch):
    run = GatherBackend.conv2d
    monkeypatch.setattr(GatherBackend, "conv2d", lambda self, *a: 1.1 * run(self, *a))
    code, out, _ = lcnb("bench", "gpu", "--device", "cpu", "--size", "32", "40", "--batch", "1", *TINY)
    assert code == 1
    assert out.count("WRONG") == 6


def test_rivals_are_those_that_can_be_run():
    assert set(RUNTIMES) == set(RIVALS)


def test_model_with_planned_exits(lcnb, home):
    arguments = ["--width", "0.05", "--size", "32", "64", "--exits", ".25,.25", "--batch", "1", "2", "--rivals", "none"]
    found, out = bench(lcnb, home, "model", *arguments)
    assert [r["batch"] for r in found["results"]] == [1, 2]
    for r in found["results"]:
        assert r.keys() == {
            "device", "batch", "size", "batches", "exits", "work", "gmac", "ms", "stages_ms", "parts_ms", "speedup",
            "failed",
        }  # fmt: skip
        assert r["exits"] == [0.25, 0.25, 0.5]
        assert r["speedup"].keys() - {"of_our_kernels"} == {
            "fastest_dense", "over_fastest_dense", "over_plain", "over_all_stages", "multiply_adds_one_head",
            "multiply_adds_all_stages",
        }  # fmt: skip
    assert found["settings"]["masks"] == "planned, blobs"
    for words in ("by stage", "where it goes", "25.0 % / 25.0 % / 50.0 %", "fastest dense form", "by multiply-adds"):
        assert words in out


def test_model_with_weights_on_images(lcnb, home, data):
    found, _ = bench(
        lcnb,
        home,
        "model",
        "--weights",
        "tiny",
        "--limit",
        "1",
        "--rho",
        "0.3",
        "--halo",
        "1",
        "--path",
        "gather",
        "--rivals",
        "none",
    )
    (result,) = found["results"]
    assert (found["settings"]["weights"], found["settings"]["halo"]) == ("tiny", 1)
    assert (found["settings"]["dataset"], found["settings"]["images"], found["settings"]["rho"]) == ("camvid", 1, 0.3)
    assert result["size"] == [48, 64]
    assert sum(result["exits"]) == pytest.approx(1, abs=1e-5)


def test_every_image_has_its_round(lcnb, home, data):
    lcnb.ok("bench", "model", "--weights", "tiny", "--device", "cpu", "--warmup", "0", "--json", "x.json")
    found = json.loads((home / "x.json").read_text())
    assert (found["results"][0]["batches"], found["protocol"]["timed_rounds"]) == (2, 10)


def test_systems(lcnb, home):
    arguments = ["--width", "0.02", "--size", "32", "32", "--classes", "3", "--system", "segnet", "lc"]
    found, out = bench(lcnb, home, "systems", *arguments, "--exits", ".5,.3")
    assert [r["system"] for r in found["results"]] == ["segnet", "deeplab-v2", "lc", "lc-exits"]
    for r in found["results"]:
        assert r.keys() == {
            "system", "title", "device", "batch", "exits", "gmac", "ms", "images_per_s", "speed_over_deeplab_v2",
            "multiply_adds_below_deeplab_v2", "printed",
        }  # fmt: skip
    assert found["settings"]["weights"].startswith("random")
    assert "deck 14.7 FPS (2.07 x)" in out


def test_training(lcnb, home, data):
    found, out = bench(
        lcnb, home, "training", "--weights", "tiny", "--size", "48", "64", "--batch", "2", "--rho", "0.3"
    )
    (result,) = found["results"]
    assert result.keys() == {
        "device", "batch", "crop", "batches", "reached", "ms", "images_per_s", "cascade_over_deep", "cascade_over_hard",
    }  # fmt: skip
    assert set(result["ms"]) == {"deep", "cascade", "hard"}
    assert result["cascade_over_deep"] == pytest.approx(
        result["ms"]["deep"]["p50"] / result["ms"]["cascade"]["p50"], rel=1e-3
    )
    assert result["reached"][0] == 1
    assert result["reached"] == sorted(result["reached"], reverse=True)
    assert (found["settings"]["dataset"], found["settings"]["rho"]) == ("camvid", 0.3)
    assert "the optimiser's step" in found["protocol"]["outside"]
    assert "step two is" in out


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine can measure CUDA")
def test_what_was_not_measured_has_its_command(lcnb, home):
    small = ["--system", "segnet", "--width", "0.02", "--size", "16", "16"]
    found, out = bench(lcnb, home, "systems", *small)
    (missing,) = found["not_measured"]
    assert missing["why"] == "not measured: this machine has no CUDA device"
    assert missing["command"] == f"lcnb bench systems {' '.join([*small, *TINY])} --device cuda"
    assert missing["command"] in out


def test_a_busy_machine_is_refused_or_marked(lcnb, home, monkeypatch):
    arguments = [
        "bench",
        "systems",
        "--system",
        "lc",
        "--width",
        "0.02",
        "--size",
        "16",
        "16",
        "--device",
        "cpu",
        *TINY,
    ]
    now = iter(range(100))
    monkeypatch.setattr(load, "usage", lambda: Usage(10.0 * next(now), 0.0, 0.0))
    code, out, error = lcnb(*arguments, "--json", "x.json")
    assert (code, out) == (1, "")
    assert "this machine is busy" in error
    assert not (home / "x.json").exists()
    out = lcnb.ok(*arguments, "--even-if-busy", "--json", "x.json")
    assert "BUSY, these times mean little" in out
    found = json.loads((home / "x.json").read_text())["load"]
    assert found["busy"] is True
    assert len(found["reasons"]) == 2


def test_threads_are_set_and_stated(lcnb, home):
    one = ["--level", "layers", "--only", "C 1x3", "--width", "0.02", "--size", "16", "16", "--share", "1"]
    found, _ = bench(lcnb, home, "ops", *one, "--mask", "random", "--threads", "2")
    assert found["protocol"]["threads"] == found["machine"]["threads"] == 2


def test_without_a_part_it_shows_its_help(lcnb):
    out = lcnb.ok("bench")
    assert "usage: lcnb bench" in out
