"""Weights of networks that the reader's own code builds: saved by name, loaded only with that code named again."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import lcnb
from lcnb import WeightsError, weights
from lcnb.cli import parser
from lcnb.models import LayerCascade
from lcnb.training.frozen import fold_frozen_norms
from tests.test_weights import rewrite

BUILDER = "my_nets:build"
SOURCE = '''
"""Networks of my own."""

import torch
from torch import nn

import lcnb


def build(num_classes, stages=2, dilation=1):
    """The grid is that of stage 1."""
    parts = [nn.Sequential(nn.Conv2d(3, 8, 3, 8, 1), nn.BatchNorm2d(8), nn.ReLU())]
    for _ in range(stages - 1):
        conv = nn.Conv2d(8, 8, 3, padding=dilation, dilation=dilation)
        parts.append(nn.Sequential(conv, nn.BatchNorm2d(8), nn.ReLU()))
    names = [str(s) for s in range(stages)]
    return lcnb.split(nn.Sequential(*parts), names, num_classes=num_classes, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))


def no_cascade():
    return nn.Conv2d(3, 8, 3)


def broken():
    raise KeyError("oops")


def other(num_classes, stages=2):
    cascade = build(num_classes, stages)
    cascade.heads[-1] = nn.Conv2d(8, num_classes, 1)
    return cascade
'''


@pytest.fixture
def my_nets(tmp_path, monkeypatch):
    """The folder of a module `my_nets` that is not imported yet."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "my_nets.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield folder
    sys.modules.pop("my_nets", None)


@pytest.fixture
def nets(my_nets, monkeypatch):
    """`my_nets`, imported."""
    monkeypatch.syspath_prepend(my_nets)
    import my_nets as module

    return module


