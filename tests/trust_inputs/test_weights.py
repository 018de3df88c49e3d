"""Weights that are damaged, absurd, of another network or hostile; nothing of them is ever executed."""

import json
import pickle
import struct

import pytest
import torch

import lcnb
from lcnb.errors import WeightsError
from tests.trust_inputs.files import Payload, pickled

NAMES = [f"class {k}" for k in range(11)]


@pytest.fixture
def parts(data):
    """(header, body) of the weights `tiny`."""
    raw = (data / "weights" / "tiny" / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def joined(header, body):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def meta(**changes):
    """A file whose description says something else."""

    def change(header, body):
        about = json.loads(header["__metadata__"]["meta"]) | changes
        return joined({**header, "__metadata__": {**header["__metadata__"], "meta": json.dumps(about)}}, body)

    return change


def raw(**changes):
    """A file whose header holds other texts, or (None) lacks them."""

    def change(header, body):
        texts = {**header["__metadata__"], **changes}
        return joined({**header, "__metadata__": {k: v for k, v in texts.items() if v is not None}}, body)

    return change


def first(**changes):
    """A file that claims something else of its first tensor."""

    def change(header, body):
        name = next(k for k in header if k != "__metadata__")
        return joined({**header, name: {**header[name], **changes}}, body)

    return change


def config(**knobs):
    return raw(config=json.dumps({"network": "irnet_lc", **knobs}))


DAMAGED = "is damaged or no safetensors file"
CASES = {
    "an empty file": (lambda h, b: b"", DAMAGED),
    "one byte": (lambda h, b: b"x", DAMAGED),
    "an HTML page": (lambda h, b: b"<html>404 not found</html>", DAMAGED),
    "half a header": (lambda h, b: joined(h, b)[:100], "; fetch it again"),
    "half a file": (lambda h, b: joined(h, b)[:-1000], DAMAGED),
    "a byte too many": (lambda h, b: joined(h, b + b"x"), DAMAGED),
    "a header of 2^63 bytes": (lambda h, b: struct.pack("<Q", 2**63) + joined(h, b)[8:], DAMAGED),
    "a header of no bytes": (lambda h, b: bytes(8), DAMAGED),
    "a pickle": (lambda h, b: pickle.dumps({"a": 1}), DAMAGED),
    "a negative shape": (first(shape=[-1, 3]), DAMAGED),
    "a shape of 2^60 numbers": (first(shape=[2**40, 2**20]), DAMAGED),
    "a shape of letters": (first(shape="abc"), DAMAGED),
    "offsets outside the file": (first(data_offsets=[0, 2**40]), DAMAGED),
    "an unknown kind of number": (first(dtype="F7"), DAMAGED),
    "another project's file": (raw(format="pt"), "was not written by lcnb (format 'pt'"),
    "another version's file": (raw(format="lcnb-cascade-9"), "(format 'lcnb-cascade-9', expected 'lcnb-cascade-1')"),
    "a file without a format": (raw(format=None), "was not written by lcnb (format None"),
    "no network": (raw(config=None), "describes no network"),
    "half a network": (raw(config="{"), "describes no network"),
    "a list of settings": (raw(config="[1]"), "describes no network"),
    "no name of a network": (raw(config="{}"), "network None; this version builds irnet_lc, irnet_lc-timm, lite0 only"),
    "another network": (raw(config='{"network": "resnet"}'), "describes a network 'resnet'"),
    "a list for a network": (raw(config='{"network": ["irnet_lc"]}'), "describes a network ['irnet_lc']"),
    "minus one class": (config(num_classes=-1), "asks for num_classes=-1; it takes a whole number from 1 to 1000"),
    "a number of 5000 digits": (raw(config='{"num_classes": ' + "9" * 5000 + "}"), "describes no network"),
    "100,000 blocks": (config(blocks=[10**5] * 3), "asks for blocks=[100000, 100000, 100000]; it takes 3 values"),
    "an infinite width": (raw(config='{"network": "irnet_lc", "width": 1e999}'), "asks for width=inf"),
    "nesting in the header": (raw(meta="[" * 100_000), "has a damaged description (maximum recursion depth"),
    "a description that is none": (raw(meta="null"), "has a damaged description"),
    "a description that is a list": (raw(meta="[]"), "has a damaged description"),
    "a threshold of nothing": (meta(rho=None), "no valid threshold"),
    "a threshold of NaN": (meta(rho=float("nan")), "no valid threshold (rho is a probability between 0 and 1"),
    "a threshold of 2": (meta(rho=2), "no valid threshold (rho is a probability between 0 and 1, got 2)"),
    "three thresholds": (meta(rho=[0.1, 0.2, 0.3]), "one for each of the 2 exits; got 3"),
    "a threshold of letters": (meta(rho="high"), "no valid threshold"),
    "a number of classes": (meta(classes=3), "names the classes 3; the network has 11"),
    "too few classes": (meta(classes=NAMES[:5]), "the network has 11"),
    "classes that are numbers": (meta(classes=list(range(11))), "they are different words"),
    "classes that are lists": (meta(classes=[["a"]] * 11), "they are different words"),
    "a class twice": (meta(classes=["a", *NAMES[:9], "a"]), "they are different words"),
    "classes with colour codes": (meta(classes=["\x1b[31m", *NAMES[:10]]), "they are different words"),
    "a name with colour codes": (meta(name="\x1b[31mred"), "which is no word"),
    "a data set that is a list": (meta(dataset=["camvid"]), "which is no word"),
    "a data set outside": (meta(dataset="../../etc"), "no data set is named '../../etc'"),
}


@pytest.mark.parametrize("kind", CASES)
def test_bad_weights(kind, parts, refused, home):
    """`lcnb eval` on weights that are damaged, absurd or hostile: one sentence that names the file"""
    make, words = CASES[kind]
    (home / "mine").mkdir()
    (home / "mine" / "model.safetensors").write_bytes(make(*parts))
    refused("eval", "--weights", "mine", "--json", "scores.json", words=words)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda p: None, "no weights named 'mine'", id="nothing"),
        pytest.param(lambda p: p.mkdir(), "no weights named 'mine'", id="an empty folder"),
        pytest.param(
            lambda p: (p / "model.safetensors").mkdir(parents=True), "no weights named", id="a folder in a folder"
        ),
        pytest.param(lambda p: p.symlink_to(p), "no weights named 'mine'", id="a link to itself"),
    ],
)
def test_weights_that_are_not_there(make, words, refused, data, home):
    """`lcnb weights show` of a name, folder or link without weights: what there is, and where to get more"""
    make(home / "mine")
    assert "(there: other, tiny)" in refused("weights", "show", "mine", words=words)


