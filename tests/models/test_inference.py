"""The fused form gives the answers of the modules, for every region, and skips what nobody needs."""

import contextlib
import copy
import itertools
import os
import platform
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import torch
from torch import nn

import lcnb
from lcnb.evaluation import sweep
from lcnb.models import FusionError, LayerCascade, cascade_cost, irnet_lc, labels, lite_lc
from lcnb.regions import native
from tests.conftest import used

RHOS = [0.0, 0.5, 0.6, 0.7, 1.0, (1.0, 0.5), (0.6, 1.0)]

pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.mark.parametrize("halo", [0, 1])
@pytest.mark.parametrize("rho", RHOS, ids=str)
def test_equals_the_modules(small_cascade, x, rho, halo):
    expected = small_cascade(x, rho, halo=halo)
    got = small_cascade.for_inference()(x, rho, halo=halo)
    torch.testing.assert_close(got.logits, expected.logits, atol=1e-4, rtol=1e-4)
    assert got.stage.equal(expected.stage)
    assert got.labels.equal(expected.labels)
    assert got.work.equal(expected.work)
    torch.testing.assert_close(got.confidence, expected.confidence, atol=1e-5, rtol=1e-5)


@contextlib.contextmanager
def double_by_default():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("mode", [torch.inference_mode, double_by_default])
@torch.inference_mode(False)
def test_first_used_in_another_mode(small_cascade, x, mode):
    """What is kept (kernels, tables, buffers, shares of pixels) serves later calls, training included."""
    cascade, there = copy.deepcopy(small_cascade), native.kernels() is not None
    labels._shares.cache_clear()
    native._found.cache_clear()
    with mode():
        fast = cascade.for_inference()
        first = [fast(x, 0.6), cascade(x, 0.6), *fast.all_stages(x)]
    assert (native.kernels() is not None) == there
    assert first[0].labels.equal(fast(x, 0.6).labels)
    assert first[1].logits.equal(cascade(x, 0.6).logits)
    with torch.enable_grad():
        maps, _ = cascade.stages_on_regions(x, 0.6)
        sum(m.square().sum() for m in maps).backward()
    assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in cascade.parameters())


def test_equals_the_modules_at_full_depth_with_dilation(x):
    torch.manual_seed(1)
    net = irnet_lc(7, width=0.06, dilation=(1, 2, 4), dropout=0.3)
    for _ in range(5):
        net.train().all_stages(torch.rand(2, 3, 64, 64))
    net.eval()
    got = net.for_inference().all_stages(x)
    for mine, theirs in zip(got, net.all_stages(x), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-3)
    assert got.size == (96, 120)


def test_sizes_may_change_from_call_to_call(small_cascade):
    fast = small_cascade.for_inference()
    for size in [(64, 80), (7, 9), (64, 80), (1, 1)]:
        image = torch.rand(1, 3, *size)
        torch.testing.assert_close(fast(image, 0.6).logits, small_cascade(image, 0.6).logits, atol=1e-4, rtol=1e-4)


def test_bfloat16_agrees_nearly_everywhere(small_cascade, x):
    got = small_cascade.for_inference(torch.bfloat16)(x, 1.0)
    assert got.confidence.dtype == torch.float32
    assert (got.labels == small_cascade(x, 1.0).labels).float().mean() > 0.95


def test_a_classifier_whose_threshold_is_one_is_not_run(small_cascade, x, monkeypatch):
    fast = small_cascade.for_inference()
    ran, classified = [], fast.classified
    monkeypatch.setattr(fast, "classified", lambda s, *given: ran.append(s) or classified(s, *given))
    assert (fast(x, 1.0).stage == 2).all()
    assert (fast(x, 0.0).stage == 0).all()
    assert ran == [2, 0]


