"""The fused form gives the answers of the modules, for every region, and skips what nobody needs."""

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

from lcnb.models import LayerCascade, irnet_lc
from lcnb.models.irnet import pool
from lcnb.models.on_rows import FusionError
from lcnb.regions import Region, RegionTensor, spatial
from lcnb.regions.rows import Product, with_tail
from lcnb.regions.workspace import Memory, Workspace
from tests.regions.contract import random_mask

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

    def explode(*_):
        raise AssertionError("a classifier that nobody needs ran")

    heads = list(fast.heads)
    monkeypatch.setattr(fast, "heads", [explode, explode, heads[2]])
    assert (fast(x, 1.0).stage == 2).all()
    monkeypatch.setattr(fast, "heads", [heads[0], explode, explode])
    assert (fast(x, 0.0).stage == 0).all()


def test_later_changes_of_the_weights_do_not_reach_it(x):
    net = irnet_lc(3, width=0.05, blocks=(1, 1, 1)).eval()
    fast = net.for_inference()
    before = fast(x, 1.0).logits
    for parameter in net.parameters():
        parameter.zero_()
    assert fast(x, 1.0).logits.equal(before)
    assert net(x, 1.0).logits.eq(0).all()


def test_other_networks_are_refused_by_name():
    net = LayerCascade([nn.AvgPool2d(8)], [nn.Conv2d(3, 2, 1)])
    with pytest.raises(FusionError, match="irnet_lc"):
        net.for_inference()


class RowProduct(Product):
    """A product among the layers that look at neighbours; it has no map."""

    dense_from = 0.0

    def take_native(self, wanted, like):
        self.multiply.take("native" if wanted else "blocks")


LAYERS = {
    "product": (lambda c: RowProduct(c.weight[:, :, 0, 0], c.bias, True), 1, 1),
    "gathered": (lambda c: spatial.Gathered(c.weight, c.bias, (1, 1), True), 3, 1),
    "gathered dilated": (lambda c: spatial.Gathered(c.weight, c.bias, (2, 2), True), 3, 2),
    "gathered wide": (lambda c: spatial.Gathered(c.weight, c.bias, (1, 1), True), (1, 7), 1),
    "projected": (lambda c: spatial.Projected(c.weight, c.bias, (1, 1), True), 5, 1),
}
SHARES = [0.0, 0.01, 0.5, 1.0]
WAYS = {"gathering": float("inf"), "native": float("inf"), "map": 0.0}


def run(layer, way, rows, work, out):
    """A layer by one of its ways, to its end."""
    layer.dense_from = WAYS[way]
    layer.take_native(way == "native", rows)
    layer.into(rows, work, out)
    work.finish()


