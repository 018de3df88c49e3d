"""Triton's kernels on a real GPU: the same cases as under the interpreter."""

import pytest
import torch

if not torch.cuda.is_available():
    pytest.skip("there is no CUDA device; the interpreter runs these cases in test_triton.py", allow_module_level=True)
pytest.importorskip("triton", reason='needs triton: `pip install "lcnb[triton]"`')

from lcnb.regions.triton_backend import region_conv
from tests.regions.triton_cases import *  # noqa: F403  (its tests and its fixture)
from tests.regions.triton_cases import by_torch, problem

pytestmark = pytest.mark.gpu


def test_tf32_is_less_exact_than_float32_and_close(monkeypatch):
    features, weight, table, *_ = problem(64, 64)
    given = (features, weight, table, None, None, False)
    exact = by_torch(*(t.double() if torch.is_floating_point(t) else t for t in given[:3]), None, None, False)
    errors = []
    for allowed in (False, True):
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", allowed)
        errors.append(float((region_conv(*given) - exact).abs().max() / exact.abs().max()))
    assert errors[0] < 1e-5 < errors[1] < 5e-3


def test_inductor_compiles_around_the_operator():
    features, weight, table, bias, residual = problem(64, 64)
    given = (features, weight, table, bias, residual, True)
    compiled = torch.compile(lambda *a: region_conv(*a).mul(2), fullgraph=True)
    torch.testing.assert_close(compiled(*given), region_conv(*given).mul(2))
