"""Stage 1 compiled: the same answers, or a sentence."""

import copy
import shutil

import pytest
import torch

from lcnb.models import compiling, irnet_lc
from lcnb.models.compiling import CompileError


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return irnet_lc(5, width=0.125, blocks=(1, 1, 1)).eval()


@pytest.fixture(scope="module")
def compiled(net):
    if not any(map(shutil.which, ("c++", "g++", "clang++"))):
        pytest.skip("torch.compile needs a C++ compiler")
    return net.for_inference(compile=True)


@pytest.fixture(autouse=True)
def inference():
    with torch.inference_mode():
        yield


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.0, 0.3, 1.0, (1.0, 0.3), (0.3, 1.0)], ids=str)
@pytest.mark.parametrize("halo", [0, 1])
def test_the_same_answers(net, compiled, rho, halo):
    x = torch.rand(2, 3, 60, 72)
    ours, theirs = compiled(x, rho, halo=halo), net.for_inference(compile=False)(x, rho, halo=halo)
    torch.testing.assert_close(ours.logits, theirs.logits, atol=1e-4, rtol=1e-4)
    assert ours.work.equal(theirs.work)


@pytest.mark.slow
def test_every_stage_and_another_size(net, compiled):
    x = torch.rand(1, 3, 41, 100)
    for ours, theirs in zip(compiled.all_stages(x), net.all_stages(x), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def as_it_is(monkeypatch):
    """`torch.compile` that compiles nothing, and counts what it is given."""
    seen = []
    monkeypatch.setattr(torch, "compile", lambda module: seen.append(module) or module)
    return seen


def test_only_stage_1_is_compiled_and_measured_no_more(net, monkeypatch):
    seen = as_it_is(monkeypatch)
    prepared, plain = (net.for_inference(compile=c) for c in (True, False))
    assert seen == [prepared.entry.dense]
    assert len(list(prepared.layers())) < len(list(plain.layers()))
    assert 0 not in prepared.steps  # its weights are there once


def test_copies_compile_for_themselves(net, monkeypatch):
    seen, x = as_it_is(monkeypatch), torch.rand(1, 3, 32, 40)
    prepared = net.for_inference(compile=True)
    assert copy.deepcopy(prepared)(x, 0.5).logits.equal(prepared(x, 0.5).logits)
    assert len(seen) == 2


def no_compiler(monkeypatch):
    def fails(module):
        def run(*_):
            raise RuntimeError("no compiler on this machine\nand more")

        return run

    monkeypatch.setattr(torch, "compile", fails)


def test_asked_for_and_impossible_is_an_error(net, monkeypatch):
    no_compiler(monkeypatch)
    with pytest.raises(CompileError, match=r"\(no compiler on this machine\); prepare the cascade with compile=False"):
        net.for_inference(compile=True)(torch.rand(1, 3, 32, 32))


def test_auto_and_impossible_goes_on_with_a_warning(net, monkeypatch):
    no_compiler(monkeypatch)
    monkeypatch.setattr(compiling, "wanted", lambda *_: True)
    x = torch.rand(1, 3, 32, 32)
    prepared = net.for_inference()
    with pytest.warns(RuntimeWarning, match="it runs as it is"):
        found = prepared(x, 0.5)
    torch.testing.assert_close(found.logits, net(x, 0.5).logits, atol=1e-4, rtol=1e-4)


def test_auto_is_for_gpus_with_triton(monkeypatch):
    for there in (object(), None):
        monkeypatch.setattr(compiling.importlib.util, "find_spec", lambda _, there=there: there)
        assert compiling.wanted("auto", torch.device("cuda")) == (there is not None)
        assert not compiling.wanted("auto", torch.device("cpu"))
        assert compiling.wanted(True, torch.device("cpu"))


def test_other_words_are_refused(net):
    with pytest.raises(ValueError, match="compile is True, False or \"auto\", got 'always'"):
        net.for_inference(compile="always")


def test_the_picture_is_looked_at(net, monkeypatch):
    as_it_is(monkeypatch)
    with pytest.raises(TypeError, match="divide by 255"):
        net.for_inference(compile=True)(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
