"""Products of ragged rows: the numbers of a plain product, and no memory for each new number of rows."""

from types import SimpleNamespace

import psutil
import pytest
import torch

from lcnb.devices import has_bfloat16
from lcnb.regions import products

ROWS = [0, 1, 511, 512, 513, 1500, 4096, 4097, 5000]


def draw(n, channels, dtype, seed=0):
    return torch.randn(n, channels, generator=torch.Generator().manual_seed(seed)).to(dtype)


def megabytes():
    return psutil.Process().memory_info().rss / 1e6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("n", ROWS)
def test_as_plain_products(n, dtype):
    left, right = draw(n, 24, dtype), draw(n, 40, dtype, 1)
    matrix = draw(24, 40, dtype, 2)
    tolerance = {"rtol": 1.6e-2, "atol": 1e-5 if dtype == torch.float32 else 0.3}
    torch.testing.assert_close(products.times(left, matrix).double(), left.double() @ matrix.double(), **tolerance)
    torch.testing.assert_close(products.outer(left, right).double(), left.double().t() @ right.double(), **tolerance)


def test_few_lengths_of_blocks():
    spans = {n: list(products._spans(n)) for n in range(10_000)}
    assert all([k for a, b in cuts for k in range(a, b)] == list(range(n)) for n, cuts in spans.items() if n % 97 == 0)
    filled = {-(-(b - a) // products.STEP) for cuts in spans.values() for a, b in cuts}
    assert filled == set(range(1, products.BLOCK // products.STEP + 1))


def test_linear_forward_and_backward():
    features, weight = draw(700, 24, torch.bfloat16), draw(16, 24, torch.bfloat16, 1)
    wanted = [t.float().requires_grad_() for t in (features, weight)]
    given = [t.clone().requires_grad_() for t in (features, weight)]
    torch.nn.functional.linear(*wanted).square().mean().backward()
    out = products.Linear.apply(*given)
    assert out.dtype == torch.bfloat16
    out.float().square().mean().backward()
    for mine, right in zip(given, wanted, strict=True):
        assert mine.grad.dtype == torch.bfloat16
        torch.testing.assert_close(mine.grad.float(), right.grad, rtol=3e-2, atol=2e-3)


def test_linear_where_only_one_side_learns():
    features, weight = draw(300, 8, torch.bfloat16), draw(4, 8, torch.bfloat16, 1).requires_grad_()
    products.Linear.apply(features, weight).sum().backward()
    assert weight.grad.shape == (4, 8)


@pytest.mark.parametrize("n", [0, 1, 127, 256, 700])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_a_product_of_ragged_rows(n, biased, dtype):
    weight, bias = draw(40, 24, dtype, 1), draw(40, 1, dtype, 2)[:, 0] if biased else None
    rows = draw(n, 50, dtype)[:, 3:27]  # columns of something wider
    product = products.Product(weight, bias)
    if dtype == torch.bfloat16:
        assert (product.packed is not None) == has_bfloat16("cpu")
    found = product(rows)
    assert (found.dtype, found.shape) == (dtype, (n, 40))
    expected = rows.double() @ weight.double().t() + (bias.double() if biased else 0)
    precise = dtype in (torch.float32, torch.float64)
    torch.testing.assert_close(found.double(), expected, rtol=1.6e-2, atol=1e-4 if precise else 0.3)


MATRIX = draw(128, 64, torch.bfloat16)


@pytest.mark.parametrize(
    ("multiply", "limit"),
    [
        (lambda rows: (products.times(rows, MATRIX), products.outer(rows, rows)), 60),
        (products.Product(draw(64, 128, torch.bfloat16), None), 30),
    ],
)
def test_new_numbers_of_rows_take_no_memory(multiply, limit):
    """oneDNN keeps what it compiled for a shape, so it must not meet each of these 400."""
    multiply(draw(1000, 128, torch.bfloat16))
    before = megabytes()
    for n in range(1000, 1400):
        multiply(draw(n, 128, torch.bfloat16))
    assert megabytes() - before < limit


@pytest.mark.parametrize("n", ROWS)
def test_long_products_as_convolutions(n, monkeypatch):
    """As on a processor for which MKL has no code of full width."""
    monkeypatch.setattr(products, "_narrow_blas", lambda: True)
    monkeypatch.setattr(products, "LONG", 1)
    features, weight = draw(n, 24, torch.float32), draw(40, 24, torch.float32, 1)
    out = products.times(features, weight.t())
    assert out.is_contiguous()
    torch.testing.assert_close(out, features @ weight.t(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(products.times(features[:, :5], weight.t()[:5]), features[:, :5] @ weight.t()[:5],
                               rtol=1e-4, atol=1e-4)  # fmt: skip
    monkeypatch.setattr(products.torch.backends, "mkldnn", SimpleNamespace(enabled=False))
    assert not products.better_convolved(features)


def test_mkl_is_narrow_on_processors_of_others_alone(monkeypatch):
    for capability, intels, narrow in (("AVX512", False, True), ("AVX512", True, False), ("AVX2", False, False)):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda known=capability: known)
        monkeypatch.setattr(products, "cpu_is_intels", lambda known=intels: known)
        assert products._narrow_blas.__wrapped__() == (narrow and torch.backends.mkl.is_available())