def test_later_changes_of_the_weights_do_not_reach_it(x):
    net = irnet_lc(3, width=0.05, blocks=(1, 1, 1)).eval()
    fast = net.for_inference()
    before = fast(x, 1.0).logits
    for parameter in net.parameters():
        parameter.zero_()
    assert fast(x, 1.0).logits.equal(before)
    assert net(x, 1.0).logits.eq(0).all()


def test_what_cannot_run_on_regions_is_refused_by_name():
    later = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Upsample(scale_factor=2))
    net = LayerCascade([nn.Conv2d(3, 4, 8, 8), later], [nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1)])
    with pytest.raises(FusionError, match="Upsample"):
        net.for_inference()


def test_a_cascade_of_one_stage_that_is_dense_to_the_end():
    net, x = LayerCascade([nn.AvgPool2d(8)], [nn.Conv2d(3, 2, 1)]), torch.rand(1, 3, 32, 40)
    torch.testing.assert_close(net.for_inference()(x).logits, net(x).logits)


@pytest.fixture(scope="module")
def lite():
    torch.manual_seed(0)
    return used(lite_lc(5), 3)


@pytest.mark.parametrize("halo", [0, 1])
@pytest.mark.parametrize("by_c", [False, True])
def test_lite_equals_its_modules(lite, x, by_c, halo):
    for rho in (0.4, 1.0):
        expected, got = lite(x, rho, halo=halo), by_ways(lite, [by_c])(x, rho, halo=halo)
        torch.testing.assert_close(got.logits, expected.logits, atol=1e-3, rtol=1e-3)
        assert got.stage.equal(expected.stage)
        assert got.work.equal(expected.work)


def test_from_a_network_in_training(x):
    with torch.inference_mode(False), torch.enable_grad():
        net = irnet_lc(5, width=0.1, blocks=(1, 1, 1))
        net.all_stages(torch.rand(2, 3, 48, 48))[-1].sum().backward()
        got = net.for_inference()(x, 1.0)
    assert net.training
    torch.testing.assert_close(got.logits, net.eval()(x, 1.0).logits, atol=1e-4, rtol=1e-4)


def test_it_is_taken_wherever_a_cascade_is(small_cascade, picture, truth):
    fast, about = small_cascade.for_inference(), {"classes": list("abcd"), "ignore_index": 11}
    pairs = [(picture, truth)]
    for given in ({"rho": 0.6}, {"rho": 0.6, "mode": "cached"}):
        ours, theirs = (lcnb.evaluate(net, pairs, **given, **about) for net in (fast, small_cascade))
        assert ours.confusion.counts.equal(theirs.confusion.counts)
        assert ours.macs == theirs.macs > 0
    assert cascade_cost(fast, 48, 64) == cascade_cost(small_cascade, 48, 64)
    assert fast.for_inference() is fast
    ours, theirs = (sweep(net, pairs, [0.6, 1.0], **about).as_dict() for net in (fast, small_cascade))
    assert ours["points"][0]["true"]["miou"] == theirs["points"][0]["true"]["miou"]


def test_under_autocast_it_computes_as_ever(small_cascade, x):
    fast = small_cascade.for_inference()
    before = fast(x, 0.6)
    with torch.autocast("cpu", torch.bfloat16):
        found, dense = fast(x, 0.6), fast.all_stages(x)
    assert found.logits.equal(before.logits)
    assert dense[0].equal(fast.all_stages(x)[0])


