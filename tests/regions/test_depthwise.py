"""Depthwise convolutions of whole maps: the library's numbers, forward and backward, near and far kernels."""

import pytest
import torch
from torch import nn

from lcnb.regions import depthwise as depthwise_module
from lcnb.regions import native
from lcnb.regions.depthwise import depthwise


@pytest.mark.parametrize(("kernel", "dilation"), [((3, 3), (1, 1)), ((5, 5), (4, 4)), ((3, 5), (2, 5))])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_and_gradients(kernel, dilation, dtype):
    torch.manual_seed(0)
    padding = [d * (k // 2) for d, k in zip(dilation, kernel, strict=True)]
    layer = nn.Conv2d(70, 70, kernel, 1, padding, dilation, 70, bias=False).to(dtype)
    results = []
    for run in (layer, lambda x: depthwise(x, layer.weight, dilation)):
        x = torch.randn(2, 70, 11, 13, generator=torch.Generator().manual_seed(1), dtype=dtype)
        x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
        layer.weight.grad = None
        out = run(x)
        (out * torch.linspace(-1, 1, out.numel(), dtype=dtype).view(out.shape)).sum().backward()
        results.append((out.detach(), x.grad, layer.weight.grad))
    for right, found in zip(*results, strict=True):
        torch.testing.assert_close(found, right, atol=1e-3 if dtype == torch.float32 else 1e-9, rtol=1e-4)


@pytest.mark.skipif(native.kernels() is None, reason="the library's own gradient")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_gradients_under_autocast(dtype):
    torch.manual_seed(0)
    x, weight = torch.rand(4, 112, 30, 40), torch.randn(112, 1, 5, 5)
    x, right = x.to(dtype).contiguous(memory_format=torch.channels_last), []
    for run in (lambda x, w: nn.functional.conv2d(x, w, None, 1, 8, 4, 112), lambda x, w: depthwise(x, w, (4, 4))):
        of = [t.to(torch.float64 if dtype == torch.float64 else torch.float32).requires_grad_() for t in (x, weight)]
        with torch.autocast("cpu", torch.bfloat16, enabled=bool(right)):
            torch.full((3_000_000,), 1e30)  # what a kernel would read where nothing was written
            given = of[0].to(dtype) if right else of[0]
            run(given, of[1]).sum().backward()
        right.append([t.grad for t in of])
    for expected, found in zip(*right, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("dilation", [1, 4])
@pytest.mark.parametrize("recorded", [True, False])
def test_its_bias(dilation, recorded):
    x, weight, bias = torch.randn(1, 4, 9, 10), torch.randn(4, 1, 5, 5), torch.randn(4)
    right = nn.functional.conv2d(x, weight, bias, 1, 2 * dilation, dilation, 4)
    with torch.set_grad_enabled(recorded):
        torch.testing.assert_close(depthwise(x, weight, (dilation,) * 2, bias), right, atol=1e-3, rtol=1e-4)


def test_first_used_in_inference_mode_then_in_training():
    weight = torch.randn(4, 1, 5, 5, requires_grad=True)
    with torch.inference_mode():
        depthwise(torch.randn(1, 4, 9, 10), weight, (4, 4))
    x = torch.randn(1, 4, 9, 10, requires_grad=True)
    depthwise(x, weight, (4, 4)).sum().backward()
    assert x.grad is not None


def test_first_used_under_another_default_device():
    depthwise_module._table.cache_clear()
    x, weight = torch.randn(1, 4, 9, 10), torch.randn(4, 1, 5, 5)
    with torch.device("meta"):
        first = depthwise(x, weight, (4, 4))
    torch.testing.assert_close(first, torch.nn.functional.conv2d(x, weight, None, 1, 8, 4, 4), atol=1e-3, rtol=1e-4)
