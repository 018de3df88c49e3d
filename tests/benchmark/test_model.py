"""A cascade against its dense forms: all give the same labels, exits are those planned, parts add up."""

import itertools

import pytest
import torch

from lcnb.benchmark import Protocol
from lcnb.benchmark.inputs import Inputs, batched, noise, timed
from lcnb.benchmark.masks import open_after
from lcnb.benchmark.model import ModelSettings, bench_model
from lcnb.benchmark.profile import PARTS, Recorder, part_of, time_parts, watched
from lcnb.benchmark.runners import RIVALS, labels_of, plain, prepared
from lcnb.clock import Stopwatch
from lcnb.models import max_softmax, to_labels
from lcnb.models.exits import PLANNED_RHO, ExitLedger, PlannedExits
from lcnb.regions import Region
from lcnb.regions.native import kernels

GRID = (2, 6, 8)


pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.fixture(scope="module")
def x():
    return noise(2, 48, 64, seed=4)


@pytest.mark.parametrize("path", ["fused", "gather", "reference"])
@pytest.mark.parametrize("exits", [(0.25, 0.25), (0, 1), (1, 0), (0, 0)])
def test_planned_exits_are_kept(small_cascade, x, path, exits):
    cascade = prepared(small_cascade, torch.float32, "cpu", path)
    out = cascade(x, PLANNED_RHO, criterion=PlannedExits(open_after(exits, GRID)))
    assert out.exits.tolist() == [[*exits, 1 - sum(exits)]] * 2
    assert out.mode == "true"


@pytest.mark.parametrize("path", ["gather", "reference"])
def test_paths_agree_with_the_modules(small_cascade, x, path):
    found, expected = prepared(small_cascade, torch.float32, "cpu", path)(x, 0.6), small_cascade(x, 0.6)
    assert found.stage.equal(expected.stage)
    assert found.labels.equal(expected.labels)


def test_dense_forms_agree(small_cascade, x):
    fused = prepared(small_cascade, torch.float32, "cpu")
    expected = to_labels(small_cascade.all_stages(x)[-1], (48, 64))
    for form in (plain(small_cascade, torch.float32, "cpu"), labels_of(lambda x: fused.all_stages(x)[-1])):
        assert (form(x) == expected).float().mean() > 0.999
    assert fused(x, 1.0).labels.eq(expected).float().mean() > 0.999


def test_bfloat16_runs(small_cascade, x):
    for path in ("fused", "gather"):
        assert prepared(small_cascade, torch.bfloat16, "cpu", path)(x, 0.6).labels.shape == (2, 48, 64)
    assert plain(small_cascade, torch.bfloat16, "cpu")(x).shape == (2, 48, 64)


@pytest.mark.parametrize(("exits", "stages"), [((1, 0), 1), ((0.5, 0.5), 2), ((0.2, 0.2), 3)])
def test_marks_stand_between_the_stages(small_cascade, x, exits, stages):
    marks = itertools.count()
    criterion = PlannedExits(open_after(exits, GRID))
    fused = small_cascade.for_inference()
    fused(x, PLANNED_RHO, criterion=criterion, mark=lambda: next(marks))
    assert next(marks) == stages + 2


def test_result(small_cascade, x):
    settings = ModelSettings(still_open=tuple(open_after((0.25, 0.25), GRID)))
    result, times = bench_model(small_cascade, Inputs([x], "cpu"), settings, Protocol(0, 2))
    ours = {"without our kernels"} if kernels() is not None else set()
    assert len(times) == 4 + len(ours)
    assert result["exits"] == [0.25, 0.25, 0.5]
    assert result["work"] == [1, 0.75, 0.5]
    assert set(result["ms"]) == {"cascade", "plain", "rho = 1", "all stages"} | ours
    assert list(result["stages_ms"]) == ["stage 1", "stage 2", "stage 3", "labels"]
    speed, gmac = result["speedup"], result["gmac"]
    assert speed["multiply_adds_one_head"] == pytest.approx(gmac["one head"] / gmac["cascade"], rel=1e-3)
    assert speed["fastest_dense"] in ("plain", "rho = 1")
    fastest = result["ms"][speed["fastest_dense"]]["p50"]
    assert speed["over_fastest_dense"] == pytest.approx(fastest / result["ms"]["cascade"]["p50"], rel=1e-2)
    assert speed["over_plain"] >= speed["over_fastest_dense"]
    assert {"of_our_kernels"} & set(speed) == ({"of_our_kernels"} if ours else set())
    parts = result["parts_ms"]
    assert parts["product"] > 0
    assert parts.pop("sum") == pytest.approx(sum(parts.values()), abs=1e-2)


