"""Tensors that are no pictures, thresholds that are none, logits that are no numbers: the calls of a notebook."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lcnb.errors import NotFiniteError
from lcnb.models import FusionError, LayerCascade, irnet_lc, rethreshold
from lcnb.regions import Region, RegionTensor

NAN, INF = float("nan"), float("inf")
X = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def forms(small_cascade):
    """The network as it is written, and prepared for inference."""
    return {"plain": small_cascade, "fused": small_cascade.for_inference()}


@pytest.fixture(params=["plain", "fused"])
def network(request, forms):
    with torch.inference_mode():
        yield forms[request.param]


NO_PICTURES = {
    "bytes 0 to 255": ((X * 255).byte(), "divide by 255 first"),
    "floats 0 to 255": (X * 255, r"got 2\d\d.*; divide by 255 first"),
    "true and false": (X > 0.5, "takes RGB floats"),
    "complex": (X.to(torch.complex64), "takes RGB floats"),
    "one picture without its batch": (X[0], r"got \(3, 16, 24\)"),
    "five axes": (X[None], r"got \(1, 1, 3, 16, 24\)"),
    "grey": (X[:, :1], r"got \(1, 1, 16, 24\)"),
    "with transparency": (torch.cat([X, X[:, :1]], 1), r"got \(1, 4, 16, 24\)"),
    "channels last": (X.permute(0, 2, 3, 1), r"got \(1, 16, 24, 3\)"),
    "a batch of none": (X[:0], r"got \(0, 3, 16, 24\)"),
    "no rows": (X[:, :, :0], r"got \(1, 3, 0, 24\)"),
    "a list": (X.tolist(), "got list"),
    "a numpy array": (X.numpy(), "got ndarray"),
    "nothing": (None, "got NoneType"),
}


@pytest.mark.parametrize("kind", NO_PICTURES)
def test_what_is_no_picture(kind, network):
    """`cascade(x)` of bytes, of floats up to 255, with 1 or 4 channels, without pixels, ...: it says what it takes"""
    x, words = NO_PICTURES[kind]
    for run in (network, network.all_stages):
        with pytest.raises((TypeError, ValueError), match=words):
            run(x)


@pytest.mark.parametrize(
    "x",
    [
        pytest.param(X.half(), id="half"),
        pytest.param(X.bfloat16(), id="bfloat16"),
        pytest.param(X.double(), id="double"),
        pytest.param(X.transpose(2, 3).contiguous().transpose(2, 3), id="not contiguous"),
        pytest.param(X[:, :1].expand(1, 3, 16, 24), id="one channel seen three times"),
        pytest.param(X + 0.2, id="a little above 1"),
        pytest.param(torch.zeros(1, 3, 16, 24), id="black"),
    ],
)
def test_unusual_pictures(x, network):
    """`cascade(x)` of half, bfloat16 and double, not contiguous, expanded, a little too bright: as of plain floats"""
    got, expected = network(x, 0.5), network(x.float().contiguous(), 0.5)
    torch.testing.assert_close(got.logits, expected.logits, atol=2e-2, rtol=2e-2)
    assert got.labels.shape == (1, 16, 24)


THRESHOLDS = [
    NAN,
    INF,
    -INF,
    -0.1,
    1.1,
    "high",
    (0.5,),
    (0.5, 0.5, 0.5),
    (0.5, NAN),
    (),
    True,
    1j,
    {"a": 1},
    [[0.5], 1],
]


@pytest.mark.parametrize("rho", [*THRESHOLDS, torch.tensor(0.5)], ids=repr)
def test_what_is_no_threshold(rho, network):
    """rho outside [0, 1], NaN, infinite, text, or of the wrong number of exits: refused by name in every kind of run"""
    for call in (lambda: network(X, rho), lambda: network.rethreshold(network.all_stages(X), rho)):
        with pytest.raises(ValueError, match="rho"):
            call()


@pytest.mark.parametrize("value", [NAN, INF, -INF], ids=str)
@pytest.mark.parametrize("rho", [0.0, 0.5, 1.0])
def test_pictures_that_are_not_finite(value, rho, network):
    """A picture with NaN or infinite pixels: no labels are made up, at any threshold, plain and fused"""
    x = X.clone()
    x[0, 1, 3, 5] = value
    with pytest.raises(NotFiniteError, match=r"NaN or infinity at \d of 6 cells, which left at stage [123]"):
        network(x, rho)
    with pytest.raises(NotFiniteError):
        network.rethreshold(network.all_stages(x), rho)


def maps(*values):
    """(1, 2, 2, 2) logits a stage: sure of class 1, but for one value at the first cell."""
    found = []
    for value in values:
        logits = torch.zeros(1, 2, 2, 2)
        logits[:, 1] = 9.0
        logits[0, 0, 0, 0] = value
        found.append(logits)
    return found


def test_a_stage_that_is_not_finite():
    """NaN logits of a stage: such a cell never leaves there; where it is still NaN at the end, the stage is named"""
    out = rethreshold(maps(NAN, 0.0, 0.0), 0.9)
    assert out.stage.tolist() == [[[1, 0], [0, 0]]]
    assert bool(out.labels.eq(1).all())
    for value in (NAN, INF):
        with pytest.raises(NotFiniteError, match="at 1 of 4 cells, which left at stage 3"):
            rethreshold(maps(value, value, value), 0.9)
        with pytest.raises(NotFiniteError, match="at 1 of 4 cells, which left at stage 1"):
            rethreshold(maps(value, 0.0, 0.0), 0)
    with pytest.raises(NotFiniteError, match="left at stage 1"):  # sure of the other class, yet no number to blend
        rethreshold(maps(-INF, 0.0, 0.0), 0.9)


def test_an_evaluation_that_is_not_finite(lcnb, data, home, small_cascade, monkeypatch):
    """`lcnb eval` of a network that computes NaN: a sentence about it, not about an option, and no result"""
    monkeypatch.setattr("lcnb.cli.evaluate.check_classes", lambda *_: None)
    monkeypatch.setattr(LayerCascade, "normalise", lambda self, x: x * NAN)
    code, _, error = lcnb("eval", "--weights", "tiny", "--json", "scores.json")
    assert (code, len(error.splitlines())) == (1, 1)
    assert error.startswith("lcnb: error: the network says NaN or infinity at ")
    assert not (home / "scores.json").exists()


GOOD = [torch.randn(1, 4, 2, 3) for _ in range(3)]
FOREIGN = {
    "none": ([], "every stage, got none"),
    "nothing": (None, "got NoneType"),
    "a name": ("abc", "got str"),
    "maps of two stages": (GOOD[:2], "has 3 stages, got the logits of 2"),
    "another grid": ([GOOD[0], GOOD[1][:, :, :1], GOOD[2]], "the same for every stage"),
    "other classes": ([GOOD[0], GOOD[1][:, :2], GOOD[2]], "the same for every stage"),
    "another batch": ([GOOD[0], torch.cat([GOOD[1]] * 2), GOOD[2]], "the same for every stage"),
    "no batch": ([m[0] for m in GOOD], r"logits are \(B, K, h, w\)"),
    "no cells": ([m[:, :, :0] for m in GOOD], r"logits are \(B, K, h, w\)"),
    "whole numbers": ([m.long() for m in GOOD], "tensors of floats, got torch.int64"),
    "lists": ([m.tolist() for m in GOOD], "tensors of floats, got list"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_logits(kind, network):
    """`rethreshold` of maps of other sizes, classes, batches or kinds: refused, not spread over each other"""
    logits, words = FOREIGN[kind]
    with pytest.raises((TypeError, ValueError), match=words):
        network.rethreshold(logits, 0.5)


@pytest.mark.parametrize("size", [(0, 0), (-1, 5), 5, (5,), (1, 2, 3)], ids=repr)
def test_sizes_of_nothing(size, network):
    """`rethreshold(size=...)` of no pixels"""
    with pytest.raises(ValueError, match=r"size is \(H, W\)"):
        network.rethreshold(GOOD, 0.5, size=size)


def test_what_is_no_criterion(network):
    """A criterion that is a name, or gives another shape"""
    for criterion in (None, "margin"):
        with pytest.raises(TypeError, match="criterion is a function"):
            network(X, criterion=criterion)
    with pytest.raises(ValueError, match="one confidence a cell"):
        network(X, criterion=lambda logits: logits[0])
    with pytest.raises(NotFiniteError):
        network(X, 0.5, criterion=lambda logits: logits[:, 0] * NAN)
    with pytest.raises(ValueError, match="halo is a number of cells"):
        network(X, 0.999, halo=1.5)


@pytest.mark.parametrize(
    "knobs",
    [
        {"num_classes": 0}, {"num_classes": 2.5}, {"num_classes": "x"}, {"width": 0}, {"width": NAN}, {"width": INF},
        {"width": "x"}, {"blocks": (1, 1)}, {"blocks": 5}, {"blocks": (-1, 1, 1)}, {"blocks": (1.5, 1, 1)},
        {"dilation": (0, 1, 1)}, {"dilation": 1}, {"head_channels": 0}, {"dropout": NAN}, {"dropout": 2},
        {"residual_scale": (1.0,)}, {"residual_scale": (NAN, 1, 1)}, {"variant": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_networks_that_cannot_be(knobs):
    """`irnet_lc` with no classes, NaN, negative or too few knobs: the knob is named"""
    with pytest.raises(ValueError, match=next(iter(knobs))):
        irnet_lc(**{"width": 0.05, **knobs})


@pytest.mark.parametrize("dtype", [torch.int8, torch.complex64, "float32", float, None], ids=str)
def test_dtypes_of_no_network(dtype, small_cascade):
    """`for_inference` with whole numbers, complex ones or a name for a dtype"""
    with pytest.raises(FusionError, match=r"dtype is torch\.float32"):
        small_cascade.for_inference(dtype)


@pytest.mark.parametrize("mask", [torch.zeros(1, 2, 2), torch.ones(2, 2, dtype=torch.bool), [[True]], None], ids=str)
def test_masks_of_no_region(mask):
    """`Region` of numbers, of two axes, of a list"""
    with pytest.raises((TypeError, ValueError), match="Region needs a"):
        Region(mask)


def test_empty_regions():
    """Regions of no cells, of no pictures and of no rows: layers give what they should, nothing"""
    for shape in ((1, 2, 2), (0, 2, 2), (1, 0, 2)):
        empty = Region(torch.zeros(shape, dtype=torch.bool))
        assert (len(empty), len(empty.grow(2)), empty.neighbours((3, 3)).shape) == (0, 0, (0, 9))
        x = RegionTensor.from_dense(torch.randn(shape[0], 8, *shape[1:]), empty)
        assert nn.Conv2d(8, 4, 3, padding=1)(x).features.shape == (0, 4)
        assert nn.MaxPool2d(3, 1, 1)(x).features.shape == (0, 8)


def test_random_sizes(forms):
    """Random batches of 1x1 to 70x70 pixels, random thresholds: the prepared network says what the plain one does"""

    @settings(max_examples=40, deadline=None, database=None)
    @given(st.integers(1, 3), st.integers(1, 70), st.integers(1, 70), st.tuples(st.floats(0, 1), st.floats(0, 1)))
    def one(batch, height, width, rho):
        x = torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(height * 71 + width))
        with torch.inference_mode():
            plain, fused = forms["plain"](x, rho), forms["fused"](x, rho)
        assert plain.labels.shape == fused.labels.shape == (batch, height, width)
        for pair in zip(plain.exits.sum(1), fused.exits.sum(1), strict=True):
            assert pair == pytest.approx((1, 1))
        near = sum((plain.confidence - limit).abs() < 1e-4 for limit in rho).bool().flatten(1).any(1)
        for b in range(batch):  # a confidence within rounding of a threshold may fall on either side
            if not near[b] and plain.stage[b].equal(fused.stage[b]):
                assert plain.labels[b].ne(fused.labels[b]).float().mean() < 0.02
                torch.testing.assert_close(plain.logits[b], fused.logits[b], atol=1e-3, rtol=1e-3)
            elif not near[b]:
                pytest.fail(f"other stages at {rho}, {height}x{width}")

    one()
