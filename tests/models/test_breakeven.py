"""The break-even table: measured once, kept whole, never trusted blindly, and without a say in the labels."""

import copy
import json
import math

import pytest
import torch

from lcnb.models import breakeven
from lcnb.regions.native import kernels
from lcnb.regions.products import Multiply
from lcnb.regions.spatial import Gathered, Maximum

CPU = torch.device("cpu")


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setenv("LCNB_CACHE", str(tmp_path / "cache"))
    return breakeven.table_file()


@pytest.fixture
def measured(monkeypatch):
    """The keys of what was measured, whose share is .25."""
    keys = []
    monkeypatch.setattr(breakeven, "measure", lambda layer, *_: keys.append(layer.key) or 0.25)
    monkeypatch.setattr(breakeven, "native_is_sooner", lambda layer: True)
    return keys


def layer(outputs=8):
    return Gathered(torch.randn(outputs, 6, 3, 3), torch.zeros(outputs), (1, 1), True)


@pytest.mark.parametrize(
    ("sparse", "dense", "expected"),
    [
        ((1.0, 2.0), (1.5, 1.5), 0.75),
        ((1.0, 2.0), (3.0, 3.0), math.inf),
        ((2.0, 4.0), (1.0, 1.0), 0.25),
        ((5.0, 6.0), (1.0, 1.0), 0.0),
        ((5.0, 5.0), (1.0, 1.0), 0.0),
        ((1.0, 2.0), (1.5, 2.0), 1.0),
    ],
)
def test_crossing(sparse, dense, expected):
    assert breakeven.crossing(0.5, sparse, dense) == pytest.approx(expected)


def test_every_shape_is_measured_once_and_kept(table, measured):
    layers = [layer(), layer(), layer(9)]
    breakeven.settle(layers, torch.float32, CPU)
    assert measured == [layers[0].key, layers[2].key]
    assert all(one.dense_from == 0.25 for one in layers)
    breakeven.settle([again := layer()], torch.float32, CPU)
    assert len(measured) == 2
    assert again.dense_from == 0.25
    breakeven.settle([layer()], torch.bfloat16, CPU)
    assert len(measured) == 3
    assert len(json.loads(table.read_text())) == 2


def test_never_is_kept_too(table, monkeypatch):
    monkeypatch.setattr(breakeven, "measure", lambda *_: math.inf)
    for _ in range(2):
        breakeven.settle([one := layer()], torch.float32, CPU)
        assert one.dense_from == math.inf
        monkeypatch.setattr(breakeven, "measure", None)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 3}', '{"x": {"y": "z"}}', '{"x": {"y": -1}}'])
def test_a_damaged_table_is_measured_again(table, measured, content):
    table.parent.mkdir(parents=True)
    table.write_text(content)
    breakeven.settle([layer()], torch.float32, CPU)
    assert len(measured) == 1
    assert len(breakeven.read(table)) == 1


def test_where_nothing_can_be_written_the_shares_still_hold(tmp_path, monkeypatch, measured):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LCNB_CACHE", str(tmp_path / "file" / "below"))
    breakeven.settle([one := layer()], torch.float32, CPU)
    assert one.dense_from == 0.25


def test_what_depends_on_the_machine_is_in_the_key(monkeypatch):
    keys = {breakeven.machine_key(torch.float32, CPU), breakeven.machine_key(torch.bfloat16, CPU)}
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    keys.add(breakeven.machine_key(torch.float32, CPU))
    monkeypatch.setattr(breakeven, "cpu_model", lambda: "another")
    keys.add(breakeven.machine_key(torch.float32, CPU))
    assert len(keys) == 4


def test_a_measured_share_follows_what_the_ways_cost(monkeypatch):
    """A map made slow is never taken, a gather made slow always is not."""
    pause = torch.randn(200, 200)
    for slow, expected in (("by_map", math.inf), ("by_gathering", 0.0)):
        one = Maximum((3, 3), (1, 1), 4)
        quick = getattr(one, slow)

        def slowed(rows, work, out, quick=quick):
            for _ in range(60):
                torch.mm(pause, pause)
            quick(rows, work, out)

        monkeypatch.setattr(one, slow, slowed)
        assert breakeven.measure(one, torch.float32, CPU) == expected