def test_a_halo_is_computed_and_counted(small_cascade, x):
    masks = tuple(open_after((0.25, 0.25), GRID))
    grown = ModelSettings(still_open=masks, halo=1)
    result, _ = bench_model(small_cascade, Inputs([x], "cpu"), grown, Protocol(0, 1))
    alone, _ = bench_model(small_cascade, Inputs([x], "cpu"), ModelSettings(still_open=masks), Protocol(0, 1))
    assert result["exits"] == alone["exits"]
    assert result["work"] == pytest.approx([1, *(Region(m).grow(1).mask.float().mean().item() for m in masks)])
    assert result["gmac"]["cascade"] > alone["gmac"]["cascade"]


@pytest.mark.slow
def test_rivals_run_the_dense_network(small_cascade, x):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("openvino")
    settings = ModelSettings(0.6, rivals=tuple(RIVALS))
    result, _ = bench_model(small_cascade, Inputs([x], "cpu"), settings, Protocol(0, 1))
    assert result["failed"] == {}
    assert set(RIVALS) < set(result["ms"])
    dense = {name: result["ms"][name]["p50"] for name in (*RIVALS, "plain", "rho = 1")}
    assert result["speedup"]["fastest_dense"] == min(dense, key=dense.get)


def no_runtime(model, threads):
    raise ModuleNotFoundError("No module named 'openvino'")


@pytest.mark.parametrize(
    ("runtime", "said"),
    [(no_runtime, "it is not installed: pip install"), (lambda *_: lambda x: torch.zeros(2, 5, 6, 8), "agree with")],
)
def test_rivals_that_cannot_take_part_are_named(small_cascade, x, monkeypatch, runtime, said):
    monkeypatch.setattr("lcnb.benchmark.runners.onnx_model", lambda *_: b"")
    monkeypatch.setitem(RIVALS, "openvino", runtime)
    settings = ModelSettings(0.6, rivals=("openvino",))
    result, _ = bench_model(small_cascade, Inputs([x], "cpu"), settings, Protocol(0, 1))
    assert said in result["failed"]["openvino"]
    assert "openvino" not in result["ms"]


def no_compiler(*_):
    raise RuntimeError("no C++ compiler\nfound")


@pytest.mark.parametrize(
    ("whole", "stage", "failed"),
    [
        (plain, lambda module: module, []),
        (lambda *_: no_compiler, lambda module: module, ["compiled"]),
        (plain, lambda _: no_compiler, ["compiled stage 1"]),
    ],
)
def test_what_cannot_be_compiled_is_left_out_and_said(whole, stage, failed, small_cascade, x, monkeypatch):
    monkeypatch.setattr("lcnb.benchmark.model.compiled", whole)
    monkeypatch.setattr(torch, "compile", stage)
    result, _ = bench_model(small_cascade, Inputs([x], "cpu"), ModelSettings(0.6, compile=True), Protocol(0, 1))
    assert list(result["failed"]) == failed
    assert all("no C++ compiler" in why for why in result["failed"].values())
    forms = {"cascade", "plain", "compiled", "rho = 1", "all stages"}
    assert forms - set(failed) <= set(result["ms"])
    assert "compiled" not in failed or "compiled" not in result["ms"]


