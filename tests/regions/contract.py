"""The contract every region backend passes: inherit it, set `backend`, done.

Shape letters: B images, C channels, H, W grid, N active cells, O output channels.

The oracle is PyTorch's own dense layer, run on the map in which inactive cells are zero (or -inf).
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lcnb.regions import Region, RegionTensor, use_backend

KERNELS = [(1, 1), (3, 3), (1, 7), (7, 1), (5, 5)]
DILATIONS = [1, 2, 4]
GROUPINGS = [(6, 12, 1), (6, 12, 3), (6, 6, 6), (6, 12, 6), (6, 3, 3)]
"""(C, O, groups): none, groups of several, depthwise, depthwise with a multiplier, and one output for each group."""


def same(kernel, dilation):
    return tuple(dilation * (k // 2) for k in kernel)


def random_mask(shape, share=0.5, seed=0):
    """The same on every device; it lies on the default one."""
    drawn = torch.rand(shape, generator=torch.Generator().manual_seed(seed), device="cpu")
    return (drawn < share).to(torch.get_default_device())


def dense_on(mask, x, layer, fill=0.0):
    """`layer` on the map with inactive cells set to `fill`, read at the active cells: (N, O)."""
    masked = torch.where(mask[:, None], x, torch.full_like(x, fill))
    return layer(masked).permute(0, 2, 3, 1)[mask]


class BackendContract:
    """`backend` is the name that `use_backend` takes."""

    backend: str
    fast_gradcheck = False
    """Checks one random projection of each Jacobian, not every entry: for backends that run under an interpreter."""
    pooling_nondet = 0.0
    """By how much two backward passes of a pool may differ: not at all, but where a GPU adds in any order."""

    @pytest.fixture(autouse=True)
    def _use(self):
        torch.manual_seed(0)
        with use_backend(self.backend):
            yield

    @pytest.mark.parametrize("share", [0.5, 1.0])
    @pytest.mark.parametrize("dilation", DILATIONS)
    @pytest.mark.parametrize("kernel", KERNELS)
    @pytest.mark.parametrize(("channels", "outputs", "groups"), GROUPINGS)
    def test_equals_conv2d_forward_and_backward(self, kernel, dilation, channels, outputs, groups, share):
        padding = same(kernel, dilation)
        conv = nn.Conv2d(channels, outputs, kernel, padding=padding, dilation=dilation, groups=groups).double()
        x = torch.randn(2, channels, 9, 8, dtype=torch.float64, requires_grad=True)
        y, mask = x.detach().clone().requires_grad_(), random_mask((2, 9, 8), share)
        expected = dense_on(mask, x, conv)
        slope = torch.randn_like(expected)
        expected.backward(slope)
        wanted = [p.grad.clone() for p in conv.parameters()]
        conv.zero_grad()
        got = conv(RegionTensor.from_dense(y, Region(mask))).features
        got.backward(slope)
        torch.testing.assert_close(got, expected)
        torch.testing.assert_close(y.grad, x.grad)
        for parameter, want in zip(conv.parameters(), wanted, strict=True):
            torch.testing.assert_close(parameter.grad, want)

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    @pytest.mark.parametrize("dilation", DILATIONS)
    @pytest.mark.parametrize("kernel", KERNELS)
    @pytest.mark.parametrize(("outputs", "groups"), [(8, 1), (4, 4), (8, 2)])
    def test_random_mask_equals_dense_of_the_masked_input(self, kernel, dilation, outputs, groups, share):
        conv = nn.Conv2d(4, outputs, kernel, padding=same(kernel, dilation), dilation=dilation, groups=groups)
        x, mask = torch.randn(3, 4, 11, 7), random_mask((3, 11, 7), share)
        got = conv(RegionTensor.from_dense(x, Region(mask)))
        torch.testing.assert_close(got.features, dense_on(mask, x, conv), atol=1e-5, rtol=1e-5)
        assert got.shape == (3, outputs, 11, 7)

    @pytest.mark.parametrize(("outputs", "groups", "side"), [(32, 1, 24), (128, 128, 48), (128, 8, 48)])
    def test_more_rows_than_one_block(self, outputs, groups, side):
        conv = nn.Conv2d(128, outputs, 5, padding=2, groups=groups)
        x, mask = torch.randn(2, 128, side, side), random_mask((2, side, side), 0.7)
        got = conv(RegionTensor.from_dense(x, Region(mask)))
        torch.testing.assert_close(got.features, dense_on(mask, x, conv), atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize(("channels", "outputs", "groups"), [(4, 4, 1), (4, 4, 2), (4, 4, 4), (2, 4, 2), (4, 2, 2)])
    @pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (1, 7)])
    def test_gradcheck(self, kernel, channels, outputs, groups):
        region = Region(random_mask((2, 4, 4)))
        features = torch.randn(len(region), channels, dtype=torch.float64, requires_grad=True)
        weight = torch.randn(outputs, channels // groups, *kernel, dtype=torch.float64, requires_grad=True)
        bias = torch.randn(outputs, dtype=torch.float64, requires_grad=True)

        def run(f, w, b):
            return F.conv2d(RegionTensor(f, region), w, b, padding=same(kernel, 1), groups=groups).features

        assert torch.autograd.gradcheck(run, (features, weight, bias), fast_mode=self.fast_gradcheck)

    @pytest.mark.parametrize("pool", ["max", "avg"])
    def test_gradcheck_of_pooling(self, pool):
        region = Region(random_mask((2, 4, 4)))
        features = torch.randn(len(region), 3, dtype=torch.float64, requires_grad=True)
        layer = nn.MaxPool2d(3, 1, 1) if pool == "max" else nn.AvgPool2d(3, 1, 1)
        assert torch.autograd.gradcheck(
            lambda f: layer(RegionTensor(f, region)).features, features, nondet_tol=self.pooling_nondet
        )

    @pytest.mark.parametrize("dilation", DILATIONS)
    @pytest.mark.parametrize("kernel", [3, 5])
    def test_max_pool_of_negative_features_ignores_what_is_outside(self, kernel, dilation):
        reach = dilation * (kernel // 2)  # a dense max-pool refuses this padding when dilated: pad by hand
        pool = nn.MaxPool2d(kernel, 1, reach, dilation)

        def dense(t):
            return F.max_pool2d(F.pad(t, (reach,) * 4, value=float("-inf")), kernel, 1, 0, dilation)

        x, mask = -1 - torch.rand(2, 5, 8, 9), random_mask((2, 8, 9), 0.3)
        got = pool(RegionTensor.from_dense(x, Region(mask))).features
        torch.testing.assert_close(got, dense_on(mask, x, dense, fill=float("-inf")))
        assert (got < 0).all()

    @pytest.mark.parametrize("include", [True, False])
    def test_avg_pool_counts_outside_as_the_border(self, include):
        pool = nn.AvgPool2d(3, 1, 1, count_include_pad=include)
        x, mask = -1 - torch.rand(2, 5, 8, 9), random_mask((2, 8, 9), 0.3)
        got = pool(RegionTensor.from_dense(x, Region(mask))).features
        if include:
            expected = dense_on(mask, x, pool)
        else:  # the mean over the active cells of the window
            count = F.avg_pool2d(mask[:, None].float(), 3, 1, 1) * 9
            total = F.avg_pool2d(x * mask[:, None], 3, 1, 1) * 9
            expected = (total / count).permute(0, 2, 3, 1)[mask]
        torch.testing.assert_close(got, expected)

    def test_avg_pool_divisor(self):
        pool = nn.AvgPool2d(3, 1, 1, divisor_override=2)
        x, mask = torch.randn(1, 2, 5, 5), random_mask((1, 5, 5))
        torch.testing.assert_close(pool(RegionTensor.from_dense(x, Region(mask))).features, dense_on(mask, x, pool))

    @pytest.mark.parametrize("layer", ["conv1", "conv3", "depthwise", "grouped", "max", "avg"])
    def test_empty_region_gives_empty_output_and_zero_gradients(self, layer):
        module = {
            "conv1": nn.Conv2d(4, 6, 1),
            "conv3": nn.Conv2d(4, 6, 3, padding=1),
            "depthwise": nn.Conv2d(4, 4, 3, padding=1, groups=4),
            "grouped": nn.Conv2d(4, 4, 3, padding=1, groups=2),
            "max": nn.MaxPool2d(3, 1, 1),
            "avg": nn.AvgPool2d(3, 1, 1),
        }[layer]
        x = torch.randn(2, 4, 5, 5, requires_grad=True)
        out = module(RegionTensor.from_dense(x, Region(torch.zeros(2, 5, 5, dtype=torch.bool))))
        assert out.features.shape == (0, out.shape[1])
        out.to_dense().sum().backward()
        assert not x.grad.any()
        assert all(p.grad is None or not p.grad.any() for p in module.parameters())

    def test_one_cell_sees_only_itself(self):
        conv = nn.Conv2d(3, 5, 3, padding=1)
        mask = torch.zeros(1, 6, 6, dtype=torch.bool)
        mask[0, 2, 3] = True
        x = torch.randn(1, 3, 6, 6)
        got = conv(RegionTensor.from_dense(x, Region(mask))).features
        expected = conv.weight[:, :, 1, 1] @ x[0, :, 2, 3] + conv.bias
        torch.testing.assert_close(got[0], expected)

    def test_a_batch_equals_its_images_one_by_one(self):
        conv, pool = nn.Conv2d(4, 6, 3, padding=2, dilation=2), nn.MaxPool2d(3, 1, 1)
        x, mask = torch.randn(3, 4, 7, 6), random_mask((3, 7, 6))
        mask[1] = False  # an image with nothing left
        together = pool(conv(RegionTensor.from_dense(x, Region(mask)))).to_dense()
        for i in range(3):
            alone = pool(conv(RegionTensor.from_dense(x[i : i + 1], Region(mask[i : i + 1])))).to_dense()
            torch.testing.assert_close(together[i : i + 1], alone)

    @pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 4e-3), (torch.bfloat16, 3e-2)])
    @pytest.mark.parametrize("kernel", [(1, 1), (3, 3)])
    @pytest.mark.parametrize(("outputs", "groups"), [(8, 1), (16, 16), (8, 4)])
    def test_half_precision(self, dtype, tolerance, kernel, outputs, groups):
        conv = nn.Conv2d(16, outputs, kernel, padding=same(kernel, 1), groups=groups)
        x, mask = torch.randn(1, 16, 8, 8), random_mask((1, 8, 8))
        got = conv.to(dtype)(RegionTensor.from_dense(x.to(dtype), Region(mask))).features
        assert got.dtype == dtype
        expected = dense_on(mask, x.to(dtype).float(), conv.float())
        torch.testing.assert_close(got.float(), expected, atol=tolerance * 4, rtol=tolerance)

    @pytest.mark.parametrize(("channels", "outputs", "groups"), GROUPINGS)
    def test_counts_the_operations_of_both_ways(self, channels, outputs, groups):
        conv = nn.Conv2d(channels, outputs, 3, padding=1, groups=groups, bias=False)
        region = Region(random_mask((2, 5, 5)))
        features = torch.randn(len(region), channels, requires_grad=True)
        with FlopCounterMode(display=False) as counter:
            out = conv(RegionTensor(features, region)).features
            forward = counter.get_total_flops()
            out.sum().backward()
        assert forward == 2 * len(region) * conv.weight.numel()
        assert counter.get_total_flops() == 3 * forward

    # The classes that inherit this differ in `backend` only, on purpose.
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(
        batch=st.integers(1, 3), height=st.integers(1, 9), width=st.integers(1, 9), channels=st.integers(1, 5),
        kernel=st.tuples(st.sampled_from([1, 3, 5, 7]), st.sampled_from([1, 3, 5, 7])),
        dilation=st.integers(1, 4), share=st.floats(0, 1), seed=st.integers(0, 99),
    )  # fmt: skip
    def test_any_shape(self, batch, height, width, channels, kernel, dilation, share, seed):
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(batch, channels, height, width, generator=generator, device="cpu")
        x = x.to(torch.get_default_device())
        mask = random_mask((batch, height, width), share, seed)
        conv = nn.Conv2d(channels, 3, kernel, padding=same(kernel, dilation), dilation=dilation)
        with use_backend(self.backend):
            got = conv(RegionTensor.from_dense(x, Region(mask))).features
        torch.testing.assert_close(got, dense_on(mask, x, conv), atol=1e-5, rtol=1e-4)
