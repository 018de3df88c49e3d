"""Kernels of ours for a CPU: the numbers of torch's operations, at every shape, width of vectors and number of threads.

Shape letters: N rows to compute, C channels, P kernel positions, O outputs.
"""

import ctypes
import itertools
import platform
import shlex
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lcnb.machine import cpu_features
from lcnb.regions import Region, native, native_build
from lcnb.regions import region as regions
from lcnb.regions.native import NativeConvolution, Program, kernels, table_of, why_not, write_pool
from tests.regions.contract import random_mask

ROWS, CHANNELS, POSITIONS, OUTPUTS = (1, 5, 47, 700), (1, 3, 16, 65), (1, 3, 9), (1, 7, 8, 9, 16, 17, 40)
BESIDE = 7.0
"""In columns and rows that nobody may write to; those that nobody may read are NaN."""


@pytest.fixture(scope="module")
def here():
    """The kernels of this processor."""
    if kernels() is None:
        pytest.skip(str(why_not()))
    return kernels()


NARROWER = [f"-mno-{feature}" for feature in ("avx512f", "avx") if feature in cpu_features().split()]
"""The compiler's words for processors with narrower vectors than this one's."""


@pytest.fixture(scope="module", params=["", *NARROWER], ids=lambda option: option or "widest")
def found(here, request):
    """The same, and those of processors with narrower vectors."""
    if not request.param:
        return here
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CC", shlex.join([*native_build.compiler(), request.param]))
        other = native._declared(native_build.library())
    if other.lanes == here.lanes:
        pytest.skip(f"{native_build.compiler()[0]} takes no notice of {request.param}")
    return other


@pytest.fixture
def crowd(monkeypatch):
    """Five threads, started by Python's own means; what is collected has one entry for each time they were."""
    started = []

    @ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    def fork(work, data, count, _):
        started.append(count)
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(work)
        threads = [threading.Thread(target=call, args=(data,)) for _ in range(count)]
        for action in (threading.Thread.start, threading.Thread.join):
            for thread in threads:
                action(thread)

    monkeypatch.setattr(native, "threads_of_torch", lambda: ctypes.cast(fork, ctypes.c_void_p).value)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    return started


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def rows_of(n, channels, seed=0):
    """(n + 1, C), the last row zero: columns of a buffer whose other columns are NaN."""
    rows = torch.full((n + 1, channels + 5), float("nan"))[:, 2 : 2 + channels]
    rows.copy_(draw(n + 1, channels, seed=seed))[-1] = 0
    return rows


def table_with_gaps(n, positions, seed=0):
    """(n, P) random rows; about a third are not there, which the value n says."""
    generator = torch.Generator().manual_seed(seed)
    table = torch.randint(0, n, (n, positions), generator=generator)
    return table.where(torch.rand(n, positions, generator=generator) < 0.7, torch.tensor(n))


def place_for(n, outputs):
    """(n, O) with numbers in it, and the buffer that it is a part of."""
    joined = torch.full((n + 1, outputs + 9), BESIDE)
    out = joined[:n, 4 : 4 + outputs]
    return out.copy_(draw(n, outputs, seed=9)), joined


def untouched(out, joined):
    """Whether what lies around it is as it was."""
    out.fill_(BESIDE)
    return bool((joined == BESIDE).all())


def run(found, *writers):
    """What these write down, in one program, to its end."""
    program = Program(found)
    for write in writers:
        write(program)
    program.run()


def convolved(found, rows, table, matrix, bias, relu, add, out):
    """The result, which lies in `out`."""
    after = "relu" if relu else None
    kept = NativeConvolution(matrix, bias, 1 if table is None else table.shape[1], after, add, found)
    run(found, lambda program: kept.write(program, rows, table, out))
    return out


def wanted(rows, table, matrix, bias, relu, add, before):
    """The same by torch, in float64."""
    operand = rows[: len(before)] if table is None else rows[table].flatten(1)
    found = operand.double() @ matrix.double().t()
    found += 0 if bias is None else bias.double()
    found += before.double() if add else 0
    return found.relu() if relu else found


def checked(kernels, rows, table, matrix, bias, relu, add):
    """Against torch, into a slice of columns; what lies beside it stays."""
    out, joined = place_for(len(rows) - 1, len(matrix))
    expected = wanted(rows, table, matrix, bias, relu, add, out)
    convolved(kernels, rows, table, matrix, bias, relu, add, out)
    case = f"rows {tuple(rows.shape)}, matrix {tuple(matrix.shape)}, {bias is not None=}, {relu=}, {add=}"
    torch.testing.assert_close(out.double(), expected, atol=1e-4, rtol=1e-4, msg=lambda m: f"{case}\n{m}")
    assert untouched(out, joined), case