def test_true_masks_over_images(small_cascade):
    inputs = Inputs([noise(1, 48, 64, seed=s) for s in range(3)], "cpu")
    result, times = bench_model(small_cascade, inputs, ModelSettings(rho=0.6), Protocol(0, 3))
    expected = torch.cat([small_cascade(inputs[i], 0.6).exits for i in range(3)]).mean(0)
    assert result["exits"] == pytest.approx(expected.tolist(), abs=1e-5)
    assert result["batches"] == 3
    assert [t.steady for t in times] == [False] * (1 if kernels() is None else 2) + [True] * 3


@pytest.mark.parametrize("path", ["fused", "gather"])
def test_parts_are_found_and_all_is_put_back(small_cascade, x, path):
    cascade = prepared(small_cascade, torch.float32, "cpu", path)
    if path == "fused":  # kernels of ours leave nothing to gather and to scatter
        cascade = small_cascade.for_inference(native=False)
    methods = vars(Region)["__init__"], vars(ExitLedger)["close"]

    def run(turn):
        cascade(x, PLANNED_RHO, criterion=PlannedExits(open_after((0.25, 0.25), GRID)))

    parts = time_parts(cascade, run, Stopwatch(), repeats=1)
    assert tuple(parts) == PARTS
    assert all(parts[p] > 0 for p in PARTS)
    assert (vars(Region)["__init__"], vars(ExitLedger)["close"]) == methods
    assert not any("forward" in vars(head) for head in cascade.network.heads)
    assert "classified" not in vars(cascade)


def test_put_back_after_an_error(small_cascade):
    before = vars(Region)["__init__"]
    fused = small_cascade.for_inference()
    with pytest.raises(RuntimeError, match="stop"), watched(fused, Recorder(Stopwatch())):
        raise RuntimeError("stop")
    assert vars(Region)["__init__"] is before
    assert "classified" not in vars(fused)


@pytest.mark.parametrize(
    ("operation", "part"),
    [
        ("aten::index_select.out", "gather"),
        ("aten::index.Tensor", "gather"),
        ("aten::_embedding_bag.", "gather"),
        ("aten::convolution.default", "product"),
        ("mkldnn::_linear_pointwise.", "product"),
        ("aten::addmm_.default", "product"),
        ("lcnb::region_conv.default", "product"),
        ("aten::index_copy_.default", "scatter"),
        ("aten::relu_.default", "other"),
    ],
)
def test_part_of(operation, part):
    assert part_of(operation) == part


def test_planned_exits_pay_for_the_softmax(monkeypatch, x):
    called = []
    monkeypatch.setattr("lcnb.models.exits.max_softmax", lambda v: called.append(1) or max_softmax(v))
    keep = torch.tensor([[[True, False]]])
    planned = PlannedExits([keep])
    logits = torch.randn(1, 3, 1, 2)
    assert planned(logits).tolist() == [[[0, 1]]]
    assert planned(logits).equal(max_softmax(logits))
    assert len(called) == 2


def test_batches():
    images = [torch.full((3, 4, 5), v, dtype=torch.uint8) for v in (0, 255, 51)]
    (batch,) = batched(images, 2)
    assert batch.shape == (2, 3, 4, 5)
    assert batch.amax() == 1
    assert len(batched(images, 1)) == 3
    with pytest.raises(ValueError, match="several sizes"):
        batched([images[0], torch.zeros(3, 5, 5, dtype=torch.uint8)], 2)
    with pytest.raises(ValueError, match="3 images make no batch of 4"):
        batched(images, 4)
    with pytest.raises(ValueError, match="at least one image"):
        Inputs([], "cpu")


def test_what_is_timed():
    copy = "host-to-device copy of float32 images (CUDA)"
    assert copy in timed(cuda=True, resident=False)["inside"]
    assert copy in timed(cuda=True, resident=True)["outside"]
    assert copy not in str(timed(cuda=False, resident=False))
