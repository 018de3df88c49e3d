"""Weights: a round trip loses nothing but float16 rounding, and no file can do harm."""

import copy
import json
import os
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import lcnb
from lcnb import WeightsError, paths, weights
from lcnb.models import IRNetConfig, LayerCascade, LiteConfig, irnet_lc, lite_lc

CLASSES = ["a", "b", "c"]
META = {"dataset": "camvid", "classes": CLASSES, "ignore_index": 11, "rho": 0.9, "licence": "CC0-1.0"}


@pytest.fixture(scope="module")
def cascade():
    torch.manual_seed(0)
    net = irnet_lc(3, width=0.05, blocks=(1, 1, 1), dropout=0.1, residual_scale=(0.1, 0.2, 0.3))
    net.train().all_stages(torch.rand(2, 3, 32, 40))  # batch-norm statistics that are not the initial ones
    return net.eval()


@pytest.fixture(scope="module")
def original(cascade, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    weights.save(cascade, folder, META)
    return folder


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty data root."""
    monkeypatch.setattr(paths, "checkout", lambda: None)
    monkeypatch.setenv("LCNB_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def folder(original, root):
    """A copy of the weights, found by the name "tiny"."""
    return shutil.copytree(original, root / "weights" / "tiny")


def rewrite(folder, tensors=None, **header):
    """Change some tensors (None removes one) or fields of the header."""
    file = folder / "model.safetensors"
    with weights.safe_open(file, framework="pt") as stored:
        old = stored.metadata()
    merged = {**load_file(file), **(tensors or {})}
    save_file(
        {k: v for k, v in merged.items() if v is not None}, file, {k: v for k, v in {**old, **header}.items() if v}
    )


def with_config(folder, **knobs):
    with weights.safe_open(folder / "model.safetensors", framework="pt") as stored:
        config = json.loads(stored.metadata()["config"])
    rewrite(folder, config=json.dumps({**config, **knobs}))


def refused(folder, text):
    with pytest.raises(WeightsError, match=text) as caught:
        lcnb.load(folder)
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)


def test_values_survive_up_to_float16_kernels(cascade, folder):
    loaded, expected = lcnb.load("tiny").state_dict(), cascade.state_dict()
    assert list(loaded) == list(expected)
    for name, value in expected.items():
        assert loaded[name].dtype == value.dtype
        assert torch.equal(loaded[name], value.half().float() if value.dim() == 4 else value)


def test_the_loaded_network_runs_as_the_saved_one(cascade, folder):
    loaded, rounded, x = lcnb.load("tiny"), copy.deepcopy(cascade), torch.rand(1, 3, 40, 56)
    for parameter in rounded.parameters():
        parameter.data = parameter.data.half().float() if parameter.dim() == 4 else parameter.data
    assert isinstance(loaded, LayerCascade)
    assert not loaded.training
    assert loaded.config == cascade.config
    assert all(p.requires_grad and p.device.type == "cpu" for p in loaded.parameters())
    with torch.inference_mode():
        for mine, theirs in zip(loaded.all_stages(x), rounded.all_stages(x), strict=True):
            torch.testing.assert_close(mine, theirs)
        assert loaded(x, 0.5).labels.shape == (1, 40, 56)


def test_loading_takes_no_random_numbers_and_keeps_no_hold_of_the_file(folder):
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    loaded = lcnb.load("tiny")
    assert torch.equal(torch.rand(1), expected)
    before = {k: v.clone() for k, v in loaded.state_dict().items()}
    (folder / "model.safetensors").write_bytes(bytes(4096))
    assert all(torch.equal(v, before[k]) for k, v in loaded.state_dict().items())


@pytest.mark.parametrize(
    ("make", "network"),
    [
        (lambda: irnet_lc(4, 0.05, variant="timm", blocks=(1, 1, 2)), "irnet_lc-timm"),
        (lambda: lite_lc(4, stride=16), "lite0"),
    ],
)
def test_networks_of_others_are_kept(make, network, tmp_path):
    torch.manual_seed(0)
    net, x = make().eval(), torch.rand(1, 3, 40, 56)
    weights.save(net, tmp_path / "mine", {"classes": list("abcd"), "rho": 0.5})
    assert (tmp_path / "mine" / "model.safetensors").stat().st_size < 8e6
    loaded = lcnb.load(tmp_path / "mine")
    assert loaded.config == net.config
    assert loaded.config["network"] == network
    assert loaded.mean.flatten().tolist() == loaded.std.flatten().tolist() == [0.5] * 3
    for name, value in net.state_dict().items():
        assert loaded.state_dict()[name].equal(value.half().float() if value.dim() == 4 else value)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(x, 1.0).logits, net(x, 1.0).logits, atol=0.02, rtol=0.02)


@pytest.mark.parametrize("inside", [False, True], ids=["", "inference_mode"])
def test_a_loaded_network_can_be_trained_and_saved_again(folder, tmp_path, inside):
    with torch.inference_mode(inside):
        loaded = lcnb.load("tiny")
    sum(m.mean() for m in loaded.train().all_stages(torch.rand(2, 3, 32, 32))).backward()
    assert all(p.grad is not None for p in loaded.parameters())
    weights.save(loaded, tmp_path / "again", loaded.meta)
    assert lcnb.load(tmp_path / "again").meta == {**META, "name": "tiny"}


def test_a_replaced_head_is_refused_before_the_old_file_is_touched(folder):
    before, changed = (folder / weights.FILE).read_bytes(), lcnb.load(folder)
    changed.heads[-1] = torch.nn.Conv2d(7, 3, 1)
    with pytest.raises(WeightsError, match="was not written, because it could not be loaded: it does not fit"):
        weights.save(changed, folder, {})
    assert (folder / weights.FILE).read_bytes() == before
    assert sorted(p.name for p in folder.iterdir() if "unfinished" in p.name) == []


def test_numbers_of_numpy_and_torch_become_plain(cascade, tmp_path):
    meta = {"rho": torch.tensor(0.5), "halo": np.int64(1), "more": {"miou": [np.float32(0.5)], "all": np.arange(2)}}
    weights.save(cascade, tmp_path / "plain", meta)
    found = lcnb.load(tmp_path / "plain")
    assert (found.rho, found.halo, found.meta["more"]) == (0.5, 1, {"miou": [0.5], "all": [0, 1]})
    with pytest.raises(WeightsError, match="meta holds what JSON cannot"):
        weights.save(cascade, tmp_path / "odd", {"when": object()})
    assert not (tmp_path / "odd").exists()


def test_by_name_by_folder_and_by_file(folder, monkeypatch):
    file = folder / "model.safetensors"
    expected = {**META, "name": "tiny"}
    monkeypatch.chdir(folder.parent)
    for given in ("tiny", folder, str(file), file, "./tiny", os.path.join("tiny", "model.safetensors")):
        loaded = lcnb.load(given)
        assert loaded.meta == expected
        assert loaded.rho == 0.9


def test_a_name_is_not_hidden_by_a_folder_of_that_name(folder, root):
    (root / "tiny").mkdir()
    (root / "tiny" / "checkpoint.pt").touch()
    assert lcnb.load("tiny").meta["name"] == "tiny"
    refused("./tiny", r"no weights named '\./tiny'")


def test_available_the_first_root_wins(folder, root, monkeypatch):
    (root / "weights" / "empty").mkdir()
    other = root / "other"
    shutil.copytree(folder, other / "weights" / "tiny")
    shutil.copytree(folder, other / "weights" / "second")
    monkeypatch.setenv("LCNB_DATA", os.pathsep.join([str(root), str(other)]))
    assert weights.available() == {"tiny": folder, "second": other / "weights" / "second"}


def test_a_missing_name_says_what_is_there_and_where_to_get_it(folder, root):
    refused("streets-huge", rf"'streets-huge' in weights/ under \$LCNB_DATA = {root}, .*\(there: tiny\)")
    refused("streets-huge", r"data/weights of .*: clone it, or point LCNB_DATA at a folder that holds weights/")
    shutil.rmtree(folder)
    refused("tiny", r"there: none")
    refused("", "no weights named ''")


def test_metrics_are_part_of_the_description(folder):
    assert "metrics" not in lcnb.load("tiny").meta
    (folder / "metrics.json").write_text(json.dumps({"miou": 0.5}))
    assert lcnb.load("tiny").meta["metrics"] == {"miou": 0.5}


def test_without_a_threshold_the_papers_is_kept(folder):
    rewrite(folder, meta="{}")
    loaded = lcnb.load(folder)
    assert loaded.rho == lcnb.models.RHO
    assert loaded.meta == {"name": "tiny"}
    rewrite(folder, meta=json.dumps({"rho": [0.5, 0.6]}))
    assert lcnb.load(folder).rho == [0.5, 0.6]


ABSURD = [
    ("width", 1e9), ("width", 0), ("width", -1), ("width", float("nan")), ("width", float("inf")), ("width", "0.05"),
    ("num_classes", 10**9), ("num_classes", 10**30), ("num_classes", 0), ("num_classes", 3.0), ("num_classes", True),
    ("blocks", [10**9, 1, 1]), ("blocks", [1, 1]), ("blocks", [1, 1, -1]), ("blocks", 1), ("blocks", [[1], 1, 1]),
    ("dilation", [1, 1, 10**6]), ("dilation", [0, 1, 1]), ("residual_scale", [1, 1, 1e30]), ("head_channels", 10**12),
    ("dropout", 1.5), ("dropout", None), ("residual_scale", {}),
]  # fmt: skip


@pytest.mark.parametrize(("knob", "value"), ABSURD)
def test_absurd_knobs_are_refused_by_name_and_at_once(knob, value, folder, monkeypatch):
    """Weights that ask for an absurd network: refused by name, before any memory is taken"""
    with_config(folder, **{knob: value})
    monkeypatch.setattr(torch.nn.Conv2d, "__init__", lambda *_, **__: pytest.fail("a layer was built"))
    refused(folder, rf"model\.safetensors asks for {knob}=.*; it takes (a|3 values, each a) (whole )?number from")


def test_an_unknown_knob_hints_at_a_newer_version(folder):
    with_config(folder, attention=True)
    refused(folder, "sets 'attention', which irnet_lc does not have; is it of a newer version")


def test_every_knob_has_bounds_that_hold_the_default():
    default = vars(IRNetConfig()) | vars(LiteConfig())
    assert default.keys() == weights.BOUNDS.keys()
    for name, (low, high) in weights.BOUNDS.items():
        values = default[name] if isinstance(default[name], tuple) else [default[name]]
        assert all(low <= v <= high for v in values)


@pytest.mark.parametrize("knobs", [{"width": 4.0}, {"num_classes": 1000}, {"blocks": [32, 32, 32]}])
def test_the_largest_networks_allowed_are_not_built_before_the_file_proves_to_hold_them(knobs, folder, monkeypatch):
    """Small files that ask for huge networks: refused before any memory is taken

    Only shapes are made: a float tensor of a gigabyte off the meta device would show here.
    """
    with_config(folder, **knobs)
    made = []
    empty = torch.nn.Parameter.__new__

    def counted(cls, data=None, requires_grad=True):
        made.append(0 if data is None or data.is_meta else data.numel())
        return empty(cls, data, requires_grad)

    monkeypatch.setattr(torch.nn.Parameter, "__new__", counted)
    refused(folder, "does not fit its network")
    assert len(made) > 100
    assert sum(made) == 0


NORM, KERNEL = "stages.0.0.0.0.1.running_var", "stages.0.0.0.0.0.weight"


@pytest.mark.parametrize(
    ("tensors", "text"),
    [
        ({KERNEL: None}, rf"1 tensors are missing, {KERNEL} for one"),
        ({"extra.weight": torch.zeros(1)}, r"1 tensors are not of it, extra\.weight for one"),
        ({KERNEL: torch.zeros(3, 3)}, rf"{KERNEL} is \(3, 3\), not \(4, 3, 3, 3\)"),
        ({KERNEL: torch.zeros(4, 3, 3, 3, dtype=torch.int32)}, rf"{KERNEL} holds numbers of kind I32"),
        ({NORM: torch.full((4,), float("nan"))}, rf"not finite, in {NORM}"),
        ({KERNEL: torch.full((4, 3, 3, 3), float("inf")).half()}, rf"not finite, in {KERNEL}"),
    ],
    ids=["missing", "extra", "shape", "kind", "nan", "inf"],
)
def test_tensors_that_do_not_fit(tensors, text, folder):
    """Weights with missing, additional, wrongly shaped or NaN tensors: refused"""
    rewrite(folder, tensors)
    refused(folder, text)


def test_a_wider_float_is_taken(folder):
    """As someone's own export may hold it."""
    rewrite(folder, {KERNEL: torch.ones(4, 3, 3, 3, dtype=torch.float64)})
    assert (lcnb.load(folder).state_dict()[KERNEL] == 1).all()


def test_save_refuses_what_could_not_be_loaded(cascade, tmp_path):
    plain = LayerCascade(list(cascade.stages), list(cascade.heads))
    with pytest.raises(WeightsError, match="made by irnet_lc"):
        weights.save(plain, tmp_path / "x", META)
    with pytest.raises(WeightsError, match="meta names the classes"):
        weights.save(cascade, tmp_path / "x", {"classes": ["a"]})
    with pytest.raises(WeightsError, match="meta has no valid threshold"):
        weights.save(cascade, tmp_path / "x", {"rho": 2})
    large = irnet_lc(3, width=0.05, blocks=(1, 1, 1))
    large.state_dict()[KERNEL].fill_(1e5)  # finite in float32, infinite in float16
    with pytest.raises(
        WeightsError, match=f"was not written: the network holds values that are not finite, in {KERNEL}"
    ):
        weights.save(large, tmp_path / "x", META)
    assert not (tmp_path / "x").exists()