def test_casts_and_moves(small_cascade, x):
    fast, expected = small_cascade.for_inference(), small_cascade(x, 1.0)
    for cast, dtype in (("double", torch.float64), ("bfloat16", torch.bfloat16), ("float", torch.float32)):
        getattr(fast, cast)()
        assert fast.dtype == dtype
        assert fast.to("cpu").dtype == dtype
        assert (fast(x, 1.0).labels == expected.labels).float().mean() > 0.95
    torch.testing.assert_close(fast(x, 1.0).logits, expected.logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rho", [0.6, 1.0])
def test_the_choice_of_way_never_changes_the_labels(small_cascade, x, rho):
    first, *others = [by_ways(small_cascade, [native])(x, rho) for native in (False, True)]
    # Ways side by side: what one layer has only written down the next may want to read.
    others += [by_ways(small_cascade, random.Random(seed).choices((False, True), k=40))(x, rho) for seed in range(6)]
    for other in others:
        torch.testing.assert_close(first.logits, other.logits, atol=1e-4, rtol=1e-4)
        assert first.labels.equal(other.labels)
        assert first.stage.equal(other.stage)


def by_ways(cascade, ways):
    """Prepared, its layers by kernels of ours or not, in turns."""
    fast = cascade.for_inference()
    for layer, by_c in zip(fast.layers(), itertools.cycle(ways)):
        layer.use_kernels(by_c)
    return fast


def test_results_outlive_the_next_picture(small_cascade, x):
    """Buffers are used again; what was returned must not be among them."""
    fast = small_cascade.for_inference()
    first, dense = fast(x, 0.6), fast.all_stages(x)
    kept = [first.logits.clone(), first.confidence.clone(), *(m.clone() for m in dense)]
    fast(1 - x, 0.6), fast.all_stages(1 - x)
    assert all(a.equal(b) for a, b in zip([first.logits, first.confidence, *dense], kept, strict=True))


def test_threads_share_a_network_and_no_memory(small_cascade):
    fast, pictures = small_cascade.for_inference(), [torch.rand(1, 3, 64, 80) for _ in range(6)]
    expected = [fast(p, 0.6).logits for p in pictures]
    run = torch.inference_mode()(lambda p: fast(p, 0.6).logits)
    with ThreadPoolExecutor(3) as pool_of_threads:
        for got, wanted in zip(pool_of_threads.map(run, pictures * 4), expected * 4, strict=True):
            torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)


def test_copies_of_wide_networks_work(x):
    """Their matrices are laid out by oneDNN, in memory that cannot be copied."""
    fast = irnet_lc(5, width=0.5, blocks=(1, 1, 1)).eval().for_inference()
    assert copy.deepcopy(fast)(x, 0.6).logits.equal(fast(x, 0.6).logits)


def test_a_new_region_in_every_picture_takes_no_memory():
    """oneDNN would keep a compiled product for every layer and every number of rows."""
    fused, generator = irnet_lc(4, width=0.125).eval().for_inference(), torch.Generator().manual_seed(1)
    pixels = torch.rand(1, 3, 192, 240, generator=torch.Generator().manual_seed(0))

    def run(pictures):
        for _ in range(pictures):
            fused(pixels, 0.5, criterion=lambda logits: torch.rand(1, *logits.shape[2:], generator=generator))

    run(2)
    before = psutil.Process().memory_info().rss
    run(20)
    assert psutil.Process().memory_info().rss - before < 30e6


MAPPED = """
import ctypes, sys, torch
from lcnb.models import inference, irnet_lc
class Counts(ctypes.Structure):  # glibc's struct mallinfo, whose fourth number counts blocks that came from the system
    _fields_ = [("of", ctypes.c_int * 10)]
mallinfo = ctypes.CDLL(None).mallinfo
mallinfo.restype = Counts
if sys.argv[1] == "untaught":
    inference.teach_allocator = lambda device: None
network = irnet_lc(4, 0.25).eval().for_inference()
before = mallinfo().of[3]
maps = torch.empty(30 << 20, dtype=torch.uint8)
print(mallinfo().of[3] - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep memory by other rules")
@pytest.mark.parametrize(("how", "mapped"), [("taught", 0), ("untaught", 1)])
def test_feature_maps_take_no_memory_from_the_system(how, mapped):
    """Asked of the allocator: some systems count no page faults."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    run = subprocess.run([sys.executable, "-c", MAPPED, how], env=env, capture_output=True, text=True, check=True)
    assert int(run.stdout) == mapped