@pytest.mark.skipif(platform.system() != "Linux" or shutil.which("cc") is None, reason="there is no `cc` on Linux here")
@pytest.mark.parametrize("mixed", [False, True])
def test_they_are_there_wherever_linux_has_a_compiler(monkeypatch, mixed):
    """The other tests are skipped where there are no kernels: a broken one must not hide behind that."""
    for name in ("CC", native_build.SWITCH):
        monkeypatch.delenv(name, raising=False)
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        assert native._found.__wrapped__()[1] is None


@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("positions", POSITIONS)
def test_convolution(found, positions, outputs):
    for n, channels in itertools.product(ROWS, CHANNELS):
        rows, table = rows_of(n, channels), table_with_gaps(n, positions)
        matrix, some = draw(outputs, positions * channels, seed=1), draw(outputs, seed=2)
        for bias, relu, add in itertools.product((None, some), (False, True), (False, True)):
            checked(found, rows, table, matrix, bias, relu, add)


@pytest.mark.parametrize(("positions", "channels"), [(1, 1700), (3, 800), (9, 190), (25, 70)])
@pytest.mark.parametrize("outputs", [7, 9, 40])
def test_long_sums(found, positions, channels, outputs):
    """Of more weights than a cache holds at once."""
    matrix, bias = draw(outputs, positions * channels, seed=1) / (positions * channels) ** 0.5, draw(outputs, seed=2)
    for n in (1, 50, 300):
        rows, table = rows_of(n, channels), table_with_gaps(n, positions)
        for relu, add in itertools.product((False, True), repeat=2):
            checked(found, rows, table, matrix, bias, relu, add)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 200), channels=st.integers(1, 40), positions=st.integers(0, 9), outputs=st.integers(1, 100),
    relu=st.booleans(), add=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_convolution_of_any_shape(here, n, channels, positions, outputs, relu, add, seed):
    """No positions: no table either, the rows themselves."""
    rows, table = rows_of(n, channels, seed), table_with_gaps(n, positions, seed) if positions else None
    matrix, bias = draw(outputs, max(1, positions) * channels, seed=seed + 1), draw(outputs, seed=seed + 2)
    checked(here, rows, table, matrix, bias, relu, add)


def test_a_copy_of_the_weights_is_kept(here):
    rows, matrix, bias = rows_of(9, 5), draw(20, 5), draw(20, seed=1)
    kept, out = NativeConvolution(matrix, bias, 1, None, False, here), torch.empty(9, 20)
    expected = wanted(rows, None, matrix, bias, False, False, out)
    matrix.zero_(), bias.zero_()
    run(here, lambda program: kept.write(program, rows, None, out))
    torch.testing.assert_close(out.double(), expected, atol=1e-4, rtol=1e-4)


LONG = 2 * native.ROOM + 5
"""Layers of a chain. Whole numbers are multiplied by 1 and -1, so that each result is exact, and each order another."""


def links(n, channels):
    """(table, matrix, bias) of each layer, which looks at one row of three, and no two of its rows at the same."""
    generator = torch.Generator().manual_seed(0)
    for turn in range(LONG):
        mixed = torch.eye(channels)[torch.randperm(channels, generator=generator)]
        mixed *= torch.randint(0, 2, (channels, 1), generator=generator) * 2 - 1
        matrix = torch.zeros(channels, 3, channels)
        matrix[:, turn % 3] = mixed
        table = torch.stack([torch.randperm(n, generator=generator) for _ in range(3)], 1)
        table[turn % n] = n  # sees nobody
        yield table, matrix.flatten(1), torch.randint(-2, 3, (channels,), generator=generator).float()


def chain(found, n=500, channels=16):
    """By a program and by torch: each layer reads what the one before has written; few are pools, few have a ReLU."""
    start = rows_of(n, channels).mul_(100).round_()
    between, expected, kept = [start, start.clone()], start.clone(), []
    program = Program(found)
    for turn, (table, matrix, bias) in enumerate(links(n, channels)):
        rows, out, relu = between[turn % 2], between[(turn + 1) % 2][:-1], turn % 100 == 20
        if turn % 100 == 70:
            table[:, 1] = torch.arange(n)
            write_pool(program, rows, table, out)
            result = pooled(expected, table)
        else:
            one = NativeConvolution(matrix, bias, 3, "relu" if relu else None, False, found)
            one.write(program, rows, table, out)
            kept.append(one)
            result = wanted(expected, table, matrix, bias, relu, False, out).float()
        kept.append(table)  # until the program has run
        expected = torch.cat([result, expected[-1:]])
    program.run()
    return between[LONG % 2], expected


