"""Triton's kernels: the contract, the fused epilogue, the operators.

Shape letters: N active cells, C channels, K kernel positions, O output channels.

The name keeps pytest from collecting this file by itself: `test_triton.py` runs it in a process of its own under
Triton's interpreter, `test_triton_gpu.py` takes its classes to a GPU. Cases marked slow are the contract's.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils.flop_counter import FlopCounterMode

from lcnb.regions import Region, RegionTensor, rows, use_backend
from lcnb.regions.gather import GatherBackend
from lcnb.regions.triton_backend import region_conv, region_conv_into, region_conv_weight_gradient
from lcnb.regions.triton_kernels import INTERPRETED, conv_kernel
from lcnb.regions.triton_launch import arithmetic, bucket, convolve
from lcnb.regions.workspace import Workspace
from tests.regions.contract import BackendContract, random_mask

DEVICE = "cpu" if INTERPRETED else "cuda"
DTYPES = [(torch.float32, 1e-5), (torch.float16, 4e-3), (torch.bfloat16, 3e-2)]


@pytest.fixture(autouse=True)
def on_device(monkeypatch):
    """New tensors are made on the device; float32 is multiplied as such."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    torch.manual_seed(0)
    with torch.device(DEVICE):
        yield


def problem(channels=20, outputs=12, kernel=(3, 3), share=0.6, dtype=torch.float32, shape=(2, 9, 11)):
    """(features, weight, table, bias, residual) of a random region; some channel counts fill no block."""
    region = Region(random_mask(shape, share))
    n = len(region)
    made = [torch.randn(s) for s in [(n, channels), (outputs, channels, *kernel), (outputs,), (n, outputs)]]
    features, weight, bias, residual = (t.to(dtype) for t in made)
    return features, weight, region.neighbours(kernel), bias, residual


def by_torch(features, weight, table, bias, residual, relu):
    """The oracle: padded rows, gathered and multiplied."""
    padded = torch.cat([features, features.new_zeros(1, features.shape[1])])
    columns = padded[table].flatten(1)
    out = columns @ weight.permute(0, 2, 3, 1).reshape(len(weight), -1).t()
    out = out if bias is None else out + bias
    out = out if residual is None else out + residual
    return out.relu() if relu else out


@pytest.mark.slow
class TestContract(BackendContract):
    backend = "triton"
    fast_gradcheck = True
    pooling_nondet = 1e-12 if torch.cuda.is_available() else 0.0


def test_the_backend_runs_these_kernels_and_gather_the_rest(monkeypatch):
    seen = []
    run = GatherBackend.conv2d
    monkeypatch.setattr(GatherBackend, "conv2d", lambda self, *a: seen.append(a) or run(self, *a))
    x, region = torch.randn(1, 4, 5, 5), Region(random_mask((1, 5, 5)))
    with use_backend("triton"):
        for groups, taken_over in ((1, 0), (2, 1)):
            nn.Conv2d(4, 4, 3, padding=1, groups=groups)(RegionTensor.from_dense(x, region))
            assert len(seen) == taken_over


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
def test_prepared_layers_run_on_the_kernel(dtype, tolerance, monkeypatch):
    """Into a slice of columns, with bias and ReLU, and without the gather of other devices."""
    region = Region(random_mask((2, 9, 11), 0.6))
    weight, bias = torch.randn(12, 20, 3, 3).to(dtype), torch.randn(12).to(dtype)
    job = rows.Convolution(rows.Slot("a", 0, 20), [rows.Slot("b", 2, 12)], weight, bias, (1, 1), "relu")
    given = torch.randn(len(region) + 1, 20).to(dtype)
    given[-1] = 0
    outs = [torch.full((len(region), 15), 7.0, dtype=dtype) for _ in range(2)]
    product, job._product = job._product, None  # the gather's; the kernel has no use for it
    with use_backend("triton"):
        job.in_torch(given, Workspace(region, given), [outs[0][:, 2:14]])
    job._product = product
    monkeypatch.setattr(rows, "fused_kernel", lambda _: False)
    job.in_torch(given, Workspace(region, given), [outs[1][:, 2:14]])
    torch.testing.assert_close(outs[0], outs[1], atol=20 * tolerance, rtol=20 * tolerance)
    assert (outs[0][:, [0, 1, 14]] == 7).all()


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize("kernel", [(3, 3), (1, 7)])
def test_gradients_of_every_dtype(dtype, tolerance, kernel):
    given = [t.requires_grad_(t.is_floating_point()) for t in problem(70, 66, kernel, dtype=dtype)]
    copies = [t.detach().float().requires_grad_() if t.is_floating_point() else t for t in given]
    slope = torch.randn(given[4].shape).to(dtype)
    got, expected = region_conv(*given, False), by_torch(*copies, False)
    got.backward(slope)
    expected.backward(slope.float())
    pairs = [(got, expected)] + [(a.grad, b.grad) for a, b in zip(given, copies, strict=True) if b.requires_grad]
    for mine, theirs in pairs:
        assert mine.dtype == dtype
        scale = theirs.abs().max()
        torch.testing.assert_close(mine.float() / scale, theirs / scale, atol=tolerance, rtol=0)