def test_a_pickle_called_safetensors(data, home, refused):
    """A pickle with a payload, called .safetensors: refused, and the payload has not run"""
    file = home / "model.safetensors"
    file.write_bytes(pickled(home / "ran"))
    refused("weights", "show", file.name, words="no safetensors file")
    torch.save({"model": Payload(home / "ran")}, file)
    refused("weights", "show", file.name, words="no safetensors file")
    assert not (home / "ran").exists()


METRICS = {
    "empty": "",
    "binary": "\xff\xfe",
    "nested 100,000 deep": "[" * 100_000,
    "no object": "[]",
    "cut off": '{"true": {"miou"',
    "a number of 5000 digits": '{"true": {"miou": ' + "9" * 5000 + "}}",
}


@pytest.mark.parametrize("kind", METRICS)
def test_bad_metrics(kind, data, home, lcnb, monkeypatch):
    """`metrics.json` that is damaged or nested 100,000 deep: the list of weights goes on, showing them is refused"""
    folder = home / "data" / "weights" / "mine"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes((data / "weights" / "tiny" / "model.safetensors").read_bytes())
    (folder / "metrics.json").write_text(METRICS[kind], encoding="latin-1")
    out = lcnb.ok("weights", "list")
    assert "mine" in out
    words = "metrics.json cannot be read" if kind == "binary" else "metrics.json is damaged"
    lcnb.refused("weights", "show", "mine", words=words)


def test_metrics_cannot_steer_the_terminal(data, home, lcnb):
    """`metrics.json` with colour codes: the list of weights shows them as question marks"""
    folder = home / "data" / "weights" / "mine"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "metrics.json").write_text(json.dumps({"dataset": "\x1b[31mred\nline", "true": {"miou": 0.5}}))
    out = lcnb("weights", "list")[1]
    assert "?[31mred?line" in out


@pytest.mark.parametrize("name", ["a\0b", "\udcff", "", "x" * 5000], ids=ascii)
def test_names_no_file_can_have(name, data):
    """`lcnb.load` of names that no file can have"""
    with pytest.raises(WeightsError, match="no weights"):
        lcnb.load(name)