def test_preparing_a_cascade_measures_it_unless_told_not_to(table, measured, small_cascade):
    assert {one.dense_from for one in small_cascade.for_inference(measure=False).spatial()} == {0.9, 0.15}
    assert measured == []
    assert {one.dense_from for one in small_cascade.for_inference().spatial()} == {0.25}
    assert len(measured) == len(set(measured)) > 5


def test_whose_kernel_gathers_is_kept_with_the_share(table, measured):
    breakeven.settle([one := layer()], torch.float32, CPU)
    breakeven.settle([again := layer()], torch.float32, CPU)
    assert one.native == again.native == (kernels() is not None)
    breakeven.settle([other := layer()], torch.float32, CPU, native=False)
    assert not other.native
    assert len(measured) == 2  # without kernels of ours the share is another


def test_products_are_tried_once_and_kept(table, monkeypatch):
    tried = []

    def soonest(product, native):
        tried.append(product.key)
        return "whole" if product.add else "blocks"

    monkeypatch.setattr(breakeven, "soonest", soonest)
    make = [lambda add=add: Multiply(torch.randn(8, 6), None, relu=False, add=add) for add in (False, True)]
    for _ in range(2):
        products = [one() for one in make * 2]
        breakeven.settle([], torch.float32, CPU, products)
        assert [product.way for product in products] == ["blocks", "whole"] * 2
    assert tried == ["product 6>8", "product 6>8 added"]
    breakeven.settle([], torch.float32, torch.device("meta"), [one() for one in make])  # on another device: nothing
    assert len(tried) == 2


@pytest.mark.parametrize("fast", ["blocks", "whole", "native"])
def test_which_way_of_a_product_is_soonest_follows_what_the_ways_cost(fast, monkeypatch):
    pause = torch.randn(200, 200)
    one = Multiply(torch.randn(8, 6), None, relu=False)
    if not copy.copy(one).take(fast):
        pytest.skip(f"there is no way {fast} here")
    quick = Multiply.into

    def slowed(self, rows, out, work):
        for _ in range(60 * (self.way != fast)):
            torch.mm(pause, pause)
        quick(self, rows, out, work)

    monkeypatch.setattr(Multiply, "into", slowed)
    assert breakeven.soonest(one, native=True) == fast
    assert one.way == "blocks"


def test_whose_kernel_is_sooner_follows_what_they_cost(monkeypatch):
    if kernels() is None:
        pytest.skip("there are no kernels of ours here")
    pause = torch.randn(200, 200)
    one, quick = Maximum((3, 3), (1, 1), 4), Maximum.by_gathering
    for slow in (False, True):

        def slowed(self, rows, work, out, slow=slow):
            for _ in range(60 * (self.native == slow)):
                torch.mm(pause, pause)
            quick(self, rows, work, out)

        monkeypatch.setattr(Maximum, "by_gathering", slowed)
        assert breakeven.native_is_sooner(one) is not slow
        assert not one.native


def test_every_product_of_a_cascade_is_among_those_that_are_settled(table, measured, small_cascade, monkeypatch):
    met = []
    monkeypatch.setattr(breakeven, "soonest", lambda product, native: met.append(product.key) or "whole")
    prepared = small_cascade.for_inference()
    assert set(met) == {product.key for product in prepared.products()}
    used, into = set(), Multiply.into
    monkeypatch.setattr(Multiply, "into", lambda self, *given: used.add(id(self)) or into(self, *given))
    prepared(torch.rand(1, 3, 64, 64), 1.0)
    assert used <= {id(product) for product in prepared.products() if product.way == "whole"}


def test_another_device_gets_a_copy(small_cascade):
    with torch.device("cpu"):
        moved = small_cascade.for_inference(device="meta", measure=False)
    assert moved.mean.device.type == "meta"
    assert small_cascade.mean.device.type == "cpu"