def test_weight_gradient_is_summed_over_several_shares_of_the_cells():
    features, weight, table, *_ = problem(shape=(2, 20, 29))
    assert len(features) > 512
    weight.requires_grad_()
    slope = torch.randn(len(features), len(weight))
    (expected,) = torch.autograd.grad(by_torch(features, weight, table, None, None, False), weight, slope)
    got = region_conv_weight_gradient(features, slope, table, [3, 3])
    torch.testing.assert_close(got, expected, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_epilogue(bias, residual, relu):
    features, weight, table, b, r = problem()
    given = [features, weight, table, b if bias else None, r if residual else None, relu]
    torch.testing.assert_close(region_conv(*given), by_torch(*given), atol=1e-4, rtol=1e-4)


def test_gradients_pass_the_relu_and_the_residual():
    given = [t.requires_grad_(t.is_floating_point()) for t in problem()]
    copies = [t.detach().clone().requires_grad_() if t.is_floating_point() else t for t in given]
    region_conv(*given, True).square().sum().backward()
    by_torch(*copies, True).square().sum().backward()
    for mine, theirs in zip(given, copies, strict=True):
        if theirs.requires_grad:
            torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-3, rtol=1e-3)


def test_one_cell_alone_needs_no_table():
    features, weight, _, bias, residual = problem(kernel=(1, 1))
    features.requires_grad_()
    weight.requires_grad_()
    out = region_conv(features, weight, None, bias, residual, True)
    expected = (F.linear(features, weight[:, :, 0, 0], bias) + residual).relu()
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-4)
    for mine, theirs in zip(
        torch.autograd.grad(out.sum(), (features, weight)),
        torch.autograd.grad(expected.sum(), (features, weight)),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


def test_writes_into_a_slice_of_columns_and_nothing_else():
    features, weight, table, bias, _ = problem()
    joined = torch.full((len(features), 40), -7.0)
    region_conv_into(joined[:, 15:27], features, weight, table, bias, None, True)
    torch.testing.assert_close(joined[:, 15:27], by_torch(features, weight, table, bias, None, True))
    assert joined[:, :15].eq(-7).all()
    assert joined[:, 27:].eq(-7).all()


def test_adds_to_what_is_there_when_the_residual_is_the_output():
    features, weight, table, bias, residual = problem()
    expected = by_torch(features, weight, table, bias, residual, True)
    region_conv_into(residual, features, weight, table, bias, residual, True)
    torch.testing.assert_close(residual, expected, atol=1e-4, rtol=1e-4)


def test_reads_slices_of_columns():
    features, weight, table, _, residual = problem()
    wide = torch.cat([residual, features, residual], 1)[:, 12:32]
    apart = features.t().contiguous().t()
    expected = region_conv(features, weight, table, None, None, False)
    for same in (wide, apart):
        assert same.equal(features)
        torch.testing.assert_close(region_conv(same, weight, table, None, None, False), expected)


def test_nan_passes_the_relu():
    features, weight, table, *_ = problem()
    features[0, 0] = float("nan")
    out = region_conv(features, weight, table, None, None, True)
    assert out[0].isnan().all()


def sparse(path, size):
    """(size,) float16 zeros that take memory only where they are written (a file with holes), or a GPU's memory."""
    if not INTERPRETED:
        if torch.cuda.mem_get_info()[0] < 4 * size:
            pytest.skip(f"needs {4 * size} bytes of free GPU memory")
        return torch.zeros(size, dtype=torch.float16)
    with open(path, "wb") as file:
        file.truncate(2 * size)
    return torch.from_file(str(path), shared=True, size=size, dtype=torch.float16)


def test_offsets_pass_two_to_the_thirty_one(tmp_path):
    far = 2**30
    memory = sparse(tmp_path / "far", 2 * far + 16)
    features = memory.as_strided((3, 16), (far, 1))  # row 2 starts at element 2 ** 31
    features.copy_(torch.randn(3, 16))
    weight, table = torch.randn(4, 16, 1, 3).half(), torch.tensor([[3, 0, 1], [0, 1, 2], [1, 2, 3]])
    expected = by_torch(features, weight, table, None, None, False)
    out = torch.empty(3, 4, dtype=torch.float16)
    convolve(features, weight, table, None, None, False, out)
    torch.testing.assert_close(out, expected, atol=1e-2, rtol=1e-2)
    convolve(features.clone(), weight, table, None, None, False, memory.as_strided((3, 4), (far, 1)))
    torch.testing.assert_close(memory.as_strided((3, 4), (far, 1)), expected, atol=1e-2, rtol=1e-2)


def test_ragged_regions_share_a_bucket_and_do_not_tune_again():
    assert [bucket(n) for n in (1, 1024, 1025, 4096, 4097, 2**20 + 1)] == [1024, 1024, 4096, 4096, 16384, 2**22]
    conv_kernel.cache.clear()
    for share in (0.2, 0.4, 0.6, 0.8):
        features, weight, table, *_ = problem(share=share)
        region_conv(features, weight, table, None, None, False)
    assert len(conv_kernel.cache) == 1
    region_conv(features, weight[:, :, :1, :1], table[:, :1], None, None, False)
    assert len(conv_kernel.cache) == 2


def test_float32_follows_the_switch_of_dense_convolutions(monkeypatch):
    for allowed, wanted in ((True, "tf32"), (False, "ieee")):
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", allowed)
        assert arithmetic(torch.float32)["PRECISION"] == wanted
        assert arithmetic(torch.float16)["PRECISION"] == "ieee"


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (TypeError, "float16", lambda x, w, t, b, r: region_conv(x, w.half(), t, None, None, False)),
        (ValueError, "features has shape", lambda x, w, t, b, r: region_conv(x[:, :-1], w, t, None, None, False)),
        (ValueError, "table has shape .*9", lambda x, w, t, b, r: region_conv(x, w, t[:, :-1], None, None, False)),
        (ValueError, r"bias has shape \(11,\)", lambda x, w, t, b, r: region_conv(x, w, t, b[1:], None, False)),
        (ValueError, "residual has shape", lambda x, w, t, b, r: region_conv(x, w, t, None, r[1:], False)),
        (ValueError, "needs a neighbour table", lambda x, w, t, b, r: region_conv(x, w, None, None, None, False)),
        (
            ValueError,
            "columns next to each other",
            lambda x, w, t, b, r: region_conv_into(r.t().contiguous().t(), x, w, t, None, None, False),
        ),
        (TypeError, "out is .*float64", lambda x, w, t, b, r: region_conv_into(r.double(), x, w, t, None, None, False)),
    ],
)
def test_refuses_what_does_not_fit(error, words, call):
    with pytest.raises(error, match=words):
        call(*problem())


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # opcheck's own
def test_operators_are_sound():
    features, weight, table, bias, residual = problem(4, 3, (1, 3), shape=(1, 4, 4))
    inputs = [t.requires_grad_() for t in (features, weight, bias, residual)]
    torch.library.opcheck(region_conv, (inputs[0], inputs[1], table, inputs[2], inputs[3], True))
    plain = [t.detach() for t in inputs]
    torch.library.opcheck(region_conv_into, (torch.empty(residual.shape), *plain[:2], table, plain[2], None, True))
    torch.library.opcheck(region_conv_weight_gradient, (plain[0], plain[3], table, [1, 3]))


def test_compile_sees_through():
    """One graph, forward and backward, with N a symbol: another region is no new graph."""
    joined_columns = 30

    def block(features, weight, table, bias, residual):
        out = region_conv(features * 2, weight, table, bias, residual, True)
        joined = torch.zeros(len(features), joined_columns, device=features.device)
        region_conv_into(joined[:, 5:17], features.detach(), weight.detach(), table, None, None, False)
        return out.sin().sum() + joined.sum()

    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(block, backend=counter, fullgraph=True, dynamic=True)
    for share in (0.5, 0.8):
        given = [t.requires_grad_(t.is_floating_point()) for t in problem(share=share)]
        wanted = torch.autograd.grad(expected := block(*given), given[:2])
        found = torch.autograd.grad(got := compiled(*given), given[:2])
        torch.testing.assert_close(got, expected)
        for mine, theirs in zip(found, wanted, strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
    assert counter.frame_count == 1


def test_counts_operations_where_it_writes_into_a_slice():
    with FlopCounterMode(display=False) as counter:
        features, weight, table, *_, residual = problem()
        region_conv_into(residual, features, weight, table, None, None, False)
    assert counter.get_total_flops() == 2 * len(features) * weight.numel()