def build(num_classes):
    """At the top of a module, as in a notebook."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 8, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
    return lcnb.split(net, ["1", "2"], num_classes=num_classes).eval()


def trained(nets, **arguments):
    """With batch-norm statistics that are not the initial ones."""
    torch.manual_seed(1)
    cascade = nets.build(**arguments)
    cascade.train().all_stages(torch.rand(2, 3, 64, 64))
    return cascade.eval()


@pytest.mark.parametrize("stages", [2, 4])
def test_a_split_network_is_saved_and_loaded(stages, nets, tmp_path):
    cascade = trained(nets, num_classes=3, stages=stages)
    cascade.mean += 0.125
    cascade.rho, cascade.meta = [0.5] * (stages - 1), {"name": "old", "classes": ["a", "b", "c"]}
    torch.manual_seed(5)
    lcnb.save(cascade, tmp_path / "mine", builder=nets.build, num_classes=3, stages=stages)
    again = lcnb.load(tmp_path / "mine", builder=BUILDER)
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1))  # no random numbers were taken
    assert again.meta == {"name": "mine", "classes": ["a", "b", "c"], "rho": [0.5] * (stages - 1), "halo": 0}
    assert again.rho == [0.5] * (stages - 1)
    assert again.config["arguments"] == {"num_classes": 3, "stages": stages}
    assert torch.equal(again.mean, cascade.mean)  # the file's, not the builder's
    assert not again.training
    x = torch.rand(1, 3, 40, 56)
    with torch.inference_mode():
        for mine, theirs in zip(again.all_stages(x), cascade.all_stages(x), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-2, atol=1e-2)  # kernels are float16
        fused = again.for_inference()
        torch.testing.assert_close(fused(x, 0.4).logits, again(x, 0.4).logits, rtol=1e-3, atol=1e-4)
    lcnb.save(again, tmp_path / "second", builder=nets.build)  # with the arguments that it was built with
    assert lcnb.load(tmp_path / "second", builder=nets.build).config == again.config


def test_what_stages_share_stays_shared(tmp_path):
    torch.manual_seed(0)
    cascade = shared()
    lcnb.save(cascade, tmp_path / "mine", builder=shared)
    again = lcnb.load(tmp_path / "mine", builder=shared)
    assert again.heads[0].weight is again.heads[1].weight
    assert torch.equal(again.heads[1].bias, cascade.heads[1].bias)


def shared():
    head = nn.Conv2d(4, 3, 1)
    return LayerCascade([nn.Conv2d(3, 4, 3, 8, 1), nn.Conv2d(4, 4, 3, padding=1)], [head, head])


def test_a_sequence_with_a_way_of_its_own_is_not_folded():
    """Only what runs one behind the other is."""
    own = type("Own", (nn.Sequential,), {"forward": lambda self, x: self[1](x) + self[0](x)})
    block = own(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)).eval().requires_grad_(False)
    x = torch.rand(1, 3, 4, 4)
    before = block(x)
    fold_frozen_norms(block)
    assert torch.equal(block(x), before)


def test_code_that_a_file_names_is_not_run(nets, tmp_path, monkeypatch):
    lcnb.save(trained(nets, num_classes=3), tmp_path / "mine", builder=BUILDER, num_classes=3)
    monkeypatch.delitem(sys.modules, "my_nets")
    with pytest.raises(WeightsError, match="the function my_nets:build builds; lcnb runs that code only if") as caught:
        lcnb.load(tmp_path / "mine")
    assert "builder='my_nets:build' in lcnb.load, --builder my_nets:build" in str(caught.value)
    assert "my_nets" not in sys.modules
    lcnb.load(tmp_path / "mine", builder=BUILDER)
    assert "my_nets" in sys.modules


def test_another_builder_is_used_and_has_to_fit(nets, tmp_path):
    lcnb.save(trained(nets, num_classes=3), tmp_path / "mine", builder=BUILDER, num_classes=3)
    called = []
    lcnb.load(tmp_path / "mine", builder=lambda **given: called.append(given) or nets.build(**given))
    assert called == [{"num_classes": 3}]
    for builder, words in (
        (
            "my_nets:other",
            r"the network that my_nets:other builds: \d tensors are missing, heads.1.bias .*; .* not of it",
        ),
        (lambda num_classes: nets.build(4), r"heads\.0\.4\.weight is \(3, 2, 1, 1\), not \(4, 2, 1, 1\)"),
    ):
        with pytest.raises(WeightsError, match=words):
            lcnb.load(tmp_path / "mine", builder=builder)


@pytest.mark.parametrize(
    ("builder", "arguments", "words"),
    [
        (None, {}, r"not made by irnet_lc .* lcnb.save\(cascade, folder, builder='my_nets:build', num_classes=3\)"),
        (None, {"stages": 2}, "stages: arguments are for a builder"),
        (lambda: None, {}, "has no name by which it could be found again; write it with def"),
        (
            "my_nets:missing",
            {},
            "'my_nets:missing' cannot be imported .AttributeError: .*; it is named module:function",
        ),
        ("no_such_module:build", {}, "cannot be imported .ModuleNotFoundError"),
        ("my_nets", {}, "cannot be imported"),
        ("my_nets:no_cascade", {}, r"my_nets:no_cascade\(\) returns a Conv2d, not a LayerCascade; lcnb.split"),
        ("my_nets:broken", {}, r"my_nets:broken\(\) fails: KeyError: 'oops'"),
        (BUILDER, {}, r"my_nets:build\(\) fails: TypeError: .*num_classes"),
        (BUILDER, {"num_classes": 4}, r"it does not fit the network that my_nets:build builds: .* not \(4,"),
        (BUILDER, {"num_classes": 3, "stages": 3}, "tensors are missing"),
        (
            BUILDER,
            {"num_classes": 3, "dilation": 2},
            r"the builder, given \{'num_.*\}, makes a network whose stage 2 gives other logits",
        ),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(builder, arguments, words, nets, tmp_path):
    cascade = trained(nets, num_classes=3)
    file = lcnb.save(cascade, tmp_path / "mine", builder=BUILDER, num_classes=3)
    before = file.read_bytes()
    with pytest.raises(WeightsError, match=words) as caught:
        lcnb.save(cascade, tmp_path / "mine", builder=builder, **arguments)
    assert "\n" not in str(caught.value)
    assert [p.name for p in file.parent.iterdir()] == [file.name]
    assert file.read_bytes() == before


def test_a_function_of_a_notebook(tmp_path, monkeypatch):
    """It lives in `__main__`, which no file names by itself."""
    main = sys.modules["__main__"]
    monkeypatch.setattr(build, "__module__", "__main__")
    monkeypatch.setattr(main, "build", build, raising=False)
    cascade = build(3)
    lcnb.save(cascade, tmp_path / "mine", builder=build, num_classes=3)
    with pytest.raises(WeightsError, match="builder='__main__:build'"):
        lcnb.load(tmp_path / "mine")
    assert lcnb.load(tmp_path / "mine", builder=build).config["num_classes"] == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"builder": 3}, "names no builder and its arguments"),
        ({"builder": "a\x1b[31m:b"}, "names no builder"),
        ({"arguments": [1]}, "names no builder and its arguments"),
        ({"arguments": {"nonsense": 1}}, r"my_nets:build\(nonsense=1\) fails: TypeError"),
        ({"mean": [0, 0]}, r"gives mean=\[0, 0\]; it takes 3 numbers"),
        ({"std": [1, 1, 0]}, "gives std="),
        ({"std": "abc"}, "gives std='abc'"),
        ({"mean": [float("nan")] * 3}, "gives mean="),
    ],
)
def test_a_header_that_describes_no_builder(changes, words, nets, tmp_path):
    lcnb.save(trained(nets, num_classes=3), tmp_path / "mine", builder=BUILDER, num_classes=3)
    with weights.safe_open(tmp_path / "mine" / weights.FILE, framework="pt") as stored:
        config = json.loads(stored.metadata()["config"])
    rewrite(tmp_path / "mine", config=json.dumps(config | changes))
    with pytest.raises(WeightsError, match=words):
        lcnb.load(tmp_path / "mine", builder=BUILDER)


def test_a_registered_network_needs_no_builder(tmp_path):
    lcnb.save(lcnb.irnet_lc(3, width=0.05, blocks=(0, 0, 0)), tmp_path / "tiny")
    assert lcnb.load(tmp_path / "tiny").meta == {"name": "tiny", "rho": 0.985, "halo": 0}
    with pytest.raises(WeightsError, match="holds irnet_lc, which lcnb builds by itself"):
        lcnb.load(tmp_path / "tiny", builder=build)


def test_the_page_about_them_runs(tmp_path, monkeypatch):
    """As it stands, but for the number of steps; its commands are only parsed (tests/cli/test_builder.py runs them)."""
    page = Path(__file__).parents[1].joinpath("docs", "own-network.md").read_text(encoding="utf-8")
    module, script = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "my_nets.py").write_text(module, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)
    found = {}
    exec(compile(script.replace("steps=100", "steps=1"), "own-network.md", "exec"), found)
    monkeypatch.delitem(sys.modules, "my_nets")
    assert found["slider"].output.exits.shape == (1, 2)
    assert found["cascade"].meta["dataset"] == "streets"
    commands = re.search(r"```sh\n(.*?)```", page, re.DOTALL)[1].splitlines()
    for line in commands:
        assert parser().parse_args(shlex.split(line, comments=True)[1:]).builder == BUILDER
    assert len(commands) == 5