def packed_rows(region, dense):
    """The region's cells of a dense map, and their rows with the tail."""
    packed = RegionTensor.from_dense(dense, region)
    rows = with_tail(len(region), dense.shape[1], dense)
    rows[:-1] = packed.features
    return packed, rows


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("way", WAYS)
def test_layers_equal_convolution_and_relu(name, share, way, monkeypatch):
    monkeypatch.setattr(spatial, "OPERAND_BYTES", 1)  # several blocks
    build, kernel, dilation = LAYERS[name]
    tall, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
    conv = nn.Conv2d(12, 10, kernel, padding=(dilation * (tall // 2), dilation * (wide // 2)), dilation=dilation)
    dense, region = torch.randn(2, 12, 30, 28), Region(random_mask((2, 30, 28), share))
    packed, rows = packed_rows(region, dense)
    layer, out = build(conv), torch.full((len(region), 14), 7.0)
    run(layer, way, rows, Workspace(region, dense), out[:, 2:12])
    torch.testing.assert_close(out[:, 2:12], conv(packed).relu().features, atol=1e-4, rtol=1e-4)
    assert (out[:, [0, 1, 12, 13]] == 7).all()


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("way", WAYS)
def test_maximum_of_negative_features(share, dilation, way):
    region = Region(random_mask((2, 30, 17), share))
    packed, rows = packed_rows(region, -1 - torch.rand(2, 5, 30, 17))
    layer, out = spatial.Maximum((3, 3), (dilation, dilation), 5), torch.full((len(region), 7), 7.0)
    run(layer, way, rows, Workspace(region, rows), out[:, 1:6])
    assert out[:, 1:6].equal(pool(dilation=dilation)(packed).features)
    assert (rows[-1] == 0).all()
    assert (out[:, [0, 6]] == 7).all()


def test_layers_of_one_stage_do_not_see_each_others_cells():
    """A map is filled once a stage; what one layer wrote must not be read by the next as a neighbour."""
    memory, layer = Memory(), spatial.Gathered(torch.randn(4, 6, 3, 3), torch.zeros(4), (1, 1), False)
    layer.dense_from = 0.0
    for share in (0.9, 0.3, 0.6):  # the second region lacks cells of the first
        region = Region(random_mask((1, 12, 12), share))
        packed, rows = packed_rows(region, torch.randn(1, 6, 12, 12))
        out = torch.empty(len(region), 4)
        layer.into(rows, Workspace(region, rows, memory), out)
        expected = nn.functional.conv2d(packed, layer.weight, padding=1).features
        torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rho", [0.6, 1.0])
def test_the_choice_of_way_never_changes_the_labels(small_cascade, x, rho):
    first, *others = [by_ways(small_cascade, [way])(x, rho) for way in WAYS]
    # Ways side by side: what one layer has only written down the next may want to read.
    others += [by_ways(small_cascade, random.Random(seed).choices(list(WAYS), k=40))(x, rho) for seed in range(6)]
    for other in others:
        torch.testing.assert_close(first.logits, other.logits, atol=1e-4, rtol=1e-4)
        assert first.labels.equal(other.labels)
        assert first.stage.equal(other.stage)


def by_ways(cascade, ways):
    """Prepared, its layers by these ways in turns, and its products too."""
    fast, turns = cascade.for_inference(measure=False), itertools.cycle(ways)
    for layer in fast.spatial():
        way = next(turns)
        layer.dense_from = WAYS[way]
        layer.take_native(way == "native", torch.empty(0))
    for product in fast.products():
        product.take({"gathering": "blocks", "map": "whole", "native": "native"}[next(turns)])
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


def test_copies_work(small_cascade, x):
    fast = small_cascade.for_inference()
    before = fast(x, 0.6).logits
    assert copy.deepcopy(fast)(x, 0.6).logits.equal(before)


def test_copies_of_wide_networks_work(x):
    """Their matrices are laid out by oneDNN, in memory that cannot be copied."""
    fast = irnet_lc(5, width=0.5, blocks=(1, 1, 1)).eval().for_inference(measure=False)
    assert copy.deepcopy(fast)(x, 0.6).logits.equal(fast(x, 0.6).logits)


def test_inside_and_outside_of_inference_mode(small_cascade, x):
    fast = small_cascade.for_inference()
    with torch.inference_mode():
        before = fast(x, 0.6).logits
    assert fast(x, 0.6).logits.equal(before)


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


FAULTS = """
import resource, sys, torch
from lcnb.models import fused, irnet_lc
if sys.argv[1] == "untaught":
    fused.teach_allocator = lambda device: None
network = irnet_lc(4, 0.25).eval().for_inference(measure=False)
x = torch.rand(1, 3, 360, 480)
with torch.inference_mode():
    for turn in range(10):
        if turn == 5:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        network(x, 1.0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep memory by other rules")
def test_a_picture_takes_no_memory_from_the_system():
    """Page faults of five pictures, with and without a word to the allocator."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    runs = [
        subprocess.run([sys.executable, "-c", FAULTS, how], env=env, capture_output=True, text=True, check=True)
        for how in ("taught", "untaught")
    ]
    taught, untaught = (int(run.stdout) for run in runs)
    # Mostly none against thousands; but pages of something else, of Python's say, may come in between.
    assert 8 * taught < untaught, (taught, untaught)
    assert untaught > 2000, (taught, untaught)