def pooled(rows, table):
    """By torch: (N + 1, C), whose last row stands for nothing."""
    low = rows.clone()
    low[-1] = float("-inf")
    return low[table].amax(1)


def test_jobs_that_read_each_others_results_more_than_there_is_room_for(found):
    got, expected = chain(found)
    assert len(expected.unique(dim=0)) > 100
    assert got.equal(expected)


def test_a_job_waits_for_all_rows_of_the_one_before(found, crowd):
    got, expected = chain(found)
    assert got.equal(expected)
    assert crowd == [5] * 3  # twice as the room was full, and at the end


def test_nothing_happens_before_it_is_run_and_nothing_twice(here):
    program, rows, out = Program(here), rows_of(6, 4), torch.zeros(6, 3)
    one = NativeConvolution(draw(3, 4), None, 1, None, True, here)
    one.write(program, rows, None, out)
    assert out.eq(0).all()
    program.run()
    once = out.clone()
    assert once.ne(0).any()
    program.run()
    assert out.equal(once)


@pytest.mark.parametrize("n", ROWS)
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("positions", POSITIONS)
def test_pool(found, n, channels, positions):
    """Negative features, minus infinity among them; a row sees itself at least, as every active cell does."""
    rows, table = -rows_of(n, channels).abs() - 1, table_with_gaps(n, positions)
    rows[:-1][draw(n, channels, seed=3) > 0.5] = float("-inf")
    table[:, positions // 2] = torch.arange(n)
    rows[-1] = 0
    out, joined = place_for(n, channels)
    run(found, lambda program: write_pool(program, rows, table, out))
    assert out.equal(pooled(rows, table))
    assert (rows[-1] == 0).all()
    assert untouched(out, joined)


def test_what_is_not_a_number_stays_none(found):
    """Through ReLU, sum, convolution and pool, and to no other row: it is refused later, and must not be hidden."""
    n, outputs = 47, 17
    rows, table = rows_of(n, 5), table_with_gaps(n, 3)
    table[:, 1] = torch.arange(n)
    for row, value in ((3, float("nan")), (4, float("inf")), (5, float("-inf"))):
        rows[row, 2] = value
    matrix, bias = draw(outputs, 15, seed=1), draw(outputs, seed=2)
    for relu, add in itertools.product((False, True), repeat=2):
        out, _ = place_for(n, outputs)
        out[7, 1] = float("nan")
        expected = wanted(rows, table, matrix, bias, relu, add, out)
        assert expected.isnan().any()
        assert expected.isfinite().any()
        convolved(found, rows, table, matrix, bias, relu, add, out)
        torch.testing.assert_close(out.double(), expected, atol=1e-4, rtol=1e-4, equal_nan=True)
    out, _ = place_for(n, 5)
    run(found, lambda program: write_pool(program, rows, table, out))
    torch.testing.assert_close(out, pooled(rows, table), atol=0, rtol=0, equal_nan=True)
    assert out.isnan().any()


MASKS = {
    "some": ((3, 13, 9), 0.4), "one picture": ((1, 9, 13), 0.6), "few": ((2, 8, 8), 0.03), "full": ((2, 6, 7), 1.0),
    "empty": ((2, 6, 7), 0.0), "one cell": ((1, 1, 1), 1.0), "one line": ((4, 1, 9), 0.7),
    "no picture": ((0, 5, 5), 0.5), "no cells": ((2, 0, 4), 0.5),
}  # fmt: skip


@pytest.mark.parametrize("dilation", [(1, 1), (2, 2), (1, 2)])
@pytest.mark.parametrize("kernel", [(1, 7), (7, 1), (3, 3), (1, 1), (5, 3)])
@pytest.mark.parametrize("name", MASKS)
def test_neighbour_tables(found, name, kernel, dilation, monkeypatch):
    shape, share = MASKS[name]
    region = Region(random_mask(shape, share))
    monkeypatch.setattr(regions, "ready", lambda: None)
    expected = region.neighbours(kernel, dilation)
    assert table_of(found, region.rank, region.index, kernel, dilation).equal(expected)
    monkeypatch.setattr(regions, "ready", lambda: found)
    assert Region(region.mask).neighbours(kernel, dilation).equal(expected)


def test_a_table_alone_starts_no_compiler(monkeypatch):
    def explode():
        raise AssertionError("kernels were looked for")

    fresh = native.functools.cache(explode)
    monkeypatch.setattr(native, "_found", fresh)
    assert native.ready() is None
    assert len(Region.full(1, 4, 4).neighbours((3, 3))) == 16


def picture(found):
    """A convolution, one that adds a long sum to it, and a pool, of enough rows for several threads."""
    n, out = 1500, torch.zeros(1501, 40)
    rows, table, wide = rows_of(n, 24), table_with_gaps(n, 9), rows_of(n, 1700)
    table[:, 4] = torch.arange(n)
    first = NativeConvolution(draw(40, 9 * 24, seed=1), draw(40, seed=2), 9, "relu", False, found)
    second = NativeConvolution(draw(40, 1700, seed=3), None, 1, None, True, found)
    largest = torch.empty(n, 40)
    run(
        found,
        lambda program: first.write(program, rows, table, out[:-1]),
        lambda program: second.write(program, wide, None, out[:-1]),
        lambda program: write_pool(program, out, table, largest),
    )
    return torch.cat([out[:-1], largest])


def test_the_same_bits_with_one_thread_or_two_and_again(found):
    """Native CPU kernels, on one thread, on two, and again: every bit"""
    first = picture(found)
    for threads in (1, 2, 2, 1):
        torch.set_num_threads(threads)
        assert picture(found).equal(first)


def test_the_same_bits_whoever_starts_the_threads(found, crowd, monkeypatch):
    got = picture(found)
    assert crowd == [5]
    monkeypatch.setattr(native, "threads_of_torch", lambda: None)  # one, as where torch has no OpenMP of GNU's kind
    assert picture(found).equal(got)
    assert crowd == [5]


def test_a_row_has_the_same_bits_whatever_rows_are_beside_it(found):
    """Native CPU kernels, on all rows and on some of them: every bit"""
    n, outputs = 300, 23
    for channels in (11, 600):
        rows, table = rows_of(n, channels), table_with_gaps(n, 3)
        matrix, bias = draw(outputs, 3 * channels, seed=1), draw(outputs, seed=2)
        whole = convolved(found, rows, table, matrix, bias, True, False, torch.empty(n, outputs))
        for part in (slice(0, 1), slice(7, 20), slice(100, 299), slice(299, 300)):
            alone = torch.empty(part.stop - part.start, outputs)
            convolved(found, rows, table[part].contiguous(), matrix, bias, True, False, alone)
            assert alone.equal(whole[part])


@pytest.mark.parametrize("threads", [1, 2])
def test_several_threads_of_python_at_once(here, threads):
    torch.set_num_threads(threads)
    expected, expected_chain = picture(here), chain(here)[1]

    def both(_):
        torch.set_num_threads(threads)  # each thread of Python has its own number
        return picture(here), chain(here)[0]

    with ThreadPoolExecutor(3) as pool:
        for one, other in pool.map(both, range(6)):
            assert one.equal(expected)
            assert other.equal(expected_chain)


@pytest.mark.parametrize("channels", [1, 5, 64, 200])
@pytest.mark.parametrize(("n", "positions"), [(1, 1), (47, 9), (300, 25)])
def test_depthwise(found, crowd, n, positions, channels, monkeypatch):
    """The convolution and the gradient of its weights; a missing neighbour counts as zeros and is never read."""
    generator = torch.Generator().manual_seed(n + channels)
    rows, weights, grad = (torch.randn(k, channels, generator=generator) for k in (n, positions, n))
    table = torch.randint(0, n + 1, (n, positions), generator=generator)
    columns = torch.cat([rows, torch.zeros(1, channels)])[table]

    def both():
        return native.depthwise(found, rows, weights, table), native.depthwise_gradient(found, rows, grad, table)

    results = [both()]
    monkeypatch.setattr(native, "threads_of_torch", lambda: None)
    results.append(both())
    out, gradient = results[0]
    assert torch.allclose(out, (columns * weights).sum(1), atol=1e-4)
    assert torch.allclose(gradient, (columns * grad[:, None]).sum(0), atol=1e-3)
    assert all(a.equal(b) for a, b in zip(*results, strict=True))
    one = native.depthwise(found, rows, weights, table[:1])
    assert one.equal(out[:1])
