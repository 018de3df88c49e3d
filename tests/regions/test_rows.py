"""Jobs on packed rows: every implementation gives what torch's layers give on a `RegionTensor`."""

import pytest
import torch
from torch import nn

from lcnb.models.irnet import pool
from lcnb.regions import Region, RegionTensor, rows
from lcnb.regions.native import kernels
from lcnb.regions.rows import AsIs, Convolution, Copy, Frame, MaxPool, Program, Slot, Value, pack
from lcnb.regions.workspace import Workspace
from tests.regions.contract import random_mask

pytestmark = pytest.mark.usefixtures("no_grad")

FRACTIONS = [0.0, 0.01, 0.5, 1.0]
NATIVE = [False, True]
KERNELS = {"1x1": (1, 1), "3x3": (3, 1), "dilated": (3, 2), "1x7": ((1, 7), 1), "5x5": (5, 1)}
AFTER = {None: lambda t: t, "relu": torch.relu, "relu6": nn.functional.relu6}


def choose(job, native):
    """By a kernel of ours or by torch; skips where there is no kernel."""
    if native and kernels() is None:
        pytest.skip("there are no kernels of ours here")
    job.use_kernels(native)
    assert job.native == native
    return job


def run(job, region, source, target):
    """A job from the (N + 1, .) buffer `source` to the buffer `target`."""
    frame = Frame(Workspace(region, source), {}, {"source": source, "target": target})
    job.run(frame)
    frame.work.finish()
    return target


def padding(kernel, dilation):
    tall, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
    return dilation * (tall // 2), dilation * (wide // 2)


@pytest.mark.parametrize("fraction", FRACTIONS)
@pytest.mark.parametrize("native", NATIVE)
@pytest.mark.parametrize(("after", "add"), [(None, False), ("relu", True), ("relu6", False), ("relu6", True)])
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("groups", [1, 12])
def test_convolution(name, groups, after, add, native, fraction, monkeypatch):
    """From some columns to some columns, what is around them untouched."""
    monkeypatch.setattr(rows, "OPERAND_BYTES", 1)  # several blocks
    kernel, dilation = KERNELS[name]
    outputs = 12 if groups > 1 else 10 if name != "5x5" else 3  # so few outputs that products come first
    conv = nn.Conv2d(12, outputs, kernel, padding=padding(kernel, dilation), dilation=dilation, groups=groups)
    conv.weight *= 6
    region = Region(random_mask((2, 30, 28), fraction))
    packed = RegionTensor.from_dense(torch.randn(2, 12, 30, 28), region)
    source = torch.full((len(region) + 1, 15), 9.0)
    source[:, 2:14] = torch.cat([packed.features, torch.zeros(1, 12)])
    target = torch.full((len(region) + 1, outputs + 4), 7.0)
    target[:, 2:-2] = torch.randn(len(region) + 1, outputs)
    expected = AFTER[after](conv(packed).features + (target[:-1, 2:-2] if add else 0))
    slots = (
        [Slot("target", 2, 1), Slot("target", 3, outputs - 1)] if name == "1x1" and groups == 1 and not add else None
    )
    job = Convolution(
        Slot("source", 2, 12), slots or [Slot("target", 2, outputs)], conv.weight, conv.bias, conv.dilation, after, add
    )
    run(choose(job, native), region, source, target)
    torch.testing.assert_close(target[:-1, 2:-2], expected, atol=1e-4, rtol=1e-4)
    assert (target[:, [0, 1, -2, -1]] == 7).all()


@pytest.mark.parametrize("fraction", FRACTIONS)
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("native", NATIVE)
def test_maximum_of_negative_features(fraction, dilation, native):
    region = Region(random_mask((2, 30, 17), fraction))
    packed = RegionTensor.from_dense(-1 - torch.rand(2, 5, 30, 17), region)
    source, target = torch.cat([packed.features, torch.zeros(1, 5)]), torch.full((len(region) + 1, 7), 7.0)
    job = MaxPool(Slot("source", 0, 5), Slot("target", 1, 5), (3, 3), (dilation, dilation))
    run(choose(job, native), region, source, target)
    assert target[:-1, 1:6].equal(pool(dilation=dilation)(packed).features)
    assert (source[-1] == 0).all()
    assert (target[:, [0, 6]] == 7).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("groups", [1, 8])
def test_other_dtypes(dtype, groups):
    conv = nn.Conv2d(8, 8, 3, padding=1, groups=groups).to(dtype)
    region = Region(random_mask((1, 12, 12), 0.6))
    source = torch.randn(len(region) + 1, 8).to(dtype)
    source[-1] = 0
    expected = conv.double()(RegionTensor(source[:-1].double(), region)).features
    target = torch.zeros(len(region) + 1, 8, dtype=dtype)
    weight, bias = conv.weight.to(dtype), conv.bias.to(dtype)
    job = Convolution(Slot("source", 0, 8), [Slot("target", 0, 8)], weight, bias)
    job.use_kernels(True)
    assert not job.native
    run(job, region, source, target)
    torch.testing.assert_close(target[:-1].double(), expected, atol=0.05, rtol=0.05)


def test_a_program_runs_what_has_no_job_of_its_own():
    region = Region(random_mask((1, 9, 9), 0.5))
    given = torch.cat([torch.randn(len(region), 6), torch.zeros(1, 6)])
    jobs = [
        Copy(Slot("input 0", 0, 3), Slot("a 6", 3, 3)),
        Copy(Slot("input 0", 3, 3), Slot("a 6", 0, 3)),
        AsIs(lambda t: (t, t * 2), [Slot("a 6", 3, 3)], {}, Value("pair")),
        AsIs(lambda pair, k: pair[k], [Value("pair")], {"k": 1}, Slot("b 3", 0, 3)),
        AsIs(nn.ReLU(inplace=True), [Slot("a 6", 0, 3)], {}, Slot("c 3", 0, 3)),
    ]
    program = Program(jobs, {"a 6": 6, "b 3": 3, "c 3": 3}, ["input 0"], Slot("b 3", 0, 3))
    work = Workspace(region, given)
    found = program([given], work)
    assert found[:-1].equal(given[:-1, :3] * 2)
    assert (found[-1] == 0).all()
    frame = Frame(work, program.widths, {})
    assert frame.cells(Slot("c 3", 0, 3)).equal(given[:-1, 3:].relu())
    assert frame.cells(Slot("a 6", 0, 3)).equal(given[:-1, 3:])  # what a function does in place stays its own


def test_pack():
    cells = torch.arange(12.0).view(6, 2)
    assert pack(cells, torch.tensor([1, 4])).tolist() == [[2, 3], [8, 9], [0, 0]]
